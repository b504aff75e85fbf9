"""Calling a model_fn: what the engine gets from it, and what the Estimator keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from estimax.core import current_frame
from estimax.core.errors import InputDataError
from estimax.estimator.inputs import checked_arguments
from estimax.estimator.modes import ModeKeys
from estimax.estimator.spec import EstimatorSpec
from estimax.training import Hook, Outputs

MODEL_FN_ARGUMENTS = ("features", "labels", "mode", "params", "config")


@dataclasses.dataclass
class ModeFacts:
    """What a model_fn said in one mode besides arrays, at its first call.

    Attributes:
        hooks: those of its EstimatorSpec for this mode.
        has_summaries: whether it made summaries.
        scaffold: of its EstimatorSpec.
        signatures: names and kinds of its export outputs.
    """

    hooks: tuple[Hook, ...]
    has_summaries: bool
    scaffold: Any
    signatures: dict[str, str]


class ModelFn:
    """A user's model_fn as a forward function of the engine.

    Args:
        fn: `(features, labels, mode, params, config) -> EstimatorSpec`; all but `features` may be left out.
        params: passed on.
        config: passed on.

    Raises:
        ValueError: if it takes unknown arguments, or params are given that it does not take.
    """

    def __init__(self, fn: Callable, params: Any, config: Any):
        self.fn, self.params, self.config = fn, params, config
        self.takes = checked_arguments(fn, MODEL_FN_ARGUMENTS, what="model_fn", required=("features",))
        if params is not None and params and "params" not in self.takes:
            raise ValueError(
                f"Estimator: params: given {sorted(params) if isinstance(params, Mapping) else params!r}, but the model_fn takes only {list(self.takes)}. Add params to it."
            )
        self.facts: dict[str, ModeFacts] = {}

    def spec(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        """The EstimatorSpec of a call.

        Raises:
            ValueError: if the function takes no labels but there are some, or returns something else.
        """
        if "labels" not in self.takes and labels is not None and mode != ModeKeys.PREDICT:
            raise ValueError(
                "model_fn: takes no labels, but input_fn returned some. Add the argument labels, or return features only."
            )
        given = {"features": features, "labels": labels, "mode": mode, "params": self.params, "config": self.config}
        spec = self.fn(**{k: v for k, v in given.items() if k in self.takes})
        if not isinstance(spec, EstimatorSpec):
            raise ValueError(
                f"model_fn: returned {type(spec).__name__}, expected an EstimatorSpec. Does it return in every mode?"
            )
        if spec.mode != mode:
            raise ValueError(f"model_fn: returned an EstimatorSpec of mode {spec.mode!r}, expected {mode!r}: pass mode on.")
        return spec

    def forward(self, mode: str, features: Any, labels: Any, weights: Any) -> Outputs:
        """The engine's forward function."""
        if weights is not None:
            raise InputDataError(
                "input_fn gave (features, labels, weights), expected (features, labels). Put the weights among the features and name them "
                "as the head's weight_column."
            )
        spec = self.spec(features, labels, mode)
        self._keep_facts(spec)
        if mode == ModeKeys.TRAIN:
            return Outputs(loss=spec.loss, train_ops=spec.train_op or ())
        if mode == ModeKeys.EVAL:
            frame = current_frame()
            if frame is not None and not all(getattr(m, "takes_weights", True) for m in (spec.eval_metric_ops or {}).values()):
                frame.weighted = False  # nothing can tell such a metric which rows are padding, so there must be none
            return Outputs(loss=spec.loss, metrics={"loss": spec.loss, **(spec.eval_metric_ops or {})})
        return Outputs(predictions=spec.predictions)

    def _keep_facts(self, spec: EstimatorSpec) -> None:
        if spec.mode in self.facts:
            return
        frame = current_frame()
        hooks = {
            ModeKeys.TRAIN: (*(spec.training_hooks or ()), *(spec.training_chief_hooks or ())),
            ModeKeys.EVAL: tuple(spec.evaluation_hooks or ()),
            ModeKeys.PREDICT: tuple(spec.prediction_hooks or ()),
        }[spec.mode]
        signatures = {k: type(v).__name__ for k, v in (spec.export_outputs or {}).items()}
        self.facts[spec.mode] = ModeFacts(hooks, bool(frame is not None and frame.summaries), spec.scaffold, signatures)


def named(name: str, value: Any) -> Any:
    """Gives a value of a model_fn a name by which hooks ask for it.

    Args:
        name: unique in the model_fn.
        value: an array.

    Returns:
        The value.

    Raises:
        ValueError: if the name is taken.

    Example:
        >>> named("probabilities", 0.5)
        0.5
    """
    frame = current_frame()
    if frame is not None:
        if name in frame.named:
            raise ValueError(f"named: given {name!r}, which is taken already in this model_fn. Choose another name.")
        frame.named[name] = value
    return value


def get_global_step() -> Any:
    """The number of finished steps, inside a model_fn; for schedules and for `minimize(loss, global_step=...)`.

    Returns:
        An int32 scalar; None outside a model_fn.

    Reference: tf.compat.v1.train.get_global_step.
    """
    return getattr(current_frame(), "step", None)
