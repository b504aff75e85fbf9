"""Activations over an axis: scores turned into probabilities that sum to 1."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> jax.Array:
    """`exp(x)` divided by its sum over `axis`: scores as probabilities.

    Args:
        x: scores. Shape `[..., classes]`.
        axis: the axis, or axes, that sum to 1.

    Returns:
        Shape of `x`.

    Example:
        >>> softmax([[0.0, 0.0]]).tolist()
        [[0.5, 0.5]]
    """
    return jax.nn.softmax(jnp.asarray(x), axis=tuple(axis) if isinstance(axis, (list, tuple)) else axis)


def log_softmax(x: ArrayLike, axis: int | Sequence[int] = -1) -> jax.Array:
    """`log(softmax(x))`, finite also where a probability rounds to 0.

    Args:
        x: scores. Shape `[..., classes]`.
        axis: the axis, or axes, whose probabilities sum to 1.

    Returns:
        Shape of `x`.

    Example:
        >>> log_softmax([[0.0, -1000.0]]).tolist()
        [[0.0, -1000.0]]
    """
    return jax.nn.log_softmax(jnp.asarray(x), axis=tuple(axis) if isinstance(axis, (list, tuple)) else axis)


def sparsemax(x: ArrayLike, axis: int = -1) -> jax.Array:
    """Scores above a threshold, less that threshold: like softmax, but with exact zeros.

    The numbers are those of Keras 3.15, whose threshold adds up the running sums of the leading scores where the
    paper takes the last one. The two agree, and the result sums to 1, only where one score leads the others by 1 or
    more; elsewhere Keras's result is not a probability distribution.

    Args:
        x: scores. Shape `[..., classes]`.
        axis: the axis of the classes.

    Returns:
        Shape of `x`.

    Example:
        >>> sparsemax([[2.0, 0.0, 0.0]]).tolist()
        [[1.0, 0.0, 0.0]]

    Reference: Martins and Astudillo, "From softmax to sparsemax", 2016, algorithm 1; `keras.activations.sparsemax`.
    """
    x = jnp.asarray(x)
    scores = jnp.moveaxis(x, axis, -1)
    descending = -jnp.sort(-scores, axis=-1)
    running_sum = jnp.cumsum(descending, axis=-1)
    rank = jnp.arange(1, scores.shape[-1] + 1, dtype=x.dtype)
    # A rank belongs to the support as long as 1 + rank * score exceeds the sum of the scores up to it.
    in_support = 1 + rank * descending > running_sum
    support_size = jnp.sum(in_support, axis=-1, keepdims=True)
    tau = (jnp.sum(jnp.where(in_support, running_sum, 0), axis=-1, keepdims=True) - 1) / support_size
    return jnp.moveaxis(jnp.maximum(scores - tau, 0), -1, axis)
