"""Losses of regions: how much a predicted region and the true one overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core.formulas.shapes import EPSILON


def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: int | Sequence[int] | None = None) -> jax.Array:
    """`1 - 2 * overlap / (size of y_true + size of y_pred)`.

    Args:
        y_true: 0 or 1. Shape `[batch, ..., classes]`.
        y_pred: probabilities. Shape `[batch, ..., classes]`.
        axis: axes of one region; all, the batch included, if omitted.

    Returns:
        The shape without these axes.

    Example:
        >>> print(round(float(dice([[1.0, 0.0]], [[1.0, 1.0]])), 4))
        0.3333

    Reference: Milletari et al., "V-Net", 2016.
    """
    y_true, y_pred, axes = _regions(y_true, y_pred, axis)
    overlap = jnp.sum(y_true * y_pred, axis=axes)
    return 1 - 2.0 * overlap / (jnp.sum(y_true, axis=axes) + jnp.sum(y_pred, axis=axes) + EPSILON)


def tversky(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: int | Sequence[int] | None = None,
) -> jax.Array:
    """`1 - overlap / (overlap + alpha * missed + beta * false alarms)`.

    Keras calls what `alpha` weighs false positives, but weighs `y_true * (1 - y_pred)`, what was missed; so does estimax.

    Args:
        y_true: 0 or 1. Shape `[batch, ..., classes]`.
        y_pred: probabilities. Shape `[batch, ..., classes]`.
        alpha: price of a false negative.
        beta: price of a false positive.
        axis: axes of one region; all, the batch included, if omitted.

    Returns:
        The shape without these axes.

    Example:
        >>> print(round(float(tversky([[1.0, 0.0]], [[1.0, 1.0]])), 4))
        0.3333

    Reference: Salehi et al., "Tversky loss function for image segmentation", 2017.
    """
    y_true, y_pred, axes = _regions(y_true, y_pred, axis)
    overlap = jnp.sum(y_true * y_pred, axis=axes)
    false_positives = jnp.sum((1 - y_true) * y_pred, axis=axes)
    false_negatives = jnp.sum(y_true * (1 - y_pred), axis=axes)
    return 1 - overlap / (overlap + false_negatives * alpha + false_positives * beta + EPSILON)


def _regions(y_true: ArrayLike, y_pred: ArrayLike, axis: Any) -> tuple[jax.Array, jax.Array, Any]:
    y_pred = jnp.asarray(y_pred)
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return jnp.asarray(y_true, y_pred.dtype), y_pred, axes
