"""The names of `keras.ops.linalg`; all are in `ops` too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimax.ops.matrices import MATRICES

FUNCTIONS: dict[str, Callable[..., Any]] = MATRICES.functions
__all__ = sorted(FUNCTIONS)


def __getattr__(name: str) -> Any:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module 'estimax.ops.linalg' has no attribute {name!r}. Its functions: {', '.join(__all__)}.")
