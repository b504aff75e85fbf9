"""The heads that predict numbers: squared error, log-odds of a fraction, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.estimator.export.outputs import ExportOutput, PredictOutput, RegressionOutput
from estimax.estimator.heads.base import SUM_OVER_BATCH_SIZE, SingleHead, selected
from estimax.estimator.heads.binary_class import sigmoid_cross_entropy
from estimax.estimator.heads.labels import DenseLabels, labels_on_device
from estimax.estimator.spec import DEFAULT_SIGNATURE
from estimax.metrics import Mean


class RegressionHead(SingleHead):
    """Numbers, by default with the squared error.

    Labels are numbers `[batch]` or `[batch, label_dimension]`. Predictions: `predictions`, and `logits` with an `inverse_link_fn`.

    Args:
        label_dimension: numbers a row, at least 1.
        weight_column: name of the feature of weights, or a numeric column; weights may be given for each number.
        loss_reduction: `"sum_over_batch_size"` (over rows and numbers) or `"sum"`.
        loss_fn: `(labels, logits) -> losses [batch, label_dimension]`, which may also take `features` and `loss_reduction`.
        inverse_link_fn: from logits to predictions; the loss stays one of logits.
        name: of the head.

    Raises:
        ValueError: if `label_dimension` is below 1, or the reduction or loss_fn is wrong.

    Example:
        >>> print(RegressionHead().loss([[1.0]], [[3.0]]))
        4.0

    Reference: tf.estimator.RegressionHead.
    """

    weights_per_logit = True
    largest_label: float | None = None

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        loss_fn: Callable | None = None,
        inverse_link_fn: Callable | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name, weight_column=weight_column, loss_reduction=loss_reduction, loss_fn=loss_fn)
        if label_dimension < 1:
            raise ValueError(f"{type(self).__name__}: label_dimension: given {label_dimension!r}, expected at least 1.")
        if inverse_link_fn is not None and not callable(inverse_link_fn):
            raise ValueError(f"{type(self).__name__}: inverse_link_fn: given {inverse_link_fn!r}, expected a function of logits.")
        self._label_dimension, self._inverse_link_fn = int(label_dimension), inverse_link_fn
        self._label_op = DenseLabels(type(self).__name__, largest=self.largest_label)

    @property
    def logits_dimension(self) -> int:
        return self._label_dimension

    def labels_for_loss(self, labels: Any, logits: jax.Array) -> jax.Array:
        return self.shaped_labels(labels_on_device(labels, self._label_op), logits, self._label_dimension)

    def losses(self, labels: jax.Array, logits: jax.Array) -> jax.Array:
        return jnp.square(logits - labels)

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[str, Any]:
        """Predictions by name.

        Args:
            logits: `[batch, ..., label_dimension]`.
            keys: the predictions wanted; all by default.
        """
        logits = self.checked_logits(logits)
        if self._inverse_link_fn is None:
            return selected(type(self).__name__, {"predictions": logits}, keys)
        return selected(type(self).__name__, {"predictions": self._inverse_link_fn(logits), "logits": logits}, keys)

    def metrics(self, regularization_losses: Sequence[Any] | None = None) -> dict[str, Any]:
        """New metrics by name: losses, and the means of predictions and labels."""
        return self.base_metrics(regularization_losses) | {
            self.key("prediction/mean"): Mean(name="prediction_mean"),
            self.key("label/mean"): Mean(name="label_mean"),
        }

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
        self.update_mean(eval_metrics, "prediction/mean", self.predictions(logits)["predictions"], weights)
        self.update_mean(eval_metrics, "label/mean", labels, weights)
        return dict(eval_metrics)

    def export_outputs(self, predictions: Mapping[Any, Any]) -> dict[str, ExportOutput]:
        regression = RegressionOutput(predictions["predictions"])
        return {DEFAULT_SIGNATURE: regression, "regression": regression, "predict": PredictOutput(predictions)}


class PoissonRegressionHead(RegressionHead):
    """Counts: logits are the logarithms of the expected counts.

    Args:
        label_dimension: numbers a row, at least 1.
        weight_column: name of the feature of weights, or a numeric column.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        compute_full_loss: whether to add Stirling's approximation of `log(label!)`, for labels above 1.
        name: of the head.

    Example:
        >>> print(PoissonRegressionHead().loss([[1.0]], [[0.0]]))
        1.0

    Reference: tf.estimator.PoissonRegressionHead, tf.nn.log_poisson_loss.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        compute_full_loss: bool = True,
        name: str | None = None,
    ):
        super().__init__(label_dimension, weight_column, loss_reduction, inverse_link_fn=jnp.exp, name=name)
        self._compute_full_loss = compute_full_loss

    def losses(self, labels: jax.Array, logits: jax.Array) -> jax.Array:
        loss = jnp.exp(logits) - logits * labels
        if not self._compute_full_loss:
            return loss
        small = (labels >= 0) & (labels <= 1)
        safe = jnp.where(small, 2.0, labels)  # keeps the logarithm's gradient finite where it is not used
        stirling = safe * jnp.log(safe) - safe + 0.5 * jnp.log(2 * jnp.pi * safe)
        return loss + jnp.where(small, 0.0, stirling)


class LogisticRegressionHead(RegressionHead):
    """Fractions in [0, 1] by their log-odds, with the sigmoid cross entropy.

    Args:
        weight_column: name of the feature of weights, or a numeric column.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        name: of the head.

    Example:
        >>> print(round(float(LogisticRegressionHead().loss([[0.5]], [[0.0]])), 4))
        0.6931

    Reference: tf.estimator.LogisticRegressionHead.
    """

    largest_label = 1.0

    def __init__(self, weight_column: Any = None, loss_reduction: str = SUM_OVER_BATCH_SIZE, name: str | None = None):
        super().__init__(1, weight_column, loss_reduction, inverse_link_fn=jax.nn.sigmoid, name=name)

    def losses(self, labels: jax.Array, logits: jax.Array) -> jax.Array:
        return sigmoid_cross_entropy(labels, logits)
