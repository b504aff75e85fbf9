"""Precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax.typing import ArrayLike

from estimax.core import register
from estimax.metrics.base import Metric
from estimax.metrics.confusion import BELOW_ALL, are_even, check_thresholds, count
from estimax.metrics.reduction import ratio


class _Share(Metric):
    """True positives by their sum with the count that `against` names."""

    direction = "up"
    against: str

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(name, dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        # Among the k largest predictions every one is positive, however small.
        self.thresholds = check_thresholds(thresholds, 0.5 if top_k is None else BELOW_ALL, type(self).__name__)
        shape = (len(self.thresholds),)
        self.true_positives = self.add_variable(shape, "zeros", name="true_positives")
        self.others = self.add_variable(shape, "zeros", name=self.against)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets 0 or 1 and probabilities `[batch, ...]`."""
        counts = count(
            y_true,
            y_pred,
            self.thresholds,
            even=are_even(self.thresholds),
            sample_weight=sample_weight,
            top_k=self.top_k,
            class_id=self.class_id,
            dtype=self.true_positives.dtype,
        )
        self.true_positives.assign_add(counts.true_positives)
        self.others.assign_add(getattr(counts, self.against))

    def result(self) -> jax.Array:
        share = ratio(self.true_positives.value, self.true_positives.value + self.others.value)
        return share[0] if len(self.thresholds) == 1 else share

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


@register("keras.metrics")
class Precision(_Share):
    """The share of targets 1 among positive predictions; 0 if there are none.

    Args:
        thresholds: one or several numbers in `[0, 1]` that a positive prediction exceeds; 0.5 if omitted, none with
            `top_k`.
        top_k: if given, only the `k` largest predictions of a row are positive.
        class_id: if given, only this class counts.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if a threshold lies outside `[0, 1]`.

    Example:
        >>> print(Precision()([1, 0, 1, 1], [0.9, 0.9, 0.1, 0.1]))
        0.5

    Reference: `keras.metrics.Precision`.
    """

    against = "false_positives"


@register("keras.metrics")
class Recall(_Share):
    """The share of positive predictions among targets 1; 0 if there are none.

    Args:
        thresholds: one or several numbers in `[0, 1]` that a positive prediction exceeds; 0.5 if omitted, none with
            `top_k`.
        top_k: if given, only the `k` largest predictions of a row are positive.
        class_id: if given, only this class counts.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if a threshold lies outside `[0, 1]`.

    Example:
        >>> print(Recall()([1, 0, 1, 1, 1], [0.9, 0.9, 0.1, 0.1, 0.1]))
        0.25

    Reference: `keras.metrics.Recall`.
    """

    against = "false_negatives"
