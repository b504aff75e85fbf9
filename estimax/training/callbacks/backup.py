"""BackupAndRestore: lets an interrupted `fit` go on where it was."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from estimax.training.hook import Hook

_METADATA = "training_metadata.json"


class BackupAndRestore(Hook):
    """Backs up weights, optimizer state and epoch, and starts the next `fit` from them if training was interrupted.

    Args:
        backup_dir: folder of the backup, used for nothing else.
        save_freq: `"epoch"`, or a number of batches.
        delete_checkpoint: whether the backup is removed when training has ended.

    Raises:
        ValueError: if an argument has the wrong form.

    Reference: keras.callbacks.BackupAndRestore.
    """

    def __init__(self, backup_dir: str | os.PathLike, save_freq: int | str = "epoch", delete_checkpoint: bool = True):
        if not os.fspath(backup_dir):
            raise ValueError("BackupAndRestore: backup_dir: given an empty name, expected a folder.")
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(
                f'BackupAndRestore: save_freq: given {save_freq!r}, expected "epoch" or a positive number of batches.'
            )
        self.backup_dir, self.save_freq, self.delete_checkpoint = os.fspath(backup_dir), save_freq, delete_checkpoint
        self._epoch = self._due = 0

    def next_step(self, step: int) -> int | None:
        """The step at which it is time to save, if that is counted in batches."""
        if self.save_freq == "epoch":
            return None
        if self._due <= step:
            self._due = step + int(self.save_freq)
        return self._due

    def after_run(self, run: Any) -> None:
        """Saves after so many batches; the epoch begins anew after an interruption."""
        self._save(self._epoch)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._due = 0
        metadata = os.path.join(self.backup_dir, _METADATA)
        if not os.path.exists(metadata):
            return
        with open(metadata) as f:
            found = json.load(f)
        if not self.model.built:
            self.model.restore_after_build = lambda: self._restore(found)
        else:
            self._restore(found)
        self.model.resume_epoch = int(found["epoch"])

    def _restore(self, found: Mapping[str, Any]) -> None:
        self.model.load_weights(os.path.join(self.backup_dir, os.path.basename(found["weights"])))
        self.model.steps_done = int(found["steps_done"])

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1)

    def _save(self, epoch: int) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        # The metadata name a weights file that is complete: a kill between the two writes leaves the older pair in force.
        weights = f"step-{self.model.steps_done}.weights.h5"
        self.model.save_weights(os.path.join(self.backup_dir, weights), overwrite=True)
        path = os.path.join(self.backup_dir, _METADATA)
        with open(path + ".new", "w") as f:
            json.dump({"epoch": epoch, "steps_done": self.model.steps_done, "weights": weights}, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(path + ".new", path)
        for name in os.listdir(self.backup_dir):
            if name.endswith(".weights.h5") and name != weights:
                os.remove(os.path.join(self.backup_dir, name))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.delete_checkpoint:
            shutil.rmtree(self.backup_dir, ignore_errors=True)
