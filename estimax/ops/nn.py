"""The names of `keras.ops.nn`; all are in `ops` too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimax.ops.blocks import BLOCKS
from estimax.ops.ctc import CTC
from estimax.ops.neural import NEURAL
from estimax.ops.normalization import NORMALIZATION
from estimax.ops.windows import WINDOWS

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **NEURAL.functions,
    **NORMALIZATION.functions,
    **WINDOWS.functions,
    **BLOCKS.functions,
    **CTC.functions,
}
__all__ = sorted(FUNCTIONS)


def __getattr__(name: str) -> Any:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module 'estimax.ops.nn' has no attribute {name!r}. Its functions: {', '.join(__all__)}.")
