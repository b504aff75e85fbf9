"""Blocks of images as columns or channels, and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import errors
from estimax.layers.operation import OperationFamily
from estimax.ops.windows import format_of

BLOCKS = OperationFamily("keras.src.ops.nn")
define = BLOCKS.define


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


@define("unfold(x; kernel_size, dilation=1, padding=0, stride=1)")
def _unfold(x: jax.Array, *, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> jax.Array:
    """Every window of an image as a column.

    Args:
        x: `[batch, channels, height, width]`.
        kernel_size, dilation, padding, stride: of the windows, one number or two.

    Returns:
        `[batch, channels * kernel height * kernel width, windows]`.

    Raises:
        ValueError: if the rank is not 4.

    Example:
        >>> from estimax import ops
        >>> ops.unfold(ops.ones((1, 2, 3, 3)), 2).shape
        (1, 8, 4)

    Reference: keras.ops.unfold.
    """
    if x.ndim != 4:
        raise errors.ShapeError(f"ops.unfold: given shape {x.shape}, expected [batch, channels, height, width].")
    columns = jax.lax.conv_general_dilated_patches(
        x, _pair(kernel_size), _pair(stride), [(p, p) for p in _pair(padding)], rhs_dilation=_pair(dilation)
    )
    return columns.reshape(*columns.shape[:2], -1)


@define("fold(x; output_size, kernel_size, dilation=1, padding=0, stride=1)")
def _fold(x: jax.Array, *, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> jax.Array:
    """An image from the columns of its windows; where they overlap, they are added up.

    Args:
        x: `[batch, channels * kernel height * kernel width, windows]`.
        output_size: height and width of the image.
        kernel_size, dilation, padding, stride: of the windows, see `unfold`.

    Returns:
        `[batch, channels, height, width]`.

    Raises:
        ValueError: if the rank is not 3.

    Example:
        >>> from estimax import ops
        >>> ops.fold(ops.ones((1, 4, 4)), 3, 2)[0, 0].tolist()
        [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]

    Reference: keras.ops.fold.
    """
    if x.ndim != 3:
        raise errors.ShapeError(f"ops.fold: given shape {x.shape}, expected [batch, channels * kernel sizes, windows].")
    (height, width), (rows, columns), (pad_rows, pad_columns) = _pair(output_size), _pair(kernel_size), _pair(padding)
    image = jax.ShapeDtypeStruct((x.shape[0], x.shape[1] // (rows * columns), height, width), x.dtype)

    def windows(image: jax.Array) -> jax.Array:
        return _unfold(image, kernel_size=kernel_size, dilation=dilation, padding=(pad_rows, pad_columns), stride=stride)

    return jax.linear_transpose(windows, image)(x)[0]  # what adds up windows is the transpose of what takes them


@define("depth_to_space(x; block_size, data_format='channels_last')")
def _depth_to_space(x: jax.Array, *, block_size: int, data_format: str) -> jax.Array:
    """Channels as blocks of pixels.

    Args:
        x: `[batch, height, width, channels]`, or channels first.
        block_size: rows and columns of a block, from 2 on.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> ops.depth_to_space(ops.ones((1, 2, 3, 8)), 2).shape
        (1, 4, 6, 2)

    Reference: keras.ops.depth_to_space.
    """
    b, is_first = _block("depth_to_space", x, block_size), format_of("depth_to_space", data_format) == "channels_first"
    if is_first:
        n, c, h, w = x.shape
        return x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // b**2, h * b, w * b)
    n, h, w, c = x.shape
    return x.reshape(n, h, w, b, b, c // b**2).transpose(0, 1, 3, 2, 4, 5).reshape(n, h * b, w * b, c // b**2)


@define("space_to_depth(x; block_size, data_format='channels_last')")
def _space_to_depth(x: jax.Array, *, block_size: int, data_format: str) -> jax.Array:
    """Blocks of pixels as channels.

    Args:
        x: `[batch, height, width, channels]`, or channels first.
        block_size: rows and columns of a block, from 2 on.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> ops.space_to_depth(ops.ones((1, 4, 6, 2)), 2).shape
        (1, 2, 3, 8)

    Reference: keras.ops.space_to_depth.
    """
    b, is_first = _block("space_to_depth", x, block_size), format_of("space_to_depth", data_format) == "channels_first"
    if is_first:
        n, c, h, w = x.shape
        return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * b**2, h // b, w // b)
    n, h, w, c = x.shape
    return x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // b, w // b, c * b**2)


def _block(function: str, x: jax.Array, block_size: int) -> int:
    if block_size < 2:
        raise ValueError(f"ops.{function}: block_size: given {block_size}, expected a number from 2 on.")
    if jnp.ndim(x) != 4:
        raise errors.ShapeError(f"ops.{function}: given shape {x.shape}, expected images of rank 4.")
    return block_size
