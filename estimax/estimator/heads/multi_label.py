"""The head of classes that do not exclude each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import HostOutput
from estimax.estimator.export.outputs import ExportOutput
from estimax.estimator.heads.base import (
    SUM_OVER_BATCH_SIZE,
    SingleHead,
    all_class_ids,
    checked_thresholds,
    checked_vocabulary,
    class_signatures,
    selected,
)
from estimax.estimator.heads.binary_class import flat_weights, sigmoid_cross_entropy, threshold_metrics, update_threshold_metrics
from estimax.estimator.heads.labels import ClassNames, MultiHotLabels, labels_on_device
from estimax.metrics import AUC, Mean


class MultiLabelHead(SingleHead):
    """Any number of classes a row, by the log-odds of each.

    Labels are zeros and ones `[batch, n_classes]`, or a sparse or ragged value of class ids or of strings of `label_vocabulary`. The
    loss is the sigmoid cross entropy, its mean over classes. Predictions: `logits`, `probabilities`, `classes`.

    Args:
        n_classes: number of classes, above 1.
        weight_column: name of the feature of weights, or a numeric column.
        thresholds: probabilities at which accuracy, precision and recall are reported.
        label_vocabulary: class names in order.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        loss_fn: `(labels, logits) -> losses [batch, 1]`, which may also take `features` and `loss_reduction`.
        classes_for_class_based_metrics: classes (ids, or names of the vocabulary) whose mean probability and AUCs are reported.
        name: of the head.

    Raises:
        ValueError: if an argument is outside its range.

    Example:
        >>> print(round(float(MultiLabelHead(2).loss([[1, 0]], [[0.0, 0.0]])), 4))
        0.6931

    Reference: tf.estimator.MultiLabelHead.
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        classes_for_class_based_metrics: Sequence[Any] | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name, weight_column=weight_column, loss_reduction=loss_reduction, loss_fn=loss_fn)
        if n_classes is None or n_classes < 2:
            raise ValueError(
                f"MultiLabelHead: n_classes: given {n_classes!r}, expected more than 1. For one class use BinaryClassHead."
            )
        self._n_classes = int(n_classes)
        self._thresholds = checked_thresholds("MultiLabelHead", thresholds)
        self._vocabulary = checked_vocabulary("MultiLabelHead", label_vocabulary, self._n_classes)
        self._label_op = MultiHotLabels("MultiLabelHead", self._n_classes, self._vocabulary)
        self._names = ClassNames(self._vocabulary)
        self._metric_classes = [self._class_of(c) for c in classes_for_class_based_metrics or ()]

    def _class_of(self, given: Any) -> tuple[int, str]:
        """A class's id, and its name in metrics."""
        if isinstance(given, (str, bytes)):
            if self._vocabulary is None or given not in self._vocabulary:
                raise ValueError(
                    f"MultiLabelHead: classes_for_class_based_metrics: given {given!r}, expected ids or names of label_vocabulary "
                    f"{self._vocabulary}."
                )
            return self._vocabulary.index(given), str(given)
        if not 0 <= given < self._n_classes:
            raise ValueError(
                f"MultiLabelHead: classes_for_class_based_metrics: given {given!r}, expected ids in [0, {self._n_classes - 1}]."
            )
        return int(given), f"class{given}" if self._vocabulary is None else str(self._vocabulary[given])

    @property
    def logits_dimension(self) -> int:
        return self._n_classes

    def labels_for_loss(self, labels: Any, logits: jax.Array) -> jax.Array:
        return self.shaped_labels(labels_on_device(labels, self._label_op), logits, self._n_classes)

    def losses(self, labels: jax.Array, logits: jax.Array) -> jax.Array:
        return jnp.mean(sigmoid_cross_entropy(labels, logits), -1, keepdims=True)

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[str, Any]:
        """Predictions by name.

        Args:
            logits: `[batch, ..., n_classes]`.
            keys: the predictions wanted; all by default.
        """
        logits = self.checked_logits(logits)
        found = {
            "logits": logits,
            "probabilities": jax.nn.sigmoid(logits),
            "classes": HostOutput(all_class_ids(logits, self._n_classes), self._names),
        }
        return selected("MultiLabelHead", found, keys)

    def metrics(self, regularization_losses: Sequence[Any] | None = None) -> dict[str, Any]:
        """New metrics by name: losses, AUCs, those of each threshold, and those of chosen classes."""
        found = self.base_metrics(regularization_losses) | {
            self.key("auc"): AUC(name="auc"),
            self.key("auc_precision_recall"): AUC(curve="PR", name="auc_precision_recall"),
        }
        found |= threshold_metrics(self, self._thresholds)
        for _, name in self._metric_classes:
            found[self.key(f"probability_mean/{name}")] = Mean(name="probability_mean")
            found[self.key(f"auc/{name}")] = AUC(name="auc_of_class")
            found[self.key(f"auc_precision_recall/{name}")] = AUC(curve="PR", name="auc_precision_recall_of_class")
        return found

    def update_metrics(
        self,
        eval_metrics: Mapping[str, Any],
        features: Mapping[str, Any] | None,
        logits: Any,
        labels: Any,
        mode: str | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> dict[str, Any]:
        """Adds a batch to metrics; see `Head.update_metrics`."""
        logits = self.checked_logits(logits)
        unweighted, row_weights, labels = self.weighted_losses(labels, logits, features)
        probabilities = jax.nn.sigmoid(logits)
        self.update_base_metrics(eval_metrics, unweighted, row_weights, regularization_losses)
        weights = flat_weights(labels, row_weights)
        for key in ("auc", "auc_precision_recall"):
            eval_metrics[self.key(key)].update_state(labels, probabilities, sample_weight=weights)
        update_threshold_metrics(self, eval_metrics, self._thresholds, labels, probabilities, weights)
        for class_id, name in self._metric_classes:
            one, label = probabilities[..., class_id : class_id + 1], labels[..., class_id : class_id + 1]
            weights = flat_weights(one, row_weights)
            self.update_mean(eval_metrics, f"probability_mean/{name}", one, row_weights)
            for key in (f"auc/{name}", f"auc_precision_recall/{name}"):
                eval_metrics[self.key(key)].update_state(label, one, sample_weight=weights)
        return dict(eval_metrics)

    def export_outputs(self, predictions: Mapping[Any, Any]) -> dict[str, ExportOutput]:
        return class_signatures(predictions, "classes")
