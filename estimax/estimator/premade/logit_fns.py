"""Networks over feature columns as functions, for a model_fn of one's own that combines them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from estimax.estimator.inputs import call_with_known
from estimax.estimator.premade.networks import dnn_network, linear_network


def linear_logit_fn_builder(units: int, feature_columns: Any, sparse_combiner: str = "sum") -> Callable:
    """A function `features -> logits [batch, units]`: a linear model.

    Args:
        units: size of the logits.
        feature_columns: categorical and dense columns.
        sparse_combiner: how several ids of a row become one.

    Raises:
        ValueError: for a wrong column or combiner.

    Reference: tf.compat.v1.estimator.experimental.linear_logit_fn_builder.
    """
    network = linear_network(feature_columns, sparse_combiner, units, "linear_logit_fn_builder")

    def linear_logit_fn(features: Any) -> Any:
        return network(features)

    return linear_logit_fn


def dnn_logit_fn_builder(
    units: int,
    hidden_units: Sequence[int],
    feature_columns: Any,
    activation_fn: Any,
    dropout: float | None,
    input_layer_partitioner: None = None,
    batch_norm: bool = False,
) -> Callable:
    """A function `(features, mode) -> logits [batch, units]`: dense layers over dense columns.

    Args:
        units: size of the logits.
        hidden_units: of each hidden layer.
        feature_columns: dense columns.
        activation_fn: of the hidden layers.
        dropout: probability of dropping a hidden unit while training, or None.
        input_layer_partitioner: must be None: variables are not split.
        batch_norm: whether hidden layers are normalized over the batch.

    Raises:
        ValueError: for a wrong column or number, or a partitioner.

    Reference: tf.compat.v1.estimator.experimental.dnn_logit_fn_builder.
    """
    if input_layer_partitioner is not None:
        raise ValueError("dnn_logit_fn_builder: input_layer_partitioner: expected None: variables are not split. Leave it out.")
    options = {"activation_fn": activation_fn, "dropout": dropout, "batch_norm": batch_norm}
    network = dnn_network(feature_columns, hidden_units, units, "dnn_logit_fn_builder", **options)

    def dnn_logit_fn(features: Any, mode: str) -> Any:
        return network(features)  # dropout and normalization follow the mode in which the model_fn is called

    return dnn_logit_fn


def call_logit_fn(logit_fn: Callable, features: Any, mode: str, params: Any, config: Any) -> Any:
    """Calls a logit function with those of the arguments that it takes.

    Args:
        logit_fn: takes `features` and any of `mode`, `params`, `config`.
        features: as the model_fn got them.
        mode: a value of `ModeKeys`.
        params: hyper-parameters.
        config: a `RunConfig`.

    Returns:
        The logits: an array, or a dict of arrays by head.

    Raises:
        ValueError: if it takes other arguments, or returns nothing.

    Example:
        >>> call_logit_fn(lambda features: 2 * features, 3, "train", {}, None)
        6

    Reference: tf.estimator.experimental.call_logit_fn.
    """
    given = {"features": features, "mode": mode, "params": params, "config": config}
    named = list(inspect.signature(logit_fn).parameters)
    if named and named[0] not in given:
        raise ValueError(f"call_logit_fn: the function takes {named}, expected features and any of {list(given)[1:]}.")
    logits = call_with_known(logit_fn, given, what="logit_fn", required=("features",))
    if logits is None:
        raise ValueError("call_logit_fn: the function returned None, expected an array, or a dict of arrays by head.")
    return logits
