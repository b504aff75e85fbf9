"""Event files for TensorBoard."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np


class EventWriter:
    """Writes scalars, histograms, images and texts that TensorBoard shows.

    The file is opened at the first write, so that a writer costs nothing unless used.

    Args:
        logdir: the folder; made if needed.

    Example:
        >>> import tempfile, os
        >>> folder = tempfile.mkdtemp()
        >>> with EventWriter(folder) as writer:
        ...     writer.scalars({"loss": 0.5}, step=1)
        >>> [f.startswith("events.out.tfevents") for f in os.listdir(folder)]
        [True]
    """

    def __init__(self, logdir: str | os.PathLike):
        self.logdir = str(logdir)
        self._writer: Any = None
        self._closer: Any = None
        self._has_new = False
        self._lock = threading.Lock()

    def _write(self, summary: Any, step: int) -> None:
        # tensorboardX's SummaryWriter hands events to another thread, and its flush does not wait for that: a killed or ended process
        # would lose them. Its writer of records is used directly instead.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event

        with self._lock:
            if self._writer is None:
                os.makedirs(self.logdir, exist_ok=True)
                self._writer = EventsWriter(os.path.join(self.logdir, "events"), f".{os.getpid()}.{time.monotonic_ns()}")
                # The file is closed with the writer's owner, or when the process ends.
                self._closer = weakref.finalize(self, self._writer.close)
            self._has_new = True
            self._writer.write_event(Event(wall_time=time.time(), step=int(step), summary=summary))

    def scalars(self, values: Mapping[str, Any], step: int) -> None:
        """Numbers by tag; values that are no scalars are left out."""
        from tensorboardX import summary

        for tag, value in values.items():
            if np.ndim(value) == 0 and not isinstance(value, (str, bytes)):
                self._write(summary.scalar(tag, float(value)), step)

    def histogram(self, tag: str, values: Any, step: int) -> None:
        """The distribution of an array's finite values."""
        from tensorboardX import summary

        values = np.asarray(values, np.float64).ravel()
        values = values[np.isfinite(values)]
        if values.size:
            self._write(summary.histogram(tag, values, 30), step)

    def image(self, tag: str, image: Any, step: int) -> None:
        """An image `[height, width, channels]` (or a batch of them, `[n, height, width, channels]`), floats in [0, 1] or bytes."""
        from tensorboardX import summary

        image = np.asarray(image)
        self._write(summary.image(tag, image, dataformats="NHWC" if image.ndim == 4 else "HWC"), step)

    def text(self, tag: str, text: str, step: int) -> None:
        """A text, shown as Markdown."""
        from tensorboardX import summary

        self._write(summary.text(tag, text), step)

    def flush(self) -> None:
        """Puts what was written so far on disk."""
        with self._lock:
            if self._writer is not None and self._has_new:
                self._writer.flush()
                self._has_new = False

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._writer is not None:
                self._closer()
                self._writer = None

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
