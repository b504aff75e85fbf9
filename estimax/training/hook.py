"""The Hook: what may look at training and steer it; `fit`'s callbacks and Estimator's hooks are this one class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np


class Hook:
    """Looks at a run of training, evaluation or prediction, and may stop it or change weights.

    Two vocabularies, one life. Estimator's: `begin(run)`, `after_create_session(run)`, `before_run(run)`, `after_run(run)`, `end(run)`. Keras's:
    `on_train_begin`, `on_epoch_begin`, `on_train_batch_begin`, `on_train_batch_end`, `on_epoch_end`, `on_test_*`, `on_predict_*`,
    `on_train_end`. Implement what you need.

    The engine runs several steps in one compiled call where it may. A hook is called back only at the steps that `next_step` names, and
    costs nothing at others. The default names every step if the class implements a method that sees single steps.

    Attributes:
        model: the Keras-like model, in `fit`.
        params: `{"epochs", "steps", "verbose"}`, in `fit`.

    Example:
        >>> class Every(Hook):
        ...     def after_run(self, run):
        ...         print("step", run.step)
        >>> Every().next_step(7)
        8
        >>> print(Hook().next_step(7))
        None

    Reference: tf.estimator.SessionRunHook, keras.callbacks.Callback.
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    def next_step(self, step: int) -> int | None:
        """The first step after `step` at whose end the hook must be called; None for never."""
        return step + 1 if self._sees_steps() else None

    def _sees_steps(self) -> bool:
        cls = type(self)
        names = ("before_run", "after_run", "on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
        return any(getattr(cls, n) is not getattr(Hook, n) for n in names)

    # Estimator's vocabulary. `run` is a `training.Run`.
    def begin(self, run: Any) -> None:
        """Called once before the first step, before the state is restored or made."""

    def after_create_session(self, run: Any) -> None:
        """Called once the state is there."""

    def before_run(self, run: Any) -> None:
        """Called before a step that `next_step` named; may ask for named values with `run.request(name)`."""

    def after_run(self, run: Any) -> None:
        """Called after a step that `next_step` named."""

    def end(self, run: Any) -> None:
        """Called once after the last step; not if the run failed."""

    def failed(self, run: Any, error: BaseException) -> None:
        """Called instead of `end` if the run failed; for closing files, not for saving."""

    # Keras's vocabulary.
    def set_model(self, model: Any) -> None:
        """Gives the model; called by `fit`, `evaluate` and `predict`."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Gives `{"epochs", "steps", "verbose"}`."""
        self.params = params

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Called when `fit` starts."""

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Called when `fit` ends."""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called before an epoch; epochs count from 0."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called after an epoch, with its metrics and those of validation (`val_...`)."""

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called before a step of `fit`."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called after a step of `fit`; `logs` is read from the device only if it is looked at."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Called when an evaluation starts."""

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Called when an evaluation ends."""

    def on_test_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called after a batch of an evaluation."""

    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Called when a prediction starts."""

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Called when a prediction ends."""

    def on_predict_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called after a batch of a prediction."""


class LazyLogs(Mapping):
    """Metrics by name, computed and read from the device only when looked at.

    Args:
        read: gives the metrics.
    """

    def __init__(self, read: Callable[[], Mapping[str, Any]]):
        self._read = read
        self._found: dict[str, Any] | None = None

    def _all(self) -> Mapping[str, Any]:
        if self._found is None:
            self._found = {k: _number(v) for k, v in self._read().items()}
        return self._found

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(dict(self._all()))


def _number(x: Any) -> Any:
    x = np.asarray(x)
    return x.item() if x.ndim == 0 else x
