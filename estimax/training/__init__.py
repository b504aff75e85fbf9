"""The training engine: programs, the one compiled step, the one loop, hooks, checkpoints, writers."""

from estimax.training.checkpoints import Checkpointer, read_checkpoint
from estimax.training.events import EventWriter
from estimax.training.feeder import split_batch
from estimax.training.hook import Hook, LazyLogs
from estimax.training.loop import Run
from estimax.training.program import EVAL, INFER, TRAIN, Outputs, Plan, Program, TrainOp

__all__ = [
    "EVAL",
    "INFER",
    "TRAIN",
    "Checkpointer",
    "EventWriter",
    "Hook",
    "LazyLogs",
    "Outputs",
    "Plan",
    "Program",
    "Run",
    "TrainOp",
    "read_checkpoint",
    "split_batch",
]
