"""ModelCheckpoint: saves the model while it trains."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from estimax.training.callbacks.monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, each epoch or every so many batches.

    A file is replaced only when the new one is complete.

    Args:
        filepath: where to; may have the epoch (from 1), the batch and numbers of the logs in it:
            `"m-{epoch:02d}-{val_loss:.2f}.keras"`. Ends in `.keras`, or in `.weights.h5` if only weights are saved.
        monitor: name of the number in the logs that `save_best_only` looks at.
        verbose: whether a line says so.
        save_best_only: whether only models are saved that are better than all before.
        save_weights_only: whether only weights are saved.
        mode: `"min"`, `"max"` or `"auto"`.
        save_freq: `"epoch"`, or a number of batches.
        initial_value_threshold: with `save_best_only`, the value that the first saved model must beat.

    Raises:
        ValueError: if the ending or `save_freq` is another.

    Example:
        >>> ModelCheckpoint("best.keras", monitor="loss", save_best_only=True).filepath
        'best.keras'

    Reference: keras.callbacks.ModelCheckpoint.
    """

    def __init__(
        self,
        filepath: str | os.PathLike,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: int | str = "epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode, baseline=initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(
                f'ModelCheckpoint: save_freq: given {save_freq!r}, expected "epoch" or a positive number of batches.'
            )
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(ending):
            raise ValueError(f"ModelCheckpoint: filepath: given {self.filepath!r}, expected a name that ends in {ending!r}.")
        self.save_freq = save_freq
        self._epoch = 0
        self._due = 0

    def next_step(self, step: int) -> int | None:
        """The step at which it is time to save, if that is counted in batches."""
        if self.save_freq == "epoch":
            return None
        if self._due <= step:
            self._due = step + int(self.save_freq)
        return self._due

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._due = 0

    def after_run(self, run: Any) -> None:
        """Saves after so many batches."""
        self._save(self._epoch, dict(run.logs()), batch=run.step)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, dict(logs or {}))

    def _save(self, epoch: int, logs: dict[str, Any], batch: int | None = None) -> None:
        if self.save_best_only:
            value = self.current(logs)
            if value is None or not self.is_improvement(value, self.best):
                return
            self.best = value
        path = self._path(epoch, logs, batch)
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")

    def _path(self, epoch: int, logs: Mapping[str, Any], batch: int | None) -> str:
        known = {**logs, "epoch": epoch + 1} | ({} if batch is None else {"batch": batch})
        try:
            return self.filepath.format(**known)
        except KeyError as e:
            raise KeyError(
                f"ModelCheckpoint: filepath {self.filepath!r} names {e.args[0]!r}, which the logs lack; they have {sorted(known)}."
            ) from None
