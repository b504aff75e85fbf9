"""`train_and_evaluate`: training with evaluations in between, exports, and the role of a separate evaluator."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from estimax.estimator.early_stopping import drop_eval_metrics_after
from estimax.estimator.estimator import Estimator
from estimax.estimator.evaluator_status import clear_status, warn_of_dead_evaluator, write_status
from estimax.estimator.model_dir import checkpoint_step, mark_finished
from estimax.estimator.progress import EndHook, Progress
from estimax.estimator.train_specs import EvalSpec, TrainSpec
from estimax.training.hooks import CheckpointSaverListener

logger = logging.getLogger("estimax")

FINISHED = "training_finished.json"
_LOOK_SECONDS = 1.0


def train_and_evaluate(estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec | Sequence[EvalSpec]) -> tuple[Any, Any]:
    """Trains, evaluates when a checkpoint is written (not more often than asked for) and at the last step, and exports.

    The role in `TF_CONFIG` decides what this process does: `evaluator` follows the checkpoints in `model_dir` until training has ended;
    all others train, and the chief evaluates too unless the cluster has an evaluator.

    Args:
        estimator: what to train.
        train_spec: how to train.
        eval_spec: how to evaluate; several, with different names, are evaluated one after the other.

    Returns:
        `(metrics, exports)`: metrics of the last evaluation, and paths of what was exported after it; for several specs dicts by name. `(None, None)` if this process does not evaluate.

    Raises:
        ValueError: for several specs of one name, or an estimator without `model_dir`.
        TypeError: for other arguments.

    Example:
        >>> import numpy as np, estimax as ex
        >>> rows = {"x": np.array([[-1.0], [1.0]])}, np.array([0, 1])
        >>> estimator = ex.estimator.LinearClassifier([ex.feature_columns.numeric_column("x")])
        >>> train, evaluate = TrainSpec(lambda: rows, max_steps=5), EvalSpec(lambda: rows)
        >>> metrics, exports = train_and_evaluate(estimator, train, evaluate)
        >>> metrics["global_step"], exports
        (5, [])

    Reference: tf.estimator.train_and_evaluate.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(
            f"train_and_evaluate: estimator: given {type(estimator).__name__}, expected an Estimator. Use model_to_estimator for models."
        )
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(f"train_and_evaluate: train_spec: given {type(train_spec).__name__}, expected a TrainSpec.")
    specs = [eval_spec] if isinstance(eval_spec, EvalSpec) else list(eval_spec)
    if not specs or not all(isinstance(s, EvalSpec) for s in specs):
        raise TypeError(f"train_and_evaluate: eval_spec: given {eval_spec!r}, expected an EvalSpec or a list of them.")
    names = [s.name for s in specs]
    if len(set(names)) < len(names):
        raise ValueError(
            f"train_and_evaluate: eval_spec: given specs with the names {names}, expected different names: EvalSpec(name='valid')."
        )
    config = estimator.config
    single = isinstance(eval_spec, EvalSpec)
    if config.task_type == "evaluator":
        return _follow(estimator, train_spec, specs, single)
    if config.is_chief and "evaluator" not in config.cluster_spec:
        return _train_with_evaluations(estimator, train_spec, specs, single)
    _remove(estimator, FINISHED)
    estimator.train(
        train_spec.input_fn, train_spec.hooks, max_steps=train_spec.max_steps, saving_listeners=train_spec.saving_listeners
    )
    if config.is_chief:
        _write_finished(estimator)
        warn_of_dead_evaluator(estimator.model_dir)
    return None, None


class Evaluator:
    """Evaluates a checkpoint by all specs and calls their exporters.

    Args:
        estimator: what is trained.
        specs: how to evaluate.
    """

    def __init__(self, estimator: Estimator, specs: Sequence[EvalSpec]):
        self.estimator, self.specs = estimator, list(specs)
        self.metrics: dict[str | None, dict[str, Any]] = {}
        self.exports: dict[str | None, list[Any]] = {s.name: [] for s in specs}
        self.evaluated_step: int | None = None

    def run(self, checkpoint_path: str | None, *, is_final: bool, live: bool) -> None:
        """Evaluates and exports.

        Args:
            checkpoint_path: the checkpoint.
            is_final: whether training has ended.
            live: whether the estimator's own weights are those of the checkpoint, so that nothing is read.
        """
        read = None if live else checkpoint_path
        for spec in self.specs:
            self.exports[spec.name] = []
            metrics = self.estimator.evaluate(spec.input_fn, spec.steps, spec.hooks, read, spec.name)
            self.metrics[spec.name] = metrics
            self.evaluated_step = int(metrics["global_step"])
            for exporter in spec.exporters or ():
                folder = os.path.join(self.estimator.model_dir, "export", exporter.name)
                os.makedirs(folder, exist_ok=True)
                path = exporter.export(
                    estimator=self.estimator,
                    export_path=folder,
                    checkpoint_path=read,
                    eval_result=metrics,
                    is_the_final_export=is_final,
                )
                if path is not None:
                    self.exports[spec.name].append(path)

    def results(self, single: bool) -> tuple[Any, Any]:
        """What `train_and_evaluate` returns."""
        if single:
            name = self.specs[0].name
            return self.metrics.get(name), self.exports[name]
        return dict(self.metrics), dict(self.exports)


class _EvaluationListener(CheckpointSaverListener):
    """Evaluates after a checkpoint, when it is time."""

    def __init__(self, evaluator: Evaluator, max_steps: int | None, progress: Progress):
        self.evaluator, self.max_steps, self._progress = evaluator, max_steps, progress
        spec = evaluator.specs[0]
        self._next = time.monotonic() + spec.start_delay_secs
        self._throttle = min(s.throttle_secs for s in evaluator.specs)
        self._due = False

    def before_save(self, session: Any, global_step_value: int) -> None:
        # Training that reached its last step is evaluated once it has ended.
        last = self.max_steps is not None and global_step_value >= self.max_steps
        self._due = not last and time.monotonic() >= self._next
        if session.stop_requested and not last:
            self._progress.note(ended=global_step_value)
        if self._due:
            self._progress.note(evaluating=global_step_value)

    def after_save(self, session: Any, global_step_value: int) -> bool | None:
        if self._due:
            self._next = time.monotonic() + self._throttle
            self.evaluator.run(None, is_final=False, live=True)
            self._progress.clear("evaluating")
        return None


def _train_with_evaluations(estimator: Estimator, train_spec: TrainSpec, specs: list[EvalSpec], single: bool) -> tuple[Any, Any]:
    evaluator, progress = Evaluator(estimator, specs), Progress(estimator.model_dir)
    step = estimator._global_step()
    for spec in specs:
        # A process that was killed may have evaluated steps whose checkpoints were never whole; they are trained and evaluated again.
        drop_eval_metrics_after(estimator.eval_dir(spec.name), step)
    if step and progress.evaluating == step:
        logger.info("The evaluation of step %d was interrupted: it is done again.", step)
        evaluator.run(estimator.latest_checkpoint(), is_final=False, live=estimator.is_live)
    progress.clear("evaluating")
    if step and progress.ended == step:
        logger.info("Training had ended at step %d: the last evaluation follows.", step)
        mark_finished(estimator.model_dir, step)
    else:
        progress.clear()
        listeners = [*(train_spec.saving_listeners or ()), _EvaluationListener(evaluator, train_spec.max_steps, progress)]
        hooks = [EndHook(progress, train_spec.max_steps), *(train_spec.hooks or ())]
        estimator.train(train_spec.input_fn, hooks, max_steps=train_spec.max_steps, saving_listeners=listeners)
    evaluator.run(estimator.latest_checkpoint(), is_final=True, live=estimator.is_live)
    progress.clear()
    return evaluator.results(single)


def _write_finished(estimator: Estimator) -> None:
    path = Path(estimator.model_dir) / FINISHED
    temporary = path.with_suffix(".tmp")
    latest = estimator.latest_checkpoint()
    temporary.write_text(json.dumps({"global_step": checkpoint_step(latest)}))
    os.replace(temporary, path)


def _remove(estimator: Estimator, name: str) -> None:
    Path(estimator.model_dir, name).unlink(missing_ok=True)


def _finished_step(estimator: Estimator) -> int | None:
    try:
        return int(json.loads(Path(estimator.model_dir, FINISHED).read_text())["global_step"])
    except (OSError, ValueError, KeyError):
        return None


def _follow(estimator: Estimator, train_spec: TrainSpec, specs: list[EvalSpec], single: bool) -> tuple[Any, Any]:
    """Evaluates each new checkpoint until training has ended."""
    evaluator = Evaluator(estimator, specs)
    write_status(estimator.model_dir, step=None)
    try:
        results = _evaluate_until_the_end(evaluator, train_spec, single)
    except BaseException as e:
        write_status(estimator.model_dir, step=evaluator.evaluated_step, error=e)
        raise
    clear_status(estimator.model_dir)
    return results


def _evaluate_until_the_end(evaluator: Evaluator, train_spec: TrainSpec, single: bool) -> tuple[Any, Any]:
    estimator, spec = evaluator.estimator, evaluator.specs[0]
    time.sleep(spec.start_delay_secs)
    seen: str | None = None
    while True:
        begun = time.monotonic()
        finished = _finished_step(estimator)
        latest = estimator.latest_checkpoint()
        step = checkpoint_step(latest)
        ended = (train_spec.max_steps is not None and step >= train_spec.max_steps) or (finished is not None and step >= finished)
        if latest is not None and latest != seen:
            seen = latest
            evaluator.run(latest, is_final=ended, live=False)
            write_status(estimator.model_dir, step=evaluator.evaluated_step)
        if ended:
            return evaluator.results(single)
        time.sleep(max(_LOOK_SECONDS, min(spec.throttle_secs, spec.throttle_secs - (time.monotonic() - begun))))
