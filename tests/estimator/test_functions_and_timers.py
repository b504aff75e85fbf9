"""Small names that tf.estimator exported: timers, logit functions, a hook for workers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import estimax as ex
from tests.estimator.data import E, columns, eval_fn, fc, train_fn

X = E.experimental


def test_logit_functions_in_a_model_fn():
    wide = X.linear_logit_fn_builder(1, columns())
    deep = X.dnn_logit_fn_builder(1, [4], [fc.numeric_column("x")], jax.nn.relu, None)

    def model_fn(features: Any, labels: Any, mode: str, params: Any, config: Any) -> Any:
        logits = sum(X.call_logit_fn(fn, features, mode, params, config) for fn in (wide, deep))
        return E.BinaryClassHead().create_estimator_spec(features, mode, logits, labels, optimizer=ex.optimizers.Adam(0.1))

    estimator = E.Estimator(model_fn).train(train_fn(), steps=60)
    assert estimator.evaluate(eval_fn())["accuracy"] > 0.7
    assert {"linear/linear_model/x/weights", "dnn/hiddenlayer_0/kernel"} <= set(estimator.get_variable_names())


def test_a_timer_of_steps_and_of_seconds(monkeypatch):
    timer = E.SecondOrStepTimer(every_steps=5)
    assert timer.last_triggered_step() is None and timer.should_trigger_for_step(2)
    assert timer.update_last_triggered_step(2) == (None, None)
    assert [s for s in range(2, 9) if timer.should_trigger_for_step(s)] == [7, 8]
    assert timer.update_last_triggered_step(7)[1] == 5 and timer.last_triggered_step() == 7
    timer.reset()
    assert timer.should_trigger_for_step(7)
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    timer = E.SecondOrStepTimer(every_secs=10)
    timer.update_last_triggered_step(0)
    clock[0] = 9.0
    assert not timer.should_trigger_for_step(1)
    clock[0] = 10.0
    assert timer.should_trigger_for_step(1) and timer.update_last_triggered_step(1) == (10.0, 1)


def test_names_of_tensorflow():
    assert E.NanLossDuringTrainingError is ex.errors.NanLossError
    estimator = E.LinearClassifier(columns())
    hook = X.make_stop_at_checkpoint_step_hook(estimator, 3)
    assert estimator.train(train_fn(), hooks=[hook]).get_variable_value("global_step") == 3
    assert E.SessionRunValues(results=np.ones(1)).options is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: E.SecondOrStepTimer(), "exactly one"),
        (lambda: X.dnn_logit_fn_builder(1, [2], [fc.numeric_column("x")], "relu", None, 3), "input_layer_partitioner"),
        (lambda: X.call_logit_fn(lambda x: x, 1, "train", {}, None), "expected features"),
        (lambda: X.call_logit_fn(lambda features: None, 1, "train", {}, None), "returned None"),
        (lambda: X.make_stop_at_checkpoint_step_hook(E.LinearClassifier(columns()), None), "last_step"),
        (lambda: X.make_stop_at_checkpoint_step_hook(1, 3), "expected an Estimator"),
        (lambda: E.SessionRunArgs("loss", feed_dict={}), "no placeholders"),
        (lambda: E.CheckpointSaverHook("x", save_steps=1, saver=1), "saver"),
        (lambda: E.CheckpointSaverHook("x", save_steps=1, checkpoint_basename="b"), "checkpoint_basename"),
        (lambda: E.SummarySaverHook(1, output_dir="x", summary_op=1), "summary_op"),
        (lambda: E.FinalOpsHook("loss", {}), "final_ops_feed_dict"),
        (lambda: E.ProfilerHook(1, show_dataflow=False), "show_dataflow"),
        (lambda: E.LinearClassifier(columns()).export_saved_model("x", lambda: 1, as_text=True), "as_text"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
