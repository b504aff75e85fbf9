"""What every head is: from logits and labels to loss, predictions, metrics and an EstimatorSpec."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import HostValue, current_frame, is_host_array, row_count, row_mask
from estimax.core.errors import InputDataError, ShapeError
from estimax.estimator.export.outputs import ClassificationOutput, ExportOutput, PredictOutput, RegressionOutput
from estimax.estimator.heads.metric_set import metric_key
from estimax.estimator.modes import ModeKeys, check_mode
from estimax.estimator.spec import DEFAULT_SIGNATURE, EstimatorSpec, variable_paths
from estimax.estimator.variables import ScopedTrainOp
from estimax.metrics import Mean

SUM_OVER_BATCH_SIZE, SUM = "sum_over_batch_size", "sum"


class Head:
    """Interface of heads; a user's own head subclasses it and implements what is listed below.

    To implement: `name`, `logits_dimension`, `loss_reduction`, `loss`, `predictions`, `metrics`, `update_metrics`, and, for
    signatures other than `predict`, `export_outputs`. `create_estimator_spec` puts them together.

    Reference: tf.estimator.Head.
    """

    @property
    def name(self) -> str | None:
        """The head's name, which ends the names of its metrics; None for a head that is alone."""
        raise TypeError(f"{type(self).__name__} defines no name.")

    @property
    def logits_dimension(self) -> int:
        """The size of the last axis of logits."""
        raise TypeError(f"{type(self).__name__} defines no logits_dimension.")

    @property
    def loss_reduction(self) -> str:
        """`"sum_over_batch_size"` or `"sum"`."""
        raise TypeError(f"{type(self).__name__} defines no loss_reduction.")

    @property
    def training_scope(self) -> str:
        """The prefix of the names of optimizers' variables."""
        return "training"

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Mapping[str, Any] | None = None,
        mode: str | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> jax.Array:
        """The scalar to minimise, regularization included."""
        raise TypeError(f"{type(self).__name__} defines no loss.")

    def predictions(self, logits: Any, keys: Sequence[str] | None = None) -> dict[Any, Any]:
        """Predictions by name; only those of `keys` if given."""
        raise TypeError(f"{type(self).__name__} defines no predictions.")

    def metrics(self, regularization_losses: Sequence[Any] | None = None) -> dict[str, Any]:
        """New metric objects by name."""
        raise TypeError(f"{type(self).__name__} defines no metrics.")

    def update_metrics(
        self,
        eval_metrics: Mapping[str, Any],
        features: Mapping[str, Any] | None,
        logits: Any,
        labels: Any,
        mode: str | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> dict[str, Any]:
        """Adds a batch to metrics made by `metrics`, and gives them back."""
        raise TypeError(f"{type(self).__name__} defines no update_metrics.")

    def export_outputs(self, predictions: Mapping[Any, Any]) -> dict[str, ExportOutput]:
        """The signatures of an exported model, from the predictions."""
        return {DEFAULT_SIGNATURE: PredictOutput(predictions), "predict": PredictOutput(predictions)}

    def create_estimator_spec(
        self,
        features: Mapping[str, Any] | None,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        trainable_variables: Any = None,
        train_op_fn: Callable[[Any], Any] | None = None,
        update_ops: Any = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> EstimatorSpec:
        """The EstimatorSpec of a model_fn that ends in this head.

        Args:
            features: as the model_fn got them; weights are read from them.
            mode: a value of `ModeKeys`.
            logits: `[batch, ..., logits_dimension]`.
            labels: as the model_fn got them; None in PREDICT.
            optimizer: name, optimizer or optax transformation; in TRAIN either it or `train_op_fn` is needed.
            trainable_variables: the variables (or paths) to train; all by default.
            train_op_fn: `loss -> train_op`, as `lambda loss: [a.minimize(loss, var_list=...), b.minimize(loss, var_list=...)]`.
            update_ops: must be empty: layers update their state by themselves.
            regularization_losses: scalars to add to the loss. By default those of the layers and variables that the model_fn made.

        Raises:
            ValueError: if an argument is missing that the mode needs, or shapes do not match.
        """
        check_mode(mode)
        if update_ops:
            raise ValueError(
                "create_estimator_spec: update_ops: given operations, expected None. Layers such as BatchNormalization update their "
                "moving averages by themselves while training; leave update_ops out."
            )
        predictions = self.predictions(logits)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions=predictions, export_outputs=self.export_outputs(predictions))
        if labels is None:
            raise ValueError(
                f"create_estimator_spec: labels: given None, expected labels in mode {mode!r}. Return (features, labels) from input_fn."
            )
        if regularization_losses is None:
            regularization_losses = recorded_regularization_losses()
        loss = self.loss(labels, logits, features=features, mode=mode, regularization_losses=regularization_losses)
        if mode == ModeKeys.EVAL:
            metrics = self.metrics(regularization_losses=regularization_losses)
            metrics = self.update_metrics(
                metrics, features, logits, labels, mode=mode, regularization_losses=regularization_losses
            )
            return EstimatorSpec(mode, predictions=predictions, loss=loss, eval_metric_ops=metrics)
        if (optimizer is None) == (train_op_fn is None):
            given = "neither" if optimizer is None else "both"
            raise ValueError(
                f"create_estimator_spec: given {given} of optimizer and train_op_fn, expected one of them in mode TRAIN."
            )
        if train_op_fn is not None:
            train_op = train_op_fn(loss)
        else:
            train_op = ScopedTrainOp(as_optimizer(optimizer), loss, variable_paths(trainable_variables), self.training_scope)
        return EstimatorSpec(mode, predictions=predictions, loss=loss, train_op=train_op)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, logits_dimension={self.logits_dimension})"


class SingleHead(Head):
    """What the heads of one task share: options, weights, shapes, the reduced loss.

    Args:
        name: of the head.
        weight_column: name of the feature of weights, or a numeric column.
        loss_reduction: `"sum_over_batch_size"` (sum of weighted losses by the number of losses) or `"sum"`.
        loss_fn: `(labels, logits, features=, loss_reduction=) -> losses [batch, 1]`, the last two if it takes them.
    """

    # Whether weights may be given per logit rather than per row.
    weights_per_logit = False

    def __init__(
        self,
        *,
        name: str | None,
        weight_column: Any,
        loss_reduction: str,
        loss_fn: Callable | None = None,
    ):
        owner = type(self).__name__
        if loss_reduction not in (SUM, SUM_OVER_BATCH_SIZE):
            raise ValueError(f"{owner}: loss_reduction: given {loss_reduction!r}, expected 'sum_over_batch_size' or 'sum'.")
        if weight_column is not None and not isinstance(weight_column, str) and not hasattr(weight_column, "normalizer_fn"):
            raise TypeError(
                f"{owner}: weight_column: given {type(weight_column).__name__}, expected a feature's name or a numeric_column."
            )
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{owner}: name: given {name!r}, expected a string or None.")
        self._name, self._weight_column, self._loss_reduction = name, weight_column, loss_reduction
        self._loss_fn = None if loss_fn is None else checked_loss_fn(owner, loss_fn)

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def loss_reduction(self) -> str:
        return self._loss_reduction

    @property
    def weight_column(self) -> Any:
        """The feature of weights, or None."""
        return self._weight_column

    # -- what a concrete head defines ---------------------------------------------------------------------------------

    def labels_for_loss(self, labels: Any, logits: jax.Array) -> jax.Array:
        """Labels as the loss takes them, checked and shaped like the logits."""
        raise TypeError(f"{type(self).__name__} defines no labels_for_loss.")

    def losses(self, labels: jax.Array, logits: jax.Array) -> jax.Array:
        """The loss of each row, not weighted. Shape `[batch, ..., 1]`, or that of the logits."""
        raise TypeError(f"{type(self).__name__} defines no losses.")

    # -- loss ---------------------------------------------------------------------------------------------------------

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Mapping[str, Any] | None = None,
        mode: str | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> jax.Array:
        """The weighted, reduced loss.

        Args:
            labels: see the class.
            logits: `[batch, ..., logits_dimension]`.
            features: with the weights, if there are any.
            mode: taken for the interface; a loss does not depend on it.
            regularization_losses: scalars that are added.

        Returns:
            A scalar, float32.
        """
        logits = self.checked_logits(logits)
        unweighted, weights, _ = self.weighted_losses(labels, logits, features)
        total = jnp.sum(_product(unweighted, real_rows(unweighted, weights)))
        if self._loss_reduction == SUM_OVER_BATCH_SIZE:
            per_row = unweighted.size // max(unweighted.shape[0], 1)
            total = total / jnp.maximum(row_count(unweighted) * per_row, 1)
        return total + sum_of(regularization_losses)

    def weighted_losses(self, labels: Any, logits: jax.Array, features: Any) -> tuple[jax.Array, Any, jax.Array]:
        """Losses of rows, their weights (None if all are 1), and the labels as numbers."""
        labels = self.labels_for_loss(labels, logits)
        if self._loss_fn is None:
            unweighted = self.losses(labels, logits)
        else:
            unweighted = self._loss_fn(labels=labels, logits=logits, features=features, loss_reduction=self._loss_reduction)
            self._check_custom_losses(unweighted, logits)
        return unweighted, self.weights(features, logits), labels

    def _check_custom_losses(self, losses: jax.Array, logits: jax.Array) -> None:
        expected = (*logits.shape[:-1], logits.shape[-1] if self.weights_per_logit else 1)
        if tuple(losses.shape) != expected:
            raise ShapeError(f"{type(self).__name__}: loss_fn gave losses of shape {tuple(losses.shape)}, expected {expected}.")

    # -- shapes and weights -------------------------------------------------------------------------------------------

    def checked_logits(self, logits: Any) -> jax.Array:
        """The logits as float32 `[batch, ..., logits_dimension]`."""
        logits = jnp.asarray(logits)
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        if logits.ndim < 2 or logits.shape[-1] != self.logits_dimension:
            raise ShapeError(
                f"{type(self).__name__}: logits: given shape {tuple(logits.shape)}, expected [batch, ..., {self.logits_dimension}]. "
                f"The last layer needs {self.logits_dimension} units."
            )
        return logits

    def shaped_labels(self, labels: jax.Array, logits: jax.Array, width: int) -> jax.Array:
        """Labels with the axes of the logits but `width` at the end; a missing last axis of 1 is added."""
        if labels.ndim == logits.ndim - 1 and width == 1:
            labels = labels[..., None]
        expected = (*logits.shape[:-1], width)
        if tuple(labels.shape) != expected:
            raise ShapeError(
                f"{type(self).__name__}: labels: given shape {tuple(labels.shape)}, expected {list(expected)} to match the logits "
                f"{list(logits.shape)}."
            )
        return labels

    def weights(self, features: Any, logits: jax.Array) -> jax.Array | None:
        """Weights that broadcast against the losses: `[batch, ..., 1]` or, where the head allows it, like the logits."""
        column = self._weight_column
        if column is None:
            return None
        owner = type(self).__name__
        key = column if isinstance(column, str) else column.key
        if features is None or key not in features:
            known = sorted(map(str, features)) if features is not None else []
            raise InputDataError(f"{owner}: weight_column {key!r} is missing from the features. Given features: {known}.")
        raw = features[key]
        if isinstance(raw, HostValue) or is_host_array(raw):
            raise InputDataError(f"{owner}: weight_column {key!r}: given strings or lists, expected numbers. Cast the feature.")
        weights = jnp.asarray(raw)
        if not isinstance(column, str) and column.normalizer_fn is not None:
            weights = jnp.asarray(column.normalizer_fn(weights))
        if weights.ndim == logits.ndim - 1:
            weights = weights[..., None]
        last = (1, logits.shape[-1]) if self.weights_per_logit else (1,)
        if weights.shape[:-1] != logits.shape[:-1] or weights.shape[-1] not in last:
            raise ShapeError(
                f"{owner}: weight_column {key!r}: given shape {tuple(weights.shape)}, expected {[*logits.shape[:-1], 1]} to match the "
                f"logits {list(logits.shape)}."
            )
        return weights.astype(jnp.float32)

    # -- metrics ------------------------------------------------------------------------------------------------------

    def key(self, key: str) -> str:
        """A metric's name with the head's name at its end."""
        return metric_key(key, self._name)

    def base_metrics(self, regularization_losses: Sequence[Any] | None) -> dict[str, Any]:
        """The metrics that every head has."""
        found: dict[str, Any] = {self.key("average_loss"): Mean(name="average_loss")}
        if regularization_losses:
            found[self.key("regularization_loss")] = Mean(name="regularization_loss")
        return found

    def update_mean(self, metrics: Mapping[str, Any], key: str, values: jax.Array, weights: Any) -> None:
        """Adds values to a mean, each element for itself; padding rows count nothing."""
        weights = real_rows(values, weights)
        metrics[self.key(key)].update_state(
            values.reshape(-1), sample_weight=None if weights is None else jnp.broadcast_to(weights, values.shape).reshape(-1)
        )

    def update_base_metrics(self, metrics: Mapping[str, Any], unweighted: jax.Array, weights: Any, regularization: Any) -> None:
        """Adds the losses of a batch."""
        self.update_mean(metrics, "average_loss", unweighted, weights)
        if regularization:
            metrics[self.key("regularization_loss")].update_state(sum_of(regularization))


def real_rows(values: jax.Array, weights: Any) -> Any:
    """Weights, 0 for rows that only pad the batch; None if every row counts 1."""
    mask = row_mask(is_loss=True)
    if mask is None:
        return weights
    mask = mask.astype(jnp.float32).reshape((-1,) + (1,) * (values.ndim - 1))
    return mask if weights is None else mask * weights


def _product(values: jax.Array, weights: Any) -> jax.Array:
    # A row of weight 0 counts nothing, also if its loss is not finite: padding may hold anything.
    return values if weights is None else jnp.where(weights == 0, 0, values) * weights


def sum_of(regularization_losses: Sequence[Any] | None) -> jax.Array:
    """The sum of scalars, 0 if there are none."""
    return sum((jnp.asarray(x, jnp.float32) for x in regularization_losses or ()), jnp.zeros((), jnp.float32))


def recorded_regularization_losses() -> list[Any]:
    """Losses that layers added in this call of the model_fn, and those of weight regularizers."""
    frame = current_frame()
    if frame is None:
        return []
    found = list(frame.losses)
    for variable in frame.created.values():
        if getattr(variable, "regularizer", None) is not None and variable.trainable:
            found.append(variable.regularizer(variable.value))
    return found


def as_optimizer(identifier: Any) -> Any:
    """An optimizer from a name, an object, an optax transformation or a function that makes one."""
    from estimax import optimizers

    if not isinstance(identifier, str) and callable(identifier) and not hasattr(identifier, "init"):
        identifier = identifier()
    return optimizers.get(identifier)


def checked_loss_fn(owner: str, loss_fn: Callable) -> Callable:
    """A user's loss function, given only those of `features` and `loss_reduction` that it takes.

    Raises:
        ValueError: if it does not take labels and logits, or asks for something else.
    """
    parameters = inspect.signature(loss_fn).parameters.values()
    names = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    takes_all = any(p.kind == p.VAR_KEYWORD for p in parameters)
    known = ("labels", "logits", "features", "loss_reduction")
    for needed in known[:2]:
        if needed not in names and not takes_all:
            raise ValueError(
                f"{owner}: loss_fn: given a function of {names}, expected it to take {needed!r}, as in def loss_fn(labels, logits)."
            )
    if unknown := [n for n in names if n not in known]:
        raise ValueError(
            f"{owner}: loss_fn: given a function that takes {unknown}, expected only {list(known)}. Bind them with functools.partial."
        )

    def call(**given: Any) -> jax.Array:
        return jnp.asarray(loss_fn(**{k: v for k, v in given.items() if takes_all or k in names}))

    return call


def checked_thresholds(owner: str, thresholds: Sequence[float] | None) -> tuple[float, ...]:
    """Thresholds of probabilities.

    Raises:
        ValueError: if one is not inside (0, 1).
    """
    thresholds = tuple(thresholds or ())
    for t in thresholds:
        if not 0 < t < 1:
            raise ValueError(f"{owner}: thresholds: given {t!r}, expected numbers inside (0, 1).")
    return thresholds


def checked_vocabulary(owner: str, vocabulary: Any, n_classes: int) -> tuple | None:
    """Class names.

    Raises:
        ValueError: if they are no list, or not as many as classes.
    """
    if vocabulary is None:
        return None
    if not isinstance(vocabulary, (list, tuple)):
        raise ValueError(
            f"{owner}: label_vocabulary: given {type(vocabulary).__name__}, expected a list or tuple of class names."
        )
    if len(vocabulary) != n_classes:
        raise ValueError(f"{owner}: label_vocabulary: given {len(vocabulary)} names, expected {n_classes}, one for each class.")
    return tuple(vocabulary)


def selected(owner: str, predictions: dict[Any, Any], keys: Sequence[str] | None) -> dict[Any, Any]:
    """The predictions of some keys.

    Raises:
        ValueError: if a key is unknown.
    """
    if keys is None:
        return predictions
    if unknown := [k for k in keys if k not in predictions]:
        raise ValueError(f"{owner}: keys: given {unknown}, expected some of {sorted(map(str, predictions))}.")
    return {k: predictions[k] for k in keys}


def all_class_ids(logits: jax.Array, n_classes: int) -> jax.Array:
    """The ids of all classes for each row. Shape `[batch, n_classes]`, int32."""
    return jnp.broadcast_to(jnp.arange(n_classes, dtype=jnp.int32), (logits.shape[0], n_classes))


def class_signatures(predictions: Mapping[Any, Any], classes: str, regression: str | None = None) -> dict[str, ExportOutput]:
    """The signatures of a classifier: classification (the default), predict, and regression by one of its predictions."""
    classification = ClassificationOutput(scores=predictions["probabilities"], classes=predictions[classes])
    found: dict[str, ExportOutput] = {DEFAULT_SIGNATURE: classification, "classification": classification}
    if regression is not None:
        found["regression"] = RegressionOutput(predictions[regression])
    return found | {"predict": PredictOutput(predictions)}
