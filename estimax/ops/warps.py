"""Images resized, recoloured, moved and blurred."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.ndimage
import numpy as np

from estimax.core import SeedGenerator, errors, is_float
from estimax.layers.operation import OperationFamily
from estimax.layers.preprocessing.images import color, warp
from estimax.layers.preprocessing.images import size as sizes
from estimax.ops.creation import saturate_cast
from estimax.ops.windows import format_of

WARPS = OperationFamily("keras.src.ops.image")
define = WARPS.define


def batched(function: str, images: jax.Array, data_format: str | None, work: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """Calls `work` on `[batch, height, width, channels]`, and gives its result the form of the input."""
    if images.ndim not in (3, 4):
        raise errors.ShapeError(
            f"ops.image.{function}: given shape {images.shape}, expected one image (rank 3) or a batch (rank 4)."
        )
    is_first = format_of(f"image.{function}", data_format) == "channels_first"
    batch = images if images.ndim == 4 else images[None]
    out = work(jnp.moveaxis(batch, 1, -1) if is_first else batch)
    out = jnp.moveaxis(out, -1, 1) if is_first else out
    return out if images.ndim == 4 else out[0]


def _known(function: str, argument: str, given: Any, known: Any) -> None:
    if given not in known:
        raise ValueError(f"ops.image.{function}: {argument}: given {given!r}, expected one of {', '.join(map(repr, known))}.")


_RESIZE = (
    "resize(images; size, interpolation='bilinear', antialias=False, crop_to_aspect_ratio=False, pad_to_aspect_ratio=False, "
    "fill_mode='constant', fill_value=0.0, data_format=None)"
)
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


@define(_RESIZE)
def _resize(
    images: jax.Array,
    *,
    size: Any,
    interpolation: str,
    antialias: bool,
    crop_to_aspect_ratio: bool,
    pad_to_aspect_ratio: bool,
    fill_mode: str,
    fill_value: float,
    data_format: str | None,
) -> jax.Array:
    """Images of another size.

    Args:
        images: one or a batch.
        size: height and width.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: whether to smooth when shrinking.
        crop_to_aspect_ratio: whether to cut off what does not fit the ratio, instead of distorting.
        pad_to_aspect_ratio: whether to add a border, instead of distorting.
        fill_mode: only `"constant"`.
        fill_value: of the border.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Raises:
        ValueError: if an argument is none of these.

    Example:
        >>> from estimax import ops
        >>> ops.image.resize(ops.ones((4, 6, 3)), (2, 3)).shape
        (2, 3, 3)

    Reference: keras.ops.image.resize.
    """
    if len(size) != 2 or min(size) <= 0:
        raise ValueError(f"ops.image.resize: size: given {size!r}, expected (height, width), both positive.")
    _known("resize", "interpolation", interpolation, sizes.INTERPOLATIONS)
    _known("resize", "fill_mode", fill_mode, ("constant",))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("ops.image.resize: given crop_to_aspect_ratio and pad_to_aspect_ratio, expected at most one of them.")

    height, width = size

    def work(x: jax.Array) -> jax.Array:
        if crop_to_aspect_ratio:
            x = sizes.crop_to_ratio(x, height, width)
        if pad_to_aspect_ratio:
            x = sizes.pad_to_ratio(x, height, width, fill_value)
        return sizes.resize(x, height, width, interpolation, antialias)

    if is_float(images.dtype):
        return batched("resize", images, data_format, work)
    wide = batched("resize", images.astype(jnp.float32), data_format, work)
    return saturate_cast(jnp.round(wide), dtype=images.dtype)


def _colours(function: str, convert: Callable[[jax.Array], jax.Array]) -> Callable[..., jax.Array]:
    def run(images: jax.Array, data_format: str | None) -> jax.Array:
        if not is_float(images.dtype):
            raise ValueError(f"ops.image.{function}: given {images.dtype}, expected a float type. Scale to [0, 1]: images / 255.")
        return batched(function, images, data_format, convert)

    run.__module__, run.__name__ = "estimax.layers", convert.__name__
    return run


define("rgb_to_hsv(images; data_format=None)", _colours("rgb_to_hsv", color.rgb_to_hsv), name="RGBToHSV")
define("hsv_to_rgb(images; data_format=None)", _colours("hsv_to_rgb", color.hsv_to_rgb), name="HSVToRGB")


@define("rgb_to_grayscale(images; data_format=None)", name="RGBToGrayscale")
def _rgb_to_grayscale(images: jax.Array, *, data_format: str | None) -> jax.Array:
    """The luma of RGB images, with one channel.

    Args:
        images: one or a batch, with 3 channels; those with 1 stay as they are.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> ops.image.rgb_to_grayscale(ops.ones((4, 6, 3))).shape
        (4, 6, 1)

    Reference: keras.ops.image.rgb_to_grayscale; ITU-R BT.601.
    """
    wide = images if is_float(images.dtype) else images.astype(jnp.float32)
    return batched("rgb_to_grayscale", wide, data_format, color.grayscale).astype(images.dtype)


@define("affine_transform(images, transform; interpolation='bilinear', fill_mode='constant', fill_value=0, data_format=None)")
def _affine_transform(
    images: jax.Array, transform: jax.Array, *, interpolation: str, fill_mode: str, fill_value: Any, data_format: str | None
) -> jax.Array:
    """Images moved, turned, scaled or sheared.

    Args:
        images: one or a batch.
        transform: `(a0, a1, a2, b0, b1, b2, c0, c1)`: the pixel at `(x, y)` is the input's at `(a0 x + a1 y + a2, b0 x + b1 y + b2)`; c0 and
            c1 are 0. Shape `[8]` or `[batch, 8]`.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: what lies outside: `"constant"`, `"nearest"`, `"wrap"`, `"mirror"` or `"reflect"`.
        fill_value: for `"constant"`.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> image = ops.reshape(ops.arange(4.0), (1, 4, 1))
        >>> ops.image.affine_transform(image, [1.0, 0, 1, 0, 1, 0, 0, 0]).ravel().tolist()
        [1.0, 2.0, 3.0, 0.0]

    Reference: keras.ops.image.affine_transform.
    """
    _known("affine_transform", "interpolation", interpolation, warp.INTERPOLATIONS)
    _known("affine_transform", "fill_mode", fill_mode, _FILL_MODES)
    if transform.shape[-1:] != (8,) or transform.ndim > 2:
        raise errors.ShapeError(
            f"ops.image.affine_transform: transform: given shape {transform.shape}, expected [8] or [batch, 8]."
        )
    matrix = jnp.atleast_2d(transform)
    options = {"interpolation": interpolation, "fill_mode": fill_mode, "fill_value": fill_value}

    def work(x: jax.Array) -> jax.Array:
        return warp.affine(x, jnp.broadcast_to(matrix, (x.shape[0], 8)), **options)

    return batched("affine_transform", images, data_format, work)


@define("perspective_transform(images, start_points, end_points; interpolation='bilinear', fill_value=0, data_format=None)")
def _perspective_transform(
    images: jax.Array,
    start_points: jax.Array,
    end_points: jax.Array,
    *,
    interpolation: str,
    fill_value: Any,
    data_format: str | None,
) -> jax.Array:
    """The projection that moves four points to others.

    Args:
        images: one or a batch.
        start_points, end_points: as (x, y). Shape `[4, 2]` or `[batch, 4, 2]`.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: of what lies outside.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> corners = [[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [3.0, 3.0]]
        >>> ops.image.perspective_transform(ops.ones((4, 4, 1)), corners, corners).shape
        (4, 4, 1)

    Reference: keras.ops.image.perspective_transform.
    """
    _known("perspective_transform", "interpolation", interpolation, warp.INTERPOLATIONS)
    if start_points.shape != end_points.shape or start_points.shape[-2:] != (4, 2) or start_points.ndim > 3:
        raise errors.ShapeError(
            f"ops.image.perspective_transform: given points {start_points.shape} and {end_points.shape}, expected [4, 2] or [batch, 4, 2]."
        )

    def work(x: jax.Array) -> jax.Array:
        start, end = (
            jnp.broadcast_to(p.astype(jnp.float32), (x.shape[0], 4, 2)) for p in (start_points, end_points)
        )  # fmt: skip
        return warp.perspective(x, start, end, interpolation=interpolation, fill_mode="constant", fill_value=fill_value)

    return batched("perspective_transform", images, data_format, work)


@define("map_coordinates(inputs, coordinates; order, fill_mode='constant', fill_value=0)")
def _map_coordinates(inputs: jax.Array, coordinates: jax.Array, *, order: int, fill_mode: str, fill_value: Any) -> jax.Array:
    """Elements at fractional places.

    Args:
        inputs: an array of any rank.
        coordinates: `[rank, ...]`.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: what lies outside, see `affine_transform`.
        fill_value: for `"constant"`.

    Example:
        >>> from estimax import ops
        >>> ops.image.map_coordinates([0.0, 10.0], [[0.5]], order=1).tolist()
        [5.0]

    Reference: keras.ops.image.map_coordinates.
    """
    _known("map_coordinates", "order", order, (0, 1))
    _known("map_coordinates", "fill_mode", fill_mode, _FILL_MODES)
    if coordinates.ndim < 2 or coordinates.shape[0] != inputs.ndim:
        raise errors.ShapeError(
            f"ops.image.map_coordinates: coordinates: given {coordinates.shape}, expected [{inputs.ndim}, ...]."
        )
    return jax.scipy.ndimage.map_coordinates(inputs, list(coordinates), order, fill_mode, fill_value)


@define("scale_and_translate(images, output_shape, scale, translation; spatial_dims, method, antialias=True)", convert=False)
def _scale_and_translate(
    images: Any, output_shape: Any, scale: Any, translation: Any, *, spatial_dims: Any, method: str, antialias: bool
) -> jax.Array:
    """`jax.image.scale_and_translate`: images scaled and moved by fractions of pixels.

    Args:
        images: an array.
        output_shape: of the result, plain numbers.
        scale, translation: for each of `spatial_dims`.
        spatial_dims: axes of positions.
        method: `"linear"`, `"cubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: whether to smooth when shrinking.

    Example:
        >>> from estimax import ops
        >>> ops.image.scale_and_translate(ops.ones((4, 4)), (8, 8), [2.0, 2.0], [0.0, 0.0], (0, 1), "linear").shape
        (8, 8)

    Reference: keras.ops.image.scale_and_translate.
    """
    shape = tuple(int(n) for n in np.asarray(output_shape))
    scale, translation = jnp.asarray(scale, jnp.float32), jnp.asarray(translation, jnp.float32)
    return jax.image.scale_and_translate(jnp.asarray(images), shape, tuple(spatial_dims), scale, translation, method, antialias)


@define("gaussian_blur(images; kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None)")
def _gaussian_blur(images: jax.Array, *, kernel_size: Any, sigma: Any, data_format: str | None) -> jax.Array:
    """Images blurred; outside of them is 0.

    Args:
        images: one or a batch.
        kernel_size: width and height of the blur, odd numbers.
        sigma: of the Gaussian, in both directions.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> ops.image.gaussian_blur(ops.ones((3, 3, 1)))[1, 1].round(3).tolist()
        [1.0]

    Reference: keras.ops.image.gaussian_blur.
    """
    kernel = warp.gaussian_kernel(tuple(kernel_size), jnp.asarray(sigma, images.dtype))
    return batched("gaussian_blur", images, data_format, lambda x: warp.depthwise(x, kernel))


_ELASTIC = "elastic_transform(images; alpha=20.0, sigma=5.0, interpolation='bilinear', fill_mode='reflect', fill_value=0.0, seed=None, data_format=None)"


@define(_ELASTIC)
def _elastic_transform(
    images: jax.Array,
    *,
    alpha: float,
    sigma: float,
    interpolation: str,
    fill_mode: str,
    fill_value: float,
    seed: Any,
    data_format: str | None,
) -> jax.Array:
    """Images distorted at random, as if their pixels lay on rubber.

    Args:
        images: one or a batch.
        alpha: how far pixels move.
        sigma: how smooth the distortion is.
        interpolation, fill_mode, fill_value: see `affine_transform`.
        seed: an integer, a `SeedGenerator`, or None.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.

    Example:
        >>> from estimax import ops
        >>> ops.image.elastic_transform(ops.ones((8, 8, 1)), seed=1).shape
        (8, 8, 1)

    Reference: keras.ops.image.elastic_transform; Simard et al., "Best practices for convolutional neural networks", 2003.
    """
    _known("elastic_transform", "interpolation", interpolation, warp.INTERPOLATIONS)
    _known("elastic_transform", "fill_mode", fill_mode, _FILL_MODES)
    key = (seed if isinstance(seed, SeedGenerator) else SeedGenerator(seed)).next()
    width = int(6 * sigma) | 1
    kernel = warp.gaussian_kernel((width, width), jnp.asarray((sigma, sigma), images.dtype))

    def work(x: jax.Array) -> jax.Array:
        moves = sigma * jax.random.normal(key, (*x.shape[:3], 2), x.dtype)
        moves = alpha * warp.depthwise(moves, kernel)
        rows, columns = warp.grid(*x.shape[1:3])
        options = {"interpolation": interpolation, "fill_mode": fill_mode, "fill_value": fill_value}
        return warp.sample(x, rows + moves[..., 0], columns + moves[..., 1], **options)

    return batched("elastic_transform", images, data_format, work)
