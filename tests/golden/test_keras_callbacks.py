"""Callbacks against Keras 3: what they decide, and the order in which `fit` and `predict` call them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimax import callbacks, layers, optimizers
from estimax.models import Sequential
from tests.golden import golden


def rule(kind: str, **options: Any) -> Any:
    """A schedule of the cases."""
    if kind == "table":
        return lambda epoch, rate: options["values"][epoch]
    assert kind == "multiply_from", kind
    return lambda epoch, rate: rate * options["factor"] if epoch >= options["epoch"] else rate


def build(config: dict, folder: Path) -> Any:
    """The callback of a tree, writing below a folder."""
    kwargs = dict(config["kwargs"])
    if isinstance(kwargs.get("schedule"), dict):
        kwargs["schedule"] = rule(**kwargs["schedule"]["rule"])
    if config["class"] == "ModelCheckpoint":
        ending = ".weights.h5" if kwargs.get("save_weights_only") else ".keras"
        kwargs["filepath"] = str(folder / kwargs.get("filepath", f"m{ending}"))
    for name in ("filename", "backup_dir", "log_dir"):
        if name in kwargs:
            kwargs[name] = str(folder / kwargs[name])
    return getattr(callbacks, config["class"])(**golden.build_keras(kwargs, lambda name: getattr(callbacks, name), {}))


def model_with_rate(rate: float) -> Sequential:
    model = Sequential([layers.Input((1,)), layers.Dense(1, use_bias=False)])
    model.compile(optimizers.SGD(rate), "mse")
    return model


def decisions(case: dict, folder: Path) -> dict[str, Any]:
    """Runs the epochs of a case and says what the callback did."""
    callback, model = build(case["config"], folder), model_with_rate(case["initial_lr"])
    callback.set_params({"epochs": len(case["logs"]), "steps": 1, "verbose": 0})
    callback.set_model(model)
    rates, saved, stopped = [], [], None
    callback.on_train_begin()
    for epoch, logs in enumerate(case["logs"]):
        callback.on_epoch_begin(epoch)
        model.set_weights([np.full((1, 1), float(epoch))])
        for file in os.listdir(folder):
            os.remove(folder / file)
        callback.on_epoch_end(epoch, dict(logs))
        rates.append(float(np.float32(model.optimizer.learning_rate)))
        if os.listdir(folder):
            saved.append(epoch)
        if model.stop_training:
            stopped = epoch
            break
    callback.on_train_end()
    return {
        "stopped_at_epoch": stopped,
        "stopped_epoch_attribute": getattr(callback, "stopped_epoch", None),
        "best": getattr(callback, "best", None),
        "best_epoch": getattr(callback, "best_epoch", None),
        "weights_of_epoch_at_end": int(model.get_weights()[0][0, 0]),
        "learning_rate_after_epoch": rates,
        "saved_at_epochs": saved,
    }


class Recorder(callbacks.Callback):
    """Writes down every call."""

    def __init__(self) -> None:
        self.events: list[list[Any]] = []


def _recording(name: str) -> Any:
    def one(self: Recorder, logs: Any = None) -> None:
        self.events.append([name, None, sorted(logs or {})])

    def two(self: Recorder, index: int, logs: Any = None) -> None:
        self.events.append([name, index, sorted(logs or {})])

    return two if "batch" in name or "epoch" in name else one


for _name in [n for n in vars(callbacks.Callback) if n.startswith("on_") and n not in ("on_batch_begin", "on_batch_end")]:
    setattr(Recorder, _name, _recording(_name))


@golden.parametrize("keras", "callbacks")
def test_case(file: str, case: dict, tmp_path: Path) -> None:
    if case["kind"] == "error":
        with pytest.raises((ValueError, TypeError)):
            build(case["config"], tmp_path)
    elif case["kind"] == "decisions":
        got = decisions(case, tmp_path)
        for k, want in case["expected"].items():
            if isinstance(want, float) or (isinstance(want, list) and want and isinstance(want[0], float)):
                np.testing.assert_allclose(got[k], want, rtol=1e-6, err_msg=k)
            else:
                assert got[k] == want, k
    else:
        check_events(case)


def check_events(case: dict) -> None:
    model = Sequential([layers.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.arange(case["samples"], dtype=np.float32)[:, None]
    recorder = Recorder()
    options = {"batch_size": case["batch_size"], "verbose": 0, "callbacks": [recorder]}
    if case["method"] == "fit":
        # Batches of the validation in the record, by how often they begin.
        begun = [e for e in case["events"] if e[0] == "on_test_batch_begin"]
        rows = case["batch_size"] * (1 + max(e[1] for e in begun)) if begun else 0
        validation = {"validation_data": (x[:rows], x[:rows])} if case["validation"] else {}
        model.fit(x, x, epochs=case["epochs"], **validation, **options)
    elif case["method"] == "evaluate":
        model.evaluate(x, x, **options)
    else:
        model.predict(x, **options)
    assert recorder.events == case["events"]
    for k, want in case.get("params", {}).items():
        assert recorder.params[k] == want
