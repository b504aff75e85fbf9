"""Hooks that both doors use: stopping, logging, counting, checking, saving, profiling."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from estimax.core import current_frame
from estimax.core.errors import NanLossError
from estimax.training.events import EventWriter
from estimax.training.hook import Hook

logger = logging.getLogger("estimax")

LOSS, GLOBAL_STEP = "loss", "global_step"


class Schedule:
    """When a hook's turn is: every so many steps, or about every so many seconds.

    Steps are multiples, so that a run that was killed and continued acts at the same ones. Seconds are met by looking at the clock ever more
    often as the time comes near, so that steps in between stay grouped.

    Args:
        every_steps: a positive number, or None.
        every_secs: a positive number, or None.
        owner: for errors.

    Raises:
        ValueError: unless exactly one is given.

    Example:
        >>> Schedule(10).next_step(13)
        20
    """

    def __init__(self, every_steps: int | None = None, every_secs: float | None = None, *, owner: str = "Schedule"):
        if (every_steps is None) == (every_secs is None):
            raise ValueError(
                f"{owner}: given every_steps={every_steps!r} and every_secs={every_secs!r}, expected exactly one of them."
            )
        given = every_steps if every_steps is not None else every_secs
        if given is None or given <= 0:
            raise ValueError(f"{owner}: given an interval of {given!r}, expected a number above 0.")
        self.every_steps, self.every_secs = every_steps, every_secs
        self._since: float | None = None
        self._look_at: int | None = None
        self._last_look: tuple[float, int] | None = None

    def next_step(self, step: int) -> int:
        """The first step after `step` at which to ask `is_due`."""
        if self.every_steps is not None:
            return (step // self.every_steps + 1) * self.every_steps
        if self._since is None:
            self._since = time.monotonic()
        if self._look_at is None or self._look_at <= step:
            self._look_at = step + self._steps_until_look(step)
        return self._look_at

    def _steps_until_look(self, step: int) -> int:
        now = time.monotonic()
        last, self._last_look = self._last_look, (now, step)
        if last is None or step <= last[1] or now <= last[0]:
            return 1
        remaining = self._since + self.every_secs - now  # type: ignore[operator]
        return max(1, int(remaining / 2 * (step - last[1]) / (now - last[0])))

    def is_due(self) -> bool:
        """Whether to act now; the next interval begins then."""
        if self.every_steps is not None:
            return True
        now = time.monotonic()
        if self._since is not None and now - self._since < self.every_secs:  # type: ignore[operator]
            return False
        self._since = now
        return True


def value_name(value: Any) -> str:
    """The name under which a hook asks for a value: itself if it is one, else a name given to the array in this call of the model_fn."""
    if isinstance(value, str):
        return value
    if hasattr(value, "path"):
        return value.path
    frame = current_frame()
    if frame is None:
        raise ValueError(
            f"A hook was given {type(value).__name__} outside a model_fn, expected the name of a value. Name it in the model_fn, "
            "ex.estimator.named('probabilities', probabilities), and give the hook 'probabilities'."
        )
    name = f"hook_value_{len(frame.named)}"
    frame.named[name] = value
    return name


def request_values(run: Any, names: Sequence[str]) -> None:
    """Asks for named values of the coming step, unless all of them are known without."""
    known = {LOSS, GLOBAL_STEP, *run.variable_values()}
    if any(n not in known for n in names):
        run.request(*names)


def read_value(run: Any, name: str) -> Any:
    """A value after a step: the loss, the step, a named value, a variable or a metric.

    Raises:
        ValueError: if there is none of this name.
    """
    if name == LOSS:
        return run.last_loss
    if name == GLOBAL_STEP:
        return run.step
    for found in (run.named, run.variable_values(), run.logs()):
        if name in found:
            return jax.device_get(found[name])
    raise ValueError(
        f"There is no value called {name!r}. Known: 'loss', 'global_step', {sorted(run.named)}, and the variables "
        f"{sorted(run.variable_values())[:20]}. Name it in the model_fn: ex.estimator.named({name!r}, value)."
    )


class StopAtStepHook(Hook):
    """Stops after so many steps of this run, or at a global step.

    Args:
        num_steps: steps of this run.
        last_step: the global step.

    Raises:
        ValueError: unless exactly one is given.

    Example:
        >>> StopAtStepHook(last_step=100).next_step(7)
        100

    Reference: tf.estimator.StopAtStepHook.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None):
        if (num_steps is None) == (last_step is None):
            raise ValueError(
                f"StopAtStepHook: given num_steps={num_steps!r} and last_step={last_step!r}, expected exactly one of them."
            )
        self.num_steps, self.last_step = num_steps, last_step
        self._until = last_step

    def after_create_session(self, run: Any) -> None:
        if self.num_steps is not None:
            self._until = run.step + self.num_steps
        if self._until is not None and run.step >= self._until:
            run.request_stop()

    def next_step(self, step: int) -> int | None:
        return None if self._until is None else max(self._until, step + 1)

    def after_run(self, run: Any) -> None:
        run.request_stop()


class NanTensorHook(Hook):
    """Stops when the loss is NaN or infinite.

    The loss is looked at every 100 steps and at the end, so that the device is not waited for at every step: a loss that has become NaN
    stays so.

    Args:
        loss_tensor: name of the value to watch; the loss by default.
        fail_on_nan_loss: whether to raise `NanLossError`, or only stop.
        every_steps: how often to look.

    Reference: tf.estimator.NanTensorHook.
    """

    def __init__(self, loss_tensor: Any = LOSS, fail_on_nan_loss: bool = True, *, every_steps: int = 100):
        self.name, self.fail_on_nan_loss = value_name(loss_tensor), fail_on_nan_loss
        self._schedule = Schedule(every_steps, owner="NanTensorHook")

    def next_step(self, step: int) -> int:
        return self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        request_values(run, [self.name])

    def after_run(self, run: Any) -> None:
        self.check(run)

    def check(self, run: Any) -> None:
        """Looks at the loss now."""
        value = np.asarray(read_value(run, self.name), np.float64)
        if np.isfinite(value).all():
            return
        message = (
            f"The loss is {value} at step {run.step}. Lower the learning rate, clip gradients (clipnorm=), or look for NaN and "
            "out-of-range values in the input."
        )
        if self.fail_on_nan_loss:
            raise NanLossError(message)
        logger.warning("%s Training stops.", message)
        run.request_stop()

    def end(self, run: Any) -> None:
        if self.name == LOSS and run._losses is not None:
            self.check(run)


class LoggingTensorHook(Hook):
    """Logs values by name.

    Args:
        tensors: names, or `{tag: name}`; inside a model_fn also arrays.
        every_n_iter: log at every so many steps.
        every_n_secs: log about every so many seconds.
        at_end: whether to log (also) at the end.
        formatter: `{tag: value} -> text`.

    Raises:
        ValueError: if neither or both intervals are given without `at_end`.

    Reference: tf.estimator.LoggingTensorHook.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[str, Any]], str] | None = None,
    ):
        pairs = (
            tensors.items()
            if isinstance(tensors, Mapping)
            else [(t if isinstance(t, str) else f"value_{i}", t) for i, t in enumerate(tensors)]
        )
        self.names = {tag: value_name(value) for tag, value in pairs}
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        self._schedule = None if only_at_end else Schedule(every_n_iter, every_n_secs, owner="LoggingTensorHook")
        self.at_end, self.formatter = at_end, formatter
        self._logged: tuple[float, int] | None = None
        self._first: int | None = None

    def after_create_session(self, run: Any) -> None:
        self._first, self._logged = run.step + 1, None

    def next_step(self, step: int) -> int | None:
        if self._first is not None and step < self._first:
            return self._first
        return None if self._schedule is None else self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        request_values(run, list(self.names.values()))

    def after_run(self, run: Any) -> None:
        if self._schedule is not None and (run.step == self._first or self._schedule.is_due()):
            self.log(run)

    def log(self, run: Any) -> None:
        """Logs now."""
        values = {tag: read_value(run, name) for tag, name in self.names.items()}
        now = time.monotonic()
        took = "" if self._logged is None else f" ({now - self._logged[0]:.3f} sec)"
        self._logged = now, run.step
        if self.formatter is not None:
            logger.info(self.formatter(values))
        else:
            logger.info("%s%s", ", ".join(f"{tag} = {_shown(v)}" for tag, v in values.items()), took)

    def end(self, run: Any) -> None:
        if self.at_end and run._losses is not None:
            self.log(run)


def _shown(value: Any) -> str:
    value = np.asarray(value)
    return (
        f"{value.item():.6g}"
        if value.ndim == 0 and value.dtype.kind == "f"
        else np.array2string(value, precision=6, threshold=20)
    )


class StepCounterHook(Hook):
    """Measures steps a second, logs them and writes them as `global_step/sec`.

    Args:
        every_n_steps: how often.
        every_n_secs: how often, instead.
        output_dir: folder of the event file.
        summary_writer: an `EventWriter`, instead.

    Reference: tf.estimator.StepCounterHook.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: EventWriter | None = None,
    ):
        self._schedule = Schedule(None if every_n_secs is not None else every_n_steps, every_n_secs, owner="StepCounterHook")
        self._writer = summary_writer or (None if output_dir is None else EventWriter(output_dir))
        self._last: tuple[float, int] | None = None
        self.steps_per_second: float | None = None

    def after_create_session(self, run: Any) -> None:
        self._last = time.perf_counter(), run.step

    def next_step(self, step: int) -> int:
        return self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        """Nothing is asked for."""

    def after_run(self, run: Any) -> None:
        if not self._schedule.is_due() or self._last is None:
            return
        seconds, steps = time.perf_counter() - self._last[0], run.step - self._last[1]
        self._last = time.perf_counter(), run.step
        if steps <= 0 or seconds <= 0:
            return
        self.steps_per_second = steps / seconds
        logger.info("global_step/sec: %.6g", self.steps_per_second)
        if self._writer is not None:
            self._writer.scalars({"global_step/sec": self.steps_per_second}, run.step)

    def end(self, run: Any) -> None:
        if self._writer is not None:
            self._writer.flush()


def _refuse(owner: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{owner}: {name}: given {value!r}, expected None: there is no graph and no session here. Leave it out."
            )


class CheckpointSaverListener:
    """Told before and after each checkpoint; subclass what is needed.

    Reference: tf.estimator.CheckpointSaverListener.
    """

    def begin(self) -> None:
        """Called once before training."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Called before a checkpoint is written."""

    def after_save(self, session: Any, global_step_value: int) -> bool | None:
        """Called after a checkpoint is written; True asks to stop training."""

    def end(self, session: Any, global_step_value: int) -> None:
        """Called once after training."""


class CheckpointSaverHook(Hook):
    """Saves checkpoints at every so many steps or seconds, and at the end.

    Args:
        checkpoint_dir: the model_dir.
        save_secs: how often, in seconds.
        save_steps: how often, in steps.
        saver: refused: what a checkpoint holds is not chosen.
        checkpoint_basename: only the default: checkpoints are folders `checkpoints/<step>`.
        scaffold: refused.
        listeners: told of each checkpoint.
        save_graph_def: only the default: checkpoints hold no graph either way.
        checkpointer: writes them; by default one for `checkpoint_dir`.
        last_step: the step at which training will end, if that is known: it is left to the end.
        at_end: whether to save at the end.
        extra: gives JSON values to keep beside the state.
        defer: `(state, extra) -> bool`, `extra` a function: takes over the checkpoint at the end, where there are no listeners; False to save it now.
        on_finished: told the step if training ends where a checkpoint of the middle of the input was written just before.

    Raises:
        ValueError: unless exactly one interval is given, or for a refused argument.

    Reference: tf.estimator.CheckpointSaverHook.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: None = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: None = None,
        listeners: Sequence[CheckpointSaverListener] | None = None,
        save_graph_def: bool = True,
        *,
        checkpointer: Any = None,
        last_step: int | None = None,
        at_end: bool = True,
        extra: Callable[[Any], dict[str, Any]] | None = None,
        defer: Callable[[Any, Callable[[], dict[str, Any]]], bool] | None = None,
        on_finished: Callable[[int], None] | None = None,
    ):
        from estimax.training.checkpoints import Checkpointer

        _refuse("CheckpointSaverHook", saver=saver, scaffold=scaffold)
        if checkpoint_basename != "model.ckpt" or not save_graph_def:
            raise ValueError(
                f"CheckpointSaverHook: given checkpoint_basename={checkpoint_basename!r} and save_graph_def={save_graph_def!r}, expected the "
                "defaults: checkpoints are folders checkpoints/<step> and hold no graph. Leave them out."
            )
        self._schedule = Schedule(save_steps, save_secs, owner="CheckpointSaverHook")
        self._checkpointer = checkpointer or Checkpointer(checkpoint_dir)
        self.listeners, self.last_step, self.at_end = list(listeners or ()), last_step, at_end
        self._extra, self._defer = extra or (lambda run: {}), defer or (lambda state, extra: False)
        self._on_finished = on_finished or (lambda step: None)
        self._saved: int | None = None

    def begin(self, run: Any) -> None:
        for listener in self.listeners:
            listener.begin()

    def after_create_session(self, run: Any) -> None:
        self._saved = run.step if run.step in self._checkpointer.all_steps() else None

    def next_step(self, step: int) -> int:
        return self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        """Nothing is asked for."""

    def after_run(self, run: Any) -> None:
        if run.step != self.last_step and self._schedule.is_due() and self._save(run, finished=False):
            run.request_stop()

    def _save(self, run: Any, *, finished: bool) -> bool:
        if run._losses is not None and not math.isfinite(run.last_loss):
            raise NanLossError(
                f"The loss is {run.last_loss} at step {run.step}: no checkpoint is written; the one before stays whole. Lower the "
                "learning rate, clip gradients (clipnorm=), or look for NaN in the input."
            )
        run.settle()
        if finished and self._saved == run.step:
            self._on_finished(run.step)
            self._checkpointer.wait()
            return False
        if finished and not self.listeners and self._defer(run.state, lambda: self._extra(run)):
            return False
        for listener in self.listeners:
            listener.before_save(run, run.step)
        extra = self._extra(run) | ({} if finished else {"input": run.input_state()})
        self._checkpointer.save(run.state, extra)
        self._saved = run.step
        if finished:
            self._checkpointer.wait()  # who looks into model_dir after training has ended finds the checkpoint
        stops = [bool(listener.after_save(run, run.step)) for listener in self.listeners]
        return any(stops)

    def end(self, run: Any) -> None:
        if self.at_end and run.state is not None and run._losses is not None:
            self._save(run, finished=True)
        for listener in self.listeners:
            listener.end(run, run.step)


class SummarySaverHook(Hook):
    """Writes what `ex.summary` collected in the model_fn, and the loss, to event files.

    Args:
        save_steps: how often, in steps.
        save_secs: how often, in seconds.
        output_dir: folder of the event file.
        summary_writer: an `EventWriter`, instead.
        scaffold: refused.
        summary_op: refused: what `ex.summary` collects in the model_fn is written.
        has_summaries: whether the model_fn made summaries; without any, steps stay grouped.

    Raises:
        ValueError: unless exactly one interval, and one of folder and writer, is given, or for a refused argument.

    Reference: tf.estimator.SummarySaverHook.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: EventWriter | None = None,
        scaffold: None = None,
        summary_op: None = None,
        *,
        has_summaries: Callable[[], bool] = lambda: True,
    ):
        _refuse("SummarySaverHook", scaffold=scaffold, summary_op=summary_op)
        if (output_dir is None) == (summary_writer is None):
            raise ValueError("SummarySaverHook: expected exactly one of output_dir and summary_writer.")
        self._schedule = Schedule(save_steps, save_secs, owner="SummarySaverHook")
        self._writer = summary_writer or EventWriter(str(output_dir))
        self._has_summaries = has_summaries

    def next_step(self, step: int) -> int:
        return self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        if self._has_summaries():
            run.request()

    def after_run(self, run: Any) -> None:
        if not self._schedule.is_due():
            return
        self._writer.scalars({"loss": run.last_loss}, run.step)
        if self._has_summaries():
            write_summaries(self._writer, run.summaries, run.step)

    def end(self, run: Any) -> None:
        self._writer.flush()


def write_summaries(writer: EventWriter, summaries: Mapping[str, Any], step: int) -> None:
    """Writes values that `ex.summary` collected, under keys `kind|tag|text`."""
    for key, value in jax.device_get(dict(summaries)).items():
        kind, tag, text = key.split("|", 2)
        if kind == "scalar":
            writer.scalars({tag: value}, step)
        elif kind == "histogram":
            writer.histogram(tag, value, step)
        elif kind == "image":
            writer.image(tag, value, step)
        else:
            writer.text(tag, text, step)


class FinalOpsHook(Hook):
    """Reads values after the last step; they are in `final_ops_values`.

    Args:
        final_ops: a name, or a list or dict of names.
        final_ops_feed_dict: refused.

    Raises:
        ValueError: for a refused argument.

    Reference: tf.estimator.FinalOpsHook.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: None = None):
        _refuse("FinalOpsHook", final_ops_feed_dict=final_ops_feed_dict)
        self._names = jax.tree.map(value_name, final_ops)
        self.final_ops_values: Any = None

    def next_step(self, step: int) -> int:
        return step + 1

    def before_run(self, run: Any) -> None:
        request_values(run, jax.tree.leaves(self._names))

    def after_run(self, run: Any) -> None:
        """The values of the last step stay until the end."""

    def end(self, run: Any) -> None:
        self.final_ops_values = jax.tree.map(lambda name: read_value(run, name), self._names)


class ProfilerHook(Hook):
    """Records a trace of one step at every so many steps or seconds, which TensorBoard and Perfetto open.

    Args:
        save_steps: how often, in steps.
        save_secs: how often, in seconds.
        output_dir: folder of the traces.
        show_dataflow: only the default, True: a trace shows when each operation ran.
        show_memory: whether a profile of the device's memory is written too.

    Raises:
        ValueError: unless exactly one interval is given, or if `show_dataflow` is False.

    Reference: tf.estimator.ProfilerHook.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ):
        if not show_dataflow:
            raise ValueError("ProfilerHook: show_dataflow: given False, expected True: a trace shows when each operation ran.")
        self._schedule = Schedule(save_steps, save_secs, owner="ProfilerHook")
        self.output_dir, self.show_memory = output_dir, show_memory
        self._tracing = False

    def next_step(self, step: int) -> int:
        return step + 1 if self._tracing else self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        """The trace begins after the step that is due, for the one that follows."""

    def after_run(self, run: Any) -> None:
        if self._tracing:
            self._stop(run)
        elif self._schedule.is_due():
            jax.profiler.start_trace(self.output_dir, create_perfetto_trace=True)
            self._tracing = True

    def _stop(self, run: Any) -> None:
        jax.block_until_ready(run.state.params)
        jax.profiler.stop_trace()
        self._tracing = False
        if self.show_memory:
            jax.profiler.save_device_memory_profile(f"{self.output_dir}/memory_{run.step}.prof")

    def end(self, run: Any) -> None:
        if self._tracing:
            self._stop(run)

    def failed(self, run: Any, error: BaseException) -> None:
        if self._tracing:
            jax.profiler.stop_trace()
            self._tracing = False


class FeedFnHook(Hook):
    """Refused: there are no placeholders to feed.

    Raises:
        ValueError: always, saying what to do.

    Reference: tf.estimator.FeedFnHook.
    """

    def __init__(self, feed_fn: Any):
        raise ValueError(
            f"FeedFnHook: given {feed_fn!r}, but JAX has no placeholders to feed. Yield what the function returns from input_fn as features, "
            "or set variables by run.set_variable in a hook."
        )


class GlobalStepWaiterHook(Hook):
    """Refused: workers of one model step together.

    Raises:
        ValueError: if there is a step to wait for, saying what to do.

    Reference: tf.estimator.GlobalStepWaiterHook.
    """

    def __init__(self, wait_until_step: int):
        if wait_until_step > 0:
            raise ValueError(
                f"GlobalStepWaiterHook: given wait_until_step={wait_until_step}, but all processes of a model step together, so that waiting "
                "would never end. Leave the hook out."
            )

    def next_step(self, step: int) -> None:
        return None
