"""Deep models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from estimax.estimator.estimator import Estimator
from estimax.estimator.heads import Head
from estimax.estimator.heads.base import SUM_OVER_BATCH_SIZE
from estimax.estimator.premade.networks import (
    DNN_RATE,
    checked_head,
    classification_head,
    dnn_network,
    model_fn_of,
    optimizer_of,
    regression_head,
)
from estimax.estimator.run_config import RunConfig


class DNNEstimator(Estimator):
    """Dense layers with any head.

    Args:
        head: what the logits mean.
        hidden_units: units of each hidden layer, bottom up; may be empty.
        feature_columns: dense columns.
        model_dir: folder of checkpoints and event files.
        optimizer: `"Adagrad"`, `"Adam"`, `"Ftrl"`, `"RMSProp"` or `"SGD"` (with a learning rate of 0.001), or an object.
        activation_fn: of the hidden layers, a function or name.
        dropout: probability to drop a unit; None for no dropout.
        config: a `RunConfig`.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.
        batch_norm: whether each hidden layer is normalized.

    Raises:
        ValueError: for a categorical column, or an argument out of range.

    Reference: tf.estimator.DNNEstimator.
    """

    def __init__(
        self,
        head: Head,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = "relu",
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ):
        owner = type(self).__name__
        head = checked_head(head, owner)
        options = {"activation_fn": activation_fn, "dropout": dropout, "batch_norm": batch_norm}
        network = dnn_network(feature_columns, hidden_units, head.logits_dimension, owner, **options)
        model_fn = model_fn_of(head, network, optimizer_of(optimizer, DNN_RATE))
        super().__init__(model_fn, model_dir=model_dir, config=config, warm_start_from=warm_start_from)


class DNNClassifier(DNNEstimator):
    """Dense layers for classes.

    Args:
        hidden_units: units of each hidden layer, bottom up; may be empty.
        feature_columns: dense columns.
        model_dir: folder of checkpoints and event files.
        n_classes: number of classes.
        weight_column: name of the feature of weights, or a numeric column.
        label_vocabulary: class names, for labels that are strings.
        optimizer: a name (with a learning rate of 0.001) or an object.
        activation_fn: of the hidden layers.
        dropout: probability to drop a unit.
        config: a `RunConfig`.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        batch_norm: whether each hidden layer is normalized.

    Raises:
        ValueError: for a categorical column, or an argument out of range.

    Reference: tf.estimator.DNNClassifier.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = "relu",
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
    ):
        head = classification_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(
            head, hidden_units, feature_columns, model_dir, optimizer, activation_fn, dropout, config, warm_start_from, batch_norm
        )


class DNNRegressor(DNNEstimator):
    """Dense layers for numbers.

    Args:
        hidden_units: units of each hidden layer, bottom up; may be empty.
        feature_columns: dense columns.
        model_dir: folder of checkpoints and event files.
        label_dimension: numbers a row.
        weight_column: name of the feature of weights, or a numeric column.
        optimizer: a name (with a learning rate of 0.001) or an object.
        activation_fn: of the hidden layers.
        dropout: probability to drop a unit.
        config: a `RunConfig`.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        batch_norm: whether each hidden layer is normalized.

    Raises:
        ValueError: for a categorical column, or an argument out of range.

    Reference: tf.estimator.DNNRegressor.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = "relu",
        dropout: float | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
    ):
        head = regression_head(label_dimension, weight_column, loss_reduction)
        super().__init__(
            head, hidden_units, feature_columns, model_dir, optimizer, activation_fn, dropout, config, warm_start_from, batch_norm
        )
