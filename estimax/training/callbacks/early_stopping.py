"""EarlyStopping: ends training when a number stops improving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimax.training.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Ends `fit` when a number has not improved for some epochs.

    An epoch that improves never ends training, also if the baseline is not reached.

    Args:
        monitor: name of the number in the logs.
        min_delta: a smaller change is no improvement.
        patience: epochs without improvement after which training ends.
        verbose: whether a line says so.
        mode: `"min"`, `"max"` or `"auto"`.
        baseline: a value that an improvement must also beat to start the count of epochs anew.
        restore_best_weights: whether the model ends with the weights of its best epoch, also if training was not stopped.
        start_from_epoch: epochs before this one are not looked at.

    Attributes:
        best, best_epoch: the best value and its epoch.
        stopped_epoch: where training was ended, 0 if it was not.

    Raises:
        ValueError: if an argument has the wrong form.

    Example:
        >>> callback = EarlyStopping(monitor="loss", patience=2)
        >>> callback.monitor, callback.patience
        ('loss', 2)

    Reference: keras.callbacks.EarlyStopping.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        if patience < 0 or start_from_epoch < 0:
            raise ValueError(
                f"EarlyStopping: given patience={patience} and start_from_epoch={start_from_epoch}, expected numbers of at least 0."
            )
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best, self.best_weights = None, None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if epoch < self.start_from_epoch:
            return
        value = self.current(logs)
        if value is None:
            return
        if self.restore_best_weights and self.best_weights is None:
            # If no epoch improves (NaN, say) the first one's weights are the best there are.
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.is_improvement(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_improvement(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
