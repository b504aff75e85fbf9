"""CSVLogger: one line of a file for each epoch."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimax.training.hook import Hook


class CSVLogger(Hook):
    """Writes the metrics of each epoch to a CSV file.

    Args:
        filename: of the file.
        separator: between values.
        append: whether an existing file is continued.

    Reference: keras.callbacks.CSVLogger.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self._file: Any = None
        self._writer: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._is_continued = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        if self._is_continued:
            with open(self.filename, newline="") as f:
                self.keys = next(csv.reader(f, delimiter=self.separator))[1:]
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115 - closed when training ends

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
        if self._writer is None:
            self._writer = csv.DictWriter(
                self._file, ["epoch", *self.keys], delimiter=self.separator, restval="NA", extrasaction="ignore"
            )
            if not self._is_continued:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{k: _cell(v) for k, v in logs.items()}})
        self._file.flush()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._close()

    def failed(self, run: Any, error: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None


def _cell(value: Any) -> Any:
    if not isinstance(value, str) and np.ndim(value) > 0:
        return '"[' + ", ".join(map(str, value)) + ']"'
    return value
