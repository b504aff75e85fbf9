"""TensorBoard: metrics, histograms and images of weights in event files."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimax.training.events import EventWriter
from estimax.training.hook import Hook


class TensorBoard(Hook):
    """Writes event files that TensorBoard shows: `log_dir/train` and `log_dir/validation`.

    Args:
        log_dir: folder of the event files.
        histogram_freq: epochs between histograms of weights; 0 for none.
        write_graph: whether the model's architecture is written, as text.
        write_images: whether weights are also written as images, with the histograms.
        write_steps_per_second: whether the speed is written.
        update_freq: `"epoch"`, `"batch"`, or steps between writes of the training metrics.

    Raises:
        ValueError: if `update_freq` is another.

    Reference: keras.callbacks.TensorBoard.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: int | str = "epoch",
    ):
        if update_freq not in ("epoch", "batch") and (not isinstance(update_freq, int) or update_freq < 1):
            raise ValueError(f'TensorBoard: update_freq: given {update_freq!r}, expected "epoch", "batch" or a number of steps.')
        self.log_dir, self.histogram_freq, self.write_graph = os.fspath(log_dir), histogram_freq, write_graph
        self.write_images, self.write_steps_per_second = write_images, write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._writers: dict[str, EventWriter] = {}
        self._begun = 0.0
        self._step_at_begin = 0
        self._in_fit = False

    def _writer(self, name: str) -> EventWriter:
        if name not in self._writers:
            self._writers[name] = EventWriter(os.path.join(self.log_dir, name))
        return self._writers[name]

    def next_step(self, step: int) -> int | None:
        """The step at which to write, if that is counted in steps."""
        return None if self.update_freq == "epoch" else step + int(self.update_freq) - step % int(self.update_freq)

    def after_run(self, run: Any) -> None:
        """Writes the metrics so far."""
        self._writer("train").scalars({f"batch_{k}": v for k, v in run.logs().items() if np.ndim(v) == 0}, run.step)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._in_fit = True
        if self.write_graph and self.model.built:
            self._write_model()

    def _write_model(self) -> None:
        try:
            self._writer("train").text("model", self.model.to_json(), 0)
        except (TypeError, ValueError):
            self._writer("train").text("model", repr(self.model), 0)  # a model without a config

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._begun, self._step_at_begin = time.perf_counter(), self.model.steps_done

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        numbers = {k: v for k, v in (logs or {}).items() if np.ndim(v) == 0}
        train = {f"epoch_{k}": v for k, v in numbers.items() if not k.startswith("val_")}
        if self.write_steps_per_second:
            train["epoch_steps_per_second"] = (self.model.steps_done - self._step_at_begin) / max(
                time.perf_counter() - self._begun, 1e-9
            )
        self._writer("train").scalars(train, epoch)
        validation = {f"epoch_{k.removeprefix('val_')}": v for k, v in numbers.items() if k.startswith("val_")}
        if validation:
            self._writer("validation").scalars(validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for v in self.model.weights:
                self._writer("train").histogram(f"{v.path}/histogram", v.numpy(), epoch)
                if self.write_images:
                    self._writer("train").image(f"{v.path}/image", _as_image(v.numpy()), epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        numbers = {k: v for k, v in (logs or {}).items() if np.ndim(v) == 0}
        tags = {f"evaluation_{k}_vs_iterations": v for k, v in numbers.items()}
        self._writer("validation").scalars(tags, self.model.steps_done)
        if not self._in_fit:
            self._close()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._in_fit = False
        self._close()

    def failed(self, run: Any, error: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _as_image(array: np.ndarray) -> np.ndarray:
    """Weights as a gray picture `[height, width, 1]` of values in [0, 1]."""
    array = array.astype(np.float32)
    flat = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    low, high = float(flat.min()), float(flat.max())
    return ((flat - low) / (high - low or 1.0))[..., None]
