"""Early stopping: ending training by what evaluations say."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimax.training import Hook
from estimax.training.hooks import Schedule, StopAtStepHook, logger

HISTORY = "evaluations.jsonl"


def make_early_stopping_hook(
    estimator: Any, should_stop_fn: Callable[[], bool], run_every_secs: float | None = 60, run_every_steps: int | None = None
) -> Hook:
    """A hook that stops training when a function says so.

    Args:
        estimator: what is trained.
        should_stop_fn: asked now and then.
        run_every_secs: how often, in seconds; None with steps.
        run_every_steps: how often, in steps.

    Raises:
        ValueError: unless exactly one interval is given.
        TypeError: if the function is none.

    Reference: tf.estimator.experimental.make_early_stopping_hook.
    """
    if not callable(should_stop_fn):
        raise TypeError(f"make_early_stopping_hook: should_stop_fn: given {type(should_stop_fn).__name__}, expected a function.")
    if not hasattr(estimator, "eval_dir"):
        raise TypeError(f"make_early_stopping_hook: estimator: given {type(estimator).__name__}, expected an Estimator.")
    return EarlyStoppingHook(should_stop_fn, run_every_secs, run_every_steps)


def make_stop_at_checkpoint_step_hook(estimator: Any, last_step: int, wait_after_file_check_secs: int = 30) -> Hook:
    """A hook that stops training at a step.

    TensorFlow's waited for a checkpoint of that step, as its workers counted steps apart from the chief. All processes step together here.

    Args:
        estimator: what is trained.
        last_step: the global step.
        wait_after_file_check_secs: changes nothing, as no file is looked at.

    Raises:
        ValueError: if `last_step` is None.
        TypeError: if the estimator is none.

    Reference: tf.estimator.experimental.make_stop_at_checkpoint_step_hook.
    """
    if last_step is None:
        raise ValueError("make_stop_at_checkpoint_step_hook: last_step: given None, expected a step.")
    if not hasattr(estimator, "eval_dir"):
        raise TypeError(f"make_stop_at_checkpoint_step_hook: estimator: given {type(estimator).__name__}, expected an Estimator.")
    return StopAtStepHook(last_step=last_step)


class EarlyStoppingHook(Hook):
    """Stops training when a function says so; see `make_early_stopping_hook`.

    Args:
        should_stop_fn: asked now and then.
        run_every_secs: how often, in seconds.
        run_every_steps: how often, in steps.
        takes_step: whether the function takes the global step.
    """

    def __init__(
        self,
        should_stop_fn: Callable[..., bool],
        run_every_secs: float | None,
        run_every_steps: int | None,
        *,
        takes_step: bool = False,
    ):
        self.should_stop_fn, self._takes_step = should_stop_fn, takes_step
        self._schedule = Schedule(run_every_steps, run_every_secs, owner="make_early_stopping_hook")

    def after_create_session(self, run: Any) -> None:
        # A run that was stopped at this step stays stopped if it is started again, as one that reached max_steps does. What it went by
        # were the evaluations before this step; that of the step itself came afterwards.
        every = self._schedule.every_steps
        if self._takes_step and every is not None and run.step and run.step % every == 0 and self.should_stop_fn(run.step - 1):
            run.request_stop()

    def next_step(self, step: int) -> int:
        return self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        """Nothing is asked for."""

    def after_run(self, run: Any) -> None:
        if self._schedule.is_due() and self.should_stop_fn(*([run.step] if self._takes_step else [])):
            logger.info("Requesting early stopping at global step %d", run.step)
            run.request_stop()


def stop_if_higher_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Hook:
    """Stops when a metric of an evaluation is higher than a threshold.

    Args:
        estimator: what is trained.
        metric_name: of the evaluation.
        threshold: to compare with.
        eval_dir: folder of the evaluation; `estimator.eval_dir()` by default.
        min_steps: evaluations of earlier steps are left aside.
        run_every_secs: how often to look.
        run_every_steps: how often to look, in steps.

    Reference: tf.estimator.experimental.stop_if_higher_hook.
    """
    return _threshold_hook(estimator, operator.gt, metric_name, threshold, eval_dir, min_steps, run_every_secs, run_every_steps)


def stop_if_lower_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Hook:
    """Stops when a metric of an evaluation is lower than a threshold; arguments as of `stop_if_higher_hook`.

    Reference: tf.estimator.experimental.stop_if_lower_hook.
    """
    return _threshold_hook(estimator, operator.lt, metric_name, threshold, eval_dir, min_steps, run_every_secs, run_every_steps)


def stop_if_no_increase_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Hook:
    """Stops when a metric has not increased over so many steps.

    Args:
        estimator: what is trained.
        metric_name: of the evaluation.
        max_steps_without_increase: patience, in steps.
        eval_dir: folder of the evaluation; `estimator.eval_dir()` by default.
        min_steps: evaluations of earlier steps are left aside.
        run_every_secs: how often to look.
        run_every_steps: how often to look, in steps.

    Reference: tf.estimator.experimental.stop_if_no_increase_hook.
    """
    return _patience_hook(
        estimator, operator.gt, metric_name, max_steps_without_increase, eval_dir, min_steps, run_every_secs, run_every_steps
    )


def stop_if_no_decrease_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Hook:
    """Stops when a metric has not decreased over so many steps; arguments as of `stop_if_no_increase_hook`.

    Reference: tf.estimator.experimental.stop_if_no_decrease_hook.
    """
    return _patience_hook(
        estimator, operator.lt, metric_name, max_steps_without_decrease, eval_dir, min_steps, run_every_secs, run_every_steps
    )


def _threshold_hook(
    estimator: Any, compare: Callable, metric: str, threshold: float, eval_dir: Any, min_steps: int, secs: Any, steps: Any
) -> Hook:
    folder = eval_dir or estimator.eval_dir()

    def should_stop(now: int) -> bool:
        for step, value in _values(folder, metric, now):
            if step >= min_steps and compare(value, threshold):
                logger.info("Found early stopping condition: %s is %s at step %s (threshold %s).", metric, value, step, threshold)
                return True
        return False

    return EarlyStoppingHook(should_stop, None if steps is not None else secs, steps, takes_step=True)


def _patience_hook(
    estimator: Any, better: Callable, metric: str, patience: int, eval_dir: Any, min_steps: int, secs: Any, steps: Any
) -> Hook:
    folder = eval_dir or estimator.eval_dir()

    def should_stop(now: int) -> bool:
        best: float | None = None
        best_step = 0
        for step, value in _values(folder, metric, now):
            if step < min_steps:
                continue
            if best is None or better(value, best):
                best, best_step = value, step
            if step - best_step >= patience:
                logger.info("No improvement of %s for %d steps: best %s at step %s.", metric, step - best_step, best, best_step)
                return True
        return False

    return EarlyStoppingHook(should_stop, None if steps is not None else secs, steps, takes_step=True)


def _values(folder: str, metric: str, now: int) -> list[tuple[int, float]]:
    """Step and value of the evaluations up to now: a run that was killed and goes on must not see those of its earlier life."""
    found = read_eval_metrics(folder)
    if found and not any(metric in m for m in found.values()):
        raise ValueError(
            f"Early stopping: the evaluations have no metric {metric!r}; they have {sorted(next(iter(found.values())))}."
        )
    return [(step, float(metrics[metric])) for step, metrics in found.items() if metric in metrics and step <= now]


def read_eval_metrics(eval_dir: str) -> dict[int, dict[str, Any]]:
    """The metrics of all evaluations of a folder, by global step, in order.

    Args:
        eval_dir: as `estimator.eval_dir()`.

    Returns:
        `{step: {name: value}}`; of several evaluations of one step the last.

    Reference: `read_eval_metrics` of TensorFlow's early stopping.
    """
    found: dict[int, dict[str, Any]] = {}
    try:
        lines = Path(eval_dir, HISTORY).read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            record = json.loads(line)
            found[int(record["global_step"])] = record["metrics"]
        except (ValueError, KeyError, TypeError):
            continue  # a line cut by a killed process; its evaluation is done again
    return dict(sorted(found.items()))


def append_eval_metrics(eval_dir: str, step: int, metrics: dict[str, Any]) -> None:
    """Adds the metrics of an evaluation to a folder's history."""
    os.makedirs(eval_dir, exist_ok=True)
    path = os.path.join(eval_dir, HISTORY)
    text = json.dumps({"global_step": step, "metrics": metrics}) + "\n"
    with open(path, "ab+") as f:
        if f.tell() and (f.seek(-1, os.SEEK_END), f.read(1))[1] != b"\n":
            text = "\n" + text
        f.write(text.encode())


def drop_eval_metrics_after(eval_dir: str, step: int) -> None:
    """Takes evaluations of later steps out of a folder's history: training starts again at this one."""
    found = read_eval_metrics(eval_dir)
    if all(s <= step for s in found):
        return
    temporary = Path(eval_dir, f".{HISTORY}.tmp")
    kept = [json.dumps({"global_step": s, "metrics": m}) + "\n" for s, m in found.items() if s <= step]
    temporary.write_text("".join(kept))
    os.replace(temporary, Path(eval_dir, HISTORY))
