"""Losses of regions: how much a predicted region and the true one overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.core.formulas.overlap import dice, tversky
from estimax.core.formulas.shapes import from_the_left
from estimax.losses.base import PlainLoss, counting_rows


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
        alpha: price of a false negative.
        beta: price of a false positive.
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
