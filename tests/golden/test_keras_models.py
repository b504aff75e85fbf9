"""Models against Keras 3: structure, weights, predictions, configs, files, and training."""

from __future__ import annotations

import json
import re
from typing import Any

import jax
import numpy as np
import pytest

import estimax
from estimax import layers, losses, metrics, models, optimizers
from estimax.core import Frame
from estimax.models.saving.groups import weight_groups
from estimax.models.summary import layer_rows
from tests.golden import golden

FAMILIES = {"layers": layers, "losses": losses, "metrics": metrics, "optimizers": optimizers}


def lookup(family: str) -> Any:
    """Finds the classes of a tree: names without a dot in a family, others from the package."""
    return lambda name: getattr(FAMILIES[family], name) if "." not in name else golden.find(estimax, name, family)


def build_model(tree: dict, A: dict[str, np.ndarray]) -> models.Model:
    """The model of a tree."""
    if tree["kind"] == "sequential":
        parts = [
            golden.build_keras(x, lookup("layers"), A) if "class" in x else build_model(x["model"], A) for x in tree["layers"]
        ]
        if tree.get("input"):
            parts.insert(0, layers.Input(tuple(tree["input"]["shape"]), dtype=tree["input"].get("dtype")))
        model = models.Sequential(parts, name=tree["name"])
        if tree.get("build_shape"):
            model.build((None, *tree["build_shape"]))
        return model
    tensors = {x["name"]: layers.Input(tuple(x["shape"]), dtype=x.get("dtype"), name=x["name"]) for x in tree["inputs"]}
    inputs: Any = list(tensors.values())
    made = {
        key: build_model(node["model"], A) if "model" in node else golden.build_keras(node, lookup("layers"), A)
        for key, node in tree["layers"].items()
    }

    def fill(node: Any) -> Any:
        if isinstance(node, dict) and set(node) == {"ref"}:
            return tensors[node["ref"]]
        if isinstance(node, dict) and ("array" in node or "class" in node or set(node) in ({"fn"}, {"float"})):
            return golden.build_keras(node, lookup("layers"), A)
        if isinstance(node, dict):
            return {k: fill(v) for k, v in node.items()}
        return [fill(v) for v in node] if isinstance(node, list) else node

    for call in tree["calls"]:
        out = made[call["layer"]](*fill(call.get("args", [])), **fill(call.get("kwargs", {})))
        names = call["out"] if isinstance(call["out"], list) else [call["out"]]
        tensors |= dict(zip(names, out if isinstance(call["out"], list) else [out]))
    if "input_dict" in tree:
        inputs = {k: tensors[v] for k, v in tree["input_dict"].items()}
    return models.Model(
        inputs[0] if isinstance(inputs, list) and len(inputs) == 1 else inputs, fill(tree["outputs"]), name=tree["name"]
    )


def named(tree: dict, A: dict[str, np.ndarray]) -> models.Model:
    """The model, with automatic names counted from 0 as in Keras."""
    with Frame.eager(naming=True):
        return build_model(tree, A)


def arrays_of(tree: Any, A: dict[str, np.ndarray]) -> Any:
    """Recorded arrays in their structure."""
    if isinstance(tree, dict):
        return A[tree["array"]] if "array" in tree else {k: arrays_of(v, A) for k, v in tree.items()}
    return [arrays_of(v, A) for v in tree] if isinstance(tree, list) else tree


def compare(got: Any, want: Any, what: str, **tol: float) -> None:
    """Compares nested arrays."""
    if isinstance(want, dict):
        assert set(got) == set(want), what
        for k in want:
            compare(got[k], want[k], f"{what}[{k!r}]", **tol)
    elif isinstance(want, list):
        assert len(got) == len(want), what
        for i, (g, w) in enumerate(zip(got, want)):
            compare(g, w, f"{what}[{i}]", **tol)
    else:
        golden.assert_keras(got, want, **tol, what=what)


def is_models(file: str, case: dict) -> bool:
    return "fit" not in case


def is_training(file: str, case: dict) -> bool:
    return "fit" in case


def plain_shape(shape: Any) -> Any:
    return [plain_shape(s) for s in shape] if isinstance(shape, (list, tuple)) else shape


@golden.parametrize("keras", "models", only=is_models)
def test_model(file: str, case: dict) -> None:
    A = golden.arrays(file)
    tol = case.get("tol", {})
    model = named(case["model"], A)
    want = case["weights"]
    assert [(v.path, v.name, list(v.shape), v.dtype) for v in model.weights] == [
        (w["path"], w["name"], w["shape"], w["dtype"]) for w in want
    ]
    trains = {id(v) for v in model.trainable_variables}
    assert [id(v) in trains for v in model.weights] == [w["trainable"] for w in want]
    model.set_weights([A[w["array"]] for w in want])
    inputs, predicted = arrays_of(case["inputs"], A), arrays_of(case["predict"], A)
    compare(model.predict(inputs), predicted, "predict", **tol)
    assert model.input_names == case["input_names"]
    assert model.output_names == case["output_names"]
    check_summary(model, case["summary"])
    check_config(model, case)
    check_files(model, case, inputs, predicted, tol)


def check_summary(model: models.Model, summary: dict) -> None:
    rows = layer_rows(model, flops={})
    got = [{"name": r.name, "class_name": r.kind, "output_shape": plain_shape(r.output_shape), "params": r.params} for r in rows]
    assert got == summary["layers"]
    assert sum(v.size for v in model.weights) == model.count_params() == summary["total_params"]
    assert sum(v.size for v in model.trainable_variables) == summary["trainable_params"]
    assert sum(v.size for v in model.non_trainable_variables) == summary["non_trainable_params"]
    assert [v.path for v in model.trainable_variables] == summary["trainable_weight_paths"]
    assert [v.path for v in model.non_trainable_variables] == summary["non_trainable_weight_paths"]


def check_config(model: models.Model, case: dict) -> None:
    got = json.loads(model.to_json())
    assert got == case["to_json"]
    assert got["config"] == case["get_config"]
    again = models.model_from_json(json.dumps(case["to_json"]))
    assert json.loads(again.to_json()) == case["to_json"]


def check_files(model: models.Model, case: dict, inputs: Any, predicted: Any, tol: dict) -> None:
    stored = {f"{group}/vars/{i}".lstrip("/"): list(v.shape) for group, _, own in weight_groups(model) for i, v in enumerate(own)}
    assert stored == case["h5_datasets"]
    folder = golden.root() / "keras" / "models"
    files = case["files"]
    compare(models.load_model(folder / files["keras"]).predict(inputs), predicted, "predict of the archive", **tol)
    model.set_weights([np.zeros(v.shape) for v in model.weights])
    model.load_weights(folder / files["weights_h5"])
    compare(model.predict(inputs), predicted, "predict with the file's weights", **tol)


@golden.parametrize("keras", "models", only=is_training)
def test_training(file: str, case: dict) -> None:
    A = golden.arrays(file)
    tol = case.get("tol", {})
    model = named(case["model"], A)
    initial = case["initial_weights"]
    model.set_weights([A[w["array"]] for w in initial])
    compiled = case["compile"]
    options = {
        k: golden.build_keras(v, lookup("optimizers" if k == "optimizer" else "losses" if k == "loss" else "metrics"), A)
        for k, v in compiled.items()
    }
    model.compile(**options)
    fit = golden.build_keras(case["fit"], lookup("layers"), A)
    if "class_weight" in fit:
        fit["class_weight"] = {int(k): v for k, v in fit["class_weight"].items()}
    if isinstance(fit.get("validation_data"), list):
        fit["validation_data"] = tuple(fit["validation_data"])
    history = model.fit(**fit, verbose=0)
    assert history.epoch == case["epochs"]
    assert sorted(history.history) == sorted(case["history"])
    skipped = metrics_with_lost_masks(model, fit["x"], history.history)
    for k, values in case["history"].items():
        if k not in skipped:
            golden.assert_keras(history.history[k], values, **tol, what=f"history {k}")
    for v, w in zip(model.weights, case["final_weights"], strict=True):
        golden.assert_keras(v.numpy(), A[w], **tol, what=f"weight {v.path}")
    state = model.optimizer.variables
    # Keras gives Nadam's product of momenta no name of its own: "variable", or with a counter "variable_1".
    assert [v.path for v in state] == [
        f"{model.optimizer.name}/u_product" if re.fullmatch(r"variable(_\d+)?", w["path"]) else w["path"]
        for w in case["optimizer_variables"]
    ]
    for v, w in zip(state, case["optimizer_variables"], strict=True):
        assert v.dtype == w["dtype"]
        golden.assert_keras(v.numpy(), A[w["array"]], **tol, what=f"optimizer variable {v.path}")
    passed_on = {k: fit[k] for k in ("batch_size", "sample_weight") if k in fit}
    evaluated = model.evaluate(fit["x"], fit["y"], return_dict=True, verbose=0, **passed_on)
    assert sorted(evaluated) == sorted(case["evaluate"])
    for k, value in case["evaluate"].items():
        golden.assert_keras(evaluated[k], value, **tol, what=f"evaluate {k}")
    compare(model.predict(fit["x"]), arrays_of(case["predict_after"], A), "predict", **tol)


def metrics_with_lost_masks(model: models.Model, x: Any, history: dict) -> set[str]:
    """Training metrics that Keras's JAX trainer computes without the mask of the output, which is a fault; see the cases' README."""
    rows = jax.tree.map(lambda a: a[:1], x)
    with Frame.eager() as frame:
        is_masked = any(frame.mask_of(leaf) is not None for leaf in jax.tree.leaves(model(rows)))
    return {k for k in history if is_masked and not k.startswith("val_") and not k.endswith("loss")}


def test_an_unknown_family_is_not_silently_skipped() -> None:
    with pytest.raises(AttributeError):
        lookup("layers")("NoSuchLayer")
