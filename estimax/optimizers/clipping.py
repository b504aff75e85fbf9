"""Clipping of gradients by value and by norm. Row gradients are clipped on the rows as they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core.gradients import RowGradient

Gradient = Any  # an array, a RowGradient or None


def _values(t: Gradient) -> jax.Array:
    return t.without_padding().rows if isinstance(t, RowGradient) else jnp.asarray(t)


def _like(t: Gradient, values: jax.Array) -> Gradient:
    return t.with_rows(values) if isinstance(t, RowGradient) else values


def _norm(values: jax.Array, axes: Sequence[int] | int | None = None, *, keepdims: bool = False) -> jax.Array:
    """Euclidean norm whose gradient at zero is zero, not NaN."""
    total = jnp.sum(jnp.square(values), axis=axes if axes is None or isinstance(axes, int) else tuple(axes), keepdims=keepdims)
    positive = total > 0
    one = jnp.ones((), total.dtype)
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, total, one)), total)


def clip_by_value(t: Gradient, clip_value_min: ArrayLike, clip_value_max: ArrayLike) -> Gradient:
    """Cuts every element to `[clip_value_min, clip_value_max]`; NaN stays NaN.

    Args:
        t: an array `[...]`, or a RowGradient.
        clip_value_min: lowest value, a scalar or broadcastable to `t`.
        clip_value_max: highest value.

    Returns:
        Like `t`.

    Example:
        >>> print(clip_by_value(jnp.array([-3.0, 0.2, 9.0]), -1.0, 1.0))
        [-1.   0.2  1. ]

    Reference: tf.clip_by_value.
    """
    values = _values(t)
    low, high = jnp.asarray(clip_value_min, values.dtype), jnp.asarray(clip_value_max, values.dtype)
    return _like(t, jnp.maximum(jnp.minimum(values, high), low))  # in this order, as TensorFlow does where low is above high


def clip_by_norm(t: Gradient, clip_norm: ArrayLike, axes: Sequence[int] | int | None = None) -> Gradient:
    """Scales down to a Euclidean norm of at most `clip_norm`.

    Args:
        t: an array `[...]`, or a RowGradient.
        clip_norm: the largest norm, positive.
        axes: axes that the norm is taken over; all if omitted.

    Returns:
        Like `t`, `t * clip_norm / max(norm, clip_norm)`.

    Example:
        >>> print(clip_by_norm(jnp.array([3.0, 4.0]), 1.0))
        [0.6 0.8]

    Reference: tf.clip_by_norm.
    """
    values = _values(t)
    limit = jnp.asarray(clip_norm, values.dtype)
    return _like(t, values * limit / jnp.maximum(_norm(values, axes, keepdims=True), limit))


def clip_by_average_norm(t: Gradient, clip_norm: ArrayLike) -> Gradient:
    """Scales down so that the norm divided by the number of elements is at most `clip_norm`.

    Args:
        t: an array `[...]`, or a RowGradient.
        clip_norm: the largest average norm, positive.

    Returns:
        Like `t`.

    Example:
        >>> print(clip_by_average_norm(jnp.array([3.0, 4.0]), 0.5))
        [0.6 0.8]

    Reference: tf.compat.v1.clip_by_average_norm.
    """
    values = _values(t)
    limit = jnp.asarray(clip_norm, values.dtype)
    count = jnp.asarray(values.size, values.dtype)
    norm = jnp.sqrt(jnp.sum(jnp.square(values)))
    return _like(t, values * limit * jnp.minimum(count / norm, 1 / limit))


def global_norm(t_list: Sequence[Gradient]) -> jax.Array:
    """The Euclidean norm of all arrays together, as if they were one vector.

    Args:
        t_list: arrays, RowGradients, or None, which is skipped.

    Returns:
        A scalar; 0 if there is nothing.

    Example:
        >>> print(global_norm([jnp.array([3.0]), None, jnp.array([4.0])]))
        5.0

    Reference: tf.linalg.global_norm.
    """
    squares = [jnp.sum(jnp.square(_values(t))) for t in t_list if t is not None]
    dtype = jnp.result_type(*squares) if squares else jnp.float32
    return jnp.sqrt(sum((s.astype(dtype) for s in squares), jnp.zeros((), dtype)))


def clip_by_global_norm(
    t_list: Sequence[Gradient], clip_norm: ArrayLike, use_norm: ArrayLike | None = None
) -> tuple[list[Gradient], jax.Array]:
    """Scales all arrays by one factor so that their global norm is at most `clip_norm`.

    If the norm is not finite everything becomes NaN, so that the failure shows instead of a silent zero step.

    Args:
        t_list: arrays, RowGradients, or None, which stays None.
        clip_norm: the largest global norm, positive.
        use_norm: the global norm, if it is known already.

    Returns:
        `(clipped, norm)`: the scaled list, and the global norm before clipping.

    Example:
        >>> clipped, norm = clip_by_global_norm([jnp.array([3.0]), jnp.array([4.0])], 1.0)
        >>> print(clipped[0], norm)
        [0.6] 5.0

    Reference: tf.clip_by_global_norm; Pascanu et al., "On the difficulty of training RNNs", 2012.
    """
    norm = global_norm(t_list) if use_norm is None else jnp.asarray(use_norm)
    limit = jnp.asarray(clip_norm, norm.dtype)
    scale = limit * jnp.minimum(1 / norm, 1 / limit) + (norm - norm)

    def scaled(t: Gradient) -> Gradient:
        return None if t is None else _like(t, _values(t) * scale.astype(_values(t).dtype))

    return [scaled(t) for t in t_list], norm
