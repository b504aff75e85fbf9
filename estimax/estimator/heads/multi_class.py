"""The head of three or more exclusive classes."""

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
    checked_vocabulary,
    class_signatures,
    selected,
)
from estimax.estimator.heads.binary_class import flat_weights
from estimax.estimator.heads.labels import ClassNames, DenseLabels, labels_on_device
from estimax.metrics import Accuracy


class MultiClassHead(SingleHead):
    """One of three or more classes by a logit each.

    Labels are class ids (integers), or strings of `label_vocabulary`. The loss is the softmax cross entropy. Predictions: `logits`,
    `probabilities`, `class_ids`, `classes`, `all_class_ids`, `all_classes`.

    Args:
        n_classes: number of classes, above 2; for two use `BinaryClassHead`.
        weight_column: name of the feature of weights, or a numeric column.
        label_vocabulary: class names in order, for labels that are strings.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        loss_fn: `(labels, logits) -> losses [batch, 1]`, which may also take `features` and `loss_reduction`.
        name: of the head.

    Raises:
        ValueError: if `n_classes` is 2 or less, or the vocabulary, reduction or loss_fn is wrong.

    Example:
        >>> print(round(float(MultiClassHead(3).loss([[1]], [[0.0, 0.0, 0.0]])), 4))
        1.0986

    Reference: tf.estimator.MultiClassHead.
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name, weight_column=weight_column, loss_reduction=loss_reduction, loss_fn=loss_fn)
        if n_classes is None or n_classes <= 2 or n_classes != int(n_classes):
            raise ValueError(
                f"MultiClassHead: n_classes: given {n_classes!r}, expected an integer above 2. For two classes use BinaryClassHead."
            )
        self._n_classes = int(n_classes)
        self._vocabulary = checked_vocabulary("MultiClassHead", label_vocabulary, self._n_classes)
        self._label_op = DenseLabels("MultiClassHead", self._vocabulary, largest=self._n_classes - 1, kind="integer")
        self._names = ClassNames(self._vocabulary)

    @property
    def logits_dimension(self) -> int:
        return self._n_classes

    def labels_for_loss(self, labels: Any, logits: jax.Array) -> jax.Array:
        labels = labels_on_device(labels, self._label_op)
        if not jnp.issubdtype(labels.dtype, jnp.integer):
            raise ValueError(f"MultiClassHead: labels: given {labels.dtype}, expected integers (class ids). Cast the labels.")
        return self.shaped_labels(labels, logits, 1)

    def losses(self, labels: jax.Array, logits: jax.Array) -> jax.Array:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels, -1)

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[str, Any]:
        """Predictions by name.

        Args:
            logits: `[batch, ..., n_classes]`.
            keys: the predictions wanted; all by default.
        """
        logits = self.checked_logits(logits)
        class_ids = jnp.argmax(logits, -1)[..., None]
        every = all_class_ids(logits, self._n_classes)
        found = {
            "logits": logits,
            "probabilities": jax.nn.softmax(logits),
            "class_ids": class_ids,
            "classes": HostOutput(class_ids, self._names),
            "all_class_ids": every,
            "all_classes": HostOutput(every, self._names),
        }
        return selected("MultiClassHead", found, keys)

    def metrics(self, regularization_losses: Sequence[Any] | None = None) -> dict[str, Any]:
        """New metrics by name: losses and accuracy."""
        return self.base_metrics(regularization_losses) | {self.key("accuracy"): Accuracy(name="accuracy")}

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
        self.update_base_metrics(eval_metrics, unweighted, weights, regularization_losses)
        class_ids = jnp.argmax(logits, -1)[..., None]
        eval_metrics[self.key("accuracy")].update_state(labels, class_ids, sample_weight=flat_weights(labels, weights))
        return dict(eval_metrics)

    def export_outputs(self, predictions: Mapping[Any, Any]) -> dict[str, ExportOutput]:
        return class_signatures(predictions, "all_classes")
