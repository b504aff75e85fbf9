"""Random sequences of the other layers: RandAugment and AugMix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.preprocessing.images.base import ImageLayer, RandomImageLayer, factor_range
from estimax.layers.preprocessing.images.color import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)
from estimax.layers.preprocessing.images.geometric import RandomRotation, RandomShear, RandomTranslation
from estimax.layers.preprocessing.images.histogram import AutoContrast, Equalization


def _positive(layer: ImageLayer, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{type(layer).__name__}: {name}: given {value!r}, expected a positive integer.")
    return value


def _operations(factor: tuple, value_range: Any, interpolation: str, dtype: Any, colours: bool) -> list[ImageLayer]:
    """The layers to draw from, all with one factor."""
    common = {"value_range": value_range, "dtype": dtype}
    operations: list[ImageLayer] = [
        RandomShear(factor, factor, interpolation=interpolation, dtype=dtype),
        RandomTranslation(factor, factor, interpolation=interpolation, dtype=dtype),
        RandomRotation(factor, interpolation=interpolation, dtype=dtype),
        RandomPosterization(max(1, int(8 * factor[1])), **common),
        Solarization(factor, factor, **common),
        AutoContrast(**common),
        Equalization(**common),
    ]
    if colours:
        operations += [
            cls(factor, **common) for cls in (RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness)
        ]
    return operations


def _branch(layer: ImageLayer) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """A layer as a function of a key and images."""
    return lambda key, images: layer.transform(images, layer.draw(key, images.shape)).astype(images.dtype)


@register("keras.layers")
class RandAugment(RandomImageLayer):
    """A few layers drawn at random, one after the other, while training; the same ones for all images of a batch.

    Args:
        value_range: smallest and largest value of a pixel.
        num_ops: how many are drawn.
        factor: bounds of the strength of each, from 0 to 1.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if `num_ops` is not positive, or the factor outside `[0, 1]`.

    Reference: keras.layers.RandAugment; Cubuk et al., arXiv:1909.13719.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range = value_range
        self.num_ops = _positive(self, "num_ops", num_ops)
        self.factor = factor_range(self, "factor", factor, 0, 1)
        self.interpolation = interpolation
        self.operations = _operations(self.factor, value_range, interpolation, self.dtype_policy, True)

    def draw(self, key: Any, shape: tuple[int, ...]) -> jax.Array:
        """A key for each operation."""
        return jax.random.split(key, self.num_ops)

    def transform(self, images: jax.Array, params: jax.Array) -> jax.Array:
        """The images augmented."""
        branches = [_branch(operation) for operation in self.operations]

        def step(images: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            which, own = jax.random.split(key)
            return jax.lax.switch(jax.random.randint(which, (), 0, len(branches)), branches, own, images), None

        return jax.lax.scan(step, images, params)[0]


@register("keras.layers")
class AugMix(RandomImageLayer):
    """Several random chains of layers, mixed with each other and with the image, while training.

    Args:
        value_range: smallest and largest value of a pixel.
        num_chains: how many chains.
        chain_depth: how many draws a chain; a draw may be of no layer at all.
        factor: bounds of the strength of each layer, from 0 to 1.
        alpha: parameter of the Dirichlet and Beta distributions of the weights.
        all_ops: whether brightness, colour, contrast and sharpness are drawn too.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: of the draws.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: if a number is not positive, or the factor outside `[0, 1]`.

    Reference: keras.layers.AugMix; Hendrycks et al., arXiv:1912.02781.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range = value_range
        self.num_chains = _positive(self, "num_chains", num_chains)
        self.chain_depth = _positive(self, "chain_depth", chain_depth)
        self.factor = factor_range(self, "factor", factor, 0, 1)
        if not isinstance(alpha, (int, float)) or alpha <= 0:
            raise ValueError(f"AugMix: alpha: given {alpha!r}, expected a positive number.")
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.operations = _operations(self.factor, value_range, interpolation, self.dtype_policy, all_ops)

    def draw(self, key: Any, shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """The weights, and a key for each draw of each chain."""
        first, second = jax.random.split(key)
        logs = jax.random.loggamma(first, float(self.alpha), (self.num_chains + 2,))
        return {
            "chains": jax.nn.softmax(logs[:-2]),  # Dirichlet
            "original": jax.nn.sigmoid(logs[-2] - logs[-1]),  # Beta
            "keys": jax.random.split(second, (self.num_chains, self.chain_depth)),
        }

    def transform(self, images: jax.Array, params: dict[str, jax.Array]) -> jax.Array:
        """The images mixed with their chains."""
        branches = [_branch(operation) for operation in self.operations] + [lambda key, images: images]

        def step(images: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            which, own = jax.random.split(key)
            return jax.lax.switch(jax.random.randint(which, (), 0, len(branches)), branches, own, images), None

        def chain(total: jax.Array, drawn: Any) -> tuple[jax.Array, None]:
            keys, weight = drawn
            return total + weight.astype(images.dtype) * jax.lax.scan(step, images, keys)[0], None

        # Scans, so that the code of the layers is in the program once, not once for each draw.
        mixed = jax.lax.scan(chain, jnp.zeros_like(images), (params["keys"], params["chains"]))[0]
        weight = params["original"].astype(images.dtype)
        return jnp.clip(weight * images + (1 - weight) * mixed, *self.value_range)
