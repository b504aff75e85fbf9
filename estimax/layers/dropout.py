"""Layers that are random while training and the identity otherwise: dropout of several kinds, noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import SeedGenerator, register
from estimax.layers.base import Layer
from estimax.layers.input_spec import InputSpec
from estimax.layers.shapes import data_format_of


def _rate(layer: Layer, rate: Any, *, below_one: bool = False) -> float:
    """A checked share."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1 or (below_one and rate == 1):
        expected = "at least 0 and less than 1" if below_one else "between 0 and 1"
        raise ValueError(f"{type(layer).__name__}: rate: given {rate!r}, expected a number {expected}: the share to drop.")
    return rate


class _Random(Layer):
    """Keeps the seed and its stream of keys."""

    def __init__(self, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True


def _drop(x: jax.Array, rate: float, key: jax.Array, noise_shape: tuple[int, ...]) -> jax.Array:
    """`x` with a share `rate` set to zero and the rest scaled so that the mean stays."""
    if rate == 1:
        return jnp.zeros_like(x)
    keep = jax.random.bernoulli(key, 1 - rate, noise_shape)
    return jnp.where(keep, x / jnp.asarray(1 - rate, x.dtype), jnp.zeros((), x.dtype))


def _checked_noise_shape(layer: Layer, given: Any) -> tuple[int | None, ...] | None:
    if given is None:
        return None
    if not isinstance(given, (list, tuple)) or any(d is not None and (not isinstance(d, int) or d <= 0) for d in given):
        raise ValueError(
            f"{type(layer).__name__}: noise_shape: given {given!r}, expected positive integers, or None for the input's size."
        )
    return tuple(given)


def _noise_shape(layer: Layer, inputs: jax.Array, given: tuple[int | None, ...] | None) -> tuple[int, ...]:
    """The shape of the random draw: the input's where nothing else is given."""
    if given is None:
        return inputs.shape
    if len(given) != inputs.ndim:
        raise ValueError(
            f'{type(layer).__name__} "{layer.name}": noise_shape {given} has {len(given)} axes, expected {inputs.ndim}, as the input '
            f"of shape {inputs.shape}."
        )
    return tuple(d if n is None else n for n, d in zip(given, inputs.shape))


@register("keras.layers")
class Dropout(_Random):
    """Sets a share of the inputs to zero while training, and scales the rest by `1 / (1 - rate)`.

    Args:
        rate: the share to drop, from 0 to 1.
        noise_shape: shape of the random draw, 1 where elements are dropped together, None for the input's size.
        seed: makes draws repeatable.

    Raises:
        ValueError: if `rate` is not between 0 and 1.

    Example:
        >>> import jax.numpy as jnp
        >>> Dropout(0.5)(jnp.ones((1, 2))).tolist()
        [[1.0, 1.0]]
        >>> sorted(set(Dropout(0.5, seed=1)(jnp.ones(100), training=True).tolist()))
        [0.0, 2.0]

    Reference: keras.layers.Dropout; Srivastava et al., "Dropout", JMLR 15, 2014.
    """

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = _rate(self, rate)
        self.noise_shape = _checked_noise_shape(self, noise_shape)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drops while training."""
        if not training or self.rate == 0:
            return inputs
        return _drop(inputs, self.rate, self.seed_generator.next(), _noise_shape(self, inputs, self.noise_shape))


class _SpatialDropout(_Random):
    """Drops whole channels: one draw for all positions."""

    rank: int

    def __init__(self, rate: float, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = _rate(self, rate)
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drops whole channels while training."""
        if not training or self.rate == 0:
            return inputs
        ones = (1,) * self.rank
        batch = inputs.shape[0]
        shape = (batch, *ones, inputs.shape[-1]) if self.data_format == "channels_last" else (batch, inputs.shape[1], *ones)
        return _drop(inputs, self.rate, self.seed_generator.next(), shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        # Keras writes just these for this family.
        config = {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype_policy.name}
        return config if self.rank == 1 else {**config, "data_format": self.data_format}


@register("keras.layers")
class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of `[batch, steps, channels]` while training.

    Args:
        rate: the share of channels to drop.
        seed: makes draws repeatable.

    Example:
        >>> import jax.numpy as jnp
        >>> y = SpatialDropout1D(0.5, seed=1)(jnp.ones((1, 3, 4)), training=True)
        >>> bool((y == y[:, :1]).all())
        True

    Reference: keras.layers.SpatialDropout1D; Tompson et al., arXiv:1411.4280.
    """

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(rate, seed, **kwargs)


@register("keras.layers")
class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images `[batch, height, width, channels]` while training.

    Args:
        rate: the share of channels to drop.
        data_format: `"channels_last"` (default) or `"channels_first"`.
        seed: makes draws repeatable.

    Example:
        >>> import jax.numpy as jnp
        >>> SpatialDropout2D(0.5)(jnp.ones((1, 2, 2, 4)), training=True).shape
        (1, 2, 2, 4)

    Reference: keras.layers.SpatialDropout2D; Tompson et al., arXiv:1411.4280.
    """

    rank = 2

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(rate, seed, data_format, **kwargs)


@register("keras.layers")
class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes `[batch, depth, height, width, channels]` while training.

    Args:
        rate: the share of channels to drop.
        data_format: `"channels_last"` (default) or `"channels_first"`.
        seed: makes draws repeatable.

    Example:
        >>> import jax.numpy as jnp
        >>> SpatialDropout3D(0.5)(jnp.ones((1, 2, 2, 2, 4)), training=True).shape
        (1, 2, 2, 2, 4)

    Reference: keras.layers.SpatialDropout3D; Tompson et al., arXiv:1411.4280.
    """

    rank = 3

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(rate, seed, data_format, **kwargs)


@register("keras.layers")
class GaussianDropout(_Random):
    """Multiplies by noise of mean 1 and variance `rate / (1 - rate)` while training.

    Args:
        rate: as of Dropout, at least 0 and less than 1.
        seed: makes draws repeatable.

    Raises:
        ValueError: if `rate` is not in this range.

    Example:
        >>> import jax.numpy as jnp
        >>> GaussianDropout(0.5)(jnp.ones((1, 2))).tolist()
        [[1.0, 1.0]]

    Reference: keras.layers.GaussianDropout; Srivastava et al., "Dropout", JMLR 15, 2014, section 10.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = _rate(self, rate)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Multiplies while training."""
        if not training or self.rate == 0:
            return inputs
        # At rate 1 the variance would be infinite; the rate stops just below, as Keras's results need nothing finer.
        stddev = math.sqrt(min(self.rate, 1 - 1e-7) / max(1 - self.rate, 1e-7))
        return inputs * (1 + stddev * jax.random.normal(self.seed_generator.next(), inputs.shape, inputs.dtype))


@register("keras.layers")
class GaussianNoise(_Random):
    """Adds noise of mean 0 while training.

    Args:
        stddev: standard deviation of the noise, from 0 to 1.
        seed: makes draws repeatable.

    Raises:
        ValueError: if `stddev` is not in this range.

    Example:
        >>> import jax.numpy as jnp
        >>> GaussianNoise(0.5)(jnp.ones((1, 2))).tolist()
        [[1.0, 1.0]]

    Reference: keras.layers.GaussianNoise.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        if not 0 <= stddev <= 1:
            raise ValueError(f"GaussianNoise: stddev: given {stddev!r}, expected a number between 0 and 1.")
        self.stddev = stddev

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Adds noise while training."""
        if not training or self.stddev == 0:
            return inputs
        return inputs + self.stddev * jax.random.normal(self.seed_generator.next(), inputs.shape, inputs.dtype)


# The value that SELU tends to for large negative inputs: -scale * alpha.
_SELU_FLOOR = -1.7580993408473766


@register("keras.layers")
class AlphaDropout(_Random):
    """Dropout that keeps mean 0 and variance 1 of its inputs, for networks of SELU.

    Args:
        rate: the share to drop, from 0 to 1.
        noise_shape: shape of the random draw, 1 where elements are dropped together, None for the input's size.
        seed: makes draws repeatable.

    Raises:
        ValueError: if `rate` is not between 0 and 1.

    Example:
        >>> import jax.numpy as jnp
        >>> AlphaDropout(0.5)(jnp.ones((1, 2))).tolist()
        [[1.0, 1.0]]

    Reference: keras.layers.AlphaDropout; Klambauer et al., "Self-Normalizing Neural Networks", arXiv:1706.02515.
    """

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = _rate(self, rate)
        self.noise_shape = _checked_noise_shape(self, noise_shape)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Drops to SELU's floor while training, and scales and shifts everything to mean 0 and variance 1."""
        if not training or self.rate == 0:
            return inputs
        rate = min(self.rate, 1 - 1e-7)
        noise_shape = _noise_shape(self, inputs, self.noise_shape)
        keep = jax.random.bernoulli(self.seed_generator.next(), 1 - self.rate, noise_shape)
        scale = ((1 - rate) * (1 + rate * _SELU_FLOOR**2)) ** -0.5
        shift = -scale * _SELU_FLOOR * rate
        return scale * jnp.where(keep, inputs, jnp.asarray(_SELU_FLOOR, inputs.dtype)) + shift
