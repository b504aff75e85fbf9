"""Images cut, padded, taken apart into patches, and compared: the rest of `ops.image`."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import errors, is_float
from estimax.layers.operation import OperationFamily
from estimax.layers.preprocessing.images import warp
from estimax.ops.warps import batched
from estimax.ops.windows import convolve, format_of

PATCHES = OperationFamily("keras.src.ops.image")
define = PATCHES.define


def _three(function: str, whole: int, names: tuple[str, str, str], parts: tuple[Any, Any, Any]) -> tuple[int, int, int]:
    """Before, after and size of an axis, two of which are given: they add up to `whole`."""
    if sum(p is None for p in parts) != 1:
        raise ValueError(f"ops.image.{function}: given {dict(zip(names, parts))}, expected exactly two of the three.")
    rest = whole - sum(p for p in parts if p is not None)
    before, after, size = (rest if p is None else p for p in parts)
    if min(before, after, size) < 0:
        raise ValueError(f"ops.image.{function}: {dict(zip(names, (before, after, size)))}: expected no negative number.")
    return before, after, size


@define(
    "pad_images(images; top_padding=None, left_padding=None, bottom_padding=None, right_padding=None, target_height=None, target_width=None, "
    "data_format=None)"
)
def _pad_images(
    images: jax.Array,
    *,
    top_padding: int | None,
    left_padding: int | None,
    bottom_padding: int | None,
    right_padding: int | None,
    target_height: int | None,
    target_width: int | None,
    data_format: str | None,
) -> jax.Array:
    """Images with zeros around them.

    Args:
        images: one or a batch.
        top_padding, bottom_padding, target_height: rows above, below and in all: two of the three.
        left_padding, right_padding, target_width: columns: two of the three.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Raises:
        ValueError: if not exactly two of each three are given, or one becomes negative.

    Example:
        >>> from estimax import ops
        >>> ops.image.pad_images(ops.ones((2, 2, 1)), top_padding=1, left_padding=0, target_height=4, target_width=2).shape
        (4, 2, 1)

    Reference: keras.ops.image.pad_images.
    """

    def work(x: jax.Array) -> jax.Array:
        rows = ("top_padding", "bottom_padding", "target_height")
        top, bottom = _borders("pad_images", rows, x.shape[1], top_padding, bottom_padding, target_height)
        columns = ("left_padding", "right_padding", "target_width")
        left, right = _borders("pad_images", columns, x.shape[2], left_padding, right_padding, target_width)
        return jnp.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)])

    return batched("pad_images", images, data_format, work)


def _borders(function: str, names: Any, size: int, before: int | None, after: int | None, target: int | None) -> tuple[int, int]:
    if sum(p is None for p in (before, after, target)) != 1:
        raise ValueError(
            f"ops.image.{function}: given {dict(zip(names, (before, after, target)))}, expected exactly two of the three."
        )
    if before is None:
        before = (target or 0) - size - (after or 0)
    elif after is None:
        after = (target or 0) - size - before
    if before < 0 or (after or 0) < 0:
        raise ValueError(f"ops.image.{function}: {names[0]} {before}, {names[1]} {after}: expected no negative number.")
    return before, after or 0


@define(
    "crop_images(images; top_cropping=None, left_cropping=None, bottom_cropping=None, right_cropping=None, target_height=None, "
    "target_width=None, data_format=None)"
)
def _crop_images(
    images: jax.Array,
    *,
    top_cropping: int | None,
    left_cropping: int | None,
    bottom_cropping: int | None,
    right_cropping: int | None,
    target_height: int | None,
    target_width: int | None,
    data_format: str | None,
) -> jax.Array:
    """Images without their borders.

    Args:
        images: one or a batch.
        top_cropping, bottom_cropping, target_height: rows cut off above, below, and left: two of the three.
        left_cropping, right_cropping, target_width: columns: two of the three.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Raises:
        ValueError: if not exactly two of each three are given, or one becomes negative.

    Example:
        >>> from estimax import ops
        >>> ops.image.crop_images(ops.ones((4, 4, 1)), top_cropping=1, left_cropping=0, target_height=2, target_width=3).shape
        (2, 3, 1)

    Reference: keras.ops.image.crop_images.
    """

    def work(x: jax.Array) -> jax.Array:
        rows = ("top_cropping", "bottom_cropping", "target_height")
        top, _, height = _three("crop_images", x.shape[1], rows, (top_cropping, bottom_cropping, target_height))
        columns = ("left_cropping", "right_cropping", "target_width")
        left, _, width = _three("crop_images", x.shape[2], columns, (left_cropping, right_cropping, target_width))
        return x[:, top : top + height, left : left + width]

    return batched("crop_images", images, data_format, work)


def _patches(
    function: str, x: jax.Array, sizes: tuple[int, ...], strides: Any, dilation: Any, padding: str, data_format: Any
) -> jax.Array:
    rank = len(sizes)
    if x.ndim not in (rank + 1, rank + 2):
        raise errors.ShapeError(
            f"ops.image.{function}: given shape {x.shape}, expected rank {rank + 1} or {rank + 2} for {rank} sizes."
        )
    channels = x.shape[-1 if format_of(f"image.{function}", data_format) == "channels_last" else -rank - 1]
    filters = math.prod(sizes) * channels
    kernel = jnp.eye(filters, dtype=x.dtype).reshape(*sizes, channels, filters)
    batch = x if x.ndim == rank + 2 else x[None]
    found = convolve(f"image.{function}", batch, kernel, strides or sizes, padding, data_format, dilation)
    return found if x.ndim == rank + 2 else found[0]


@define("extract_patches(images; size, strides=None, dilation_rate=1, padding='valid', data_format=None)")
def _extract_patches(
    images: jax.Array, *, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: str | None
) -> jax.Array:
    """Patches of images, each as one row of channels.

    Args:
        images: one or a batch; volumes for three sizes.
        size: height and width of a patch, or one number for both; three for volumes.
        strides: from patch to patch; `size` if omitted.
        dilation_rate: between the pixels of a patch.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Returns:
        `[batch, rows, columns, height * width * channels]`.

    Raises:
        ValueError: if the sizes are neither two nor three.

    Example:
        >>> from estimax import ops
        >>> ops.image.extract_patches(ops.ones((1, 4, 4, 3)), 2).shape
        (1, 2, 2, 12)

    Reference: keras.ops.image.extract_patches.
    """
    sizes = (size, size) if isinstance(size, int) else tuple(size)
    if len(sizes) not in (2, 3):
        raise ValueError(f"ops.image.extract_patches: size: given {size!r}, expected an integer, or 2 or 3 of them.")
    return _patches("extract_patches", images, sizes, strides, dilation_rate, padding, data_format)


def _extract_patches_3d(
    volumes: jax.Array, *, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: str | None
) -> jax.Array:
    """Patches of volumes, each as one row of channels.

    Args:
        volumes: `[depth, height, width, channels]` or `[batch, depth, height, width, channels]` (or channels first).
        size: depth, height and width of a patch, or one number for all.
        strides, dilation_rate, padding, data_format: see `extract_patches`.

    Example:
        >>> from estimax import ops
        >>> ops.image.extract_patches_3d(ops.ones((1, 4, 4, 4, 1)), 2).shape
        (1, 2, 2, 2, 8)

    Reference: keras.ops.image.extract_patches_3d.
    """
    sizes = (size,) * 3 if isinstance(size, int) else tuple(size)
    if len(sizes) != 3:
        raise ValueError(f"ops.image.extract_patches_3d: size: given {size!r}, expected an integer or 3 of them.")
    return _patches("extract_patches_3d", volumes, sizes, strides, dilation_rate, padding, data_format)


define("extract_patches_3d(volumes; size, strides=None, dilation_rate=1, padding='valid', data_format=None)", _extract_patches_3d)


@define("sobel_edges(images; data_format=None)")
def _sobel_edges(images: jax.Array, *, data_format: str | None) -> jax.Array:
    """Changes of brightness down and to the right, by Sobel's filter; outside of the image is 0.

    Args:
        images: one or a batch.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Returns:
        Shape of the images and a last axis of size 2: down, right.

    Example:
        >>> from estimax import ops
        >>> ops.image.sobel_edges(ops.ones((1, 3, 3, 1)))[0, 1, 1, 0].tolist()
        [0.0, 0.0]

    Reference: keras.ops.image.sobel_edges.
    """
    right = jnp.asarray([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], images.dtype)
    found = [batched("sobel_edges", images, data_format, functools.partial(warp.depthwise, kernel=k)) for k in (right.T, right)]
    return jnp.stack(found, -1)


@define("ssim(image1, image2; max_val=1.0, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03, data_format=None)", name="SSIM")
def _ssim(
    image1: jax.Array,
    image2: jax.Array,
    *,
    max_val: float,
    filter_size: int,
    filter_sigma: float,
    k1: float,
    k2: float,
    data_format: str | None,
) -> jax.Array:
    """The structural similarity of images: 1 for equal ones.

    Args:
        image1, image2: one or a batch each, of one shape.
        max_val: the largest possible value.
        filter_size, filter_sigma: of the Gaussian window; the images must be as large as that.
        k1, k2: constants that keep divisions stable.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Returns:
        `[batch]`, or a scalar for one image.

    Raises:
        ValueError: if the shapes differ, or the images are smaller than the window.

    Example:
        >>> from estimax import ops
        >>> ops.image.ssim(ops.ones((11, 11, 1)), ops.ones((11, 11, 1))).item()
        1.0

    Reference: keras.ops.image.ssim; Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
    """
    if image1.shape != image2.shape or image1.ndim not in (3, 4):
        raise errors.ShapeError(f"ops.image.ssim: given {image1.shape} and {image2.shape}, expected one shape, of rank 3 or 4.")
    is_first = format_of("image.ssim", data_format) == "channels_first"
    dtype = image1.dtype if is_float(image1.dtype) else jnp.float32
    kernel = warp.gaussian_kernel((filter_size, filter_size), jnp.asarray((filter_sigma, filter_sigma), dtype))

    def planes(image: jax.Array) -> jax.Array:
        batch = image if image.ndim == 4 else image[None]
        batch = (batch if is_first else jnp.moveaxis(batch, -1, 1)).astype(dtype)
        return batch.reshape(-1, *batch.shape[2:], 1)

    def local_mean(x: jax.Array) -> jax.Array:
        return convolve("image.ssim", x, kernel[:, :, None, None].astype(dtype), 1, "valid", None, 1)

    x, y = planes(image1), planes(image2)
    mean_x, mean_y = local_mean(x), local_mean(y)
    var_x, var_y = local_mean(x * x) - mean_x**2, local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    found = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    of_planes = found.mean((1, 2, 3))
    channels = image1.shape[-3 if is_first else -1]
    of_images = of_planes.reshape(-1, channels).mean(-1).astype(image1.dtype)
    return of_images if image1.ndim == 4 else of_images[0]
