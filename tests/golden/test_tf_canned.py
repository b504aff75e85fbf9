"""Whole lives of premade estimators against TensorFlow's: every loss, every variable, evaluation and prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estimax as ex
from estimax.training import Hook
from tests.golden import golden
from tests.golden.tf_objects import batches, build

REJECTED = (ValueError, TypeError)
XFAIL = {
    "canned/RNNClassifier/005": "estimax takes sparse sequences whose width no row of the batch reaches; TensorFlow fails there",
}


class Recorder(Hook):
    """Sets the first values, keeps all variables as they are then, and keeps every loss."""

    def __init__(self, initial: dict[str, Any] | None):
        self.initial, self.losses = initial, []
        self.step0: dict[str, Any] = {}
        self.trainable: list[str] = []

    def after_create_session(self, run: Any) -> None:
        if self.initial is not None:
            for name, value in self.initial.items():
                run.set_variable(name, value)
        self.step0 = _variables(run.estimator)
        self.trainable = sorted(run.state.params)

    def after_run(self, run: Any) -> None:
        self.losses.append(run.last_loss)


def _joined(key: Any) -> str:
    return "/".join(key) if isinstance(key, tuple) else key


def _compare(got: dict[str, Any], want: dict[str, Any], what: str, tolerance: dict) -> None:
    for name, value in want.items():
        golden.assert_tf(got[name], golden.value(value), what=f"{what} {name}", **tolerance)


def _variables(estimator: Any) -> dict[str, Any]:
    return {n: estimator.get_variable_value(n) for n in estimator.get_variable_names()}


@golden.parametrize("tf", "canned", xfail=XFAIL)
def test_canned(file: str, case: dict, tmp_path: Any) -> None:
    meta, expected = golden.read(file), case["expected"]
    tolerance = {"rtol": meta["rtol"], "atol": meta["atol"]}
    if "error" in expected:
        with pytest.raises(REJECTED):
            _train(case, _build(case, tmp_path))
        return
    estimator = _build(case, tmp_path)
    losses = _train(case, estimator)
    np.testing.assert_allclose(losses, golden.value(expected["losses"]), err_msg="losses", **tolerance)
    assert estimator.get_variable_names() == expected["variable_names_by_estimator"]
    _compare(_variables(estimator), expected["final_variables"], "final", tolerance)
    _evaluate(case, estimator, expected, tolerance)
    _predict(case, estimator, expected, tolerance)


def _build(case: dict, tmp_path: Any) -> Any:
    config = ex.estimator.RunConfig(
        model_dir=str(tmp_path),
        save_checkpoints_secs=None,
        save_checkpoints_steps=None,
        log_step_count_steps=None,
        save_summary_steps=None,
    )
    return build(case["estimator"], config=config)


def _train(case: dict, estimator: Any) -> list[float]:
    initial = {k: golden.value(v) for k, v in case.get("initial_variables", {}).items()}
    losses: list[float] = []
    for again, how in enumerate(case[k] for k in ("train", "train_again") if k in case):
        recorder = Recorder(None if again else initial)
        size = how["batch_size"]
        estimator.train(
            lambda size=size: batches(case["features"], case["labels"], size, repeat=True), hooks=[recorder], steps=how["steps"]
        )
        losses += recorder.losses
        if not again and "step0_variables" in case["expected"]:
            _compare(recorder.step0, case["expected"]["step0_variables"], "step 0", {"rtol": 1e-6, "atol": 1e-6})
            assert recorder.trainable == sorted(case["expected"]["trainable_variables"])
    return losses


def _eval_data(case: dict) -> tuple[Any, Any]:
    return case.get("eval_features", case["features"]), case.get("eval_labels", case["labels"])


def _evaluate(case: dict, estimator: Any, expected: dict, tolerance: dict) -> None:
    features, labels = _eval_data(case)
    size = case["train"]["batch_size"]
    got = estimator.evaluate(lambda: batches(features, labels, size, repeat=False), steps=case.get("eval_steps"))
    assert set(got) == set(expected["evaluate"])
    for key, want in expected["evaluate"].items():
        np.testing.assert_allclose(got[key], float(want), err_msg=f"evaluate {key}", **tolerance)


def _predict(case: dict, estimator: Any, expected: dict, tolerance: dict) -> None:
    features, _ = _eval_data(case)
    rows = list(estimator.predict(lambda: batches(features, None, case["train"]["batch_size"], repeat=False)))
    got = {_joined(k): np.stack([row[k] for row in rows]) for k in rows[0]}
    assert set(got) == set(expected["predict"])
    _compare(got, expected["predict"], "predict", tolerance)
