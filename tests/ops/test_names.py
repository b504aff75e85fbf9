"""The names, arguments and defaults are those of keras.ops 3.15, which `keras_ops_3_15.txt` lists."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from estimax import ops

LISTED = (Path(__file__).parent / "keras_ops_3_15.txt").read_text().splitlines()
# Arguments that Keras keeps for old programs only.
WITHOUT_OLD_ARGUMENTS = {"layer_normalization", "multi_hot"}


@pytest.mark.parametrize("line", LISTED)
def test_signature(line: str) -> None:
    name, _, arguments = line.partition("(")
    function = getattr(ops.image, name.removeprefix("image.")) if name.startswith("image.") else getattr(ops, name)
    plain = [p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values()]
    if name in WITHOUT_OLD_ARGUMENTS:
        arguments = arguments.replace(", **kwargs", "")
    assert str(inspect.Signature(plain)) == f"({arguments}"
    assert function.__doc__ and "Reference: keras.ops." in function.__doc__


def test_there_are_no_others() -> None:
    names = {line.partition("(")[0] for line in LISTED}
    assert {n for n in ops.__all__ if callable(getattr(ops, n))} == {n for n in names if "." not in n}
    assert set(ops.image.__all__) == {n.removeprefix("image.") for n in names if "." in n}


@pytest.mark.parametrize("part", ["numpy", "nn", "linalg"])
def test_parts_hold_the_same_functions(part: str) -> None:
    module = getattr(ops, part)
    assert module.__all__ and all(getattr(module, n) is getattr(ops, n) for n in module.__all__)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="'estimax.ops' has no attribute 'meen'.*mean"):
        ops.meen  # noqa: B018
    with pytest.raises(AttributeError, match="'estimax.ops.nn' has no attribute 'mean'.*relu"):
        ops.nn.mean  # noqa: B018
