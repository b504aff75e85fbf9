"""Summaries: rows, totals, nested models, FLOPs."""

from __future__ import annotations

import pytest

from estimax.introspect import readable_count, table_text
from estimax.introspect.summary import LayerRow, readable_bytes
from estimax.layers import Dense, Input
from estimax.models import Model, Sequential


def text_of(model: Model, **options: object) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, **options)
    return "\n".join(lines)


def test_a_table_has_shapes_parameters_bytes_and_flops() -> None:
    text = text_of(Sequential([Input((3,)), Dense(4, name="first"), Dense(2, trainable=False)], name="m"))
    assert "'m' (Sequential)" in text and "first (Dense)" in text and "(None, 4)" in text
    assert "64 B" in text and "Total params: 26" in text and "Non-trainable params: 10" in text
    (row,) = [line for line in text.splitlines() if "first" in line]
    assert row.split("│")[5].strip() == "28"  # 12 products, 12 sums, 4 for the bias


def test_nested_models_can_be_opened() -> None:
    inner = Sequential([Dense(2, name="deep")], name="inner")
    model = Sequential([Input((3,)), inner])
    assert "deep" not in text_of(model) and "deep" in text_of(model, expand_nested=True)
    assert "yes" in text_of(model, show_trainable=True)


def test_an_unbuilt_model_has_a_summary() -> None:
    assert "0 (unbuilt)" in text_of(Sequential([Dense(2)]))


def test_a_range_of_layers() -> None:
    model = Sequential([Input((3,)), Dense(1, name="a"), Dense(2, name="b"), Dense(3, name="c")])
    text = text_of(model, layer_range=("b", "c"))
    assert "a (Dense)" not in text and "c (Dense)" in text
    with pytest.raises(ValueError, match="expected the names of two layers"):
        text_of(model, layer_range=("b", "nothing"))


def test_readable_numbers() -> None:
    assert [readable_count(n) for n in (0, 999, 1_500, 2_000_000)] == ["0", "999", "1.5 K", "2 M"]
    assert readable_bytes(3 * 2**20) == "3 MiB"


def test_shapes_of_several_outputs() -> None:
    row = LayerRow("l", "L", {"a": [(None, 1), (None,)]}, 1)
    assert "{a: [(None, 1), (None,)]}" in table_text("t", [row], (1, 1), width=120)
