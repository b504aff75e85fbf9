"""Intersection over union of predicted and true classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import register
from estimax.core.formulas.shapes import EPSILON, from_the_left
from estimax.metrics.base import Metric


@register("keras.metrics")
class IoU(Metric):
    """The mean over classes of `intersection / union`; classes that never occur do not count.

    Positions with a class outside `[0, num_classes)` are left out. Weights are cast to the metric's dtype, an integer by
    default.

    Args:
        num_classes: number of classes.
        target_class_ids: classes to average.
        name: of the metric.
        dtype: of the counts; int32 by default.
        ignore_class: a true class whose positions are left out.
        sparse_y_true: whether targets are class numbers `[batch, ...]`, else one-hot.
        sparse_y_pred: whether predictions are class numbers, else scores.
        axis: the axis of the classes, where targets or predictions are not sparse.

    Raises:
        ValueError: if a target class is not below `num_classes`.

    Example:
        >>> print(round(float(IoU(2, [0])([0, 0, 1, 1], [0, 1, 0, 1])), 4))
        0.3333

    Reference: `keras.metrics.IoU`.
    """

    direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(name, dtype or "int32")
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                f"{type(self).__name__}: given target_class_ids {list(target_class_ids)}, expected classes in "
                f"[0, {num_classes}). Class numbers start at 0."
            )
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable((num_classes, num_classes), "zeros", name="total_confusion_matrix")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of classes, or of one-hot targets and scores; see the constructor."""
        y_true = jnp.asarray(y_true) if self.sparse_y_true else jnp.argmax(jnp.asarray(y_true), axis=self.axis)
        y_pred = jnp.asarray(y_pred) if self.sparse_y_pred else jnp.argmax(jnp.asarray(y_pred), axis=self.axis)
        weight = jnp.ones((), self.dtype) if sample_weight is None else jnp.asarray(sample_weight).astype(self.dtype)
        weight = weight.reshape(-1) if weight.size == y_true.size else from_the_left(weight, y_true.ndim)
        weight = weight if weight.size == y_true.size else jnp.broadcast_to(weight, y_true.shape)
        true, pred, weight = (x.reshape(-1) for x in (y_true.astype(jnp.int32), y_pred.astype(jnp.int32), weight))
        counts = (true >= 0) & (true < self.num_classes) & (pred >= 0) & (pred < self.num_classes)
        if self.ignore_class is not None:
            counts &= true != self.ignore_class
        true, pred, weight = jnp.where(counts, true, 0), jnp.where(counts, pred, 0), jnp.where(counts, weight, 0)
        self.total_cm.assign(self.total_cm.value.at[true, pred].add(weight))

    def result(self) -> jax.Array:
        matrix = self.total_cm.value
        both = jnp.diagonal(matrix)
        either = jnp.sum(matrix, axis=0) + jnp.sum(matrix, axis=1) - both
        targets = jnp.asarray(self.target_class_ids)
        both, either = both[targets].astype(jnp.float32), either[targets].astype(jnp.float32)
        return jnp.sum(both / (either + EPSILON)) / (jnp.sum(either > 1e-9) + EPSILON)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }

    def _config_without(self, *names: str) -> dict[str, Any]:
        return {k: v for k, v in IoU.get_config(self).items() if k not in names}


@register("keras.metrics")
class BinaryIoU(IoU):
    """`IoU` of the classes 0 and 1 by probabilities; those equal to the threshold count as 1.

    Args:
        target_class_ids: `[0]`, `[1]` or both.
        threshold: what a prediction of 1 must reach.
        name: of the metric.
        dtype: of the counts; int32 by default.

    Example:
        >>> print(round(float(BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 4))
        0.3333

    Reference: `keras.metrics.BinaryIoU`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets 0 or 1 and probabilities `[batch, ...]`."""
        super().update_state(y_true, jnp.asarray(y_pred, jnp.float32) >= self.threshold, sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = self._config_without("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return {**config, "threshold": self.threshold}


@register("keras.metrics")
class MeanIoU(IoU):
    """`IoU` averaged over all classes.

    Args:
        num_classes: number of classes.
        name: of the metric.
        dtype: of the counts; int32 by default.
        ignore_class: a true class whose positions are left out.
        sparse_y_true: whether targets are class numbers, else one-hot.
        sparse_y_pred: whether predictions are class numbers, else scores.
        axis: the axis of the classes, where targets or predictions are not sparse.

    Example:
        >>> print(round(float(MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1])), 4))
        0.3333

    Reference: `keras.metrics.MeanIoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._config_without("target_class_ids")


@register("keras.metrics")
class OneHotIoU(IoU):
    """`IoU` of one-hot targets and of scores.

    Args:
        num_classes: number of classes.
        target_class_ids: classes to average.
        name: of the metric.
        dtype: of the counts; int32 by default.
        ignore_class: a true class whose positions are left out.
        sparse_y_pred: whether predictions are class numbers, else scores.
        axis: the axis of the classes.

    Example:
        >>> print(OneHotIoU(2, [0])([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]]).round(4))
        1.0

    Reference: `keras.metrics.OneHotIoU`.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._config_without("sparse_y_true")


@register("keras.metrics")
class OneHotMeanIoU(IoU):
    """`IoU` of one-hot targets and of scores, averaged over all classes.

    Args:
        num_classes: number of classes.
        name: of the metric.
        dtype: of the counts; int32 by default.
        ignore_class: a true class whose positions are left out.
        sparse_y_pred: whether predictions are class numbers, else scores.
        axis: the axis of the classes.

    Example:
        >>> print(OneHotMeanIoU(2)([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]]).round(4))
        1.0

    Reference: `keras.metrics.OneHotMeanIoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._config_without("target_class_ids", "sparse_y_true")
