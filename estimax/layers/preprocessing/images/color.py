"""Random layers that change the colours of images."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.preprocessing.images import warp
from estimax.layers.preprocessing.images.base import (
    RandomImageLayer,
    checked_value_range,
    chosen,
    factor_range,
    per_image,
    rescaled,
    strict_range,
    uniform,
)


def grayscale(images: jax.Array) -> jax.Array:
    """The luma of RGB images (ITU-R BT.601). Shape `[..., 1]`; gray images stay as they are."""
    if images.shape[-1] == 1:
        return images
    return jnp.sum(images * jnp.asarray([0.2989, 0.5870, 0.1140], images.dtype), -1, keepdims=True)


def rgb_to_hsv(images: jax.Array) -> jax.Array:
    """Hue, saturation and value of RGB images; hue and saturation lie in `[0, 1]`, the value has the unit of the input."""
    images = jnp.where(jnp.abs(images) < jnp.finfo(images.dtype).eps, 0, images)
    red, green, blue = images[..., 0], images[..., 1], images[..., 2]
    value, low = images.max(-1), images.min(-1)
    spread = value - low
    sixth = 1 / (6 * jnp.where(spread > 0, spread, 1))
    hue = jnp.where(value == green, sixth * (blue - red) + 2 / 6, sixth * (red - green) + 4 / 6)
    hue = jnp.where(value == red, sixth * (green - blue), hue)
    hue = jnp.where(spread > 0, hue, 0) + (hue < 0)
    return jnp.stack([hue, jnp.where(value > 0, spread / jnp.where(value > 0, value, 1), 0), value], -1)


def hsv_to_rgb(images: jax.Array) -> jax.Array:
    """RGB images from hue, saturation and value."""
    hue, saturation, value = images[..., 0], images[..., 1], images[..., 2]
    h = jnp.mod(hue, 1) * 6
    weights = [jnp.abs(h - 3) - 1, 2 - jnp.abs(h - 2), 2 - jnp.abs(h - 4)]
    return jnp.stack([value * (1 - saturation + saturation * jnp.clip(w, 0, 1)) for w in weights], -1)


class _Colour(RandomImageLayer):
    """Layers with one random factor an image, and a range of values.

    Args:
        factor: bounds of the factor.
        value_range: smallest and largest value of a pixel.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.
    """

    bounds: tuple[float, float] = (-1, 1)

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor, *self.bounds)
        self.value_range = checked_value_range(self, value_range)

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """One factor an image."""
        return uniform(key, (shape[0],), self.factor)


@register("keras.layers")
class RandomBrightness(_Colour):
    """Adds a random number to each image while training.

    Args:
        factor: bounds of the number, as a share of the value range, from -1 to 1.
        value_range: smallest and largest value of a pixel; results are clipped to it.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Reference: keras.layers.RandomBrightness.
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(factor, value_range, seed=seed, **kwargs)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images, brighter or darker."""
        low, high = self.value_range
        return jnp.clip(images + per_image(params).astype(images.dtype) * (high - low), low, high)


@register("keras.layers")
class RandomContrast(_Colour):
    """Moves the pixels of each image and channel away from their mean, or towards it, while training.

    Args:
        factor: `(lower, upper)`, from 0 to 1: distances are multiplied by a number from `1 - lower` to `1 + upper`.
        value_range: smallest and largest value of a pixel; results are clipped to it.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Reference: keras.layers.RandomContrast.
    """

    bounds = (0, 1)

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(factor, value_range, seed=seed, **kwargs)

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """One factor an image."""
        return uniform(key, (shape[0],), (1 - self.factor[0], 1 + self.factor[1]))

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images, with more or less contrast."""
        mean = images.mean((1, 2), keepdims=True)
        return jnp.clip((images - mean) * per_image(params).astype(images.dtype) + mean, *self.value_range)


@register("keras.layers")
class RandomHue(_Colour):
    """Turns the hue of each RGB image while training.

    Args:
        factor: bounds of the turn, from 0 to 1; 1 is half a turn, to either side.
        value_range, data_format, seed: as in `RandomBrightness`.

    Reference: keras.layers.RandomHue.
    """

    bounds = (0, 1)

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """One turn an image."""
        first, second = jax.random.split(key)
        sign = jnp.where(jax.random.uniform(first, (shape[0],)) > 0.5, -1.0, 1.0)
        return 0.5 * sign * super().draw(second, shape)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images in other colours."""
        hsv = rgb_to_hsv(rescaled(images, self.value_range, (0, 1)))
        hsv = hsv.at[..., 0].add(params[:, None, None].astype(images.dtype))  # any hue: hsv_to_rgb takes it modulo 1
        return rescaled(jnp.clip(hsv_to_rgb(hsv), 0, 1), (0, 1), self.value_range)


@register("keras.layers")
class RandomSaturation(_Colour):
    """Makes the colours of each RGB image stronger or weaker while training.

    Args:
        factor: bounds of a number from 0 to 1: 0 is gray, 0.5 leaves the image as it is, 1 is as strong as can be.
        value_range, data_format, seed: as in `RandomBrightness`.

    Reference: keras.layers.RandomSaturation.
    """

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """One multiple of the saturation an image."""
        factor = super().draw(key, shape)
        return factor / (1 - factor + 1e-7)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images with other saturation."""
        hsv = rgb_to_hsv(images)
        # As in Keras, the saturation is clipped to the range of the pixels.
        saturation = jnp.clip(hsv[..., 1] * params[:, None, None].astype(images.dtype), *self.value_range)
        return hsv_to_rgb(hsv.at[..., 1].set(saturation))


@register("keras.layers")
class RandomSharpness(_Colour):
    """Makes each image sharper or smoother while training.

    Args:
        factor: bounds of a number from 0 to 1: 0 is smooth, 0.5 leaves the image as it is, 1 is sharp.
        value_range, data_format, seed: as in `RandomBrightness`.

    Reference: keras.layers.RandomSharpness.
    """

    bounds = (0, 1)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images, sharper or smoother."""
        kernel = jnp.full((3, 3), 1 / 13).at[1, 1].set(5 / 13)
        smooth = warp.depthwise(images, kernel)
        return jnp.clip(images + (1 - 2 * per_image(params).astype(images.dtype)) * (smooth - images), *self.value_range)


@register("keras.layers")
class RandomColorDegeneration(_Colour):
    """Mixes each RGB image with its gray version while training.

    Args:
        factor: bounds of the share of gray, from 0 to 1.
        value_range, data_format, seed: as in `RandomBrightness`.

    Reference: keras.layers.RandomColorDegeneration.
    """

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images with less colour."""
        mixed = images + per_image(params).astype(images.dtype) * (grayscale(images) - images)
        return jnp.clip(mixed, *self.value_range)


@register("keras.layers")
class RandomPosterization(_Colour):
    """Keeps only the first bits of each pixel while training.

    Args:
        factor: bounds of the number of bits, from 1 to 8; the upper one is not drawn unless both are equal.
        value_range, data_format, seed: as in `RandomBrightness`.

    Reference: keras.layers.RandomPosterization.
    """

    bounds = (1, 8)

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """The number of bits that each image loses."""
        low, high = map(int, self.factor)
        return 8 - jax.random.randint(key, (shape[0],), low, max(high, low + 1))

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images in fewer colours."""
        shift = per_image(params).astype(jnp.uint8)
        bits = rescaled(images, self.value_range, (0, 255)).astype(jnp.uint8)
        return rescaled(((bits >> shift) << shift).astype(images.dtype), (0, 255), self.value_range)


@register("keras.layers")
class RandomGrayscale(RandomImageLayer):
    """Turns RGB images gray while training.

    Args:
        factor: the probability, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: of the draws.

    Raises:
        ValueError: if the factor is no probability.

    Reference: keras.layers.RandomGrayscale.
    """

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        if not isinstance(factor, (int, float)) or not 0 <= factor <= 1:
            raise ValueError(f"RandomGrayscale: factor: given {factor!r}, expected a probability from 0 to 1.")
        self.factor = factor

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """Which images turn gray."""
        return jax.random.uniform(key, (shape[0],)) < self.factor

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images, gray or not."""
        return jnp.where(per_image(params), grayscale(images), images)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; as in Keras, a seed only if there is one."""
        config = {**super().get_config(), "data_format": self.data_format, "factor": self.factor}
        return config if self.seed is None else {**config, "seed": self.seed}


@register("keras.layers")
class RandomInvert(_Colour):
    """Turns images into their negatives while training.

    Args:
        factor: bounds of the probability.
        value_range, data_format, seed: as in `RandomBrightness`.

    Reference: keras.layers.RandomInvert.
    """

    bounds = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(factor, value_range, data_format, seed, **kwargs)

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """Which images are inverted."""
        return chosen(key, shape[0], self.factor)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images or their negatives."""
        return jnp.where(per_image(params), self.value_range[1] - images, images)


@register("keras.layers")
class RandomGaussianBlur(_Colour):
    """Blurs images while training.

    Args:
        factor: bounds of the probability.
        kernel_size: odd size of the blur, or (width, height).
        sigma: bounds of its standard deviation, from 0 to 1; one draw for each direction, for the whole batch.
        value_range, data_format, seed: as in `RandomBrightness`.

    Raises:
        ValueError: if a size is even, or a factor outside `[0, 1]`.

    Reference: keras.layers.RandomGaussianBlur.
    """

    bounds = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(factor, value_range, data_format, seed, **kwargs)
        sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) != 2 or any(not isinstance(s, int) or s % 2 == 0 for s in sizes):
            raise ValueError(f"RandomGaussianBlur: kernel_size: given {kernel_size!r}, expected an odd number or two of them.")
        self.kernel_size = sizes
        self.sigma = factor_range(self, "sigma", sigma, 0, 1)

    def draw(self, key: Any, shape: tuple[int, ...]) -> Any:
        """Which images are blurred, and how much."""
        first, second = jax.random.split(key)
        return {"chosen": chosen(first, shape[0], self.factor), "sigma": uniform(second, (2,), self.sigma) + 1e-6}

    def transform(self, images: jax.Array, params: Any) -> jax.Array:
        """The images, blurred or not."""
        blurred = warp.depthwise(images, warp.gaussian_kernel(self.kernel_size, params["sigma"]))
        return jnp.clip(jnp.where(per_image(params["chosen"]), blurred, images), *self.value_range)


@register("keras.layers")
class Solarization(RandomImageLayer):
    """Inverts the pixels above a random threshold while training, after adding a random number.

    Args:
        addition_factor: bounds of the number that is added, as a share of 255, from 0 to 1; a number is the upper bound.
        threshold_factor: bounds of the threshold, likewise.
        value_range: smallest and largest value of a pixel.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if a factor is outside `[0, 1]`.

    Reference: keras.layers.Solarization.
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        self.addition_factor = self._bounds("addition_factor", addition_factor)
        self.threshold_factor = self._bounds("threshold_factor", threshold_factor)
        self.value_range = checked_value_range(self, value_range)

    def _bounds(self, name: str, factor: Any) -> tuple[Any, Any]:
        bounds = strict_range(self, name, factor, 0, 1)
        return bounds if isinstance(factor, (list, tuple)) else (0, bounds[1])

    def draw(self, key: Any, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
        """What is added to each image, and its threshold. As in Keras, only the upper bounds are in units of 255."""
        keys = jax.random.split(key)
        low_high = [(bounds[0], bounds[1] * 255) for bounds in (self.addition_factor, self.threshold_factor)]
        addition, threshold = (uniform(k, (shape[0],), b) for k, b in zip(keys, low_high))
        return addition, threshold

    def transform(self, images: jax.Array, params: tuple[jax.Array, jax.Array]) -> jax.Array:
        """The images solarized."""
        addition, threshold = (per_image(p).astype(images.dtype) for p in params)
        pixels = jnp.clip(rescaled(images, self.value_range, (0, 255)) + addition, 0, 255)
        return rescaled(jnp.where(pixels < threshold, pixels, 255 - pixels), (0, 255), self.value_range)


@register("keras.layers")
class RandomColorJitter(RandomImageLayer):
    """Changes brightness, contrast, saturation and hue of each image while training, in this order.

    Args:
        value_range: smallest and largest value of a pixel.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: of `RandomBrightness`, `RandomContrast`,
            `RandomSaturation` and `RandomHue`; None leaves one out.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Reference: keras.layers.RandomColorJitter.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range = value_range
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        parts = (
            (RandomBrightness, brightness_factor),
            (RandomContrast, contrast_factor),
            (RandomSaturation, saturation_factor),
            (RandomHue, hue_factor),
        )
        self.steps = [
            cls(factor, value_range=value_range, dtype=self.dtype_policy) for cls, factor in parts if factor is not None
        ]

    def draw(self, key: Any, shape: tuple[int, ...]) -> list[Any]:
        """The draws of each step."""
        return [step.draw(jax.random.fold_in(key, n), shape) for n, step in enumerate(self.steps)]

    def transform(self, images: jax.Array, params: list[Any]) -> jax.Array:
        """The images in other colours."""
        for step, drawn in zip(self.steps, params):
            images = step.transform(images, drawn)
        return images
