"""TrainSpec and EvalSpec: what `train_and_evaluate` is to do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from estimax.estimator.exporters import Exporter
from estimax.estimator.session import engine_hooks


@dataclasses.dataclass(frozen=True)
class TrainSpec:
    """How to train.

    Args:
        input_fn: gives batches.
        max_steps: the global step to stop at; None to train until the input ends.
        hooks: of training.
        saving_listeners: told of each checkpoint.

    Raises:
        ValueError: if `max_steps` is not positive.
        TypeError: if a hook is none.

    Example:
        >>> TrainSpec(lambda: [], max_steps=100).max_steps
        100

    Reference: tf.estimator.TrainSpec.
    """

    input_fn: Callable
    max_steps: int | None = None
    hooks: Sequence[Any] | None = None
    saving_listeners: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        if not callable(self.input_fn):
            raise TypeError(
                f"TrainSpec: input_fn: given {type(self.input_fn).__name__}, expected a function. Write lambda: ... around it."
            )
        if self.max_steps is not None and self.max_steps <= 0:
            raise ValueError(f"TrainSpec: max_steps: given {self.max_steps!r}, expected a positive number or None.")
        if self.max_steps is not None:
            object.__setattr__(self, "max_steps", math.ceil(self.max_steps))
        engine_hooks(self.hooks, what="TrainSpec: hooks")


@dataclasses.dataclass(frozen=True)
class EvalSpec:
    """How to evaluate, and what to export afterwards.

    Args:
        input_fn: gives batches.
        steps: batches to evaluate; None for all.
        name: of the evaluation; its summaries go to `model_dir/eval_<name>`.
        hooks: of evaluation.
        exporters: an exporter or several.
        start_delay_secs: seconds of training before the first evaluation.
        throttle_secs: least number of seconds between the starts of two evaluations.

    Raises:
        ValueError: if a number is out of range.
        TypeError: if a hook or exporter is none.

    Example:
        >>> EvalSpec(lambda: [], steps=None).throttle_secs
        600

    Reference: tf.estimator.EvalSpec.
    """

    input_fn: Callable
    steps: int | None = 100
    name: str | None = None
    hooks: Sequence[Any] | None = None
    exporters: Any = None
    start_delay_secs: float = 120
    throttle_secs: float = 600

    def __post_init__(self) -> None:
        if not callable(self.input_fn):
            raise TypeError(
                f"EvalSpec: input_fn: given {type(self.input_fn).__name__}, expected a function. Write lambda: ... around it."
            )
        if self.steps is not None and self.steps <= 0:
            raise ValueError(f"EvalSpec: steps: given {self.steps!r}, expected a positive number or None.")
        if self.name is not None and not isinstance(self.name, str):
            raise TypeError(f"EvalSpec: name: given {self.name!r}, expected a string or None.")
        for field in ("start_delay_secs", "throttle_secs"):
            if getattr(self, field) < 0:
                raise ValueError(f"EvalSpec: {field}: given {getattr(self, field)!r}, expected at least 0.")
        engine_hooks(self.hooks, what="EvalSpec: hooks")
        given = self.exporters or ()
        exporters = (given,) if isinstance(given, Exporter) else tuple(given)
        for exporter in exporters:
            if not isinstance(exporter, Exporter):
                raise TypeError(
                    f"EvalSpec: exporters: given {type(exporter).__name__}, expected LatestExporter, BestExporter or the like."
                )
        if len({e.name for e in exporters}) < len(exporters):
            raise ValueError(f"EvalSpec: exporters: given the names {[e.name for e in exporters]}, expected different names.")
        object.__setattr__(self, "exporters", exporters)
