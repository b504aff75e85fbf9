"""History, which `fit` returns, and callbacks made of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from estimax.training.hook import Hook


class History(Hook):
    """The metrics of each epoch.

    Attributes:
        epoch: numbers of the epochs, from 0.
        history: for each name in the logs a list with one value an epoch.

    Reference: keras.callbacks.History.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        for k in sorted(logs or {}):
            self.history.setdefault(k, []).append(logs[k])  # type: ignore[index]


_METHODS = tuple(n for n in vars(Hook) if n.startswith("on_"))


class LambdaCallback(Hook):
    """A callback made of functions.

    Args:
        on_epoch_begin, on_epoch_end: `(epoch, logs)`.
        on_train_begin, on_train_end: `(logs)`.
        on_train_batch_begin, on_train_batch_end: `(batch, logs)`.
        **others: functions for the other methods of a callback, by name.

    Raises:
        ValueError: if a callback has no method of this name, or what is given is no function.

    Example:
        >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, sorted(logs)))
        >>> callback.on_epoch_end(0, {"loss": 1.0})
        0 ['loss']

    Reference: keras.callbacks.LambdaCallback.
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        on_train_batch_begin: Callable | None = None,
        on_train_batch_end: Callable | None = None,
        **others: Callable,
    ):
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **others,
        }
        for name, function in given.items():
            if name not in _METHODS:
                raise ValueError(f"LambdaCallback: a callback has no method {name!r}. Methods: {', '.join(_METHODS)}.")
            if function is None:
                continue
            if not callable(function):
                raise ValueError(f"LambdaCallback: {name}: given {function!r}, expected a function.")
            setattr(self, name, function)
