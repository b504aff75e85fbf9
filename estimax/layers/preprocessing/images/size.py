"""Layers that change the size of images."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.preprocessing.images.base import ImageLayer, RandomImageLayer

INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


def _checked_size(layer: Layer, height: Any, width: Any) -> tuple[int, int]:
    for name, value in (("height", height), ("width", width)):
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise ValueError(f"{type(layer).__name__}: {name}: given {value!r}, expected a positive integer.")
    return height, width


def resize(images: jax.Array, height: int, width: int, interpolation: str = "bilinear", antialias: bool = False) -> jax.Array:
    """Images of another size. Shape `[batch, height, width, channels]`."""
    shape = (images.shape[0], height, width, images.shape[-1])
    return jax.image.resize(images, shape, interpolation, antialias=antialias)


def crop_to_ratio(images: jax.Array, height: int, width: int) -> jax.Array:
    """The largest part in the middle with the ratio of `height` to `width`."""
    old_height, old_width = images.shape[1:3]
    new_height = max(min(old_height, int(old_width * height / width)), 1)
    new_width = max(min(old_width, int(old_height * width / height)), 1)
    top, left = (old_height - new_height) // 2, (old_width - new_width) // 2
    return images[:, top : top + new_height, left : left + new_width]


def pad_to_ratio(images: jax.Array, height: int, width: int, value: float) -> jax.Array:
    """The images in the middle of a frame with the ratio of `height` to `width`."""
    old_height, old_width = images.shape[1:3]
    above = int((max(old_height, int(old_width * height / width)) - old_height) / 2)
    beside = 0 if above else int((max(old_width, int(old_height * width / height)) - old_width) / 2)
    return jnp.pad(images, [(0, 0), (above, above), (beside, beside), (0, 0)], constant_values=value)


@register("keras.layers")
class Resizing(ImageLayer):
    """Images resized to `height` and `width`.

    Args:
        height, width: of the output.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: whether to cut off what does not fit the ratio, instead of distorting.
        pad_to_aspect_ratio: whether to add a border, instead of distorting.
        fill_mode: only `"constant"`.
        fill_value: of the border.
        antialias: whether to smooth when shrinking.
        data_format: `"channels_last"` or `"channels_first"`.

    Integer images stay integers.

    Raises:
        ValueError: if a size is not positive, the interpolation is unknown, or both crop and pad are asked for.

    Example:
        >>> import jax.numpy as jnp
        >>> Resizing(4, 6)(jnp.ones((1, 2, 3, 1))).shape
        (1, 4, 6, 1)

    Reference: keras.layers.Resizing.
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = _checked_size(self, height, width)
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"Resizing: interpolation: given {interpolation!r}, expected one of {INTERPOLATIONS}.")
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError("Resizing: given crop_to_aspect_ratio and pad_to_aspect_ratio, expected at most one of them.")
        if fill_mode != "constant":
            raise ValueError(f"Resizing: fill_mode: given {fill_mode!r}, expected 'constant'.")
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = bool(antialias)

    def cast_images(self, images: jax.Array) -> jax.Array:
        """Integers stay integers."""
        return images if jnp.issubdtype(images.dtype, jnp.integer) else images.astype(self.compute_dtype)

    def output_dtype(self, input_dtype: str) -> str:
        """That of integers, or the compute dtype."""
        return input_dtype if jnp.issubdtype(jnp.dtype(input_dtype), jnp.integer) else self.compute_dtype

    def transform(self, images: jax.Array, params: Any) -> jax.Array:
        """The images resized."""
        return self._resized(images, self.interpolation)

    def transform_masks(self, masks: jax.Array, params: Any) -> jax.Array:
        """The masks resized, without mixing values."""
        return self._resized(masks, "nearest")

    def _resized(self, images: jax.Array, interpolation: str) -> jax.Array:
        dtype = images.dtype
        if self.crop_to_aspect_ratio:
            images = crop_to_ratio(images, self.height, self.width)
        elif self.pad_to_aspect_ratio:
            images = pad_to_ratio(images, self.height, self.width, self.fill_value)
        if not jnp.issubdtype(dtype, jnp.integer):
            return resize(images, self.height, self.width, interpolation, self.antialias)
        resized = resize(images.astype(jnp.float32), self.height, self.width, interpolation, self.antialias)
        bounds = jnp.iinfo(dtype)
        return jnp.clip(jnp.round(resized), bounds.min, bounds.max).astype(dtype)

    def output_size(self, height: Any, width: Any) -> tuple[int, int]:
        """Height and width of the output."""
        return self.height, self.width


@register("keras.layers")
class CenterCrop(ImageLayer):
    """The middle of each image; images that are too small are cropped to the ratio and resized.

    Args:
        height, width: of the output.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if a size is not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> CenterCrop(2, 2)(jnp.ones((1, 5, 4, 3))).shape
        (1, 2, 2, 3)

    Reference: keras.layers.CenterCrop.
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = _checked_size(self, height, width)

    def transform(self, images: jax.Array, params: Any, interpolation: str = "bilinear") -> jax.Array:
        """The middle of the images."""
        above, beside = images.shape[1] - self.height, images.shape[2] - self.width
        if above >= 0 and beside >= 0:
            return images[:, above // 2 : above // 2 + self.height, beside // 2 : beside // 2 + self.width]
        return resize(crop_to_ratio(images, self.height, self.width), self.height, self.width, interpolation)

    def transform_masks(self, masks: jax.Array, params: Any) -> jax.Array:
        """The middle of the masks."""
        return self.transform(masks, params, "nearest")

    def output_size(self, height: Any, width: Any) -> tuple[int, int]:
        """Height and width of the output."""
        return self.height, self.width


@register("keras.layers")
class RandomCrop(RandomImageLayer):
    """A random window of each image while training, else the one in the middle; images that are too small are resized.

    Args:
        height, width: of the output.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if a size is not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> RandomCrop(2, 2)(jnp.ones((1, 5, 4, 3)), training=True).shape
        (1, 2, 2, 3)

    Reference: keras.layers.RandomCrop.
    """

    def __init__(self, height: int, width: int, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.height, self.width = _checked_size(self, height, width)

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """The upper left corner of each window."""
        room = jnp.array([max(shape[1] - self.height, 0), max(shape[2] - self.width, 0)])
        return jax.random.randint(key, (shape[0], 2), 0, room + 1)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The windows."""
        if images.shape[1] < self.height or images.shape[2] < self.width:
            return self.at_rest(images)
        window = lambda image, at: jax.lax.dynamic_slice(image, (*at, 0), (self.height, self.width, image.shape[-1]))  # noqa: E731
        return jax.vmap(window)(images, params)

    transform_masks = transform  # type: ignore[assignment]

    def at_rest(self, images: jax.Array) -> jax.Array:
        """The window in the middle, of the ratio asked for, resized."""
        return resize(crop_to_ratio(images, self.height, self.width), self.height, self.width)

    def output_size(self, height: Any, width: Any) -> tuple[int, int]:
        """Height and width of the output."""
        return self.height, self.width
