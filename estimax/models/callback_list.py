"""CallbackList: tells all callbacks of a `fit`, `evaluate` or `predict` what happens, and the engine which steps they must see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from estimax.training import Hook
from estimax.training.callbacks import History, ProgbarLogger

_TRAIN = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_TEST = ("on_test_batch_begin", "on_test_batch_end")
_PREDICT = ("on_predict_batch_begin", "on_predict_batch_end")


class CallbackList(Hook):
    """Several callbacks as one hook of the engine.

    Args:
        callbacks: a `Hook` or a list of them.
        model: given to each.
        params: given to each.
        with_history: whether a `History` and a progress bar are added, as in `fit`.

    Raises:
        TypeError: if one is no `Hook`.

    Reference: keras.callbacks.CallbackList.
    """

    def __init__(self, callbacks: Any, model: Any, *, params: Mapping[str, Any], with_history: bool = False):
        given = [] if callbacks is None else list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
        for c in given:
            if not isinstance(c, Hook):
                raise TypeError(
                    f"callbacks: given {c!r} of type {type(c).__name__}, expected estimax.callbacks (subclasses of training.Hook). Derive your "
                    "class from estimax.callbacks.Callback."
                )
        self.history = next((c for c in given if isinstance(c, History)), None)
        self.callbacks: list[Hook] = list(given)
        if params["verbose"] and not any(isinstance(c, ProgbarLogger) for c in given):
            self.callbacks.append(ProgbarLogger())
        if with_history and self.history is None:
            self.history = History()
            self.callbacks.append(self.history)
        for c in self.callbacks:
            c.set_params(params)
            c.set_model(model)
        self.model, self.params = model, params
        self.steps_at_once = 1
        self._done = self._due = 0
        self._first_step: int | None = None
        self._run: Any = None
        # Callbacks that name their steps themselves are hooks of the engine on their own.
        self.step_hooks = [
            c for c in self.callbacks if _overrides(c, ("next_step", "before_run", "after_run", "after_create_session"))
        ]
        self._train_hooks = [c for c in self.callbacks if _overrides(c, _TRAIN)]
        self.sees_test_batches = any(_overrides(c, _TEST) for c in self.callbacks)
        self.sees_predict_batches = any(_overrides(c, _PREDICT) for c in self.callbacks)

    # -- the engine's side --------------------------------------------------------------------------------------------

    def start(self, run: Any) -> None:
        """Before the first step."""
        self._run = run
        for c in self.callbacks:
            c.begin(run)

    def finish(self, run: Any) -> None:
        """After the last step."""
        for c in self.callbacks:
            c.end(run)

    def fail(self, run: Any, error: BaseException) -> None:
        """Instead of `finish`, if something failed."""
        for c in self.callbacks:
            c.failed(run, error)

    def next_step(self, step: int) -> int | None:
        """Every step, or every so many as one compiled call takes, if a callback sees batches."""
        if not self._train_hooks:
            return None
        if self._first_step is None:
            self._first_step = self._due = step
        if self._due <= step:
            self._due = step + self.steps_at_once
        return self._due

    def before_run(self, run: Any) -> None:
        """Announces a batch of training."""
        for c in self._train_hooks:
            c.on_train_batch_begin(self._done, {})

    def after_run(self, run: Any) -> None:
        """Reports a batch of training."""
        logs = run.logs()
        self._done = run.step - self._first_step
        for c in self._train_hooks:
            c.on_train_batch_end(self._done - 1, logs)
        if self.model.stop_training:
            run.request_stop()

    def end_batches(self, run: Any) -> None:
        """Reports the last batches of an epoch, if they were fewer than one compiled call takes."""
        if self._first_step is not None and run.step - self._first_step > self._done:
            self.before_run(run)
            self.after_run(run)

    # -- Keras's side -------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_train_begin(logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_train_end(logs or {})

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on; batches count from 0 again."""
        self._done, self._first_step = 0, None
        for c in self.callbacks:
            c.on_epoch_begin(epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_epoch_end(epoch, logs or {})

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_test_begin(logs or {})

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_test_end(logs or {})

    def on_test_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_test_batch_begin(batch, logs or {})

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_test_batch_end(batch, logs)

    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_predict_begin(logs or {})

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_predict_end(logs or {})

    def on_predict_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_predict_batch_begin(batch, logs or {})

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Passed on."""
        for c in self.callbacks:
            c.on_predict_batch_end(batch, logs)


def _overrides(callback: Hook, names: tuple[str, ...]) -> bool:
    return any(n in vars(callback) or getattr(type(callback), n) is not getattr(Hook, n) for n in names)
