"""Random layers that move pixels: flips, turns, shifts, zooms, shears, projections, waves."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.preprocessing.images import warp
from estimax.layers.preprocessing.images.base import RandomImageLayer, chosen, factor_range, per_image, strict_range, uniform


def _known(layer: Layer, name: str, value: str, known: Any) -> str:
    if value not in known:
        raise ValueError(f"{type(layer).__name__}: {name}: given {value!r}, expected one of {sorted(known)}.")
    return value


class _Warp(RandomImageLayer):
    """Layers that are an affine map of places; a subclass gives `matrix(key, batch, height, width)`."""

    def __init__(
        self, fill_mode: str, interpolation: str, seed: int | None, fill_value: float, data_format: str | None, **kwargs: Any
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.fill_mode = _known(self, "fill_mode", fill_mode, warp.FILL_MODES)
        self.interpolation = _known(self, "interpolation", interpolation, warp.INTERPOLATIONS)
        self.fill_value = fill_value

    def matrix(self, key: jax.Array, batch: int, height: int, width: int) -> list[Any]:
        """a0, a1, a2, b0, b1, b2 for each image, see `warp.affine`."""
        raise TypeError(f"{type(self).__name__} does not implement matrix(key, batch, height, width).")

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """One matrix an image."""
        entries = self.matrix(key, *shape[:3])
        return jnp.stack([jnp.broadcast_to(jnp.asarray(e, jnp.float32), (shape[0],)) for e in entries], -1)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images moved."""
        return warp.affine(
            images, params, interpolation=self.interpolation, fill_mode=self.fill_mode, fill_value=self.fill_value
        ).astype(images.dtype)

    def transform_masks(self, masks: jax.Array, params: jax.Array) -> jax.Array:
        """The masks moved, without mixing values."""
        moved = warp.affine(
            masks.astype(jnp.float32), params, interpolation="nearest", fill_mode=self.fill_mode, fill_value=self.fill_value
        )
        return moved.astype(masks.dtype)


@register("keras.layers")
class RandomFlip(RandomImageLayer):
    """Mirrors each image with probability 1/2 while training.

    Args:
        mode: `"horizontal"` (left-right), `"vertical"` or `"horizontal_and_vertical"`: one draw decides both.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if the mode is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> RandomFlip("horizontal")(jnp.ones((1, 2, 2, 1))).shape
        (1, 2, 2, 1)

    Reference: keras.layers.RandomFlip.
    """

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.mode = _known(self, "mode", mode, ("horizontal", "vertical", "horizontal_and_vertical"))

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """Which images are mirrored."""
        return jax.random.uniform(key, (shape[0],)) <= 0.5

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images mirrored."""
        flipped = images
        if "horizontal" in self.mode:
            flipped = jnp.flip(flipped, 2)
        if "vertical" in self.mode:
            flipped = jnp.flip(flipped, 1)
        return jnp.where(per_image(params), flipped, images)

    transform_masks = transform  # type: ignore[assignment]


@register("keras.layers")
class RandomRotation(_Warp):
    """Turns each image around its centre while training.

    Args:
        factor: bounds of the angle, in full turns; positive counter-clockwise.
        fill_mode: what lies outside the image: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: of the draws.
        fill_value: for `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if the factor is outside `[-1, 1]`, or a mode is unknown.

    Reference: keras.layers.RandomRotation.
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor)

    def matrix(self, key: jax.Array, batch: int, height: int, width: int) -> list[Any]:
        """The matrix of a turn around the centre."""
        angle = uniform(key, (batch,), self.factor) * (2 * jnp.pi)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        cx, cy = (width - 1) / 2, (height - 1) / 2
        return [cos, -sin, cx - cx * cos + cy * sin, sin, cos, cy - cx * sin - cy * cos]


@register("keras.layers")
class RandomTranslation(_Warp):
    """Shifts each image while training.

    Args:
        height_factor: bounds of the shift downwards, as a share of the height.
        width_factor: bounds of the shift to the right, as a share of the width.
        fill_mode, interpolation, seed, fill_value, data_format: as in `RandomRotation`.

    Raises:
        ValueError: if a factor is outside `[-1, 1]`, or a mode is unknown.

    Reference: keras.layers.RandomTranslation.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_bounds = strict_range(self, "height_factor", height_factor, -1, 1)
        self.width_bounds = strict_range(self, "width_factor", width_factor, -1, 1)

    def matrix(self, key: jax.Array, batch: int, height: int, width: int) -> list[Any]:
        """The matrix of a shift."""
        first, second = jax.random.split(key)
        down = uniform(first, (batch,), self.height_bounds) * height
        right = uniform(second, (batch,), self.width_bounds) * width
        return [1, 0, -right, 0, 1, -down]


@register("keras.layers")
class RandomZoom(_Warp):
    """Zooms each image around its centre while training.

    Args:
        height_factor: bounds of the zoom; 0.3 shows 30 % more of the image (it gets smaller), -0.3 less.
        width_factor: the same for the width; equal to the height's draw if omitted.
        fill_mode, interpolation, seed, fill_value, data_format: as in `RandomRotation`.

    Raises:
        ValueError: if a factor is not in `(-1, 1]`, or a mode is unknown.

    Reference: keras.layers.RandomZoom.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.bounds = []
        for name, factor in (("height_factor", height_factor), ("width_factor", width_factor)):
            if factor is not None:
                low, high = strict_range(self, name, factor, -1, 1)
                if (min(factor) if isinstance(factor, (list, tuple)) else factor) <= -1:
                    raise ValueError(f"RandomZoom: {name}: given {factor!r}, expected numbers above -1 and at most 1.")
                self.bounds.append((1 + low, 1 + high))

    def matrix(self, key: jax.Array, batch: int, height: int, width: int) -> list[Any]:
        """The matrix of a zoom around the centre."""
        keys = jax.random.split(key)
        zooms = [uniform(k, (batch,), bounds) for k, bounds in zip(keys, self.bounds)]
        zy, zx = zooms[0], zooms[-1]
        return [zx, 0, (width - 1) / 2 * (1 - zx), 0, zy, (height - 1) / 2 * (1 - zy)]


@register("keras.layers")
class RandomShear(_Warp):
    """Slants each image while training, to either side.

    Args:
        x_factor: bounds of the slant along the width, from 0 to 1.
        y_factor: bounds of the slant along the height, from 0 to 1.
        interpolation, fill_mode, fill_value, data_format, seed: as in `RandomRotation`.

    Raises:
        ValueError: if a factor is outside `[0, 1]`, or a mode is unknown.

    Reference: keras.layers.RandomShear.
    """

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        # A saved layer has the bounds of a number, of which the lower one is negative.
        self.x_factor = self._bounds("x_factor", x_factor)
        self.y_factor = self._bounds("y_factor", y_factor)

    def _bounds(self, name: str, factor: Any) -> tuple[float, float]:
        if isinstance(factor, (list, tuple)) and len(factor) == 2 and -factor[0] == factor[1]:
            factor = factor[1]
        return strict_range(self, name, factor, 0, 1)

    def matrix(self, key: jax.Array, batch: int, height: int, width: int) -> list[Any]:
        """The matrix of a slant."""
        side, along_x, along_y = jax.random.split(key, 3)
        sign = jnp.where(jax.random.uniform(side, (batch,)) > 0.5, -1.0, 1.0)
        return [1, sign * uniform(along_x, (batch,), self.x_factor), 0, sign * uniform(along_y, (batch,), self.y_factor), 1, 0]


@register("keras.layers")
class RandomPerspective(RandomImageLayer):
    """Moves the corners of each image while training, as if seen from the side.

    Args:
        factor: bounds of the probability that an image is changed.
        scale: how far corners move, from 0 to 1.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: what lies outside.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if factor or scale is outside `[0, 1]`, or the interpolation is unknown.

    Reference: keras.layers.RandomPerspective.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor, 0, 1)
        if not 0 <= scale <= 1:
            raise ValueError(f"RandomPerspective: scale: given {scale!r}, expected a number from 0 to 1.")
        self.scale = scale
        self.fill_value = fill_value
        self.interpolation = _known(self, "interpolation", interpolation, warp.INTERPOLATIONS)

    def draw(self, key: Any, shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """Which images change, and where their corners go."""
        first, second = jax.random.split(key)
        batch, height, width = shape[:3]
        right, low = width - 1.0, height - 1.0
        start = jnp.broadcast_to(jnp.array([[0, 0], [right, 0], [0, low], [right, low]], jnp.float32), (batch, 4, 2))
        end = start * (1 + uniform(first, (batch, 4, 2), (-0.5 * self.scale, 0.5 * self.scale)))
        return {"chosen": chosen(second, batch, self.factor), "start": start, "end": end}

    def transform(self, images: jax.Array, params: dict[str, jax.Array], interpolation: str | None = None) -> jax.Array:
        """The images seen from the side."""
        # Images that are left alone get the identity, so that no draw can make the equations of a projection singular there.
        end = jnp.where(params["chosen"][:, None, None], params["end"], params["start"])
        options = {"interpolation": interpolation or self.interpolation, "fill_mode": "constant", "fill_value": self.fill_value}
        moved = warp.perspective(images.astype(jnp.float32), params["start"], end, **options)
        return jnp.where(per_image(params["chosen"]), moved.astype(images.dtype), images)

    def transform_masks(self, masks: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The masks moved, without mixing values."""
        return self.transform(masks, params, "nearest")


@register("keras.layers")
class RandomElasticTransform(RandomImageLayer):
    """Distorts each image by smooth random waves while training.

    Args:
        factor: bounds of the probability that an image is changed.
        scale: bounds of the strength, from 0 to 1.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: `"reflect"`, `"wrap"`, `"constant"`, `"nearest"` or `"mirror"`.
        fill_value: for `"constant"`.
        value_range: smallest and largest value of a pixel.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if factor or scale is outside `[0, 1]`, or a mode is unknown.

    Reference: keras.layers.RandomElasticTransform; Simard et al., "Best practices for convolutional neural networks", 2003.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor, 0, 1)
        self.scale = factor_range(self, "scale", scale, 0, 1)
        self.interpolation = _known(self, "interpolation", interpolation, warp.INTERPOLATIONS)
        self.fill_mode = _known(self, "fill_mode", fill_mode, (*warp.FILL_MODES, "mirror"))
        self.fill_value = fill_value
        self.value_range = value_range

    def draw(self, key: Any, shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """Which images change, and how far each pixel moves."""
        first, second, third = jax.random.split(key, 3)
        batch, height, width = shape[:3]
        strength = uniform(first, (), self.scale)
        sigma = min(height, width) * 0.05 * strength
        size = int(6 * min(height, width) * 0.05 * self.scale[1]) | 1  # fixed, as the strength is drawn
        waves = jax.random.normal(second, (batch, height, width, 2)) * sigma
        smooth = warp.depthwise(waves, warp.gaussian_kernel((size, size), jnp.stack([sigma, sigma]) + 1e-6))
        return {"chosen": chosen(third, batch, self.factor), "shift": smooth * (max(height, width) * 0.1 * strength)}

    def transform(self, images: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The images distorted."""
        moved = jnp.where(per_image(params["chosen"]), self._moved(images, params, self.interpolation), images)
        return jnp.clip(moved, *self.value_range)

    def transform_masks(self, masks: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The masks distorted, without mixing values."""
        return jnp.where(per_image(params["chosen"]), self._moved(masks, params, "nearest"), masks)

    def _moved(self, images: jax.Array, params: dict[str, jax.Array], interpolation: str) -> jax.Array:
        y, x = warp.grid(*images.shape[1:3])
        options = {"interpolation": interpolation, "fill_mode": self.fill_mode, "fill_value": self.fill_value}
        shift = params["shift"]
        return warp.sample(images.astype(jnp.float32), y + shift[..., 0], x + shift[..., 1], **options).astype(images.dtype)
