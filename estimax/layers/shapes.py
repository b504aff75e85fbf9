"""Checked arguments that families over rank share: sizes for each axis, data format, padding."""

from __future__ import annotations

from typing import Any

import jax

from estimax.layers.input_spec import shape_error


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


def channel_axis(data_format: str) -> int:
    """The axis of channels."""
    return -1 if data_format == "channels_last" else 1


def channels_of(layer: Any, input_shape: Any, data_format: str) -> int:
    """The number of channels of an input, which must be known."""
    channels = input_shape[channel_axis(data_format)]
    if channels is None:
        raise shape_error(layer, f"a known size on axis {channel_axis(data_format)}, the channels", tuple(input_shape))
    return channels


def padding_of(layer: Any, given: Any, *, causal: bool = False) -> str:
    """The checked name of a padding, in lower case."""
    allowed = ("valid", "same", "causal") if causal else ("valid", "same")
    name = given.lower() if isinstance(given, str) else given
    if name not in allowed:
        raise ValueError(f"{type(layer).__name__}: padding: given {given!r}, expected one of {', '.join(map(repr, allowed))}.")
    return name


def positive(layer: Any, argument: str, given: Any) -> int:
    """A checked positive integer."""
    if isinstance(given, bool) or not isinstance(given, int) or given <= 0:
        raise ValueError(f"{type(layer).__name__}: {argument}: given {given!r}, expected a positive integer.")
    return given


def dimension_numbers(data_format: str, rank: int, *, transposed: bool = False) -> jax.lax.ConvDimensionNumbers:
    """What each axis of input, kernel `[..., in, out]` (or `[..., out, in]`) and output means, for `jax.lax`."""
    positions = tuple(range(2, rank + 2))
    axes = (0, rank + 1, *range(1, rank + 1)) if data_format == "channels_last" else (0, 1, *positions)
    kernel = (rank, rank + 1, *range(rank)) if transposed else (rank + 1, rank, *range(rank))
    return jax.lax.ConvDimensionNumbers(axes, kernel, axes)
