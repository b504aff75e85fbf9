"""Wide and deep models: a linear part for memory, a deep part for generalization."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from estimax.estimator.estimator import Estimator
from estimax.estimator.heads import Head
from estimax.estimator.heads.base import SUM_OVER_BATCH_SIZE
from estimax.estimator.premade.networks import (
    COMBINED_DNN_RATE,
    COMBINED_LINEAR_RATE,
    checked_head,
    classification_head,
    combined_model_fn,
    dnn_network,
    linear_network,
    optimizer_of,
    regression_head,
)
from estimax.estimator.run_config import RunConfig


class DNNLinearCombinedEstimator(Estimator):
    """The sum of a linear and a deep part, with any head.

    Args:
        head: what the logits mean.
        model_dir: folder of checkpoints and event files.
        linear_feature_columns: columns of the linear part; without any there is none.
        linear_optimizer: a name (with a learning rate of 0.005) or an object.
        dnn_feature_columns: dense columns of the deep part; without any there is none.
        dnn_optimizer: a name (with a learning rate of 0.001) or an object.
        dnn_hidden_units: units of each hidden layer.
        dnn_activation_fn: of the hidden layers.
        dnn_dropout: probability to drop a unit.
        config: a `RunConfig`.
        batch_norm: whether each hidden layer is normalized.
        linear_sparse_combiner: `"sum"`, `"mean"` or `"sqrtn"`: how several ids of a row become one in the linear part.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.

    Raises:
        ValueError: if there is neither part, the deep part lacks hidden units, or an argument is out of range.

    Reference: tf.estimator.DNNLinearCombinedEstimator; Cheng et al., "Wide & deep learning for recommender systems", 2016.
    """

    def __init__(
        self,
        head: Head,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = "relu",
        dnn_dropout: float | None = None,
        config: RunConfig | None = None,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ):
        owner = type(self).__name__
        head = checked_head(head, owner)
        linear, deep = list(linear_feature_columns or ()), list(dnn_feature_columns or ())
        if not linear and not deep:
            raise ValueError(
                f"{owner}: given neither linear_feature_columns nor dnn_feature_columns, expected at least one of them."
            )
        if deep and dnn_hidden_units is None:
            raise ValueError(f"{owner}: given dnn_feature_columns, expected dnn_hidden_units too, as [100, 50].")
        parts = []
        if deep:
            options = {"activation_fn": dnn_activation_fn, "dropout": dnn_dropout, "batch_norm": batch_norm}
            network = dnn_network(deep, dnn_hidden_units or (), head.logits_dimension, owner, **options)
            parts.append(("dnn/", network, optimizer_of(dnn_optimizer, COMBINED_DNN_RATE)))
        if linear:
            network = linear_network(linear, linear_sparse_combiner, head.logits_dimension, owner)
            parts.append(("linear/", network, optimizer_of(linear_optimizer, COMBINED_LINEAR_RATE)))
        super().__init__(combined_model_fn(head, parts), model_dir=model_dir, config=config, warm_start_from=warm_start_from)


class DNNLinearCombinedClassifier(DNNLinearCombinedEstimator):
    """The sum of a linear and a deep part, for classes.

    Args:
        model_dir: folder of checkpoints and event files.
        linear_feature_columns: columns of the linear part; without any there is none.
        linear_optimizer: a name (with a learning rate of 0.005) or an object.
        dnn_feature_columns: dense columns of the deep part; without any there is none.
        dnn_optimizer: a name (with a learning rate of 0.001) or an object.
        dnn_hidden_units: units of each hidden layer.
        dnn_activation_fn: of the hidden layers.
        dnn_dropout: probability to drop a unit.
        n_classes: number of classes.
        weight_column: name of the feature of weights, or a numeric column.
        label_vocabulary: class names, for labels that are strings.
        config: a `RunConfig`.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        batch_norm: whether each hidden layer is normalized.
        linear_sparse_combiner: how several ids of a row become one in the linear part.

    Raises:
        ValueError: if there is neither part, the deep part lacks hidden units, or an argument is out of range.

    Reference: tf.estimator.DNNLinearCombinedClassifier.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = "relu",
        dnn_dropout: float | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        super().__init__(
            classification_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            model_dir,
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            config=config,
            batch_norm=batch_norm,
            linear_sparse_combiner=linear_sparse_combiner,
            warm_start_from=warm_start_from,
        )


class DNNLinearCombinedRegressor(DNNLinearCombinedEstimator):
    """The sum of a linear and a deep part, for numbers.

    Args:
        model_dir: folder of checkpoints and event files.
        linear_feature_columns: columns of the linear part; without any there is none.
        linear_optimizer: a name (with a learning rate of 0.005) or an object.
        dnn_feature_columns: dense columns of the deep part; without any there is none.
        dnn_optimizer: a name (with a learning rate of 0.001) or an object.
        dnn_hidden_units: units of each hidden layer.
        dnn_activation_fn: of the hidden layers.
        dnn_dropout: probability to drop a unit.
        label_dimension: numbers a row.
        weight_column: name of the feature of weights, or a numeric column.
        config: a `RunConfig`.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        batch_norm: whether each hidden layer is normalized.
        linear_sparse_combiner: how several ids of a row become one in the linear part.

    Raises:
        ValueError: if there is neither part, the deep part lacks hidden units, or an argument is out of range.

    Reference: tf.estimator.DNNLinearCombinedRegressor.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Any = "relu",
        dnn_dropout: float | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ):
        super().__init__(
            regression_head(label_dimension, weight_column, loss_reduction),
            model_dir,
            linear_feature_columns=linear_feature_columns,
            linear_optimizer=linear_optimizer,
            dnn_feature_columns=dnn_feature_columns,
            dnn_optimizer=dnn_optimizer,
            dnn_hidden_units=dnn_hidden_units,
            dnn_activation_fn=dnn_activation_fn,
            dnn_dropout=dnn_dropout,
            config=config,
            batch_norm=batch_norm,
            linear_sparse_combiner=linear_sparse_combiner,
            warm_start_from=warm_start_from,
        )
