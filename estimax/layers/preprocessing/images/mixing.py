"""Random layers that mix images with each other, or with noise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.preprocessing.images import warp
from estimax.layers.preprocessing.images.base import RandomImageLayer, chosen, factor_range, per_image, symmetric_beta, uniform


def _boxes(key: jax.Array, ratios: jax.Array, height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """Random rectangles: where they are, bool `[batch, height, width, 1]`, and their areas. `ratios` `[batch, 2]`: width, height."""
    size = ratios * jnp.array([width, height])
    start = jax.random.uniform(key, ratios.shape) * (jnp.array([width, height]) - size)
    end = start + size
    y, x = warp.grid(height, width)
    at = lambda a, i: a[:, i, None, None]  # noqa: E731
    inside = (x >= at(start, 0)) & (x < at(end, 0)) & (y >= at(start, 1)) & (y < at(end, 1))
    return inside[..., None], size.prod(-1)


class _Mix(RandomImageLayer):
    """Layers that mix the images of a batch with a permutation of it; a subclass draws `order` and `weight`."""

    def transform_labels(self, labels: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """Labels (one-hot, or numbers) mixed by the same weights."""
        labels = labels.astype(self.compute_dtype)
        weight = params["weight"].reshape(-1, *(1,) * (labels.ndim - 1)).astype(labels.dtype)
        return weight * labels + (1 - weight) * labels[params["order"]]


@register("keras.layers")
class CutMix(_Mix):
    """Pastes a random part of another image of the batch into each one while training; labels are mixed by area.

    Args:
        factor: bounds of the parameter of a Beta distribution, from 0 to 1, from which the kept area is drawn.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if the factor is outside `[0, 1]`.

    Reference: keras.layers.CutMix; Yun et al., arXiv:1905.04899.
    """

    def __init__(self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor, 0, 1)

    def draw(self, key: Any, shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """The other image of each one, the rectangle, and the weight of the own label."""
        batch, height, width = shape[:3]
        keys = jax.random.split(key, 4)
        alpha = uniform(keys[0], (), self.factor) + 1e-6
        side = jnp.sqrt(1 - symmetric_beta(keys[1], alpha, (batch,)))
        inside, area = _boxes(keys[2], jnp.stack([side, side], -1), height, width)
        return {"order": jax.random.permutation(keys[3], batch), "inside": inside, "weight": 1 - area / (height * width)}

    def transform(self, images: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The images with parts of others."""
        return jnp.where(params["inside"], images[params["order"]], images)

    transform_masks = transform  # type: ignore[assignment]


@register("keras.layers")
class MixUp(_Mix):
    """Mixes each image with another one of the batch while training, and their labels likewise.

    Args:
        alpha: parameter of the Beta distribution of the weights, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: of the draws.

    Raises:
        ValueError: if `alpha` is not positive.

    Reference: keras.layers.MixUp; Zhang et al., arXiv:1710.09412.
    """

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        if not isinstance(alpha, (int, float)) or alpha <= 0:
            raise ValueError(f"MixUp: alpha: given {alpha!r}, expected a positive number.")
        self.alpha = alpha

    def draw(self, key: Any, shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """The other image of each one, and the weight of the own image and label."""
        first, second = jax.random.split(key)
        weight = symmetric_beta(second, float(self.alpha), (shape[0],))
        return {"order": jax.random.permutation(first, shape[0]), "weight": weight}

    def transform(self, images: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The images mixed."""
        weight = per_image(params["weight"]).astype(images.dtype)
        return weight * images + (1 - weight) * images[params["order"]]

    def transform_masks(self, masks: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The masks mixed."""
        return self.transform(masks.astype(self.compute_dtype), params)


@register("keras.layers")
class RandomErasing(RandomImageLayer):
    """Replaces a random rectangle of each image while training.

    Args:
        factor: bounds of the probability that an image is changed.
        scale: bounds of the share of the area.
        fill_value: a number, or one a channel; noise if omitted.
        value_range: smallest and largest value of a pixel.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if factor or scale is outside `[0, 1]`, or `fill_value` is neither a number nor a list of 3.

    Reference: keras.layers.RandomErasing; Zhong et al., arXiv:1708.04896.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor, 0, 1)
        self.scale = factor_range(self, "scale", scale, 0, 1)
        if not (fill_value is None or isinstance(fill_value, (int, float)) or len(fill_value) == 3):
            raise ValueError(
                f"RandomErasing: fill_value: given {fill_value!r}, expected a number, three numbers, or None for noise."
            )
        self.fill_value = fill_value
        self.value_range = value_range

    def draw(self, key: Any, shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """Which images change, where, and what comes there."""
        batch, height, width = shape[:3]
        keys = jax.random.split(key, 4)
        inside, _ = _boxes(keys[1], jnp.sqrt(uniform(keys[0], (batch, 2), self.scale)), height, width)
        if self.fill_value is None:
            fill = jax.random.normal(keys[2], shape) * self.value_range[1]
        else:
            fill = jnp.asarray(self.fill_value, jnp.float32)
        return {
            "inside": inside & per_image(chosen(keys[3], batch, self.factor)),
            "fill": jnp.broadcast_to(jnp.clip(fill, *self.value_range), shape),
        }

    def transform(self, images: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The images with rectangles replaced."""
        return jnp.where(params["inside"], params["fill"].astype(images.dtype), images)
