"""Metrics of correlation between targets and predictions, within each row."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import register
from estimax.core.formulas.shapes import EPSILON, same_rank
from estimax.metrics.reduction import FunctionMetric


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """Pearson's correlation along an axis; NaN where one of the two is constant.

    Args:
        y_true: targets. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.
        axis: the axis of the values.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> print(round(float(pearson_correlation([[0.0, 0.5, 1.0]], [[0.1, 0.2, 0.3]])[0]), 4))
        1.0
    """
    true, pred = _centred(y_true, y_pred, axis)[:2]
    scale = jnp.std(true, axis=axis, keepdims=True) * jnp.std(pred, axis=axis, keepdims=True)
    return jnp.mean(true * pred / scale, axis=axis)


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """Lin's concordance correlation along an axis: Pearson's, lowered where means or variances differ.

    Args:
        y_true: targets. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.
        axis: the axis of the values.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> print(round(float(concordance_correlation([[0.0, 1.0]], [[0.0, 1.0]])[0]), 4))
        1.0

    Reference: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.
    """
    true, pred, gap = _centred(y_true, y_pred, axis)
    variances = jnp.var(true, axis=axis, keepdims=True) + jnp.var(pred, axis=axis, keepdims=True)
    return jnp.mean(2 * true * pred / (variances + jnp.square(gap) + EPSILON), axis=axis)


class _CorrelationMetric(FunctionMetric):
    direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1):
        super().__init__(name, dtype)
        self.axis = axis

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


@register("keras.metrics")
class PearsonCorrelation(_CorrelationMetric):
    """The mean over rows of Pearson's correlation within the row.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        axis: the axis of the values.

    Example:
        >>> print(round(float(PearsonCorrelation()([[0.0, 0.5, 1.0]], [[0.1, 0.2, 0.3]])), 4))
        1.0

    Reference: `keras.metrics.PearsonCorrelation`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return pearson_correlation(y_true, y_pred, self.axis)


@register("keras.metrics")
class ConcordanceCorrelation(_CorrelationMetric):
    """The mean over rows of Lin's concordance correlation within the row.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        axis: the axis of the values.

    Example:
        >>> print(round(float(ConcordanceCorrelation()([[0.0, 1.0]], [[0.0, 1.0]])), 4))
        1.0

    Reference: `keras.metrics.ConcordanceCorrelation`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return concordance_correlation(y_true, y_pred, self.axis)


def _centred(y_true: ArrayLike, y_pred: ArrayLike, axis: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Both without their means, and the difference of the means."""
    y_pred = jnp.asarray(y_pred)
    y_true, y_pred = same_rank(jnp.asarray(y_true, y_pred.dtype), y_pred)
    true_mean, pred_mean = jnp.mean(y_true, axis=axis, keepdims=True), jnp.mean(y_pred, axis=axis, keepdims=True)
    return y_true - true_mean, y_pred - pred_mean, true_mean - pred_mean
