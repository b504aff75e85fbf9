"""Text, hashing and look-up layers against pairs that Keras documents or that follow from its definitions."""

from __future__ import annotations

from typing import Any

import numpy as np

import estimax
import estimax.layers  # noqa: F401 (found by name below)
from tests.golden import golden


def build(config: Any) -> Any:
    """The layer of a config tree."""
    return golden.build_keras(config, lambda name: golden.find(estimax, name, "layers"), {})


@golden.parametrize("keras", "text")
def test_case(file: str, case: dict) -> None:
    layer = build(case["config"])
    if "adapt" in case:
        layer.adapt(case["adapt"])
    want = np.asarray(case["expected"])
    got = layer(case["input"])
    if isinstance(got, np.ndarray) and got.dtype.kind in "OSU":
        assert got.tolist() == case["expected"]
    else:
        golden.assert_keras(np.asarray(got), want.astype(np.asarray(got).dtype))
    if "vocabulary" in case:
        assert layer.get_vocabulary() == case["vocabulary"]
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config() or "adapt" in case
