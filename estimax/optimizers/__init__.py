"""Optimizers with Keras's and tf.estimator's numbers, learning rate schedules, clipping."""

from estimax.optimizers import decay, legacy, schedules
from estimax.optimizers.adadelta import Adadelta
from estimax.optimizers.adafactor import Adafactor
from estimax.optimizers.adagrad import Adagrad, RowWiseAdagrad
from estimax.optimizers.adam import Adam, AdamW
from estimax.optimizers.adamax import Adamax
from estimax.optimizers.clipping import clip_by_average_norm, clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from estimax.optimizers.ftrl import Ftrl
from estimax.optimizers.lamb import Lamb
from estimax.optimizers.lion import Lion
from estimax.optimizers.loss_scale import LossScaleOptimizer
from estimax.optimizers.minimize import MinimizeOp
from estimax.optimizers.muon import Muon
from estimax.optimizers.nadam import Nadam
from estimax.optimizers.optax_adapter import Optax
from estimax.optimizers.optimizer import Optimizer
from estimax.optimizers.registry import deserialize, get, serialize
from estimax.optimizers.rmsprop import RMSprop
from estimax.optimizers.schedule_free import ScheduleFreeAdamW
from estimax.optimizers.sgd import SGD

__all__ = [
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MinimizeOp",
    "Muon",
    "Nadam",
    "Optax",
    "Optimizer",
    "RMSprop",
    "RowWiseAdagrad",
    "SGD",
    "ScheduleFreeAdamW",
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
