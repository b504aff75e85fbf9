"""Counts of right and wrong decisions at thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax.typing import ArrayLike

from estimax.core import register
from estimax.metrics.base import Metric
from estimax.metrics.confusion import are_even, check_thresholds, count


class _Count(Metric):
    """The count that `counted` names, at one or several thresholds."""

    counted: str

    def __init__(self, thresholds: float | Sequence[float] | None = None, name: str | None = None, dtype: Any = None):
        super().__init__(name, dtype)
        self.init_thresholds = thresholds
        self.thresholds = check_thresholds(thresholds, 0.5, type(self).__name__)
        self.accumulator = self.add_variable((len(self.thresholds),), "zeros", name="accumulator")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets 0 or 1 and probabilities `[batch, ...]`."""
        counts = count(
            y_true,
            y_pred,
            self.thresholds,
            even=are_even(self.thresholds),
            sample_weight=sample_weight,
            dtype=self.accumulator.dtype,
        )
        self.accumulator.assign_add(getattr(counts, self.counted))

    def result(self) -> jax.Array:
        value = self.accumulator.value
        return value[0] if len(self.thresholds) == 1 else value

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


@register("keras.metrics")
class TruePositives(_Count):
    """The weighted number of targets 1 whose prediction exceeds the threshold.

    Args:
        thresholds: one or several numbers in `[0, 1]`; 0.5 if omitted.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if a threshold lies outside `[0, 1]`.

    Example:
        >>> print(TruePositives()([1, 1, 0], [0.9, 0.1, 0.9]))
        1.0

    Reference: `keras.metrics.TruePositives`.
    """

    counted = "true_positives"
    direction = "up"


@register("keras.metrics")
class FalsePositives(_Count):
    """The weighted number of targets 0 whose prediction exceeds the threshold.

    Args:
        thresholds: one or several numbers in `[0, 1]`; 0.5 if omitted.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if a threshold lies outside `[0, 1]`.

    Example:
        >>> print(FalsePositives()([1, 0, 0], [0.9, 0.1, 0.9]))
        1.0

    Reference: `keras.metrics.FalsePositives`.
    """

    counted = "false_positives"
    direction = "down"


@register("keras.metrics")
class TrueNegatives(_Count):
    """The weighted number of targets 0 whose prediction does not exceed the threshold.

    Args:
        thresholds: one or several numbers in `[0, 1]`; 0.5 if omitted.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if a threshold lies outside `[0, 1]`.

    Example:
        >>> print(TrueNegatives()([1, 0, 0], [0.9, 0.1, 0.9]))
        1.0

    Reference: `keras.metrics.TrueNegatives`.
    """

    counted = "true_negatives"
    direction = "up"


@register("keras.metrics")
class FalseNegatives(_Count):
    """The weighted number of targets 1 whose prediction does not exceed the threshold.

    Args:
        thresholds: one or several numbers in `[0, 1]`; 0.5 if omitted.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if a threshold lies outside `[0, 1]`.

    Example:
        >>> print(FalseNegatives()([1, 1, 0], [0.9, 0.1, 0.9]))
        1.0

    Reference: `keras.metrics.FalseNegatives`.
    """

    counted = "false_negatives"
    direction = "down"
