"""The metrics of `tf.compat.v1.metrics`: functions that make a metric, update it with the batch, and give both.

Each returns `(metric, value)`: the metric object, and its value after this batch. `eval_metric_ops` takes the pair, and the
value can be given to `ex.summary.scalar`, as the update operation was in TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.metrics.accuracies import Accuracy
from estimax.metrics.base import Metric
from estimax.metrics.counts import FalseNegatives, FalsePositives, TrueNegatives, TruePositives
from estimax.metrics.curve import AUC, SensitivityAtSpecificity
from estimax.metrics.iou import MeanIoU
from estimax.metrics.precision import Precision, Recall
from estimax.metrics.reduction import Mean
from estimax.metrics.regression import MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError

Pair = tuple[Metric, Any]

_SUMMATION = {
    "trapezoidal": "interpolation",
    "careful_interpolation": "interpolation",
    "minoring": "minoring",
    "majoring": "majoring",
}


def accuracy(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "accuracy") -> Pair:
    """The share of predictions that equal the label.

    Args:
        labels: `[batch, ...]`.
        predictions: of the labels' shape, or one of the two with a further last axis of 1.
        weights: a number, or an array that fits the labels.
        name: of the metric.

    Returns:
        The metric, and its value after this batch.

    Example:
        >>> metric, value = accuracy(jnp.array([1, 2]), jnp.array([1, 3]))
        >>> print(value)
        0.5

    Reference: tf.compat.v1.metrics.accuracy.
    """
    return _updated(Accuracy(name), *_aligned(labels, predictions), weights=weights)


def auc(
    labels: ArrayLike,
    predictions: ArrayLike,
    weights: ArrayLike | None = None,
    num_thresholds: int = 200,
    curve: str = "ROC",
    name: str = "auc",
    summation_method: str = "trapezoidal",
) -> Pair:
    """The area under a curve of labels 0 and 1 and probabilities; other arguments as in `accuracy`.

    Args:
        labels: `[batch, ...]`, true or false.
        predictions: probabilities of the labels' shape.
        weights: see `accuracy`.
        num_thresholds: see `AUC`.
        curve: `"ROC"` or `"PR"`.
        name: of the metric.
        summation_method: `"trapezoidal"`, `"careful_interpolation"`, `"minoring"` or `"majoring"`.

    Raises:
        ValueError: if the summation is unknown.

    Reference: tf.compat.v1.metrics.auc.
    """
    if summation_method not in _SUMMATION:
        raise ValueError(f"auc: given summation_method={summation_method!r}, expected one of {sorted(_SUMMATION)}.")
    metric = AUC(num_thresholds, curve, _SUMMATION[summation_method], name)
    return _updated(metric, *_truth(labels, predictions), weights=weights)


def precision(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "precision") -> Pair:
    """The share of true labels among predictions that are not 0; arguments as in `accuracy`.

    Reference: tf.compat.v1.metrics.precision.
    """
    return _updated(Precision(name=name), *_both_truth(labels, predictions), weights=weights)


def recall(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "recall") -> Pair:
    """The share of predictions that are not 0 among true labels; arguments as in `accuracy`.

    Reference: tf.compat.v1.metrics.recall.
    """
    return _updated(Recall(name=name), *_both_truth(labels, predictions), weights=weights)


def precision_at_thresholds(
    labels: ArrayLike,
    predictions: ArrayLike,
    thresholds: Sequence[float],
    weights: ArrayLike | None = None,
    name: str = "precision_at_thresholds",
) -> Pair:
    """The precision of probabilities above each threshold.

    Reference: tf.compat.v1.metrics.precision_at_thresholds.
    """
    return _updated(Precision(list(thresholds), name=name), *_truth(labels, predictions), weights=weights)


def recall_at_thresholds(
    labels: ArrayLike,
    predictions: ArrayLike,
    thresholds: Sequence[float],
    weights: ArrayLike | None = None,
    name: str = "recall_at_thresholds",
) -> Pair:
    """The recall of probabilities above each threshold.

    Reference: tf.compat.v1.metrics.recall_at_thresholds.
    """
    return _updated(Recall(list(thresholds), name=name), *_truth(labels, predictions), weights=weights)


def sensitivity_at_specificity(
    labels: ArrayLike,
    predictions: ArrayLike,
    specificity: float,
    weights: ArrayLike | None = None,
    num_thresholds: int = 200,
    name: str = "sensitivity_at_specificity",
) -> Pair:
    """The recall at a given specificity.

    Reference: tf.compat.v1.metrics.sensitivity_at_specificity.
    """
    return _updated(
        SensitivityAtSpecificity(specificity, num_thresholds, name=name), *_truth(labels, predictions), weights=weights
    )


def true_positives(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "true_positives"
) -> Pair:
    """The number of true labels whose prediction is not 0.

    Reference: tf.compat.v1.metrics.true_positives.
    """
    return _updated(TruePositives(name=name), *_both_truth(labels, predictions), weights=weights)


def false_positives(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "false_positives"
) -> Pair:
    """The number of false labels whose prediction is not 0.

    Reference: tf.compat.v1.metrics.false_positives.
    """
    return _updated(FalsePositives(name=name), *_both_truth(labels, predictions), weights=weights)


def true_negatives(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "true_negatives"
) -> Pair:
    """The number of false labels whose prediction is 0.

    Reference: tf.compat.v1.metrics.true_negatives.
    """
    return _updated(TrueNegatives(name=name), *_both_truth(labels, predictions), weights=weights)


def false_negatives(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "false_negatives"
) -> Pair:
    """The number of true labels whose prediction is 0.

    Reference: tf.compat.v1.metrics.false_negatives.
    """
    return _updated(FalseNegatives(name=name), *_both_truth(labels, predictions), weights=weights)


def mean(values: ArrayLike, weights: ArrayLike | None = None, name: str = "mean") -> Pair:
    """The weighted mean of values.

    Reference: tf.compat.v1.metrics.mean.
    """
    return _updated(Mean(name), jnp.asarray(values), weights=weights)


def mean_absolute_error(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "mean_absolute_error"
) -> Pair:
    """The mean of absolute differences.

    Reference: tf.compat.v1.metrics.mean_absolute_error.
    """
    return _updated(MeanAbsoluteError(name), *_elements(labels, predictions), weights=weights)


def mean_squared_error(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "mean_squared_error"
) -> Pair:
    """The mean of squared differences.

    Reference: tf.compat.v1.metrics.mean_squared_error.
    """
    return _updated(MeanSquaredError(name), *_elements(labels, predictions), weights=weights)


def root_mean_squared_error(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, name: str = "root_mean_squared_error"
) -> Pair:
    """The root of the mean of squared differences.

    Example:
        >>> print(root_mean_squared_error(jnp.zeros(2), jnp.array([3.0, 3.0]))[1])
        3.0

    Reference: tf.compat.v1.metrics.root_mean_squared_error.
    """
    return _updated(RootMeanSquaredError(name), *_elements(labels, predictions), weights=weights)


def mean_iou(
    labels: ArrayLike, predictions: ArrayLike, num_classes: int, weights: ArrayLike | None = None, name: str = "mean_iou"
) -> Pair:
    """The mean over classes of intersection over union.

    Reference: tf.compat.v1.metrics.mean_iou.
    """
    return _updated(MeanIoU(num_classes, name=name), *_aligned(labels, predictions), weights=weights)


def _updated(metric: Metric, *arrays: jax.Array, weights: ArrayLike | None = None) -> Pair:
    if weights is not None:
        weights = jnp.asarray(weights, jnp.float32)
        if weights.ndim == arrays[0].ndim + 1 and weights.shape[-1] == 1:
            weights = weights[..., 0]
        shape = arrays[0].shape
        if shape[-1:] == (1,) and weights.ndim < len(shape):
            shape = shape[:-1]
        elif weights.ndim and weights.ndim == len(shape) - 1:  # one weight a row, over all classes
            weights = weights[..., None]
        weights = jnp.broadcast_to(weights, shape)
    metric.update_state(*arrays, sample_weight=weights)
    return metric, metric.result()


def _aligned(labels: ArrayLike, predictions: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Both with one shape: a last axis of 1 that only one of them has is dropped."""
    labels, predictions = jnp.asarray(labels), jnp.asarray(predictions)
    if labels.ndim == predictions.ndim + 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    elif predictions.ndim == labels.ndim + 1 and predictions.shape[-1] == 1:
        predictions = predictions[..., 0]
    if labels.shape != predictions.shape:
        raise ValueError(
            f"metric: given labels {labels.shape} and predictions {predictions.shape}, expected one shape. For class numbers "
            "give the predicted classes, jnp.argmax(logits, -1)."
        )
    return labels, predictions


def _elements(labels: ArrayLike, predictions: ArrayLike) -> list[jax.Array]:
    """Both with a last axis of 1, over which Keras's error metrics take a mean: every element counts by itself."""
    return [x[..., None] for x in _aligned(labels, predictions)]


def _truth(labels: ArrayLike, predictions: ArrayLike) -> tuple[jax.Array, jax.Array]:
    labels, predictions = _aligned(labels, predictions)
    return (labels != 0).astype(jnp.float32), predictions


def _both_truth(labels: ArrayLike, predictions: ArrayLike) -> tuple[jax.Array, jax.Array]:
    labels, predictions = _truth(labels, predictions)
    return labels, (predictions != 0).astype(jnp.float32)
