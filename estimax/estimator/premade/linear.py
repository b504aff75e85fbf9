"""Linear models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from estimax.estimator.estimator import Estimator
from estimax.estimator.heads import Head
from estimax.estimator.heads.base import SUM_OVER_BATCH_SIZE
from estimax.estimator.premade.linear_sdca import LinearSDCA, sdca_model_fn
from estimax.estimator.premade.networks import (
    LINEAR_RATE,
    checked_head,
    classification_head,
    linear_network,
    model_fn_of,
    optimizer_of,
    regression_head,
)
from estimax.estimator.run_config import RunConfig


class LinearEstimator(Estimator):
    """A linear model with any head.

    Args:
        head: what the logits mean.
        feature_columns: categorical and dense columns.
        model_dir: folder of checkpoints and event files.
        optimizer: `"Ftrl"`, `"Adagrad"`, `"Adam"`, `"RMSProp"` or `"SGD"` (with a learning rate of 0.2), or an object, also a `LinearSDCA`.
        config: a `RunConfig`.
        sparse_combiner: `"sum"`, `"mean"` or `"sqrtn"`: how several ids of a row become one.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.

    Raises:
        ValueError: for a wrong column, combiner or optimizer name.

    Reference: tf.estimator.LinearEstimator.
    """

    def __init__(
        self,
        head: Head,
        feature_columns: Any,
        model_dir: str | os.PathLike | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        sparse_combiner: str = "sum",
        warm_start_from: Any = None,
    ):
        owner = type(self).__name__
        head = checked_head(head, owner)
        if isinstance(optimizer, LinearSDCA):
            if sparse_combiner != "sum":
                raise ValueError(f"{owner}: sparse_combiner: given {sparse_combiner!r}, expected 'sum' with LinearSDCA.")
            model_fn = sdca_model_fn(owner, head, feature_columns, optimizer)
        else:
            network = linear_network(feature_columns, sparse_combiner, head.logits_dimension, owner)
            model_fn = model_fn_of(head, network, optimizer_of(optimizer, LINEAR_RATE))
        super().__init__(model_fn, model_dir=model_dir, config=config, warm_start_from=warm_start_from)


class LinearClassifier(LinearEstimator):
    """A linear model of classes.

    Args:
        feature_columns: categorical and dense columns.
        model_dir: folder of checkpoints and event files.
        n_classes: number of classes.
        weight_column: name of the feature of weights, or a numeric column.
        label_vocabulary: class names, for labels that are strings.
        optimizer: a name (with a learning rate of 0.2) or an object, also a `LinearSDCA`.
        config: a `RunConfig`.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        sparse_combiner: how several ids of a row become one.

    Raises:
        ValueError: for a wrong column, number of classes or optimizer name.

    Example:
        >>> import numpy as np
        >>> from estimax import feature_columns as fc
        >>> estimator = LinearClassifier([fc.numeric_column("x")])
        >>> rows = {"x": np.array([[-1.0], [1.0]])}, np.array([0, 1])
        >>> result = estimator.train(lambda: rows, steps=5).evaluate(lambda: rows)
        >>> result["accuracy"], result["global_step"]
        (1.0, 5)

    Reference: tf.estimator.LinearClassifier.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        sparse_combiner: str = "sum",
    ):
        head = classification_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(head, feature_columns, model_dir, optimizer, config, sparse_combiner, warm_start_from)


class LinearRegressor(LinearEstimator):
    """A linear model of numbers.

    Args:
        feature_columns: categorical and dense columns.
        model_dir: folder of checkpoints and event files.
        label_dimension: numbers a row.
        weight_column: name of the feature of weights, or a numeric column.
        optimizer: a name (with a learning rate of 0.2) or an object, also a `LinearSDCA`.
        config: a `RunConfig`.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.
        sparse_combiner: how several ids of a row become one.

    Raises:
        ValueError: for a wrong column or optimizer name.

    Reference: tf.estimator.LinearRegressor.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        warm_start_from: Any = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
        sparse_combiner: str = "sum",
    ):
        head = regression_head(label_dimension, weight_column, loss_reduction)
        super().__init__(head, feature_columns, model_dir, optimizer, config, sparse_combiner, warm_start_from)
