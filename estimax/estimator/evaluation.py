"""Evaluation with hooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from estimax.training import Hook, Run


def evaluate_with(run: Run, batches: Iterable[Any], hooks: list[Hook], steps: int | None) -> dict[str, Any]:
    """Evaluates while hooks see each batch.

    Args:
        run: the run.
        batches: to evaluate.
        hooks: told of batches; they may ask to stop.
        steps: at most so many batches.
    """

    def on_batch(number: int, logs: Any) -> None:
        setattr(run, "logs", lambda: logs)  # noqa: B010 - what hooks ask this run for are the metrics so far
        for hook in hooks:
            hook.after_run(run)
        if not run.stop_requested:
            for hook in hooks:
                hook.before_run(run)

    def until_stopped() -> Iterator[Any]:
        for batch in batches:
            yield batch
            if run.stop_requested:
                return

    try:
        for hook in hooks:
            hook.begin(run)
        for hook in hooks:
            hook.after_create_session(run)
        for hook in hooks:
            hook.before_run(run)
        results = run.evaluate(until_stopped(), steps=steps, on_batch=on_batch)
        for hook in hooks:
            hook.end(run)
    except BaseException as error:
        for hook in hooks:
            hook.failed(run, error)
        raise
    return results
