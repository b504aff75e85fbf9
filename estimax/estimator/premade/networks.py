"""The networks of the premade estimators, and the model_fns made of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from estimax import activations, layers
from estimax.core import name_scope
from estimax.estimator.heads import BinaryClassHead, Head, MultiClassHead, RegressionHead
from estimax.estimator.heads.base import SUM_OVER_BATCH_SIZE
from estimax.estimator.spec import EstimatorSpec
from estimax.estimator.variables import ScopedTrainOp
from estimax.feature_columns import input_layer, linear_model
from estimax.feature_columns.layers import check_columns, check_dense, check_linear
from estimax.optimizers import legacy

# The learning rates that the premade models of TensorFlow 2.15 really use where an optimizer is given by name.
LINEAR_RATE, DNN_RATE, COMBINED_LINEAR_RATE, COMBINED_DNN_RATE, BASELINE_RATE, RNN_RATE = 0.2, 0.001, 0.005, 0.001, 0.3, 0.05

Network = Callable[[Any], jax.Array]


def classification_head(
    n_classes: int, weight_column: Any = None, label_vocabulary: Any = None, loss_reduction: str = SUM_OVER_BATCH_SIZE
) -> Head:
    """The head of a classifier: one logit for two classes, else one for each class.

    Raises:
        ValueError: if there are fewer than two classes.
    """
    options = {"weight_column": weight_column, "label_vocabulary": label_vocabulary, "loss_reduction": loss_reduction}
    if n_classes == 2:
        return BinaryClassHead(**options)
    return MultiClassHead(n_classes, **options)


def regression_head(label_dimension: int, weight_column: Any = None, loss_reduction: str = SUM_OVER_BATCH_SIZE) -> Head:
    """The head of a regressor."""
    return RegressionHead(label_dimension=label_dimension, weight_column=weight_column, loss_reduction=loss_reduction)


def checked_head(head: Any, owner: str) -> Head:
    """The head itself.

    Raises:
        TypeError: if it is none.
    """
    if not isinstance(head, Head):
        raise TypeError(f"{owner}: head: given {type(head).__name__}, expected a head such as BinaryClassHead().")
    return head


def linear_network(feature_columns: Any, sparse_combiner: str, units: int, owner: str) -> Network:
    """A linear model, under `linear/linear_model`."""
    columns = check_columns(feature_columns, owner)
    for column in columns:
        check_linear(column, owner)

    def logits(features: Any) -> jax.Array:
        with name_scope("linear"):
            return linear_model(features, columns, units, sparse_combiner)

    return logits


def _whole(n: Any) -> Any:
    """A number of units that is written as a string, a NumPy number or a float, as an int; anything else as it is."""
    if isinstance(n, str):
        return int(n) if n.strip().isdigit() else n
    whole = isinstance(n, (float, np.floating, np.integer)) and n == int(n)
    return int(n) if whole else n


def dnn_network(
    feature_columns: Any,
    hidden_units: Sequence[int],
    units: int,
    owner: str,
    *,
    activation_fn: Any = "relu",
    dropout: float | None = None,
    batch_norm: bool = False,
) -> Network:
    """Dense layers over dense columns, under `dnn`.

    Raises:
        ValueError: if a column is categorical, or a number of units is not positive.
    """
    columns = check_columns(feature_columns, owner)
    for column in columns:
        check_dense(column, owner)
    hidden_units = [_whole(n) for n in hidden_units]  # programs give what they read from a command line
    if bad := [n for n in hidden_units if not isinstance(n, int) or n < 1]:
        raise ValueError(
            f"{owner}: hidden_units: given {list(hidden_units)}, expected positive numbers of units; {bad} are none."
        )
    if dropout is not None and not 0 <= dropout < 1:
        raise ValueError(f"{owner}: dropout: given {dropout!r}, expected a probability in [0, 1), or None.")
    activation = activations.get(activation_fn)

    def logits(features: Any) -> jax.Array:
        with name_scope("dnn"):
            with name_scope("input_from_feature_columns"):
                net = input_layer(features, columns)
            for i, width in enumerate(hidden_units):
                net = layers.Dense(width, activation=activation, name=f"hiddenlayer_{i}")(net)
                if dropout:
                    net = layers.Dropout(dropout)(net)
                if batch_norm:
                    with name_scope(f"hiddenlayer_{i}"):
                        # TensorFlow's momentum for the moving averages of premade models, not Keras's 0.99.
                        net = layers.BatchNormalization(momentum=0.999, name=f"batchnorm_{i}")(net)
            return layers.Dense(units, name="logits")(net)

    return logits


def model_fn_of(head: Head, network: Network, optimizer: Any) -> Callable:
    """The model_fn of one network and one optimizer."""

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        return head.create_estimator_spec(features, mode, network(features), labels, optimizer=optimizer)

    return model_fn


def combined_model_fn(head: Head, parts: Sequence[tuple[str, Network, Any]]) -> Callable:
    """The model_fn of a sum of networks, each with its own optimizer for the variables under its prefix."""

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        logits = parts[0][1](features)
        for _, network, _ in parts[1:]:
            logits = logits + network(features)

        def train_ops(loss: Any) -> list[ScopedTrainOp]:
            scope = head.training_scope
            return [ScopedTrainOp(opt, loss, functools.partial(_is_below, prefix), scope) for prefix, _, opt in parts]

        return head.create_estimator_spec(features, mode, logits, labels, train_op_fn=train_ops)

    return model_fn


def optimizer_of(given: Any, rate: float) -> Any:
    """An optimizer by TensorFlow's exact names, with the model's learning rate, or an object."""
    return legacy.get_estimator_optimizer(given, rate)


def _is_below(prefix: str, path: str) -> bool:
    return path.startswith(prefix)
