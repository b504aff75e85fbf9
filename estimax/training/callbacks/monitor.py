"""What callbacks share that watch one number of the logs: whether smaller or larger is better, and what counts as better."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

from estimax.training.hook import Hook

_RISING = re.compile(r"(^|_)(acc|accuracy|auc|precision|recall|f1_score)$")
_FALLING = re.compile(r"(^|_)(mae|mse|rmse|mape|error|crossentropy)$")


class MonitorCallback(Hook):
    """Watches a number of the logs.

    Args:
        monitor: its name: `"val_loss"`.
        mode: `"min"` or `"max"`; `"auto"` asks the metric of this name, and knows that a loss should fall.
        min_delta: a change smaller than this is no improvement.
        baseline: the value to start from.

    Raises:
        ValueError: if `mode` is another word.

    Reference: keras.callbacks.MonitorCallback.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", *, min_delta: float = 0.0, baseline: float | None = None):
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'{type(self).__name__}: mode: given {mode!r}, expected "auto", "min" or "max".')
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(min_delta)
        self.best = baseline
        self._sign: float | None = {"min": -1.0, "max": 1.0}.get(mode)

    def current(self, logs: Mapping[str, Any] | None) -> float | None:
        """The number in these logs; None, with a warning, if they lack it."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which the logs lack; they have {sorted(logs or {})}. Pass another monitor=, "
                "or validation data for a name that starts with val_.",
                UserWarning,
                stacklevel=3,
            )
        return None if value is None else float(value)

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether a value is better than another by more than `min_delta`; anything is better than None.

        Raises:
            ValueError: if nothing says whether smaller or larger is better.
        """
        if self._sign is None:
            self._sign = self._direction()
        return reference is None or self._sign * (value - reference) > self.min_delta

    def _direction(self) -> float:
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return -1.0
        for metric in getattr(self.model, "metrics", ()):
            if metric.name == name or name.endswith(f"_{metric.name}"):
                direction = getattr(metric, "direction", None)
                if direction in ("up", "down"):
                    return 1.0 if direction == "up" else -1.0
        # Names that metrics of this direction have wherever they come from: logs may hold numbers of a callback.
        if _RISING.search(name):
            return 1.0
        if _FALLING.search(name):
            return -1.0
        raise ValueError(
            f'{type(self).__name__}: mode: nothing says whether {self.monitor!r} should rise or fall. Pass mode="min" or mode="max".'
        )
