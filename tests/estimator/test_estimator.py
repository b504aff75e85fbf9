"""The Estimator's life: training, going on, evaluating, predicting, and its errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import estimax as ex
from estimax.training import Hook
from tests.estimator.data import E, eval_fn, line_fn, linear, regression_fn, rows, train_fn


def test_training_goes_on_in_the_same_object_and_in_another_one(tmp_path):
    first = linear(tmp_path).train(train_fn(), steps=4)
    assert int(first.get_variable_value("global_step")) == 4
    first.train(train_fn(), max_steps=6)
    assert int(first.get_variable_value("global_step")) == 6
    assert first.latest_checkpoint().endswith("checkpoints/6")
    second = linear(tmp_path)
    assert second.get_variable_names() == first.get_variable_names()
    np.testing.assert_array_equal(
        second.get_variable_value("linear/linear_model/x/weights"), first.get_variable_value("linear/linear_model/x/weights")
    )
    assert second.evaluate(eval_fn()) == first.evaluate(eval_fn())
    second.train(train_fn(), max_steps=6)
    assert second._state is None, "max_steps was reached already: nothing is read or trained"
    second.train(train_fn(), steps=1)
    assert int(second.get_variable_value("global_step")) == 7
    slot = "training/Ftrl/linear/linear_model/x/weights/accumulator"
    assert second.get_variable_value(slot) != first.get_variable_value(slot)


def test_two_half_trainings_equal_one_whole(tmp_path):
    whole = linear(tmp_path / "a").train(train_fn(), steps=6)
    batches = list(train_fn()().take(6))
    halves = linear(tmp_path / "b").train(lambda: batches[:3]).train(lambda: batches[3:])
    for name in whole.get_variable_names():
        np.testing.assert_array_equal(whole.get_variable_value(name), halves.get_variable_value(name))


def test_evaluate_and_predict_again_compile_nothing_and_read_nothing(tmp_path, monkeypatch):
    estimator = linear(tmp_path).train(train_fn(), steps=3)
    first = estimator.evaluate(eval_fn())
    expected = [p["probabilities"] for p in estimator.predict(eval_fn())]
    traces = estimator._program.traces
    monkeypatch.setattr("estimax.estimator.estimator.load", lambda *_: pytest.fail("a checkpoint was read"))
    assert estimator.evaluate(eval_fn()) == first
    np.testing.assert_array_equal(expected, [p["probabilities"] for p in estimator.predict(eval_fn())])
    estimator.train(train_fn(), steps=2)
    assert estimator.evaluate(eval_fn()) != first
    assert estimator._program.traces == traces


def test_a_short_last_batch_changes_no_metric(tmp_path):
    estimator = linear(tmp_path).train(train_fn(), steps=3)
    whole = estimator.evaluate(eval_fn(24))
    parts = estimator.evaluate(eval_fn(10))
    for key in ("accuracy", "average_loss", "auc", "prediction/mean", "label/mean", "recall"):
        assert parts[key] == pytest.approx(whole[key], rel=1e-5), key


def test_predictions_by_row_by_batch_and_by_key(tmp_path):
    estimator = linear(tmp_path).train(train_fn(), steps=1)
    by_row = list(estimator.predict(eval_fn(), predict_keys="class_ids"))
    assert len(by_row) == 24 and set(by_row[0]) == {"class_ids"}
    by_batch = list(estimator.predict(eval_fn(), yield_single_examples=False))
    assert [len(b["classes"]) for b in by_batch] == [10, 10, 4]
    assert by_batch[0]["classes"][0, 0] in (b"0", b"1")
    with pytest.raises(ValueError, match="predict_keys"):
        next(estimator.predict(eval_fn(), predict_keys=["nothing"]))


def test_weights_of_a_checkpoint_path(tmp_path):
    estimator = linear(tmp_path, save_checkpoints_steps=2, keep_checkpoint_max=10).train(train_fn(), steps=4)
    early = estimator.evaluate(eval_fn(), checkpoint_path=str(tmp_path / "checkpoints" / "2"))
    late = estimator.evaluate(eval_fn())
    assert (early["global_step"], late["global_step"]) == (2, 4) and early["loss"] != late["loss"]
    with pytest.raises(ValueError, match="no checkpoint"):
        estimator.evaluate(eval_fn(), checkpoint_path=str(tmp_path / "nowhere"))


def test_untrained_models_evaluate_and_predict_their_first_weights():
    estimator = linear()
    assert estimator.evaluate(eval_fn())["global_step"] == 0
    assert next(iter(estimator.predict(lambda: ex.data.Dataset.from_tensor_slices(rows()[0]).batch(4))))["logits"] == [0.0]
    with pytest.raises(ValueError, match="no variables yet"):
        estimator.get_variable_names()


def test_a_model_fn_on_plain_jax_with_two_optimizers():
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        with ex.name_scope("one"):
            a = ex.Variable(jnp.zeros((1,)), name="w")
        with ex.name_scope("two"):
            b = ex.Variable(jnp.zeros((1,)), name="w")
        y = features["x"] * a.value + b.value
        if mode == E.ModeKeys.PREDICT:
            return E.EstimatorSpec(mode, predictions=y)
        loss = jnp.mean((y - labels) ** 2)
        metric = ex.metrics.MeanAbsoluteError()
        metric.update_state(labels, y)
        slow, fast = ex.optimizers.SGD(0.01), ex.optimizers.SGD(0.5)
        ops = [fast.minimize(loss, var_list=[a], global_step=E.get_global_step()), slow.minimize(loss, var_list=["two/w"])]
        return E.EstimatorSpec(mode, loss=loss, train_op=ops, eval_metric_ops={"mae": metric})

    estimator = E.Estimator(model_fn).train(line_fn(), steps=1)
    a, b = (float(estimator.get_variable_value(n)[0]) for n in ("one/w", "two/w"))
    batch_x, batch_y = next(iter(line_fn()()))
    gradient_a = np.mean(2 * -batch_y * batch_x["x"])
    gradient_b = np.mean(2 * -batch_y)
    assert a == pytest.approx(-0.5 * gradient_a, rel=1e-5) and b == pytest.approx(-0.01 * gradient_b, rel=1e-5)
    assert set(estimator.evaluate(line_fn(repeat=False))) == {"loss", "mae", "global_step"}
    assert next(estimator.predict(line_fn(repeat=False))).shape == (1,)


def test_losses_of_a_game_are_minimised_each_by_its_own_variables():
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        g, d = ex.Variable(jnp.ones(()), name="generator"), ex.Variable(jnp.ones(()), name="discriminator")
        loss_g, loss_d = g.value * d.value, -g.value * d.value + jnp.sum(features["x"]) * 0
        sgd = ex.optimizers.SGD(0.1)
        ops = [sgd.minimize(loss_g, var_list=[g]), ex.optimizers.SGD(0.1).minimize(loss_d, var_list=[d])]
        return E.EstimatorSpec(mode, loss=loss_g, train_op=ops)

    estimator = E.Estimator(model_fn).train(line_fn(), steps=1)
    assert float(estimator.get_variable_value("generator")) == pytest.approx(0.9)
    assert float(estimator.get_variable_value("discriminator")) == pytest.approx(1.1)


def test_input_fns_take_what_they_name():
    seen = {}

    def input_fn(mode: str, params: Any, config: Any) -> Any:
        seen[mode] = (params["units"], config.model_dir)
        return line_fn(repeat=False)()

    estimator = E.Estimator(regression_fn, params={"units": 1})
    estimator.train(input_fn)
    estimator.evaluate(input_fn)
    list(estimator.predict(input_fn))
    assert seen == {m: (1, estimator.model_dir) for m in ("train", "eval", "infer")}
    with pytest.raises(ValueError, match="input_fn.*takes.*expected only"):
        estimator.train(lambda mode, nonsense: None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.train(line_fn(), steps=1, max_steps=1), "at most one"),
        (lambda e: e.train(line_fn(), steps=0), "positive"),
        (lambda e: e.train(lambda: [], steps=1), "empty"),
        (lambda e: e.evaluate(lambda: []), "empty"),
        (lambda e: e.train(lambda: None, steps=1), "returned None"),
        (
            lambda e: e.train(
                lambda: ({"x": np.ones((2, 1))}, np.ones(2)),
            ),
            "without end",
        ),
        (lambda e: e.train(line_fn(), hooks=[object()], steps=1), "expected hooks"),
        (lambda e: e.train(line_fn(), saving_listeners=[object()], steps=1), "CheckpointSaverListener"),
        (lambda e: e.train(lambda: ({"y": np.ones((2, 1))}, np.ones(2)), steps=1), "Feature 'x' is missing"),
        (lambda e: e.export_saved_model("/nowhere", lambda: None), "no weights to export"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(E.Estimator(regression_fn))


def test_wrong_model_fns_are_named():
    with pytest.raises(ValueError, match="features"):
        E.Estimator(lambda labels: None)
    with pytest.raises(ValueError, match="given \\['a'\\]"):
        E.Estimator(lambda features: None, params={"a": 1})
    with pytest.raises(ValueError, match="expected an EstimatorSpec"):
        E.Estimator(lambda features, labels: 1).train(line_fn(), steps=1)
    with pytest.raises(ValueError, match="no labels"):
        E.Estimator(lambda features, mode: None).train(line_fn(), steps=1)


def test_a_model_dir_of_another_model_is_refused_and_kept(tmp_path):
    E.Estimator(regression_fn, str(tmp_path), params={"units": 1}).train(line_fn(), steps=2)
    other = linear(tmp_path)
    with pytest.raises(ValueError, match="model_dir"):
        other.train(train_fn(), steps=1)
    assert E.Estimator(regression_fn, str(tmp_path), params={}).evaluate(line_fn(repeat=False))["global_step"] == 2


def test_an_unwritable_model_dir_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        linear(blocked / "model").train(train_fn(), steps=1)


def test_nan_stops_training_and_leaves_the_checkpoint(tmp_path):
    estimator = E.Estimator(regression_fn, str(tmp_path), params={}).train(line_fn(), steps=2)
    estimator.latest_checkpoint()
    nan = {"x": np.full((4, 1), np.nan, np.float32)}, np.ones((4, 1), np.float32)
    with pytest.raises(ex.errors.NanLossError, match="Lower the learning rate"):
        estimator.train(lambda: nan, steps=3)
    assert estimator.evaluate(line_fn(repeat=False))["global_step"] == 2
    estimator.train(line_fn(), steps=1)
    assert int(estimator.get_variable_value("global_step")) == 3


def test_a_failing_hook_is_reported_and_nothing_is_lost(tmp_path):
    class Fails(Hook):
        def after_run(self, run: Any) -> None:
            if run.step == 4:
                raise RuntimeError("of the hook")

    estimator = E.Estimator(regression_fn, str(tmp_path), params={}).train(line_fn(), steps=2)
    with pytest.raises(RuntimeError, match="of the hook"):
        estimator.train(line_fn(), hooks=[Fails()], steps=10)
    assert int(estimator.get_variable_value("global_step")) == 4
    estimator.train(line_fn(), steps=1)
    assert int(estimator.get_variable_value("global_step")) == 5


def test_two_trainings_on_one_model_dir_are_refused(tmp_path):
    estimator = E.Estimator(regression_fn, str(tmp_path), params={})

    class Other(Hook):
        def after_create_session(self, run: Any) -> None:
            with pytest.raises(ValueError, match="another process trains"):
                E.Estimator(regression_fn, str(tmp_path), params={}).train(line_fn(), steps=1)

    estimator.train(line_fn(), hooks=[Other()], steps=1)


def test_hooks_may_evaluate_and_set_variables_in_the_middle(tmp_path):
    class Look(Hook):
        found: list = []

        def next_step(self, step: int) -> int:
            return (step // 2 + 1) * 2

        def after_run(self, run: Any) -> None:
            self.found.append(run.estimator.evaluate(line_fn(repeat=False))["global_step"])
            run.set_variable("dense/bias", np.zeros(1))

    E.Estimator(regression_fn, str(tmp_path), params={}).train(line_fn(), hooks=[Look()], steps=4)
    assert Look.found == [2, 4]


SCRIPT = """
import sys, time
sys.path.insert(0, sys.argv[2])
from tests.estimator.data import *
from estimax.training import Hook
class Slow(Hook):
    def next_step(self, step): return step + 1
    def after_run(self, run):
        print(run.step, flush=True)
        time.sleep(0.02)
linear(sys.argv[1], save_checkpoints_steps=3, log_step_count_steps=None, save_summary_steps=None).train(
    train_fn(5), hooks=[Slow()], max_steps=30)
"""


def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(tmp_path):
    whole = linear(tmp_path / "whole").train(train_fn(5), max_steps=30)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), str(Path(__file__).parents[2])]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as process:
        for line in process.stdout:
            if int(line) == 14:
                process.send_signal(signal.SIGKILL)
                break
    killed = linear(tmp_path / "killed")
    assert killed.latest_checkpoint() is not None
    killed.train(train_fn(5), max_steps=30)
    for name in whole.get_variable_names():
        np.testing.assert_array_equal(whole.get_variable_value(name), killed.get_variable_value(name), err_msg=name)


def test_many_short_trainings_are_on_disk_in_the_end(tmp_path):
    estimator = E.Estimator(regression_fn, str(tmp_path), params={})
    for _ in range(5):
        estimator.train(line_fn(), steps=1)
    assert estimator.latest_checkpoint().endswith("/5")
    assert not [p for p in (tmp_path / "checkpoints").iterdir() if "tmp" in p.name]
    jax.block_until_ready(estimator._state.params)


def test_training_that_ended_by_itself_starts_its_input_anew(tmp_path):
    class Stop(Hook):
        def next_step(self, step: int) -> int:
            return step + 1

        def after_run(self, run: Any) -> None:
            if run.step == 2:
                run.request_stop()

    config = E.RunConfig(model_dir=str(tmp_path), save_checkpoints_steps=2)
    E.Estimator(regression_fn, config=config, params={}).train(line_fn(repeat=False), hooks=[Stop()])
    again = E.Estimator(regression_fn, config=config, params={}).train(line_fn(repeat=False))
    assert int(again.get_variable_value("global_step")) == 4, (
        "the checkpoint of step 2 was of the input's end, but training had ended"
    )
