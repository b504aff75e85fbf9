"""Accuracies: the share of predictions that are right."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import register
from estimax.core.formulas.shapes import same_rank
from estimax.metrics.reduction import FunctionMetric


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """1 where targets and predictions are equal, 0 elsewhere.

    Args:
        y_true: labels. Shape `[batch, ...]`.
        y_pred: labels. Shape `[batch, ...]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> accuracy([1, 2], [1, 3]).tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = same_rank(jnp.asarray(y_true), jnp.asarray(y_pred))
    return (y_true == y_pred).astype(jnp.float32)


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """1 where a prediction lies on the side of the threshold that its target, 0 or 1, says.

    Args:
        y_true: 0 or 1. Shape `[batch, ...]`.
        y_pred: probabilities; those equal to the threshold count as 0. Shape `[batch, ...]`.
        threshold: what a prediction of 1 must exceed.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> binary_accuracy([1, 0], [0.7, 0.7]).tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = same_rank(jnp.asarray(y_true), jnp.asarray(y_pred))
    return (y_true == (y_pred > threshold).astype(y_true.dtype)).astype(jnp.float32)


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """1 where the largest prediction is that of the target's class.

    Args:
        y_true: one-hot. Shape `[batch, ..., classes]`.
        y_pred: probabilities or logits. Shape `[batch, ..., classes]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> categorical_accuracy([[0, 1], [0, 1]], [[0.1, 0.9], [0.9, 0.1]]).tolist()
        [1.0, 0.0]
    """
    return (jnp.argmax(jnp.asarray(y_true), axis=-1) == jnp.argmax(jnp.asarray(y_pred), axis=-1)).astype(jnp.float32)


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """1 where the largest prediction is that of the target's class.

    Args:
        y_true: class numbers from 0 on. Shape `[batch, ...]` or `[batch, ..., 1]`.
        y_pred: probabilities or logits. Shape `[batch, ..., classes]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> sparse_categorical_accuracy([1, 1], [[0.1, 0.9], [0.9, 0.1]]).tolist()
        [1.0, 0.0]
    """
    y_pred = jnp.asarray(y_pred)
    return (_class_numbers(y_true, y_pred) == jnp.argmax(jnp.asarray(y_pred), axis=-1)).astype(jnp.float32)


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> jax.Array:
    """1 where the prediction of the target's class is one of the `k` largest.

    Args:
        y_true: one-hot. Shape `[batch, ..., classes]`.
        y_pred: probabilities or logits. Shape `[batch, ..., classes]`.
        k: how many predictions count.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> top_k_categorical_accuracy([[0, 1, 0]], [[0.5, 0.3, 0.2]], k=2).tolist()
        [1.0]
    """
    return _in_top_k(jnp.argmax(jnp.asarray(y_true), axis=-1), jnp.asarray(y_pred), k)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> jax.Array:
    """1 where the prediction of the target's class is one of the `k` largest.

    Args:
        y_true: class numbers from 0 on. Shape `[batch, ...]`.
        y_pred: probabilities or logits; with `from_sorted_ids`, class numbers, best first. Shape `[batch, ..., classes]`.
        k: how many predictions count.
        from_sorted_ids: whether predictions are class numbers.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> sparse_top_k_categorical_accuracy([1], [[0.5, 0.3, 0.2]], k=2).tolist()
        [1.0]
    """
    y_pred = jnp.asarray(y_pred)
    targets = _class_numbers(y_true, y_pred)
    if from_sorted_ids:
        return jnp.any(targets[..., None] == y_pred[..., :k], axis=-1).astype(jnp.float32)
    return _in_top_k(targets.astype(jnp.int32), y_pred, k)


class _AccuracyMetric(FunctionMetric):
    direction = "up"


@register("keras.metrics")
class Accuracy(_AccuracyMetric):
    """The share of predicted labels that equal the target.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(Accuracy()([1, 2], [1, 3]))
        0.5

    Reference: `keras.metrics.Accuracy`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return accuracy(y_true, y_pred)


@register("keras.metrics")
class BinaryAccuracy(_AccuracyMetric):
    """The share of predictions on the right side of a threshold; see `binary_accuracy`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        threshold: what a prediction of 1 must exceed.

    Raises:
        ValueError: if the threshold is not a number.

    Example:
        >>> print(BinaryAccuracy()([1, 0], [0.7, 0.7]))
        0.5

    Reference: `keras.metrics.BinaryAccuracy`.
    """

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5):
        super().__init__(name, dtype)
        if threshold is None:
            raise ValueError("BinaryAccuracy: given threshold=None, expected a number such as 0.5, or 0.0 for logits.")
        self.threshold = threshold

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return binary_accuracy(y_true, y_pred, self.threshold)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}


@register("keras.metrics")
class CategoricalAccuracy(_AccuracyMetric):
    """The share of rows whose largest prediction is that of the one-hot target.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(CategoricalAccuracy()([[0, 1], [0, 1]], [[0.1, 0.9], [0.9, 0.1]]))
        0.5

    Reference: `keras.metrics.CategoricalAccuracy`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return categorical_accuracy(y_true, y_pred)


@register("keras.metrics")
class SparseCategoricalAccuracy(_AccuracyMetric):
    """The share of rows whose largest prediction is that of the target's class number.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(SparseCategoricalAccuracy()([1, 1], [[0.1, 0.9], [0.9, 0.1]]))
        0.5

    Reference: `keras.metrics.SparseCategoricalAccuracy`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return sparse_categorical_accuracy(y_true, y_pred)


@register("keras.metrics")
class TopKCategoricalAccuracy(_AccuracyMetric):
    """The share of rows where the one-hot target's prediction is one of the `k` largest.

    Args:
        k: how many predictions count.
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(TopKCategoricalAccuracy(k=1)([[0, 1], [0, 1]], [[0.1, 0.9], [0.9, 0.1]]))
        0.5

    Reference: `keras.metrics.TopKCategoricalAccuracy`.
    """

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(name, dtype)
        self.k = k

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return top_k_categorical_accuracy(y_true, y_pred, self.k)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


@register("keras.metrics")
class SparseTopKCategoricalAccuracy(_AccuracyMetric):
    """The share of rows where the prediction of the target's class number is one of the `k` largest.

    Args:
        k: how many predictions count.
        name: of the metric.
        dtype: see `Metric`.
        from_sorted_ids: whether predictions are class numbers, best first.

    Example:
        >>> print(SparseTopKCategoricalAccuracy(k=1)([1, 1], [[0.1, 0.9], [0.9, 0.1]]))
        0.5

    Reference: `keras.metrics.SparseTopKCategoricalAccuracy`.
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(name, dtype)
        self.k = k
        self.from_sorted_ids = from_sorted_ids

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return sparse_top_k_categorical_accuracy(y_true, y_pred, self.k, self.from_sorted_ids)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "k": self.k}
        return {**config, "from_sorted_ids": True} if self.from_sorted_ids else config


def _class_numbers(y_true: ArrayLike, y_pred: jax.Array) -> jax.Array:
    """Class numbers `[batch, ...]`, exact also beside predictions of 16 bits."""
    y_true = jnp.asarray(y_true)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        return y_true[..., 0]
    return y_true


def _in_top_k(targets: jax.Array, y_pred: jax.Array, k: int) -> jax.Array:
    """1 where fewer than `k` predictions exceed that of the target, which must exist and be finite."""
    in_range = (targets >= 0) & (targets < y_pred.shape[-1])
    of_target = jnp.take_along_axis(y_pred, jnp.where(in_range, targets, 0)[..., None], axis=-1)
    rank = jnp.sum(y_pred > of_target, axis=-1)
    return ((rank < k) & in_range & jnp.isfinite(of_target[..., 0])).astype(jnp.float32)
