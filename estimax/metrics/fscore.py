"""F scores: the weighted harmonic mean of precision and recall."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from estimax.core import errors, register
from estimax.core.formulas.shapes import EPSILON, from_the_left
from estimax.metrics.base import Metric
from estimax.metrics.reduction import weighted


@register("keras.metrics")
class FBetaScore(Metric):
    """`(1 + beta^2) * precision * recall / (beta^2 * precision + recall)`.

    Args:
        average: how classes are joined: None for a score each, `"micro"` for counts over all classes, `"macro"` for the
            mean, `"weighted"` for the mean weighted by the classes' targets.
        beta: how much more recall weighs than precision; a positive float.
        threshold: what a positive prediction exceeds, in `(0, 1]`; if None, the largest of a row is positive.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if an argument is unknown or out of range, or at the first update if targets and predictions are not
            `[batch, classes]`.

    Example:
        >>> metric = FBetaScore(beta=2.0, threshold=0.5)
        >>> print(metric([[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.1, 0.9]]).round(4))
        [1. 1.]

    Reference: `keras.metrics.FBetaScore`.
    """

    direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ):
        super().__init__(name, dtype)
        owner = type(self).__name__
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f"{owner}: given average={average!r}, expected None, 'micro', 'macro' or 'weighted'.")
        if not isinstance(beta, float) or beta <= 0:
            raise ValueError(f"{owner}: expected beta to be a float above 0, given {beta!r}.")
        if threshold is not None and (not isinstance(threshold, float) or not 0 < threshold <= 1):
            raise ValueError(f"{owner}: expected threshold to be a float in (0, 1] or None, given {threshold!r}.")
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def build(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.variables:
            return
        shape = np.shape(y_pred)
        if len(shape) != 2 or len(np.shape(y_true)) != 2:
            raise errors.ShapeError(
                f"{type(self).__name__}: given y_true {np.shape(y_true)} and y_pred {shape}, expected [batch, classes] for "
                "both. One-hot encode class numbers first."
            )
        shape = () if self.average == "micro" else shape[1:]
        self.true_positives = self.add_variable(shape, "zeros", name="true_positives")
        self.false_positives = self.add_variable(shape, "zeros", name="false_positives")
        self.false_negatives = self.add_variable(shape, "zeros", name="false_negatives")
        self.intermediate_weights = self.add_variable(shape, "zeros", name="intermediate_weights")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets 0 or 1 and predictions `[batch, classes]`."""
        y_true, y_pred = jnp.asarray(y_true, self.dtype), jnp.asarray(y_pred, self.dtype)
        self.build(y_true, y_pred)
        if self.threshold is None:
            # A row of zeros has no largest prediction.
            is_positive = (y_pred >= jnp.max(y_pred, axis=-1, keepdims=True)) & (jnp.abs(y_pred) > 1e-9)
        else:
            is_positive = y_pred > self.threshold
        positive = is_positive.astype(self.dtype)
        weight = jnp.ones((), self.dtype) if sample_weight is None else jnp.asarray(sample_weight, self.dtype)
        weight = from_the_left(weight, 2)

        def total(values: jax.Array) -> jax.Array:
            return jnp.sum(weighted(values, weight), axis=None if self.average == "micro" else 0)

        self.true_positives.assign_add(total(positive * y_true))
        self.false_positives.assign_add(total(positive * (1 - y_true)))
        self.false_negatives.assign_add(total((1 - positive) * y_true))
        self.intermediate_weights.assign_add(total(y_true))

    def result(self) -> jax.Array:
        if not self.variables:
            raise ValueError(f'Metric "{self.name}": no batch was added yet. Call update_state first.')
        true_positives = self.true_positives.value
        precision = true_positives / (true_positives + self.false_positives.value + EPSILON)
        recall = true_positives / (true_positives + self.false_negatives.value + EPSILON)
        square = self.beta**2
        score = (1 + square) * (precision * recall / (square * precision + recall + EPSILON))
        if self.average == "weighted":
            weights = self.intermediate_weights.value
            return jnp.sum(score * weights / (jnp.sum(weights) + EPSILON))
        return score if self.average is None else jnp.mean(score)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


@register("keras.metrics")
class F1Score(FBetaScore):
    """`2 * precision * recall / (precision + recall)`.

    Args:
        average: how classes are joined, see `FBetaScore`.
        threshold: what a positive prediction exceeds, in `(0, 1]`; if None, the largest of a row is positive.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: as `FBetaScore`.

    Example:
        >>> print(F1Score(average="macro")([[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.1, 0.9]]).round(4))
        1.0

    Reference: `keras.metrics.F1Score`.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ):
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in super().get_config().items() if k != "beta"}
