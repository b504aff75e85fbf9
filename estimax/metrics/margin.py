"""Metrics of margins."""

from __future__ import annotations

import jax

from estimax.core import formulas, register
from estimax.metrics.reduction import FunctionMetric


class _HingeMetric(FunctionMetric):
    direction = "down"


@register("keras.metrics")
class Hinge(_HingeMetric):
    """The mean of `max(1 - y_true * y_pred, 0)`, targets 0 and 1 counting as -1 and 1.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(Hinge()([[-1.0, 1.0]], [[0.5, 2.0]]))
        0.75

    Reference: `keras.metrics.Hinge`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.hinge(y_true, y_pred)


@register("keras.metrics")
class SquaredHinge(_HingeMetric):
    """The mean of `max(1 - y_true * y_pred, 0)^2`, targets 0 and 1 counting as -1 and 1.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(SquaredHinge()([[-1.0, 1.0]], [[1.0, 2.0]]))
        2.0

    Reference: `keras.metrics.SquaredHinge`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.squared_hinge(y_true, y_pred)


@register("keras.metrics")
class CategoricalHinge(_HingeMetric):
    """The mean of `max(1 + highest score of a wrong class - score of the right class, 0)`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]]))
        0.75

    Reference: `keras.metrics.CategoricalHinge`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.categorical_hinge(y_true, y_pred)
