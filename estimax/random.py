"""Random arrays under the names of `keras.random`, and `SeedGenerator`.

`seed` is an integer (the same numbers at every call), a `SeedGenerator` (other ones at every call), or None: then numbers follow
`ex.set_random_seed` outside of models, and the key of the step inside of their compiled steps.

Example:
    >>> from estimax import random
    >>> bool((random.normal((2,), seed=1) == random.normal((2,), seed=1)).all())
    True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import SeedGenerator, canonical, errors, floatx, next_key, standardize_dtype

Seed = int | SeedGenerator | jax.Array | None


def _key(seed: Seed) -> jax.Array:
    if seed is None:
        return next_key()
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, jax.Array):
        return seed
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise ValueError(f"seed: given {seed!r}, expected an integer, a SeedGenerator or None.")
    return jax.random.key(int(seed))


def _dtype(dtype: Any) -> Any:
    return canonical(standardize_dtype(dtype or floatx()))


def normal(
    shape: Sequence[int], mean: ArrayLike = 0.0, stddev: ArrayLike = 1.0, dtype: Any = None, seed: Seed = None
) -> jax.Array:
    """Numbers of a normal distribution.

    Args:
        shape: of the result.
        mean, stddev: of the distribution.
        dtype: float32 if omitted.
        seed: see the module.

    Example:
        >>> normal((2, 3), seed=1).shape
        (2, 3)

    Reference: keras.random.normal.
    """
    return jax.random.normal(_key(seed), tuple(shape), _dtype(dtype)) * stddev + mean


def truncated_normal(
    shape: Sequence[int], mean: ArrayLike = 0.0, stddev: ArrayLike = 1.0, dtype: Any = None, seed: Seed = None
) -> jax.Array:
    """Numbers of a normal distribution, none further than two standard deviations from the mean.

    Args:
        shape: of the result.
        mean, stddev: of the distribution before it is cut.
        dtype: float32 if omitted.
        seed: see the module.

    Example:
        >>> bool((abs(truncated_normal((100,), seed=1)) <= 2).all())
        True

    Reference: keras.random.truncated_normal.
    """
    return jax.random.truncated_normal(_key(seed), -2.0, 2.0, tuple(shape), _dtype(dtype)) * stddev + mean


def uniform(
    shape: Sequence[int], minval: ArrayLike = 0.0, maxval: ArrayLike = 1.0, dtype: Any = None, seed: Seed = None
) -> jax.Array:
    """Numbers between two ends, all equally likely.

    Args:
        shape: of the result.
        minval, maxval: the ends; `maxval` is left out.
        dtype: float32 if omitted.
        seed: see the module.

    Example:
        >>> uniform((2,), 1, 1, seed=1).tolist()
        [1.0, 1.0]

    Reference: keras.random.uniform.
    """
    return jax.random.uniform(_key(seed), tuple(shape), _dtype(dtype), minval, maxval)


def randint(shape: Sequence[int], minval: ArrayLike, maxval: ArrayLike, dtype: Any = "int32", seed: Seed = None) -> jax.Array:
    """Integers from `minval` to `maxval - 1`.

    Args:
        shape: of the result.
        minval, maxval: the ends.
        dtype: an integer type.
        seed: see the module.

    Raises:
        ValueError: if the type is none of integers.

    Example:
        >>> randint((3,), 5, 6, seed=1).tolist()
        [5, 5, 5]

    Reference: keras.random.randint.
    """
    if not jnp.issubdtype(_dtype(dtype), jnp.integer):
        raise ValueError(f"random.randint: dtype: given {dtype!r}, expected an integer type. For floats use random.uniform.")
    return jax.random.randint(_key(seed), tuple(shape), minval, maxval, _dtype(dtype))


def categorical(logits: ArrayLike, num_samples: int, dtype: Any = "int32", seed: Seed = None) -> jax.Array:
    """Class numbers, drawn for each row from its own distribution.

    Args:
        logits: log probabilities, but for a constant. Shape `[batch, classes]`.
        num_samples: draws of each row.
        dtype: an integer type.
        seed: see the module.

    Returns:
        `[batch, num_samples]`.

    Raises:
        ValueError: if the rank is not 2.

    Example:
        >>> categorical([[0.0, 1e9]], 3, seed=1).tolist()
        [[1, 1, 1]]

    Reference: keras.random.categorical.
    """
    logits = jnp.asarray(logits)
    if logits.ndim != 2:
        raise errors.ShapeError(f"random.categorical: logits: given shape {logits.shape}, expected [batch, classes].")
    draws = jax.random.categorical(_key(seed), logits[:, None], axis=-1, shape=(logits.shape[0], num_samples))
    return draws.astype(_dtype(dtype))


def dropout(inputs: ArrayLike, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None) -> jax.Array:
    """`inputs` with a share of elements set to 0, and the others scaled so that the mean stays.

    Args:
        inputs: an array.
        rate: the share, from 0 to 1.
        noise_shape: of the draw, which is repeated over axes of size 1; None for the size of the inputs.
        seed: see the module.

    Raises:
        ValueError: if the rate is not from 0 to 1.

    Example:
        >>> sorted(set(dropout(jnp.ones(100), 0.5, seed=1).tolist()))
        [0.0, 2.0]

    Reference: keras.random.dropout.
    """
    x = jnp.asarray(inputs)
    if not 0 <= rate <= 1:
        raise ValueError(f"random.dropout: rate: given {rate}, expected a share from 0 to 1.")
    if rate in (0, 1):
        return x if rate == 0 else jnp.zeros_like(x)
    shape = x.shape if noise_shape is None else tuple(d if n is None else n for n, d in zip(noise_shape, x.shape))
    return jnp.where(
        jax.random.bernoulli(_key(seed), 1 - rate, shape), x / jnp.asarray(1 - rate, x.dtype), jnp.zeros((), x.dtype)
    )


def shuffle(x: ArrayLike, axis: int = 0, seed: Seed = None) -> jax.Array:
    """The elements of an axis in random order, another one for each line along it.

    Args:
        x: an array.
        axis: whose order changes.
        seed: see the module.

    Example:
        >>> sorted(shuffle([3, 1, 2], seed=1).tolist())
        [1, 2, 3]

    Reference: keras.random.shuffle.
    """
    return jax.random.permutation(_key(seed), jnp.asarray(x), axis, independent=True)


def gamma(shape: Sequence[int], alpha: ArrayLike, dtype: Any = None, seed: Seed = None) -> jax.Array:
    """Numbers of a gamma distribution of scale 1.

    Args:
        shape: of the result.
        alpha: the shape parameter, broadcast to `shape`.
        dtype: float32 if omitted.
        seed: see the module.

    Example:
        >>> bool((gamma((5,), 2.0, seed=1) > 0).all())
        True

    Reference: keras.random.gamma.
    """
    return jax.random.gamma(_key(seed), jnp.asarray(alpha), tuple(shape), _dtype(dtype))


def beta(shape: Sequence[int], alpha: ArrayLike, beta: ArrayLike, dtype: Any = None, seed: Seed = None) -> jax.Array:
    """Numbers of a beta distribution.

    Args:
        shape: of the result.
        alpha, beta: its parameters, broadcast to `shape`.
        dtype: float32 if omitted.
        seed: see the module.

    Example:
        >>> from estimax import random
        >>> float(random.beta((), 2.0, 3.0, seed=1)) < 1
        True

    Reference: keras.random.beta.
    """
    return jax.random.beta(_key(seed), jnp.asarray(alpha), jnp.asarray(beta), tuple(shape), _dtype(dtype))


def binomial(
    shape: Sequence[int], counts: ArrayLike, probabilities: ArrayLike, dtype: Any = None, seed: Seed = None
) -> jax.Array:
    """How many of so many tries succeed.

    Args:
        shape: of the result.
        counts: tries, broadcast to `shape`.
        probabilities: of success, broadcast to `shape`.
        dtype: float32 if omitted.
        seed: see the module.

    Example:
        >>> binomial((2,), 3, 1.0, seed=1).tolist()
        [3.0, 3.0]

    Reference: keras.random.binomial.
    """
    return jax.random.binomial(_key(seed), jnp.asarray(counts), jnp.asarray(probabilities), tuple(shape), _dtype(dtype))


__all__ = [
    "SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "shuffle", "truncated_normal", "uniform",
]  # fmt: skip
