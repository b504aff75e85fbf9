"""Initializers that draw from a distribution given by its own numbers."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import SeedGenerator, register, standardize_dtype
from estimax.initializers.base import RandomInitializer

# Up to this many elements (16 MB of float32) the host draws: XLA takes longer to compile the draw of a new shape.
HOST_ELEMENTS = 1 << 22


def draw(key: jax.Array, center: float, spread: float, distribution: str, shape: tuple[int, ...], dtype: str) -> jax.Array:
    """Random values `center + spread * z`.

    A key stands for other values within a traced function, and beyond `HOST_ELEMENTS`, than elsewhere; both are
    repeatable.

    Args:
        key: random key.
        center: mean of the values.
        spread: factor of `z`, which is standard normal (`"normal"`), standard normal cut at 2 on either side
            (`"truncated_normal"`) or uniform in `[-1, 1)` (`"uniform"`).
        distribution: one of these names.
        shape: of the result.
        dtype: a float type.
    """
    if math.prod(shape) > HOST_ELEMENTS or is_traced() or isinstance(key, jax.core.Tracer):
        return _draw_compiled(key, center, spread, distribution, shape, dtype)
    words = np.asarray(jax.random.key_data(key), np.uint32).reshape(-1)
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
    working = np.float64 if dtype == "float64" else np.float32
    if distribution == "uniform":
        z = 2 * generator.random(shape, working) - 1
    else:
        z = generator.standard_normal(shape, working)
        if distribution == "truncated_normal":
            outside = np.flatnonzero(np.abs(z) > 2)
            while outside.size:
                z.flat[outside] = generator.standard_normal(outside.size, working)
                outside = outside[np.abs(z.flat[outside]) > 2]
    return on_device(z * working(spread) + working(center), dtype)


def is_traced() -> bool:
    """Whether a function is being traced, where host values would become constants of the compiled program."""
    return isinstance(jnp.zeros(()), jax.core.Tracer)


def on_device(values: np.ndarray, dtype: str) -> jax.Array:
    """A copy of host values as a JAX array, without compiling anything."""
    return jnp.array(values.astype(jnp.dtype(dtype), copy=False))


@functools.partial(jax.jit, static_argnames=("distribution", "shape", "dtype"))
def _draw_compiled(
    key: jax.Array, center: float, spread: float, distribution: str, shape: tuple[int, ...], dtype: str
) -> jax.Array:
    if distribution == "uniform":
        z = jax.random.uniform(key, shape, dtype, -1.0, 1.0)
    elif distribution == "normal":
        z = jax.random.normal(key, shape, dtype)
    else:
        z = jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)
    return z * jnp.asarray(spread, dtype) + jnp.asarray(center, dtype)


@register("keras.initializers")
class RandomNormal(RandomInitializer):
    """Draws from a normal distribution.

    Args:
        mean: its mean.
        stddev: its standard deviation.
        seed: see `RandomInitializer`.

    Example:
        >>> RandomNormal(stddev=1.0, seed=1)((2, 3)).shape
        (2, 3)

    Reference: `keras.initializers.RandomNormal`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | SeedGenerator | None = None):
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        return draw(self.key(), self.mean, self.stddev, "normal", tuple(shape), standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@register("keras.initializers")
class TruncatedNormal(RandomInitializer):
    """Draws from a normal distribution and draws again what lies more than two standard deviations from the mean.

    Args:
        mean: mean of the whole distribution.
        stddev: standard deviation of the whole distribution; that of the values is 0.88 times as large.
        seed: see `RandomInitializer`.

    Example:
        >>> bool(abs(TruncatedNormal(stddev=1.0, seed=1)((100,))).max() <= 2.0)
        True

    Reference: `keras.initializers.TruncatedNormal`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | SeedGenerator | None = None):
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        return draw(self.key(), self.mean, self.stddev, "truncated_normal", tuple(shape), standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@register("keras.initializers")
class RandomUniform(RandomInitializer):
    """Draws uniformly from `[minval, maxval)`.

    Args:
        minval: lower bound.
        maxval: upper bound.
        seed: see `RandomInitializer`.

    Example:
        >>> bool(RandomUniform(2.0, 3.0, seed=1)((100,)).min() >= 2.0)
        True

    Reference: `keras.initializers.RandomUniform`.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | SeedGenerator | None = None):
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        center, spread = (self.maxval + self.minval) / 2, (self.maxval - self.minval) / 2
        return draw(self.key(), center, spread, "uniform", tuple(shape), standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


@register("keras.initializers")
class Orthogonal(RandomInitializer):
    """Draws a matrix with orthogonal rows or columns (whichever are fewer), uniformly among all of them.

    A shape of more than two axes is made as the matrix `[product of the other axes, last axis]`.

    Args:
        gain: norm of each row or column.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: at the call, if the shape has fewer than two axes.

    Example:
        >>> import jax.numpy as jnp
        >>> q = Orthogonal(seed=1)((3, 3))
        >>> bool(jnp.allclose(q @ q.T, jnp.eye(3), atol=1e-5))
        True

    Reference: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    2014; the signs follow Mezzadri, "How to generate random matrices from the classical compact groups", 2007.
    """

    def __init__(self, gain: float = 1.0, seed: int | SeedGenerator | None = None):
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        shape = tuple(shape)
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: expected a shape of at least two axes, given {shape}. Use RandomNormal for vectors.")
        dtype = standardize_dtype(dtype)
        rows, columns = math.prod(shape[:-1]), shape[-1]
        # The decomposition has no 16-bit form; float64 stays.
        working = dtype if dtype == "float64" else "float32"
        normal = draw(self.key(), 0.0, 1.0, "normal", (max(rows, columns), min(rows, columns)), working)
        on_host = not isinstance(normal, jax.core.Tracer)
        xp = np if on_host else jnp
        q, r = xp.linalg.qr(np.asarray(normal) if on_host else normal)
        q = q * xp.sign(xp.diagonal(r))
        q = self.gain * (q.T if rows < columns else q).reshape(shape)
        return on_device(q, dtype) if on_host else q.astype(dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}
