"""Support vector machines with a linear kernel, or with random Fourier features in place of a Gaussian one."""

from __future__ import annotations

import math
import os
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import Variable, current_frame, name_scope
from estimax.estimator.estimator import Estimator
from estimax.estimator.heads import BinaryClassHead
from estimax.estimator.premade.linear_sdca import LinearSDCA, sdca_model_fn
from estimax.estimator.premade.networks import LINEAR_RATE, linear_network, optimizer_of
from estimax.estimator.run_config import RunConfig
from estimax.estimator.spec import EstimatorSpec
from estimax.feature_columns import input_layer
from estimax.feature_columns.layers import check_columns, check_dense
from estimax.initializers import RandomNormal, RandomUniform, Zeros


def hinge_loss(labels: jax.Array, logits: jax.Array) -> jax.Array:
    """`max(0, 1 - (2 label - 1) logit)`. Shape of the logits.

    >>> hinge_loss(jnp.array([[1.0]]), jnp.array([[0.25]])).tolist()
    [[0.75]]
    """
    return jax.nn.relu(1 - (2 * labels - 1) * logits)


class LinearSVM(Estimator):
    """A support vector machine for two classes.

    Args:
        feature_columns: categorical and dense columns; only dense ones with Fourier features.
        model_dir: folder of checkpoints and event files.
        weight_column: name of the feature of weights, or a numeric column.
        l2_regularization: half of the factor of the squared weights in the loss.
        optimizer: a name (with a learning rate of 0.2) or an object, also a `LinearSDCA`.
        config: a `RunConfig`.
        fourier_features: how many random Fourier features replace the dense columns; None for a linear kernel.
        fourier_stddev: width of the Gaussian kernel that the features stand for.
        warm_start_from: a checkpoint, model_dir or export, or `WarmStartSettings`.

    Raises:
        ValueError: if a number is out of range or a column of the wrong kind.

    Example:
        >>> import numpy as np
        >>> from estimax import feature_columns as fc
        >>> svm = LinearSVM([fc.numeric_column("x")])
        >>> rows = {"x": np.array([[-1.0], [1.0]])}, np.array([0, 1])
        >>> svm.train(lambda: rows, steps=5).evaluate(lambda: rows)["accuracy"]
        1.0

    Reference: Cortes and Vapnik, "Support-vector networks", 1995; Rahimi and Recht, "Random features for large-scale kernel machines", 2007.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: str | os.PathLike | None = None,
        weight_column: Any = None,
        l2_regularization: float = 0.0,
        optimizer: Any = "Ftrl",
        config: RunConfig | None = None,
        fourier_features: int | None = None,
        fourier_stddev: float = 1.0,
        warm_start_from: Any = None,
    ):
        if l2_regularization < 0:
            raise ValueError(f"LinearSVM: l2_regularization: given {l2_regularization!r}, expected at least 0.")
        if fourier_features is not None and (fourier_features < 1 or fourier_stddev <= 0):
            raise ValueError("LinearSVM: expected fourier_features of at least 1 and fourier_stddev above 0.")
        head = BinaryClassHead(weight_column=weight_column, loss_fn=hinge_loss)
        if fourier_features is None:
            network = linear_network(feature_columns, "sum", 1, "LinearSVM")
        else:
            network = _fourier_network(feature_columns, fourier_features, fourier_stddev)
        if isinstance(optimizer, LinearSDCA):
            if fourier_features is not None or l2_regularization:
                raise ValueError(
                    "LinearSVM: given LinearSDCA with fourier_features or l2_regularization, expected neither: it trains a linear kernel and "
                    "has symmetric_l2_regularization."
                )
            fn = sdca_model_fn("LinearSVM", head, feature_columns, optimizer, "hinge")
            super().__init__(fn, model_dir=model_dir, config=config, warm_start_from=warm_start_from)
            return
        chosen = optimizer_of(optimizer, LINEAR_RATE)

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            logits = network(features)
            frame = current_frame()
            assert frame is not None  # a model_fn runs in one
            squares = [
                jnp.sum(jnp.square(v.value)) for p, v in frame.created.items() if v.trainable and not p.endswith("bias_weights")
            ]
            penalty = [l2_regularization * sum(squares)] if l2_regularization else []
            return head.create_estimator_spec(features, mode, logits, labels, optimizer=chosen, regularization_losses=penalty)

        super().__init__(model_fn, model_dir=model_dir, config=config, warm_start_from=warm_start_from)


def _fourier_network(feature_columns: Any, dimension: int, stddev: float) -> Any:
    """A linear model over `sqrt(2 / d) cos(x W + b)`, W and b drawn once."""
    columns = check_columns(feature_columns, "LinearSVM")
    for column in columns:
        check_dense(column, "LinearSVM")

    def logits(features: Any) -> jax.Array:
        inputs = input_layer(features, columns)
        with name_scope("fourier"):
            omega = Variable(RandomNormal(stddev=1.0 / stddev), (inputs.shape[1], dimension), trainable=False, name="omega")
            phase = Variable(RandomUniform(0.0, 2 * math.pi), (dimension,), trainable=False, name="phase")
        mapped = math.sqrt(2.0 / dimension) * jnp.cos(inputs @ omega.value + phase.value)
        with name_scope("linear"):
            weights = Variable(Zeros(), (dimension, 1), name="weights")
            bias = Variable(Zeros(), (1,), name="bias_weights")
        return mapped @ weights.value + bias.value

    return logits
