"""Evaluation in the middle of training, with the weights in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from estimax.training import Hook
from estimax.training.hooks import Schedule


class InMemoryEvaluatorHook(Hook):
    """Evaluates at the start, every so many steps and at the end, without reading or writing checkpoints.

    Args:
        estimator: what is trained.
        input_fn: gives batches.
        steps: batches to evaluate; None for all.
        hooks: of evaluation.
        name: of the evaluation: its summaries go to `eval_dir(name)`.
        every_n_iter: how often.

    Raises:
        ValueError: if `every_n_iter` is not positive.
        TypeError: if the estimator is none.

    Attributes:
        results: the metrics of the last evaluation.

    Reference: tf.estimator.experimental.InMemoryEvaluatorHook.
    """

    def __init__(
        self,
        estimator: Any,
        input_fn: Callable,
        steps: int | None = None,
        hooks: Sequence[Any] | None = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ):
        if not hasattr(estimator, "evaluate"):
            raise TypeError(f"InMemoryEvaluatorHook: estimator: given {type(estimator).__name__}, expected an Estimator.")
        self._schedule = Schedule(every_n_iter, owner="InMemoryEvaluatorHook: every_n_iter")
        self.estimator, self.input_fn, self.steps, self.hooks, self.name = estimator, input_fn, steps, hooks, name
        self.results: dict[str, Any] | None = None
        self._evaluated: int | None = None

    def _evaluate(self, run: Any) -> None:
        if self._evaluated != run.step:
            self._evaluated = run.step
            self.results = self.estimator.evaluate(self.input_fn, self.steps, self.hooks, name=self.name)

    def after_create_session(self, run: Any) -> None:
        self._evaluate(run)

    def next_step(self, step: int) -> int:
        return self._schedule.next_step(step)

    def before_run(self, run: Any) -> None:
        """Nothing is asked for."""

    def after_run(self, run: Any) -> None:
        self._evaluate(run)

    def end(self, run: Any) -> None:
        self._evaluate(run)
