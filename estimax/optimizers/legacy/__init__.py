"""The optimizers of tf.keras.optimizers.legacy, which tf.estimator uses, with TensorFlow 2.15's numbers."""

from estimax.optimizers.legacy import train
from estimax.optimizers.legacy.accumulating import Adadelta, Adagrad, Ftrl
from estimax.optimizers.legacy.averaging import SGD, Adam, Adamax, Nadam, RMSprop
from estimax.optimizers.legacy.names import get_estimator_optimizer
from estimax.optimizers.legacy.optimizer import LegacyOptimizer, LegacyOptions

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Ftrl",
    "LegacyOptimizer",
    "LegacyOptions",
    "Nadam",
    "RMSprop",
    "SGD",
    "get_estimator_optimizer",
    "train",
]
