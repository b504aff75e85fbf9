"""Event files for TensorBoard."""

from __future__ import annotations

import os
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

    def _open(self) -> Any:
        if self._writer is None:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(self.logdir, flush_secs=30, write_to_disk=True)
        return self._writer

    def scalars(self, values: Mapping[str, Any], step: int) -> None:
        """Numbers by tag; values that are no scalars are left out."""
        for tag, value in values.items():
            if np.ndim(value) == 0 and not isinstance(value, (str, bytes)):
                self._open().add_scalar(tag, float(value), step)

    def histogram(self, tag: str, values: Any, step: int) -> None:
        """The distribution of an array's finite values."""
        values = np.asarray(values, np.float64).ravel()
        values = values[np.isfinite(values)]
        if values.size:
            self._open().add_histogram(tag, values, step)

    def image(self, tag: str, image: Any, step: int) -> None:
        """An image `[height, width, channels]` (or a batch of them, `[n, height, width, channels]`), floats in [0, 1] or bytes."""
        image = np.asarray(image)
        add = self._open().add_images if image.ndim == 4 else self._open().add_image
        add(tag, image, step, dataformats="NHWC" if image.ndim == 4 else "HWC")

    def text(self, tag: str, text: str, step: int) -> None:
        """A text, shown as Markdown."""
        self._open().add_text(tag, text, step)

    def flush(self) -> None:
        """Puts what was written so far on disk."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
