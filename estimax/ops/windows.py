"""Over positions of `[batch, ..., channels]`: convolutions, pooling, patches, blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import errors
from estimax.layers.convolution_transpose import transposed_padding
from estimax.layers.global_pooling import adaptive_max, adaptive_mean
from estimax.layers.operation import OperationFamily
from estimax.layers.shapes import dimension_numbers, spatial_axes

WINDOWS = OperationFamily("keras.src.ops.nn")
define = WINDOWS.define


def format_of(function: str, data_format: str | None) -> str:
    """`"channels_last"` for None, else the checked name."""
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f"ops.{function}: data_format: given {data_format!r}, expected 'channels_last' or 'channels_first'.")
    return data_format or "channels_last"


def _sizes(function: str, argument: str, given: Any, rank: int) -> tuple[int, ...]:
    sizes = (given,) * rank if isinstance(given, (int, np.integer)) else tuple(given)
    if len(sizes) != rank:
        raise ValueError(f"ops.{function}: {argument}: given {given!r}, expected one number, or {rank} for the positions' axes.")
    return tuple(int(s) for s in sizes)


def _padding(function: str, padding: Any) -> Any:
    if not isinstance(padding, str):
        return padding
    if padding.lower() not in ("valid", "same"):
        raise ValueError(f"ops.{function}: padding: given {padding!r}, expected 'valid' or 'same'.")
    return padding.upper()


def convolve(
    function: str, x: jax.Array, kernel: jax.Array, strides: Any, padding: Any, data_format: Any, dilation: Any
) -> jax.Array:
    """A convolution with Keras's arguments; `function` is who asks, for errors."""
    rank, data_format = x.ndim - 2, format_of(function, data_format)
    channels = x.shape[-1] if data_format == "channels_last" else x.shape[1]
    if kernel.ndim != x.ndim or channels % kernel.shape[-2]:
        raise errors.ShapeError(
            f"ops.{function}: given inputs {x.shape} with {channels} channels and a kernel {kernel.shape}, expected a kernel "
            "[*sizes, channels, filters] whose channels divide those of the inputs."
        )
    y = jax.lax.conv_general_dilated(
        x.astype(kernel.dtype),
        kernel,
        _sizes(function, "strides", strides, rank),
        _padding(function, padding),
        rhs_dilation=_sizes(function, "dilation_rate", dilation, rank),
        dimension_numbers=dimension_numbers(data_format, rank),
        feature_group_count=channels // kernel.shape[-2],
    )
    if not y.size and x.size:
        raise errors.ShapeError(
            f"ops.{function}: inputs {x.shape} are smaller than the kernel {kernel.shape}. Pass padding='same'."
        )
    return y


@define("conv(inputs, kernel; strides=1, padding='valid', data_format=None, dilation_rate=1)")
def _conv(inputs: jax.Array, kernel: jax.Array, *, strides: Any, padding: Any, data_format: Any, dilation_rate: Any) -> jax.Array:
    """A convolution over 1, 2 or 3 axes of positions.

    Args:
        inputs: `[batch, ..., channels]`, or `[batch, channels, ...]`.
        kernel: `[*sizes, channels, filters]`; with a part of the channels it works on groups of them.
        strides: one number, or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.
        dilation_rate: one number, or one for each axis.

    Example:
        >>> from estimax import ops
        >>> ops.conv(ops.ones((1, 4, 1)), ops.ones((2, 1, 3))).shape
        (1, 3, 3)

    Reference: keras.ops.conv.
    """
    return convolve("conv", inputs, kernel, strides, padding, data_format, dilation_rate)


@define("depthwise_conv(inputs, kernel; strides=1, padding='valid', data_format=None, dilation_rate=1)")
def _depthwise_conv(
    inputs: jax.Array, kernel: jax.Array, *, strides: Any, padding: Any, data_format: Any, dilation_rate: Any
) -> jax.Array:
    """A convolution of each channel by itself.

    Args:
        inputs: `[batch, ..., channels]`, or `[batch, channels, ...]`.
        kernel: `[*sizes, channels, filters of a channel]`.
        strides, padding, data_format, dilation_rate: see `conv`.

    Example:
        >>> from estimax import ops
        >>> ops.depthwise_conv(ops.ones((1, 4, 3)), ops.ones((2, 3, 2))).shape
        (1, 3, 6)

    Reference: keras.ops.depthwise_conv.
    """
    one = kernel.reshape(*kernel.shape[:-2], 1, kernel.shape[-2] * kernel.shape[-1])
    return convolve("depthwise_conv", inputs, one, strides, padding, data_format, dilation_rate)


_SEPARABLE = (
    "separable_conv(inputs, depthwise_kernel, pointwise_kernel; strides=1, padding='valid', data_format=None, dilation_rate=1)"
)


@define(_SEPARABLE)
def _separable_conv(
    inputs: jax.Array, depthwise_kernel: jax.Array, pointwise_kernel: jax.Array, *, data_format: Any, **options: Any
) -> jax.Array:
    """A depthwise convolution, then one of single positions.

    Args:
        inputs: `[batch, ..., channels]`, or `[batch, channels, ...]`.
        depthwise_kernel: `[*sizes, channels, filters of a channel]`.
        pointwise_kernel: `[1, ..., channels * filters of a channel, filters]`.
        strides, padding, data_format, dilation_rate: of the first one, see `conv`.

    Example:
        >>> from estimax import ops
        >>> ops.separable_conv(ops.ones((1, 4, 3)), ops.ones((2, 3, 2)), ops.ones((1, 6, 5))).shape
        (1, 3, 5)

    Reference: keras.ops.separable_conv.
    """
    y = _depthwise_conv(inputs, depthwise_kernel, data_format=data_format, **options)
    return convolve("separable_conv", y, pointwise_kernel, 1, "valid", data_format, 1)


@define("conv_transpose(inputs, kernel; strides=1, padding='valid', output_padding=None, data_format=None, dilation_rate=1)")
def _conv_transpose(
    inputs: jax.Array, kernel: jax.Array, *, strides: Any, padding: str, output_padding: Any, data_format: Any, dilation_rate: Any
) -> jax.Array:
    """A transposed convolution: from small to large, as the gradient of a convolution goes.

    Args:
        inputs: `[batch, ..., channels]`, or `[batch, channels, ...]`.
        kernel: `[*sizes, filters, channels]`.
        strides: how far positions are spread out.
        padding: `"valid"` or `"same"`.
        output_padding: more positions at the end, one number or one for each axis.
        data_format, dilation_rate: see `conv`.

    Example:
        >>> from estimax import ops
        >>> ops.conv_transpose(ops.ones((1, 4, 3)), ops.ones((2, 5, 3)), strides=2).shape
        (1, 8, 5)

    Reference: keras.ops.conv_transpose.
    """
    rank, data_format = inputs.ndim - 2, format_of("conv_transpose", data_format)
    if kernel.ndim != inputs.ndim or kernel.shape[-1] != inputs.shape[-1 if data_format == "channels_last" else 1]:
        raise errors.ShapeError(
            f"ops.conv_transpose: given inputs {inputs.shape} and a kernel {kernel.shape}, expected a kernel [*sizes, filters, channels]."
        )
    strides, dilation = (
        _sizes("conv_transpose", "strides", strides, rank),
        _sizes("conv_transpose", "dilation_rate", dilation_rate, rank),
    )
    more = (None,) * rank if output_padding is None else _sizes("conv_transpose", "output_padding", output_padding, rank)
    padding = _padding("conv_transpose", padding).lower()
    extents = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation)]
    return jax.lax.conv_general_dilated(
        inputs,
        jnp.flip(kernel, tuple(range(rank))),
        (1,) * rank,
        [transposed_padding(e, s, padding, o) for e, s, o in zip(extents, strides, more)],
        lhs_dilation=strides,
        rhs_dilation=dilation,
        dimension_numbers=dimension_numbers(data_format, rank, transposed=True),
    )


def _pool(
    function: str, x: jax.Array, start: Any, combine: Any, pool: Any, strides: Any, padding: str, data_format: Any
) -> jax.Array:
    rank = x.ndim - 2

    def whole(sizes: Sequence[int]) -> tuple[int, ...]:
        return (1, *sizes, 1) if data_format == "channels_last" else (1, 1, *sizes)

    sizes = _sizes(function, "pool_size", pool, rank)
    steps = sizes if strides is None else _sizes(function, "strides", strides, rank)
    return jax.lax.reduce_window(
        x, np.array(start, x.dtype)[()], combine, whole(sizes), whole(steps), _padding(function, padding)
    )


@define("max_pool(inputs; pool_size, strides=None, padding='valid', data_format=None)")
def _max_pool(inputs: jax.Array, *, pool_size: Any, strides: Any, padding: str, data_format: Any) -> jax.Array:
    """The largest element of each window.

    Args:
        inputs: `[batch, ..., channels]`, or `[batch, channels, ...]`.
        pool_size: of a window, one number or one for each axis.
        strides: between windows; `pool_size` if omitted.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> ops.max_pool(ops.reshape(ops.arange(4.0), (1, 4, 1)), 2).tolist()
        [[[1.0], [3.0]]]

    Reference: keras.ops.max_pool.
    """
    lowest = -np.inf if jnp.issubdtype(inputs.dtype, jnp.floating) else jnp.iinfo(inputs.dtype).min
    return _pool("max_pool", inputs, lowest, jax.lax.max, pool_size, strides, padding, format_of("max_pool", data_format))


@define("average_pool(inputs; pool_size, strides=None, padding='valid', data_format=None)")
def _average_pool(inputs: jax.Array, *, pool_size: Any, strides: Any, padding: str, data_format: Any) -> jax.Array:
    """The mean of each window, without padding.

    Args:
        inputs, pool_size, strides, padding, data_format: see `max_pool`.

    Example:
        >>> from estimax import ops
        >>> ops.average_pool(ops.reshape(ops.arange(4.0), (1, 4, 1)), 2).tolist()
        [[[0.5], [2.5]]]

    Reference: keras.ops.average_pool.
    """
    data_format = format_of("average_pool", data_format)
    options = (pool_size, strides, padding, data_format)
    total = _pool("average_pool", inputs, 0, jax.lax.add, *options)
    if padding.lower() == "valid":
        return total / math.prod(_sizes("average_pool", "pool_size", pool_size, inputs.ndim - 2))
    sizes = [inputs.shape[a] for a in spatial_axes(data_format, inputs.ndim - 2)]
    ones = jnp.ones((1, *sizes, 1) if data_format == "channels_last" else (1, 1, *sizes), inputs.dtype)
    return total / _pool("average_pool", ones, 0, jax.lax.add, *options)


def _adaptive(function: str, pool: Any, x: jax.Array, output_size: Any, data_format: str | None) -> jax.Array:
    rank = x.ndim - 2
    for axis, size in zip(
        spatial_axes(format_of(function, data_format), rank), _sizes(function, "output_size", output_size, rank)
    ):
        x = pool(x, axis, size)
    return x


@define("adaptive_average_pool(inputs; output_size, data_format=None)")
def _adaptive_average_pool(inputs: jax.Array, *, output_size: Any, data_format: str | None) -> jax.Array:
    """Means of windows that are chosen so that so many come out.

    Args:
        inputs: `[batch, ..., channels]`, or `[batch, channels, ...]`.
        output_size: one number, or one for each axis of positions.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> ops.adaptive_average_pool(ops.reshape(ops.arange(4.0), (1, 4, 1)), 2).tolist()
        [[[0.5], [2.5]]]

    Reference: keras.ops.adaptive_average_pool.
    """
    return _adaptive("adaptive_average_pool", adaptive_mean, inputs, output_size, data_format)


@define("adaptive_max_pool(inputs; output_size, data_format=None)")
def _adaptive_max_pool(inputs: jax.Array, *, output_size: Any, data_format: str | None) -> jax.Array:
    """The largest elements of windows that are chosen so that so many come out.

    Args:
        inputs, output_size, data_format: see `adaptive_average_pool`.

    Example:
        >>> from estimax import ops
        >>> ops.adaptive_max_pool(ops.reshape(ops.arange(4.0), (1, 4, 1)), 2).tolist()
        [[[1.0], [3.0]]]

    Reference: keras.ops.adaptive_max_pool.
    """
    return _adaptive("adaptive_max_pool", adaptive_max, inputs, output_size, data_format)
