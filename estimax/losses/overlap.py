"""Losses of regions: how much a predicted region and the true one overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import register
from estimax.losses.base import PlainLoss, counting_rows
from estimax.losses.reduction import EPSILON, from_the_left


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
    """`1 - overlap / (overlap + alpha * false positives + beta * false negatives)`.

    Args:
        y_true: 0 or 1. Shape `[batch, ..., classes]`.
        y_pred: probabilities. Shape `[batch, ..., classes]`.
        alpha: price of a false positive.
        beta: price of a false negative.
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
    return 1 - overlap / (overlap + false_positives * alpha + false_negatives * beta + EPSILON)


class _RegionLoss(PlainLoss):
    """A loss over regions, which leaves excluded rows out of regions that reach over the batch."""

    axis: int | Sequence[int] | None

    def values(self, y_true: jax.Array, y_pred: jax.Array, mask: jax.Array | None) -> jax.Array:
        axes = range(y_pred.ndim) if self.axis is None else (self.axis,) if isinstance(self.axis, int) else self.axis
        if 0 in [axis % y_pred.ndim for axis in axes]:
            rows = counting_rows(y_pred.shape[0], mask)
            if rows is not None:
                # Where both are 0 there is no overlap, no size and no error.
                y_true = jnp.where(from_the_left(rows, y_true.ndim), y_true, 0)
                y_pred = jnp.where(from_the_left(rows, y_pred.ndim), y_pred, 0)
        return self.call(y_true, y_pred)


@register("keras.losses")
class Dice(_RegionLoss):
    """`dice` as a loss.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        axis: axes of one region; all, the batch included, if omitted.
        dtype: see `Loss`.

    Example:
        >>> print(round(float(Dice()([[1.0, 0.0]], [[1.0, 1.0]])), 4))
        0.3333

    Reference: `keras.losses.Dice`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return dice(y_true, y_pred, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


@register("keras.losses")
class Tversky(_RegionLoss):
    """`tversky` as a loss.

    Args:
        alpha: price of a false positive.
        beta: price of a false negative.
        reduction: see `Loss`.
        name: of the loss.
        axis: axes of one region; all, the batch included, if omitted.
        dtype: see `Loss`.

    Example:
        >>> print(round(float(Tversky()([[1.0, 0.0]], [[1.0, 1.0]])), 4))
        0.3333

    Reference: `keras.losses.Tversky`.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.alpha = alpha
        self.beta = beta
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return tversky(y_true, y_pred, self.alpha, self.beta, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta, "axis": self.axis}


def _regions(y_true: ArrayLike, y_pred: ArrayLike, axis: Any) -> tuple[jax.Array, jax.Array, Any]:
    y_pred = jnp.asarray(y_pred)
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return jnp.asarray(y_true, y_pred.dtype), y_pred, axes
