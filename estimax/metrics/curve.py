"""Metrics along a curve of thresholds: the area under it, and the best point that keeps a condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from estimax.core import errors, register
from estimax.core.formulas.shapes import EPSILON
from estimax.metrics.base import Metric
from estimax.metrics.confusion import Counts, are_even, count
from estimax.metrics.reduction import ratio


class _Curve(Metric):
    """A metric whose variables are the four counts at many thresholds."""

    direction = "up"

    def _add_counts(self, shape: Sequence[int]) -> None:
        self.true_positives = self.add_variable(shape, "zeros", name="true_positives")
        self.false_positives = self.add_variable(shape, "zeros", name="false_positives")
        self.true_negatives = self.add_variable(shape, "zeros", name="true_negatives")
        self.false_negatives = self.add_variable(shape, "zeros", name="false_negatives")

    def _add(self, counts: Counts) -> None:
        for name, value in counts._asdict().items():
            getattr(self, name).assign_add(value)

    def _counts(self) -> Counts:
        return Counts(*(getattr(self, name).value for name in Counts._fields))


@register("keras.metrics")
class AUC(_Curve):
    """The area under the ROC or the precision-recall curve, by counts at thresholds.

    Args:
        num_thresholds: number of thresholds, evenly in `[0, 1]`, more than 1.
        curve: `"ROC"`, `"PR"` or `"PRGAIN"`.
        summation_method: `"interpolation"` (trapezes for ROC; for PR the interpolation of Davis and Goadrich, which
            TensorFlow 1 named `"careful_interpolation"`), `"minoring"` or `"majoring"`.
        name: of the metric.
        dtype: see `Metric`.
        thresholds: the inner thresholds, in place of even ones.
        multi_label: whether the labels, the second axis, get an area each, which are then averaged.
        num_labels: number of labels, with `multi_label`; by default that of the first batch.
        label_weights: weights of the labels.
        from_logits: whether predictions are logits.

    Raises:
        ValueError: if an argument is unknown or out of range, or at the first update if shapes do not fit.

    Example:
        >>> print(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
        0.75

    Reference: `keras.metrics.AUC`; Davis and Goadrich, "The relationship between precision-recall and ROC curves", 2006;
    Flach and Kull, "Precision-recall-gain curves", 2015.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ):
        super().__init__(name, dtype)
        if str(curve).upper() not in ("ROC", "PR", "PRGAIN"):
            raise ValueError(f"AUC: given curve={curve!r}, expected 'ROC', 'PR' or 'PRGAIN'.")
        method = str(summation_method).lower().removeprefix("careful_")
        if method not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                f"AUC: given summation_method={summation_method!r}, expected 'interpolation', 'minoring' or 'majoring'."
            )
        if thresholds is None:
            if num_thresholds <= 1:
                raise ValueError(f"AUC: expected num_thresholds > 1, given {num_thresholds}. Keras's value is 200.")
            inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
            self._even = True
        else:
            inner = sorted(float(t) for t in thresholds)
            self._even = are_even([0.0, *inner, 1.0])
        if num_labels and not multi_label:
            raise ValueError(f"AUC: given num_labels={num_labels} without multi_label=True. Add it, or leave num_labels out.")
        self.curve = str(curve).upper()
        self.summation_method = method
        self.num_thresholds = len(inner) + 2
        # One threshold below all predictions and one above, whatever their rounding.
        self.thresholds = [-EPSILON, *inner, 1.0 + EPSILON]
        self._given_thresholds = thresholds is not None
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, np.float32).tolist()
        self.from_logits = from_logits
        if not multi_label:
            self._add_counts((self.num_thresholds,))
        elif num_labels:
            self._add_counts((self.num_thresholds, num_labels))

    def build(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.variables:
            return
        shape = np.shape(y_pred)
        if len(shape) != 2:
            raise errors.ShapeError(f"AUC: given y_pred {shape}, expected [batch, labels] with multi_label=True.")
        self._add_counts((self.num_thresholds, shape[1]))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets 0 or 1 and probabilities `[batch, ...]`."""
        self.build(y_true, y_pred)
        y_pred = jax.nn.sigmoid(jnp.asarray(y_pred, self.dtype)) if self.from_logits else y_pred
        counts = count(
            y_true,
            y_pred,
            self.thresholds,
            even=self._even,
            sample_weight=sample_weight,
            label_weights=None if self.multi_label else self.label_weights,
            multi_label=self.multi_label,
            dtype=self.true_positives.dtype,
        )
        self._add(counts)

    def result(self) -> jax.Array:
        if not self.variables:
            raise ValueError(f'Metric "{self.name}": no batch was added yet. Call update_state, or pass num_labels=.')
        counts = self._counts()
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = _interpolated_pr(counts)
        else:
            x, y = {"ROC": _roc, "PR": _pr, "PRGAIN": _pr_gain}[self.curve](counts)
            heights = {
                "interpolation": (y[:-1] + y[1:]) / 2,
                "minoring": jnp.minimum(y[:-1], y[1:]),
                "majoring": jnp.maximum(y[:-1], y[1:]),
            }[self.summation_method]
            areas = (x[:-1] - x[1:]) * heights
        area = jnp.sum(areas, axis=0)
        if not self.multi_label:
            return area
        if self.label_weights is None:
            return jnp.mean(area)
        weights = jnp.asarray(self.label_weights, area.dtype)
        return ratio(jnp.sum(area * weights), jnp.sum(weights))

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }
        return {**config, "thresholds": self.thresholds[1:-1]} if self._given_thresholds else config


class _AtPoint(_Curve):
    """The best value of one quantity over the thresholds at which another reaches `value`."""

    argument: str

    def __init__(self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any):
        super().__init__(name, dtype)
        owner = type(self).__name__
        if not 0 <= value <= 1:
            raise ValueError(f"{owner}: expected {self.argument} in [0, 1], given {value}.")
        if num_thresholds <= 0:
            raise ValueError(f"{owner}: expected num_thresholds > 0, given {num_thresholds}. Keras's value is 200.")
        self.value = value
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self.thresholds = [0.5] if num_thresholds == 1 else (np.arange(num_thresholds) / (num_thresholds - 1)).tolist()
        self._add_counts((num_thresholds,))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets 0 or 1 and probabilities `[batch, ...]`."""
        counts = count(
            y_true,
            y_pred,
            self.thresholds,
            even=self.num_thresholds > 1,
            sample_weight=sample_weight,
            class_id=self.class_id,
            dtype=self.true_positives.dtype,
        )
        self._add(counts)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self.argument: self.value,
        }

    def _best(self, wanted: jax.Array, kept: jax.Array) -> jax.Array:
        return jnp.max(jnp.where(kept >= self.value, wanted, 0), initial=0)


@register("keras.metrics")
class SensitivityAtSpecificity(_AtPoint):
    """The largest sensitivity over the thresholds at which the specificity is reached; 0 if it never is.

    Args:
        specificity: least share of negative predictions among targets 0, in `[0, 1]`.
        num_thresholds: number of thresholds, evenly in `[0, 1]`.
        class_id: if given, only this class counts.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> print(SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.5

    Reference: `keras.metrics.SensitivityAtSpecificity`.
    """

    argument = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self) -> jax.Array:
        counts = self._counts()
        return self._best(_recall(counts), _specificity(counts))


@register("keras.metrics")
class SpecificityAtSensitivity(_AtPoint):
    """The largest specificity over the thresholds at which the sensitivity is reached; 0 if it never is.

    Args:
        sensitivity: least share of positive predictions among targets 1, in `[0, 1]`.
        num_thresholds: number of thresholds, evenly in `[0, 1]`.
        class_id: if given, only this class counts.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> print(round(float(SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])), 4))
        0.6667

    Reference: `keras.metrics.SpecificityAtSensitivity`.
    """

    argument = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self) -> jax.Array:
        counts = self._counts()
        return self._best(_specificity(counts), _recall(counts))


@register("keras.metrics")
class PrecisionAtRecall(_AtPoint):
    """The largest precision over the thresholds at which the recall is reached; 0 if it never is.

    Args:
        recall: least share of positive predictions among targets 1, in `[0, 1]`.
        num_thresholds: number of thresholds, evenly in `[0, 1]`.
        class_id: if given, only this class counts.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> print(PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.5

    Reference: `keras.metrics.PrecisionAtRecall`.
    """

    argument = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self) -> jax.Array:
        counts = self._counts()
        return self._best(_precision(counts), _recall(counts))


@register("keras.metrics")
class RecallAtPrecision(_AtPoint):
    """The largest recall over the thresholds at which the precision is reached; 0 if it never is.

    Args:
        precision: least share of targets 1 among positive predictions, in `[0, 1]`.
        num_thresholds: number of thresholds, evenly in `[0, 1]`.
        class_id: if given, only this class counts.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> print(RecallAtPrecision(0.8)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
        0.5

    Reference: `keras.metrics.RecallAtPrecision`.
    """

    argument = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self) -> jax.Array:
        counts = self._counts()
        return self._best(_recall(counts), _precision(counts))


def _recall(c: Counts) -> jax.Array:
    return ratio(c.true_positives, c.true_positives + c.false_negatives)


def _precision(c: Counts) -> jax.Array:
    return ratio(c.true_positives, c.true_positives + c.false_positives)


def _specificity(c: Counts) -> jax.Array:
    return ratio(c.true_negatives, c.true_negatives + c.false_positives)


def _roc(c: Counts) -> tuple[jax.Array, jax.Array]:
    return ratio(c.false_positives, c.false_positives + c.true_negatives), _recall(c)


def _pr(c: Counts) -> tuple[jax.Array, jax.Array]:
    return _recall(c), _precision(c)


def _pr_gain(c: Counts) -> tuple[jax.Array, jax.Array]:
    odds = ratio(c.true_positives + c.false_negatives, c.true_negatives + c.false_positives)
    none = c.true_positives == 0
    recall_gain = jnp.where(none, 0.0, 1 - odds * ratio(c.false_negatives, c.true_positives))
    precision_gain = jnp.where(none, 1.0, 1 - odds * ratio(c.false_positives, c.true_positives))
    # Below the baseline the transform runs to minus infinity.
    return jnp.maximum(recall_gain, 0.0), precision_gain


def _interpolated_pr(c: Counts) -> jax.Array:
    """Areas between neighbouring thresholds, true positives being linear in the positives there."""
    tp, p = c.true_positives, c.true_positives + c.false_positives
    dtp, dp = tp[:-1] - tp[1:], p[:-1] - p[1:]
    slope = ratio(dtp, jnp.maximum(dp, 0))
    intercept = tp[1:] - slope * p[1:]
    both = (p[:-1] > 0) & (p[1:] > 0)
    growth = jnp.where(both, ratio(p[:-1], jnp.maximum(p[1:], 0)), 1.0)
    area = slope * (dtp + intercept * jnp.log(jnp.where(both, growth, 1.0)))
    return ratio(area, jnp.maximum(tp[1:] + c.false_negatives[1:], 0))
