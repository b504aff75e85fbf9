"""Checked arguments that families over rank share: sizes for each axis, data format, padding."""

from __future__ import annotations

from typing import Any


def data_format_of(layer: Any, given: Any) -> str:
    """`"channels_last"` for None, else the checked name."""
    if given is None:
        return "channels_last"
    if given not in ("channels_last", "channels_first"):
        raise ValueError(
            f"{type(layer).__name__}: data_format: given {given!r}, expected 'channels_last' (batch, ..., channels) or 'channels_first' "
            "(batch, channels, ...)."
        )
    return given


def sizes_of(layer: Any, argument: str, given: Any, rank: int, *, at_least: int = 1) -> tuple[int, ...]:
    """One integer for each axis, from one integer or a sequence of them."""
    values = (given,) * rank if isinstance(given, int) else given
    try:
        sizes = tuple(int(v) for v in values)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) != rank or any(s < at_least or s != v for s, v in zip(sizes, values)):
        axes = "an integer" if rank == 1 else f"an integer or {rank} integers"
        raise ValueError(f"{type(layer).__name__}: {argument}: given {given!r}, expected {axes}, each at least {at_least}.")
    return sizes


def spatial_axes(data_format: str, rank: int) -> tuple[int, ...]:
    """The axes of positions of `[batch, ..., channels]` or `[batch, channels, ...]`."""
    return tuple(range(1, rank + 1)) if data_format == "channels_last" else tuple(range(2, rank + 2))
