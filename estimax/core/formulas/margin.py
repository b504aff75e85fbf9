"""Hinge losses: nothing to pay beyond a margin, a straight line or a parabola before it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core.formulas.shapes import pair


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `max(1 - y_true * y_pred, 0)` over the last axis.

    Args:
        y_true: targets -1 or 1; if all are 0 or 1, the zeros count as -1. Shape `[batch, ..., values]`.
        y_pred: predictions, any real number. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> hinge([[-1.0, 1.0]], [[0.5, 2.0]]).tolist()
        [0.75]
    """
    signs, y_pred = _signs(y_true, y_pred)
    return jnp.mean(jnp.maximum(1.0 - signs * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `max(1 - y_true * y_pred, 0)^2` over the last axis.

    Args:
        y_true: targets -1 or 1; if all are 0 or 1, the zeros count as -1. Shape `[batch, ..., values]`.
        y_pred: predictions, any real number. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> squared_hinge([[-1.0, 1.0]], [[1.0, 2.0]]).tolist()
        [2.0]
    """
    signs, y_pred = _signs(y_true, y_pred)
    return jnp.mean(jnp.square(jnp.maximum(1.0 - signs * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`max(1 + highest score of a wrong class - score of the right class, 0)`.

    Args:
        y_true: one-hot targets. Shape `[batch, ..., classes]`.
        y_pred: scores. Shape `[batch, ..., classes]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]]).tolist()
        [0.75]
    """
    y_true, y_pred = pair(y_true, y_pred, "categorical_hinge")
    right = jnp.sum(y_true * y_pred, axis=-1)
    wrong = jnp.max((1.0 - y_true) * y_pred, axis=-1)
    return jnp.maximum(wrong - right + 1.0, 0.0)


def _signs(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[jax.Array, jax.Array]:
    y_true, y_pred = pair(y_true, y_pred, "hinge")
    is_binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.where(is_binary, 2.0 * y_true - 1.0, y_true), y_pred
