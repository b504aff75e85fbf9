"""Baselines: models that look at no feature, for others to be compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostOp, HostValue, Variable, as_host_value, name_scope, register
from estimax.core.errors import InputDataError
from estimax.estimator.estimator import Estimator
from estimax.estimator.heads import Head
from estimax.estimator.heads.base import SUM_OVER_BATCH_SIZE
from estimax.estimator.premade.networks import (
    BASELINE_RATE,
    checked_head,
    classification_head,
    model_fn_of,
    optimizer_of,
    regression_head,
)
from estimax.estimator.run_config import RunConfig
from estimax.feature_columns.entries import read_entries
from estimax.initializers import Zeros


@register("estimax.estimator")
class RowZeros(HostOp):
    """A zero for each row of any column. Shape `[batch, 1]`."""

    def get_config(self) -> dict[str, Any]:
        return {}

    def __call__(self, raw: Any) -> np.ndarray:
        rows = len(raw) if isinstance(raw, (np.ndarray, list)) else read_entries(raw).shape[0]
        return np.zeros((rows, 1), np.float32)


def bias_network(units: int) -> Any:
    """The same logits for every row: a bias for each logit, under `baseline`."""

    def logits(features: Any) -> jax.Array:
        with name_scope("baseline"):
            bias = Variable(Zeros(), (units,), name="bias")
        return bias.value + rows_of(features)

    return logits


def rows_of(features: Any) -> jax.Array:
    """A zero for each row of the features. Shape `[batch, 1]`."""
    leaves = jax.tree.leaves(
        dict(features) if hasattr(features, "keys") else features, is_leaf=lambda x: isinstance(x, HostValue)
    )
    if not leaves:
        raise InputDataError(
            "The features are empty, expected at least one, to know the number of rows. Return a feature from input_fn."
        )
    arrays = [x for x in leaves if not isinstance(x, HostValue)]
    if arrays:
        return jnp.zeros((arrays[0].shape[0], 1), jnp.float32)
    value = as_host_value(leaves[0], "features")
    assert value is not None
    return HostValue(op=RowZeros(), inputs=[value]).on_device()


class BaselineEstimator(Estimator):
    """A bias with any head.

    Args:
        head: what the logits mean.
        model_dir: folder of checkpoints and event files.
        optimizer: a name (with a learning rate of 0.3) or an object.
        config: a `RunConfig`.

    Raises:
        ValueError: for another optimizer name.

    Reference: tf.estimator.BaselineEstimator.
    """

    def __init__(
        self, head: Head, model_dir: str | os.PathLike | None = None, optimizer: Any = "Ftrl", config: RunConfig | None = None
    ):
        head = checked_head(head, type(self).__name__)
        model_fn = model_fn_of(head, bias_network(head.logits_dimension), optimizer_of(optimizer, BASELINE_RATE))
        super().__init__(model_fn, model_dir=model_dir, config=config)


class BaselineClassifier(BaselineEstimator):
    """The frequencies of the classes.

    Args:
        model_dir: folder of checkpoints and event files.
        n_classes: number of classes.
        weight_column: name of the feature of weights, or a numeric column.
        label_vocabulary: class names, for labels that are strings.
        optimizer: a name (with a learning rate of 0.3) or an object.
        config: a `RunConfig`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.

    Raises:
        ValueError: for a wrong number of classes or optimizer name.

    Reference: tf.estimator.BaselineClassifier.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
    ):
        head = classification_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(head, model_dir, optimizer, config)


class BaselineRegressor(BaselineEstimator):
    """The mean of the labels.

    Args:
        model_dir: folder of checkpoints and event files.
        label_dimension: numbers a row.
        weight_column: name of the feature of weights, or a numeric column.
        optimizer: a name (with a learning rate of 0.3) or an object.
        config: a `RunConfig`.
        loss_reduction: `"sum_over_batch_size"` or `"sum"`.

    Raises:
        ValueError: for another optimizer name.

    Reference: tf.estimator.BaselineRegressor.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike | None = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        loss_reduction: str = SUM_OVER_BATCH_SIZE,
    ):
        super().__init__(regression_head(label_dimension, weight_column, loss_reduction), model_dir, optimizer, config)
