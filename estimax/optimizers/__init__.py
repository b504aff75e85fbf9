"""Optimizers with Keras's and tf.estimator's numbers, learning rate schedules, clipping."""

from estimax.optimizers import decay, legacy, schedules
from estimax.optimizers.adagrad import Adagrad, RowWiseAdagrad
from estimax.optimizers.adam import Adam, AdamW
from estimax.optimizers.clipping import clip_by_average_norm, clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from estimax.optimizers.ftrl import Ftrl
from estimax.optimizers.minimize import MinimizeOp
from estimax.optimizers.optax_adapter import Optax
from estimax.optimizers.optimizer import Optimizer
from estimax.optimizers.registry import deserialize, get, serialize
from estimax.optimizers.sgd import SGD

__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "Ftrl",
    "MinimizeOp",
    "Optax",
    "Optimizer",
    "RowWiseAdagrad",
    "SGD",
    "clip_by_average_norm",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "decay",
    "deserialize",
    "get",
    "global_norm",
    "legacy",
    "schedules",
    "serialize",
]
