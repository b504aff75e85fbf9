"""Exports of a model's evaluation and training passes: one call gives loss, predictions and metrics of a batch with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax import export
from estimax.core import HostOutput, TrainState
from estimax.core.errors import ExportError
from estimax.estimator.export.receivers import sample_of
from estimax.training import Outputs, Program
from estimax.training.batches import flatten
from estimax.training.feeder import prepare

LABEL, FEATURE = "label", "feature"


class SupervisedInputReceiver:
    """The features and labels of the model, which are also the inputs of a request.

    Args:
        features, labels: a `TensorSpec` or sample array `[batch, ...]`, or a dict of such by name.

    Raises:
        ValueError: if a feature and a label have one name, or there are no labels.
    """

    def __init__(self, features: Any, labels: Any):
        self.features = dict(features) if isinstance(features, Mapping) else {FEATURE: features}
        self.labels = dict(labels) if isinstance(labels, Mapping) else {LABEL: labels}
        self.single_feature, self.single_label = not isinstance(features, Mapping), not isinstance(labels, Mapping)
        if not self.features or not self.labels:
            raise ValueError("SupervisedInputReceiver: given no features or no labels, expected at least one of each.")
        if both := sorted(set(self.features) & set(self.labels)):
            raise ValueError(
                f"SupervisedInputReceiver: features and labels share the names {both}, which requests could not tell apart. Rename some."
            )

    @property
    def receiver_tensors(self) -> dict[str, Any]:
        """The inputs of a request by name."""
        return {**self.features, **self.labels}

    def split(self, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """What the model_fn gets, from the inputs of a request."""
        features, labels = {k: inputs[k] for k in self.features}, {k: inputs[k] for k in self.labels}
        return features[FEATURE] if self.single_feature else features, labels[LABEL] if self.single_label else labels


def build_raw_supervised_input_receiver_fn(features: Any, labels: Any, default_batch_size: int | None = None) -> Callable:
    """A receiver function for exports of the modes EVAL and TRAIN: requests hold raw features and labels.

    Args:
        features: a `TensorSpec` or sample array `[batch, ...]`, or a dict of such by name.
        labels: likewise.
        default_batch_size: must be None: exported models take any number of rows.

    Returns:
        A function for `export_saved_model(..., experimental_mode=ModeKeys.EVAL)` and `experimental_export_all_saved_models`.

    Raises:
        ValueError: for a batch size, or if a feature and a label have one name.

    Example:
        >>> import numpy as np
        >>> receiver = build_raw_supervised_input_receiver_fn({"x": np.zeros((1, 2))}, np.zeros((1, 1)))()
        >>> sorted(receiver.receiver_tensors)
        ['label', 'x']

    Reference: tf.estimator.experimental.build_raw_supervised_input_receiver_fn.
    """
    if default_batch_size is not None:
        raise ValueError(
            f"default_batch_size: given {default_batch_size}, expected None: exported models take any number of rows."
        )
    receiver = SupervisedInputReceiver(features, labels)
    return lambda: receiver


def supervised_signature(estimator: Any, receiver: SupervisedInputReceiver, state: TrainState, mode: str) -> export.Signature:
    """The signature of one evaluation or training pass: `loss`, `predictions/NAME` and `metrics/NAME/value` of a batch.

    Metrics are those of the batch alone. No weight changes: a training pass differs from an evaluation by what layers do in training.

    Raises:
        ExportError: if the receiver is none of this kind.
    """
    if not isinstance(receiver, SupervisedInputReceiver):
        raise ExportError(
            f"export: the receiver function of mode {mode!r} returned {type(receiver).__name__}, expected features and labels. Use "
            "estimator.experimental.build_raw_supervised_input_receiver_fn(features, labels)."
        )
    model_fn = estimator._model_fn

    def forward(mode: str, inputs: Any, labels: Any, weights: Any) -> Outputs:
        features, labels = receiver.split(inputs)
        spec = model_fn.spec(features, labels, mode)
        return Outputs(loss=spec.loss, predictions=spec.predictions, metrics=dict(spec.eval_metric_ops or {}))

    program = Program(forward, seed=estimator.config.seed, row_tables=False)
    raw, structure = flatten({k: sample_of(v) for k, v in receiver.receiver_tensors.items()})
    plan = program.plan_of(mode, raw, structure, state)

    def fn(values: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
        totals = {k: jnp.asarray(v) for k, v in plan.initial_totals.items()}
        given = {**values, **{p: v for p, v in totals.items() if not p.startswith("scalar/")}}
        out, frame = program._call(plan, given, arrays, jax.random.key(program.seed), jnp.asarray(state.step, jnp.int32))
        metrics = program.results(plan, program._new_totals(plan, out, frame, totals))
        return {
            "loss": out.loss,
            **_named("predictions", out.predictions),
            **{f"metrics/{name}/value": value for name, value in metrics.items()},
        }

    inputs = {k.removeprefix("features/"): export.describe_column(raw[k]) for k in plan.transform.raw_names}
    return export.Signature(fn, plan.transform, prepare(plan, raw, pad=False).arrays, inputs, method=mode)


def _named(name: str, values: Any) -> dict[str, Any]:
    if values is None:
        return {}
    if isinstance(values, Mapping) and not isinstance(values, HostOutput):
        return {f"{name}/{k}": v for k, v in values.items()}
    return {name: values}
