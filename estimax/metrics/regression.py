"""Metrics of numbers: errors, cosine similarity, and the share of variance that is explained."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from estimax.core import errors, formulas, register
from estimax.core.formulas.shapes import from_the_left, same_rank
from estimax.metrics.base import Metric
from estimax.metrics.reduction import FunctionMetric, RunningMean, ratio, weighted


class _ErrorMetric(FunctionMetric):
    direction = "down"


@register("keras.metrics")
class MeanSquaredError(_ErrorMetric):
    """The mean of `(y_true - y_pred)^2`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(MeanSquaredError()([[0.0], [1.0]], [[2.0], [1.0]]))
        2.0

    Reference: `keras.metrics.MeanSquaredError`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.mean_squared_error(y_true, y_pred)


@register("keras.metrics")
class RootMeanSquaredError(RunningMean):
    """The square root of the mean of `(y_true - y_pred)^2`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(RootMeanSquaredError()([[0.0], [1.0]], [[2.0], [3.0]]))
        2.0

    Reference: `keras.metrics.RootMeanSquaredError`.
    """

    direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None):
        super().__init__(name, dtype)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets and predictions `[batch, ...]`."""
        y_true, y_pred = same_rank(jnp.asarray(y_true, self.dtype), jnp.asarray(y_pred, self.dtype))
        self.add(jnp.square(y_pred - y_true), sample_weight)

    def result(self) -> jax.Array:
        return jnp.sqrt(super().result())


@register("keras.metrics")
class MeanAbsoluteError(_ErrorMetric):
    """The mean of `|y_true - y_pred|`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(MeanAbsoluteError()([[0.0], [1.0]], [[2.0], [1.0]]))
        1.0

    Reference: `keras.metrics.MeanAbsoluteError`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.mean_absolute_error(y_true, y_pred)


@register("keras.metrics")
class MeanAbsolutePercentageError(_ErrorMetric):
    """The mean of `100 * |y_true - y_pred| / |y_true|`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(MeanAbsolutePercentageError()([[2.0]], [[1.0]]))
        50.0

    Reference: `keras.metrics.MeanAbsolutePercentageError`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.mean_absolute_percentage_error(y_true, y_pred)


@register("keras.metrics")
class MeanSquaredLogarithmicError(_ErrorMetric):
    """The mean of `(log(1 + y_true) - log(1 + y_pred))^2`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(MeanSquaredLogarithmicError()([[3.0]], [[3.0]]))
        0.0

    Reference: `keras.metrics.MeanSquaredLogarithmicError`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.mean_squared_logarithmic_error(y_true, y_pred)


@register("keras.metrics")
class LogCoshError(_ErrorMetric):
    """The mean of `log(cosh(y_pred - y_true))`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(LogCoshError()([[1.0]], [[1.0]]))
        0.0

    Reference: `keras.metrics.LogCoshError`.
    """

    def __init__(self, name: str | None = "logcosh", dtype: Any = None):
        super().__init__(name, dtype)

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.log_cosh(y_true, y_pred)


@register("keras.metrics")
class CosineSimilarity(FunctionMetric):
    """The mean cosine of the angle between targets and predictions: 1 if they point the same way.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        axis: the axis of the vectors' width.

    Example:
        >>> print(CosineSimilarity()([[2.0, 0.0]], [[3.0, 0.0]]))
        1.0

    Reference: `keras.metrics.CosineSimilarity`.
    """

    direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1):
        super().__init__(name, dtype)
        self.axis = axis

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return -formulas.cosine_similarity(y_true, y_pred, self.axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras 3.15 leaves it out, and with it what was asked for; Keras's own value stays unsaid.
        return config if self.axis == -1 else {**config, "axis": self.axis}


@register("keras.metrics")
class R2Score(Metric):
    """The share of the targets' variance that predictions explain: 1 for perfect ones, 0 for the mean.

    Args:
        class_aggregation: how outputs are joined: `"uniform_average"`, `"variance_weighted_average"`, or None for one
            score each.
        num_regressors: number of inputs of the model, for the adjusted score; 0 for the plain one.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if the aggregation is unknown or `num_regressors` negative, or at the first update if targets and
            predictions are not `[batch, outputs]`.

    Example:
        >>> print(R2Score()([[1.0], [3.0]], [[1.0], [3.0]]))
        1.0

    Reference: `keras.metrics.R2Score`.
    """

    direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ):
        super().__init__(name, dtype)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                f"R2Score: given class_aggregation={class_aggregation!r}, expected 'uniform_average', "
                "'variance_weighted_average' or None."
            )
        if num_regressors < 0:
            raise ValueError(f"R2Score: expected num_regressors >= 0, given {num_regressors}. Use 0 for the plain score.")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")

    def build(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if len(self.variables) > 1:
            return
        shape = np.shape(y_pred)
        if len(shape) != 2 or len(np.shape(y_true)) not in (1, 2):
            raise errors.ShapeError(
                f"R2Score: given y_true {np.shape(y_true)} and y_pred {shape}, expected [batch, outputs] for both."
            )
        self.squared_sum = self.add_variable(shape[1:], "zeros", name="squared_sum")
        self.sum = self.add_variable(shape[1:], "zeros", name="sum")
        self.total_mse = self.add_variable(shape[1:], "zeros", name="residual")
        self.count = self.add_variable(shape[1:], "zeros", name="count")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets and predictions `[batch, outputs]`, weights `[batch]` or `[batch, outputs]`."""
        y_true, y_pred = same_rank(jnp.asarray(y_true, self.dtype), jnp.asarray(y_pred, self.dtype))
        self.build(y_true, y_pred)
        weight = jnp.ones((), self.dtype) if sample_weight is None else jnp.asarray(sample_weight, self.dtype)
        weight = jnp.broadcast_to(from_the_left(weight, 2), y_true.shape)
        self.sum.assign_add(jnp.sum(weighted(y_true, weight), axis=0))
        self.squared_sum.assign_add(jnp.sum(weighted(jnp.square(y_true), weight), axis=0))
        self.total_mse.assign_add(jnp.sum(weighted(jnp.square(y_true - y_pred), weight), axis=0))
        self.count.assign_add(jnp.sum(weight, axis=0))
        # Keras 3.15 counts the outputs of a row one by one, also where the adjusted score asks for rows.
        self.num_samples.assign_add(jnp.sum(weight != 0))

    def result(self) -> jax.Array:
        if len(self.variables) == 1:
            raise ValueError(f'Metric "{self.name}": no batch was added yet. Call update_state first.')
        total = self.squared_sum.value - self.sum.value * self.sum.value / self.count.value
        scores = 1 - self.total_mse.value / total
        scores = jnp.where(jnp.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = jnp.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = jnp.sum(total * scores) / jnp.sum(total)
        if self.num_regressors == 0:
            return scores
        free = self.num_samples.value - self.num_regressors - 1
        adjusted = 1 - ratio((1 - scores) * (self.num_samples.value - 1), jnp.maximum(free, 0))
        # With more inputs than rows there is no adjusted score.
        return jnp.where(free > 0, adjusted, scores)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
