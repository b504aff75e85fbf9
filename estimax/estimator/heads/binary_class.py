"""The head of two classes."""

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
    real_rows,
    selected,
)
from estimax.estimator.heads.labels import ClassNames, DenseLabels, labels_on_device
from estimax.estimator.heads.metric_set import AccuracyBaseline
from estimax.metrics import AUC, Accuracy, BinaryAccuracy, Mean, Precision, Recall


class BinaryClassHead(SingleHead):
    """Two classes by one logit: the log-odds of class 1.

    Labels are 0 and 1 (or fractions in between), or strings of `label_vocabulary`. The loss is the sigmoid cross entropy.
    Predictions: `logits`, `logistic`, `probabilities`, `class_ids`, `classes`, `all_class_ids`, `all_classes`.

    Args:
        weight_column: name of the feature of weights, or a numeric column.
        thresholds: probabilities at which accuracy, precision and recall are reported in addition.
        label_vocabulary: names of class 0 and 1, for labels that are strings.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        loss_fn: `(labels, logits) -> losses [batch, 1]`, which may also take `features` and `loss_reduction`.
        name: of the head.

    Raises:
        ValueError: for a threshold outside (0, 1), a wrong vocabulary, reduction or loss_fn.

    Example:
        >>> head = BinaryClassHead()
        >>> print(round(float(head.loss([[1.0]], [[0.0]])), 4))
        0.6931

    Reference: tf.estimator.BinaryClassHead.
    """

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name, weight_column=weight_column, loss_reduction=loss_reduction, loss_fn=loss_fn)
        self._thresholds = checked_thresholds("BinaryClassHead", thresholds)
        self._vocabulary = checked_vocabulary("BinaryClassHead", label_vocabulary, 2)
        self._label_op = DenseLabels("BinaryClassHead", self._vocabulary, largest=1)
        self._names = ClassNames(self._vocabulary)

    @property
    def logits_dimension(self) -> int:
        return 1

    def labels_for_loss(self, labels: Any, logits: jax.Array) -> jax.Array:
        return self.shaped_labels(labels_on_device(labels, self._label_op), logits, 1)

    def losses(self, labels: jax.Array, logits: jax.Array) -> jax.Array:
        return sigmoid_cross_entropy(labels, logits)

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[str, Any]:
        """Predictions by name.

        Args:
            logits: `[batch, ..., 1]`.
            keys: the predictions wanted; all by default.
        """
        logits = self.checked_logits(logits)
        two = jnp.concatenate([jnp.zeros_like(logits), logits], -1)
        class_ids = jnp.argmax(two, -1)[..., None]
        every = all_class_ids(logits, 2)
        found = {
            "logits": logits,
            "logistic": jax.nn.sigmoid(logits),
            "probabilities": jax.nn.softmax(two),
            "class_ids": class_ids,
            "classes": HostOutput(class_ids, self._names),
            "all_class_ids": every,
            "all_classes": HostOutput(every, self._names),
        }
        return selected("BinaryClassHead", found, keys)

    def metrics(self, regularization_losses: Sequence[Any] | None = None) -> dict[str, Any]:
        """New metrics by name: losses, accuracy, precision, recall, means, AUCs, and those of each threshold."""
        found = self.base_metrics(regularization_losses) | {
            self.key("accuracy"): Accuracy(name="accuracy"),
            self.key("precision"): Precision(name="precision"),
            self.key("recall"): Recall(name="recall"),
            self.key("prediction/mean"): Mean(name="prediction_mean"),
            self.key("label/mean"): Mean(name="label_mean"),
            self.key("accuracy_baseline"): AccuracyBaseline(name="accuracy_baseline"),
            self.key("auc"): AUC(name="auc"),
            self.key("auc_precision_recall"): AUC(curve="PR", name="auc_precision_recall"),
        }
        return found | threshold_metrics(self, self._thresholds)

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
        unweighted, weights, labels = self.weighted_losses(labels, logits, features)
        logistic, class_ids = jax.nn.sigmoid(logits), (logits > 0).astype(jnp.float32)
        self.update_base_metrics(eval_metrics, unweighted, weights, regularization_losses)
        self.update_mean(eval_metrics, "prediction/mean", logistic, weights)
        for key in ("label/mean", "accuracy_baseline"):
            self.update_mean(eval_metrics, key, labels, weights)
        weights = flat_weights(labels, weights)
        # Each element is an example, also where there are several to a row.
        labels, logistic, class_ids = (x.reshape(-1, 1) for x in (labels, logistic, class_ids))
        weights = None if weights is None else weights.reshape(-1, 1)
        for key in ("accuracy", "precision", "recall"):
            eval_metrics[self.key(key)].update_state(labels, class_ids, sample_weight=weights)
        for key in ("auc", "auc_precision_recall"):
            eval_metrics[self.key(key)].update_state(labels, logistic, sample_weight=weights)
        update_threshold_metrics(self, eval_metrics, self._thresholds, labels, logistic, weights)
        return dict(eval_metrics)

    def export_outputs(self, predictions: Mapping[Any, Any]) -> dict[str, ExportOutput]:
        return class_signatures(predictions, "all_classes", "logistic")


def sigmoid_cross_entropy(labels: jax.Array, logits: jax.Array) -> jax.Array:
    """Cross entropy of probabilities and log-odds, finite for any logit. Shape of the logits."""
    # Of the ways to write it, the one whose derivative at logit 0 is right: `jnp.abs` has slope 1 there.
    return jax.nn.softplus(logits) - logits * labels


def flat_weights(values: jax.Array, weights: Any) -> Any:
    """Weights of the shape of `values`, 0 for padding; None if every row counts 1."""
    weights = real_rows(values, weights)
    return None if weights is None else jnp.broadcast_to(weights, values.shape)


def threshold_metrics(head: SingleHead, thresholds: Sequence[float]) -> dict[str, Any]:
    """Accuracy, precision and recall at each threshold."""
    found: dict[str, Any] = {}
    for t in thresholds:
        found[head.key(f"accuracy/positive_threshold_{t:g}")] = BinaryAccuracy(threshold=t, name="accuracy_at")
        found[head.key(f"precision/positive_threshold_{t:g}")] = Precision(thresholds=t, name="precision_at")
        found[head.key(f"recall/positive_threshold_{t:g}")] = Recall(thresholds=t, name="recall_at")
    return found


def update_threshold_metrics(
    head: SingleHead, metrics: Mapping[str, Any], thresholds: Sequence[float], labels: Any, probabilities: Any, weights: Any
) -> None:
    """Adds a batch to the metrics of `threshold_metrics`."""
    for t in thresholds:
        for what in ("accuracy", "precision", "recall"):
            metric = metrics[head.key(f"{what}/positive_threshold_{t:g}")]
            if what == "accuracy":
                # Each logit counts by itself, so an axis of one is added for the mean that binary accuracy takes over the last.
                weight = None if weights is None else weights
                metric.update_state(labels[..., None], probabilities[..., None], sample_weight=weight)
            else:
                metric.update_state(labels, probabilities, sample_weight=weights)
