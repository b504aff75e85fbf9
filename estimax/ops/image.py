"""The names of `keras.ops.image`: images `[height, width, channels]` or `[batch, height, width, channels]`, or channels first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimax.ops.patches import PATCHES
from estimax.ops.warps import WARPS

FUNCTIONS: dict[str, Callable[..., Any]] = {**WARPS.functions, **PATCHES.functions}
__all__ = sorted(FUNCTIONS)


def __getattr__(name: str) -> Any:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module 'estimax.ops.image' has no attribute {name!r}. Its functions: {', '.join(__all__)}.")
