"""Hinge losses: nothing to pay beyond a margin, a straight line or a parabola before it."""

from __future__ import annotations

import jax

from estimax.core import register
from estimax.core.formulas.margin import categorical_hinge, hinge, squared_hinge
from estimax.losses.base import PlainLoss


@register("keras.losses")
class Hinge(PlainLoss):
    """`hinge` as a loss.

    Example:
        >>> print(Hinge()([[-1.0, 1.0]], [[0.5, 2.0]]))
        0.75

    Reference: `keras.losses.Hinge`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return hinge(y_true, y_pred)


@register("keras.losses")
class SquaredHinge(PlainLoss):
    """`squared_hinge` as a loss.

    Example:
        >>> print(SquaredHinge()([[-1.0, 1.0]], [[1.0, 2.0]]))
        2.0

    Reference: `keras.losses.SquaredHinge`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return squared_hinge(y_true, y_pred)


@register("keras.losses")
class CategoricalHinge(PlainLoss):
    """`categorical_hinge` as a loss.

    Example:
        >>> print(CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]]))
        0.75

    Reference: `keras.losses.CategoricalHinge`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return categorical_hinge(y_true, y_pred)
