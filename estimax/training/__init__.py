"""The training engine: programs, the one compiled step, the one loop, hooks, checkpoints, writers."""

from estimax.training.feeder import split_batch
from estimax.training.hook import Hook, LazyLogs
from estimax.training.loop import Run
from estimax.training.program import EVAL, INFER, TRAIN, Outputs, Plan, Program, TrainOp

__all__ = ["EVAL", "INFER", "TRAIN", "Hook", "LazyLogs", "Outputs", "Plan", "Program", "Run", "TrainOp", "split_batch"]
