"""Losses of numbers: how far a prediction is from its target.

Each function gives a loss for each row: the mean over the last axis of targets and predictions.
"""

from __future__ import annotations

from typing import Any

import jax

from estimax.core import register
from estimax.core.formulas.regression import (
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from estimax.losses.base import PlainLoss


@register("keras.losses")
class MeanSquaredError(PlainLoss):
    """`mean_squared_error` as a loss.

    Example:
        >>> print(MeanSquaredError()([[0.0], [1.0]], [[2.0], [1.0]]))
        2.0

    Reference: `keras.losses.MeanSquaredError`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return mean_squared_error(y_true, y_pred)


@register("keras.losses")
class MeanAbsoluteError(PlainLoss):
    """`mean_absolute_error` as a loss.

    Example:
        >>> print(MeanAbsoluteError()([[0.0], [1.0]], [[2.0], [1.0]]))
        1.0

    Reference: `keras.losses.MeanAbsoluteError`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return mean_absolute_error(y_true, y_pred)


@register("keras.losses")
class MeanAbsolutePercentageError(PlainLoss):
    """`mean_absolute_percentage_error` as a loss.

    Example:
        >>> print(MeanAbsolutePercentageError()([[2.0]], [[1.0]]))
        50.0

    Reference: `keras.losses.MeanAbsolutePercentageError`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return mean_absolute_percentage_error(y_true, y_pred)


@register("keras.losses")
class MeanSquaredLogarithmicError(PlainLoss):
    """`mean_squared_logarithmic_error` as a loss.

    Example:
        >>> print(MeanSquaredLogarithmicError()([[3.0]], [[3.0]]))
        0.0

    Reference: `keras.losses.MeanSquaredLogarithmicError`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return mean_squared_logarithmic_error(y_true, y_pred)


@register("keras.losses")
class Huber(PlainLoss):
    """`huber` as a loss.

    Args:
        delta: the error at which the parabola becomes a line.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> print(Huber()([[0.0], [0.0]], [[1.0], [3.0]]))
        1.5

    Reference: `keras.losses.Huber`.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.delta = delta

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return huber(y_true, y_pred, self.delta)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras 3.15 leaves it out, and with it what was asked for; Keras's own value stays unsaid.
        return config if self.delta == 1.0 else {**config, "delta": self.delta}


@register("keras.losses")
class LogCosh(PlainLoss):
    """`log_cosh` as a loss.

    Example:
        >>> print(LogCosh()([[1.0]], [[1.0]]))
        0.0

    Reference: `keras.losses.LogCosh`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return log_cosh(y_true, y_pred)
