"""ProgbarLogger: a progress bar on a terminal, or one line an epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimax.training.hook import Hook

_REFRESH_SECONDS = 0.2


class ProgbarLogger(Hook):
    """Shows how far training is; a bar (`verbose=1`) on a terminal only, a line an epoch (`verbose=2`) anywhere.

    The bar is drawn about five times a second, and looks at metrics only then, so that steps stay grouped in between.

    Reference: keras.callbacks.ProgbarLogger.
    """

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None
        self._begun = 0.0
        self._drawn = 0.0
        self._first_step: int | None = None
        self._stride = 1
        self._due = 0
        self._in_fit = False
        self._epoch = 0

    @property
    def has_bar(self) -> bool:
        """Whether a bar is shown."""
        return self.params.get("verbose") == 1 and sys.stdout.isatty()

    def next_step(self, step: int) -> int | None:
        """The step at which the bar is drawn again."""
        if not self.has_bar:
            return None
        if self._first_step is None:
            self._first_step = self._due = step
        if self._due <= step:
            self._due = step + self._stride
        return self._due

    def after_run(self, run: Any) -> None:
        """Draws the bar."""
        now = time.perf_counter()
        done = run.step - (self._first_step or 0)
        spent = now - self._drawn if self._drawn else now - self._begun
        self._stride = int(np.clip(self._stride * _REFRESH_SECONDS / max(spent, 1e-6), 1, 4 * self._stride))
        self._drawn = now
        self._draw(done, run.logs())

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._in_fit = True

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._begun, self._drawn, self._first_step, self._epoch = time.perf_counter(), 0.0, None, epoch
        if self.has_bar:
            self._start(f"Epoch {epoch + 1}/{self.params.get('epochs')}")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - self._begun
        text = _listed(logs)
        if self._progress is not None:
            self._progress.update(self._task, completed=self.params.get("steps"), numbers=text)
            self._stop()
        elif self.params.get("verbose") == 2:
            print(f"Epoch {epoch + 1}/{self.params.get('epochs')} - {seconds:.1f}s - {text}", flush=True)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._in_fit:
            self._begun = time.perf_counter()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._in_fit and (self.has_bar or self.params.get("verbose") == 2):
            print(f"evaluate - {time.perf_counter() - self._begun:.1f}s - {_listed(logs)}", flush=True)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._in_fit = False
        self._stop()

    def failed(self, run: Any, error: BaseException) -> None:
        self._stop()

    def _start(self, title: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[numbers]}"),
        )
        self._task = self._progress.add_task(title, total=self.params.get("steps"), numbers="")
        self._progress.start()

    def _draw(self, done: int, logs: Mapping[str, Any]) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=done, numbers=_listed(logs))

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = None


def _listed(logs: Mapping[str, Any] | None) -> str:
    def shown(value: Any) -> str:
        if np.ndim(value) > 0:
            return str(np.asarray(value))
        return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"

    return " - ".join(f"{k}: {shown(v)}" for k, v in (logs or {}).items())
