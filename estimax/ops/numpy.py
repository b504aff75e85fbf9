"""The names of `keras.ops.numpy`; all are in `ops` too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimax.layers.operation import OPERATORS
from estimax.ops.arithmetic import ARITHMETIC
from estimax.ops.creation import CREATION
from estimax.ops.matrices import DETERMINANTS
from estimax.ops.reductions import REDUCTIONS
from estimax.ops.shaping import SHAPING

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **OPERATORS.functions, **ARITHMETIC.functions, **REDUCTIONS.functions, **SHAPING.functions, **CREATION.functions, **DETERMINANTS.functions,
    "abs": OPERATORS.functions["absolute"],
}  # fmt: skip
__all__ = sorted(FUNCTIONS)


def __getattr__(name: str) -> Any:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module 'estimax.ops.numpy' has no attribute {name!r}. Its functions: {', '.join(__all__)}.")
