"""Keras's callbacks, as hooks of the engine."""

from estimax.training.callbacks.backup import BackupAndRestore
from estimax.training.callbacks.checkpoint import ModelCheckpoint
from estimax.training.callbacks.csv_logger import CSVLogger
from estimax.training.callbacks.early_stopping import EarlyStopping
from estimax.training.callbacks.history import History, LambdaCallback
from estimax.training.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from estimax.training.callbacks.monitor import MonitorCallback
from estimax.training.callbacks.progress import ProgbarLogger
from estimax.training.callbacks.swap_ema import SwapEMAWeights
from estimax.training.callbacks.tensorboard import TensorBoard
from estimax.training.callbacks.terminate import TerminateOnNaN
from estimax.training.hook import Hook as Callback

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
