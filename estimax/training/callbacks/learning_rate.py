"""Callbacks that set the learning rate while training; nothing is compiled again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from estimax.training.callbacks.monitor import MonitorCallback
from estimax.training.hook import Hook


def _rate(model: Any, owner: str) -> float:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(f"{owner}: the model has no optimizer. Compile it first.")
    return float(np.float32(optimizer.learning_rate))


class LearningRateScheduler(Hook):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: `(epoch, rate) -> rate`, or `(epoch) -> rate`; epochs count from 0.
        verbose: whether a line shows each rate.

    Raises:
        ValueError: when training, if `schedule` does not give a number.

    Example:
        >>> callback = LearningRateScheduler(lambda epoch, rate: rate if epoch < 10 else rate * 0.9)

    Reference: keras.callbacks.LearningRateScheduler.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0):
        if not callable(schedule):
            raise ValueError(f"LearningRateScheduler: schedule: given {schedule!r}, expected a function (epoch, rate) -> rate.")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        rate = _rate(self.model, "LearningRateScheduler")
        try:
            takes_rate = len(inspect.signature(self.schedule).parameters) != 1
        except (TypeError, ValueError):
            takes_rate = True
        new = self.schedule(epoch, rate) if takes_rate else self.schedule(epoch)
        if not isinstance(new, (int, float, np.number)) and np.ndim(new) != 0 or isinstance(new, bool) or new is None:
            raise ValueError(f"LearningRateScheduler: schedule gave {new!r} for epoch {epoch}, expected a number.")
        self.model.optimizer.learning_rate = float(new)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {float(new):g}")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if isinstance(logs, dict):
            logs["learning_rate"] = _rate(self.model, "LearningRateScheduler")


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a number has stopped improving.

    Args:
        monitor: name of the number in the logs.
        factor: the rate is multiplied by this; below 1.
        patience: epochs without improvement after which the rate falls.
        verbose: whether a line says so.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: a smaller change is no improvement.
        cooldown: epochs after a fall in which none are counted.
        min_lr: the rate falls no further.

    Raises:
        ValueError: if `factor` is 1 or more.

    Example:
        >>> ReduceLROnPlateau(factor=0.5, patience=3).factor
        0.5

    Reference: keras.callbacks.ReduceLROnPlateau.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(
                f"ReduceLROnPlateau: factor: given {factor}, expected a number below 1, as the rate is multiplied by it."
            )
        self.factor, self.patience, self.verbose, self.cooldown, self.min_lr = factor, patience, verbose, cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.wait = self.cooldown_counter = 0
        self.best = None

    def in_cooldown(self) -> bool:
        """Whether the rate fell so recently that epochs are not counted."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        rate = _rate(self.model, "ReduceLROnPlateau")
        if isinstance(logs, dict):
            logs["learning_rate"] = rate
        value = self.current(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(value, self.best):
            self.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                new = max(rate * self.factor, self.min_lr)
                self.model.optimizer.learning_rate = new
                if self.verbose:
                    print(f"Epoch {epoch + 1}: the learning rate falls to {new:g}.")
                self.cooldown_counter, self.wait = self.cooldown, 0
