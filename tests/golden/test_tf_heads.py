"""Every head's loss, metrics, predictions and signatures against TensorFlow's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimax.core import finish_outputs
from tests.golden import golden
from tests.golden.tf_objects import build, values

REJECTED = (ValueError, TypeError)


def _number(x: Any) -> float:
    return float(x)


def _joined(key: Any) -> str:
    return "/".join(key) if isinstance(key, tuple) else key


def _batch(case: dict, i: int) -> tuple[Any, Any, Any, Any]:
    batch = case["batches"][i]
    parts = [values(batch[k], k) if k in batch else None for k in ("features", "logits", "labels")]
    return (*parts, batch.get("regularization_losses"))  # type: ignore[return-value]


def _check_outputs(got: Any, want: dict, predictions: dict, tolerance: dict) -> None:
    assert set(got) == set(want)
    for key, w in want.items():
        if "same_as_prediction" in w:
            w_value: Any = finish_outputs(predictions[w["same_as_prediction"]])
        else:
            w_value = golden.value(w)
        golden.assert_tf(finish_outputs(got[key]), w_value, what=key, **tolerance)


@golden.parametrize("tf", "heads")
def test_head(file: str, case: dict) -> None:
    expected = case["expected"]
    meta = golden.read(file)
    tolerance = {"rtol": meta["rtol"], "atol": meta["atol"]}
    if "build" in expected:
        with pytest.raises(REJECTED):
            build(case["head"])
        return
    head = build(case["head"])
    assert (head.name, head.logits_dimension, head.loss_reduction) == tuple(
        expected[k] for k in ("name", "logits_dimension", "loss_reduction")
    )
    if "predict" in expected:
        _predict(head, case, expected["predict"], tolerance)
    if "loss" in expected:
        _losses(head, case, expected["loss"], tolerance)
    if "metrics" in expected:
        _metrics(head, case, expected["metrics"], tolerance)


def _predict(head: Any, case: dict, want: dict, tolerance: dict) -> None:
    features, logits, _, _ = _batch(case, 0)
    if "error" in want:
        with pytest.raises(REJECTED):
            head.create_estimator_spec(features, "infer", logits)
        return
    spec = head.create_estimator_spec(features, "infer", logits)
    got = {_joined(k): v for k, v in spec.predictions.items()}
    assert set(got) == set(want["predictions"])
    for key, w in want["predictions"].items():
        golden.assert_tf(finish_outputs(got[key]), golden.value(w), what=key, **tolerance)
    assert set(spec.export_outputs) == set(want["export_outputs"])
    for name, w in want["export_outputs"].items():
        assert type(spec.export_outputs[name]).__name__ == w["kind"]
        _check_outputs(spec.export_outputs[name].outputs, w["outputs"], got, tolerance)


def _losses(head: Any, case: dict, want: dict, tolerance: dict) -> None:
    def loss(mode: str, i: int) -> float:
        features, logits, labels, regularization = _batch(case, i)
        options = {"optimizer": "sgd"} if mode == "train" else {}
        spec = head.create_estimator_spec(features, mode, logits, labels, regularization_losses=regularization, **options)
        return _number(spec.loss)

    if "error" in want:
        with pytest.raises(REJECTED):
            loss("eval", 0)
        return
    for mode in ("train", "eval"):
        got = [loss(mode, i) for i in range(len(case["batches"]))]
        np.testing.assert_allclose(got, [_number(x) for x in want[mode]], err_msg=mode, **tolerance)


def _metrics(head: Any, case: dict, want: Any, tolerance: dict) -> None:
    def update(metrics: Any, i: int) -> Any:
        features, logits, labels, regularization = _batch(case, i)
        metrics = head.metrics(regularization_losses=regularization) if metrics is None else metrics
        return head.update_metrics(metrics, features, logits, labels, regularization_losses=regularization)

    if isinstance(want, dict):
        with pytest.raises(REJECTED):
            update(None, 0)
        return
    metrics = None
    for i, row in enumerate(want):
        metrics = update(metrics, i)
        assert set(metrics) == set(row)
        for key, w in row.items():
            np.testing.assert_allclose(_number(metrics[key].result()), _number(w), err_msg=f"{key} after batch {i}", **tolerance)
