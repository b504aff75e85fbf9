"""From an Estimator to an exported model on disk."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from estimax import data, export
from estimax.core import HostValue, TrainState
from estimax.core.errors import ExportError
from estimax.estimator.export.receivers import ServingInputReceiver, parsing_op, sample_of
from estimax.estimator.export.supervised import supervised_signature
from estimax.estimator.modes import ModeKeys, check_mode
from estimax.training import Outputs, Program

METHODS = {"ClassificationOutput": "classify", "RegressionOutput": "regress", "PredictOutput": "predict"}


def export_all(
    estimator: Any,
    export_dir_base: str | os.PathLike,
    receivers: Mapping[str, Callable],
    *,
    assets_extra: Mapping[str, str] | None,
    checkpoint_path: Any,
) -> str:
    """Writes the signatures of the given modes into one new timestamped folder.

    Raises:
        ExportError: if no mode is given, a receiver does not fit its mode, or there are no weights.
    """
    if not receivers:
        raise ExportError("export: given no receiver functions, expected one by mode: {ModeKeys.PREDICT: fn}.")
    for mode in receivers:
        check_mode(mode)
    path = os.fspath(checkpoint_path) if checkpoint_path is not None else None
    state = estimator.weights_for_export(path)
    signatures: dict[str, Any] = {}
    for mode in sorted(receivers, key=lambda m: m != ModeKeys.PREDICT):  # a call without a name is one for predictions
        receiver = receivers[mode]()
        if mode != ModeKeys.PREDICT:
            signatures[mode] = supervised_signature(estimator, receiver, state, mode)
            continue
        if not isinstance(receiver, ServingInputReceiver):
            raise ExportError(
                f"export: serving_input_receiver_fn returned {type(receiver).__name__}, expected a ServingInputReceiver. Use "
                "build_raw_serving_input_receiver_fn or build_parsing_serving_input_receiver_fn."
            )
        signatures |= signatures_for(estimator, receiver, state)
    values = {**state.params, **state.model_state}
    folder = export.timestamped(export_dir_base)
    return export.save(
        folder,
        signatures,
        values,
        assets_extra=assets_extra,
        metadata={"global_step": int(state.step), "model_dir": os.path.basename(estimator.model_dir)},
    )


def signatures_for(estimator: Any, receiver: ServingInputReceiver, state: TrainState) -> dict[str, Any]:
    """The export's signatures: those of the model_fn that fit the receiver."""
    model_fn = estimator._model_fn
    kinds: dict[str, str] = {}

    def forward(mode: str, features: Any, labels: Any, weights: Any) -> Outputs:
        spec = model_fn.spec(_features_of(receiver, features), labels, mode)
        outputs = spec.export_outputs or {}
        kinds.update({k: type(v).__name__ for k, v in outputs.items()})
        return Outputs(predictions={name: out.outputs for name, out in outputs.items()})

    program = Program(forward, seed=estimator.config.seed)
    if receiver.parser is not None:
        sample, rename = _parsed_sample(receiver.parser)
        inputs: Any = {"examples": {"dtype": "string", "shape": []}}
    else:
        sample = {receiver.sources.get(k, k): sample_of(v) for k, v in receiver.features.items()}
        rename, inputs = None, None
    found = export.signatures_of(program, sample, state, lambda out: out, rename=rename, inputs=inputs)
    kept = {}
    for name, signature in found.items():
        method = METHODS.get(kinds.get(name, "PredictOutput"), "predict")
        if receiver.parser is None and method != "predict":
            continue  # classify and regress take serialized Examples; a raw receiver serves predict alone, as in TensorFlow
        kept[name] = _with_method(signature, method)
    if not kept:
        kept = {n: _with_method(s, METHODS.get(kinds.get(n, "PredictOutput"), "predict")) for n, s in found.items()}
    return kept


def _features_of(receiver: ServingInputReceiver, inputs: Any) -> Any:
    """What the model_fn gets, from the inputs of a request."""
    if receiver.parser is not None:
        return inputs
    features = receiver.compute(inputs) if receiver.compute is not None else {k: inputs[v] for k, v in receiver.sources.items()}
    return next(iter(features.values())) if receiver.single and isinstance(features, Mapping) else features


def _with_method(signature: Any, method: str) -> Any:
    inputs = signature.inputs
    if method != "predict" and list(inputs) == ["examples"]:
        inputs = {"inputs": inputs["examples"]}
    return dataclasses.replace(signature, method=method, inputs=inputs)


def _parsed_sample(spec: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[HostValue], HostValue]]:
    """Sample features as the parser gives them, and what computes a feature from the request."""
    empty = [data.Example({}).SerializeToString()] * 2
    ops = {name: parsing_op(name, feature) for name, feature in spec.items()}
    sample: dict[str, Any] = {}
    for name, feature in spec.items():
        try:
            sample[name] = ops[name](empty)
        except ValueError:  # a feature without a default must be there: a sample of zeros stands for it
            shape = [2, *(d or 1 for d in getattr(feature, "shape", ()) or ())]
            dtype = str(getattr(feature.dtype, "name", feature.dtype))
            sample[name] = np.full(shape, "", object) if dtype == "string" else np.zeros(shape, dtype)

    def rename(value: HostValue) -> HostValue:
        name = (value.name or "").removeprefix("features/")
        return HostValue(op=ops[name], inputs=[HostValue("features/examples")]) if name in ops else value

    return sample, rename
