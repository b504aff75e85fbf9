"""Losses of distributions and of counts."""

from __future__ import annotations

import jax

from estimax.core import register
from estimax.core.formulas.divergence import kl_divergence, poisson
from estimax.losses.base import PlainLoss


@register("keras.losses")
class KLDivergence(PlainLoss):
    """`kl_divergence` as a loss.

    Example:
        >>> print(round(float(KLDivergence()([[1.0, 0.0]], [[0.5, 0.5]])), 4))
        0.6931

    Reference: `keras.losses.KLDivergence`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return kl_divergence(y_true, y_pred)


@register("keras.losses")
class Poisson(PlainLoss):
    """`poisson` as a loss.

    Example:
        >>> print(Poisson()([[0.0]], [[2.0]]))
        2.0

    Reference: `keras.losses.Poisson`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return poisson(y_true, y_pred)
