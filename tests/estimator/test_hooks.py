"""Hooks around an Estimator, in both vocabularies, and summaries."""

from __future__ import annotations

import glob
import logging
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import estimax as ex
from tests.estimator.data import E, line_fn


def model_fn(features: Any, labels: Any, mode: str, params: Any) -> Any:
    y = ex.estimator.named("output", ex.layers.Dense(1, name="line")(features["x"]))
    ex.summary.scalar("mean", jnp.mean(y))
    ex.summary.histogram("outputs", y)
    ex.summary.text("note", "a **line**")
    hooks = [params["hook"](y)] if "hook" in params else []
    if mode == E.ModeKeys.PREDICT:
        return E.EstimatorSpec(mode, predictions=y)
    loss = jnp.mean((y - labels) ** 2)
    return E.EstimatorSpec(mode, predictions=y, loss=loss, train_op=ex.optimizers.SGD(0.1).minimize(loss), training_hooks=hooks)


def estimator(tmp_path: Any = None, **params: Any) -> Any:
    return E.Estimator(model_fn, None if tmp_path is None else str(tmp_path), params=params)


def test_the_life_of_a_session_run_hook():
    calls: list[Any] = []

    class Life(E.SessionRunHook):
        every_n_steps = 2

        def begin(self) -> None:
            calls.append("begin")

        def after_create_session(self, session: Any, coord: Any) -> None:
            calls.append(session.run("line/kernel").shape)

        def before_run(self, run_context: Any) -> Any:
            return E.SessionRunArgs({"out": "output", "loss": "loss", "step": "global_step"})

        def after_run(self, run_context: Any, run_values: Any) -> None:
            results = run_values.results
            assert results["out"].shape == (8, 1) and np.isfinite(results["loss"])
            calls.append(results["step"])
            if results["step"] == 4:
                run_context.request_stop()

        def end(self, session: Any) -> None:
            calls.append(session.step)

    estimator().train(line_fn(), hooks=[Life()], steps=100)
    assert calls == ["begin", (1, 1), 2, 4, 4]


def test_named_values_do_not_change_training():
    class Ask(E.SessionRunHook):
        def before_run(self, run_context: Any) -> Any:
            return E.SessionRunArgs("output")

    plain = estimator().train(line_fn(), steps=5).get_variable_value("line/kernel")
    asked = estimator().train(line_fn(), hooks=[Ask()], steps=5).get_variable_value("line/kernel")
    np.testing.assert_array_equal(plain, asked)


def test_unknown_values_are_named():
    class Ask(E.SessionRunHook):
        def before_run(self, run_context: Any) -> Any:
            return E.SessionRunArgs("nonsense")

    with pytest.raises(ValueError, match="no value called 'nonsense'"):
        estimator().train(line_fn(), hooks=[Ask()], steps=1)


def test_hooks_made_in_the_model_fn_see_its_arrays(caplog):
    caplog.set_level(logging.INFO, "estimax")
    logged = estimator(hook=lambda y: E.LoggingTensorHook({"first": y[0]}, every_n_iter=3))
    logged.train(line_fn(), steps=4)
    assert sum("first =" in r.message for r in caplog.records) == 2


def test_logging_counting_and_summaries(tmp_path, caplog):
    caplog.set_level(logging.INFO, "estimax")
    config = E.RunConfig(model_dir=str(tmp_path), log_step_count_steps=2, save_summary_steps=2)
    E.Estimator(model_fn, config=config, params={}).train(line_fn(), steps=4)
    text = caplog.text
    assert "loss = " in text and "global_step/sec" in text and "Loss for final step" in text
    data = b"".join(f.read_bytes() for f in tmp_path.glob("events*"))
    for tag in (b"loss", b"global_step/sec", b"mean", b"outputs", b"note"):
        assert tag in data, tag


def test_stop_at_step_counts_both_ways():
    e = estimator().train(line_fn(), hooks=[E.StopAtStepHook(num_steps=3)])
    assert int(e.get_variable_value("global_step")) == 3
    e.train(line_fn(), hooks=[E.StopAtStepHook(last_step=5)])
    assert int(e.get_variable_value("global_step")) == 5
    e.train(line_fn(), hooks=[E.StopAtStepHook(last_step=5)])
    assert int(e.get_variable_value("global_step")) == 5


def test_final_ops_and_in_memory_evaluation(tmp_path):
    e = estimator(tmp_path)
    final = E.FinalOpsHook({"loss": "loss", "kernel": "line/kernel"})
    memory = E.experimental.InMemoryEvaluatorHook(e, line_fn(repeat=False), every_n_iter=2, name="memory")
    e.train(line_fn(), hooks=[final, memory], steps=5)
    assert final.final_ops_values["kernel"] == e.get_variable_value("line/kernel")
    assert memory.results["global_step"] == 5
    assert list(E.experimental.read_eval_metrics(e.eval_dir("memory"))) == [0, 2, 4, 5]


def test_a_profile_is_written(tmp_path):
    E.ProfilerHook(save_steps=10)
    estimator().train(line_fn(), hooks=[E.ProfilerHook(save_steps=2, output_dir=str(tmp_path))], steps=4)
    assert glob.glob(f"{tmp_path}/**/*trace*", recursive=True)


def test_hooks_of_evaluation_and_prediction():
    seen: list[Any] = []

    class Count(ex.training.Hook):
        def after_run(self, run: Any) -> None:
            seen.append(1)

        def end(self, run: Any) -> None:
            seen.append("end")

    e = estimator().train(line_fn(), steps=1)
    e.evaluate(line_fn(repeat=False), hooks=[Count()])
    list(e.predict(line_fn(repeat=False), hooks=[Count()]))
    assert seen == [1, 1, "end", 1, 1, "end"]


def test_a_scaffold_sets_first_values():
    def init_fn(scaffold: Any, session: Any) -> None:
        session.set_variable("line/bias", np.array([7.0]))

    def scaffolded(features: Any, labels: Any, mode: str) -> Any:
        return model_fn(features, labels, mode, {}).replace(scaffold=E.Scaffold(init_fn))

    start: list[float] = []

    class Look(ex.training.Hook):
        def after_create_session(self, run: Any) -> None:
            start.append(float(run.variable_values()["line/bias"][0]))

    e = E.Estimator(scaffolded).train(line_fn(), hooks=[Look()], steps=1)
    e.train(line_fn(), hooks=[Look()], steps=1)
    assert start[0] == 7.0 and start[1] != 7.0
    with pytest.raises(ValueError, match="saver"):
        E.Scaffold(saver=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: E.StopAtStepHook(), "exactly one"),
        (lambda: E.LoggingTensorHook(["loss"]), "exactly one"),
        (lambda: E.LoggingTensorHook(["loss"], every_n_iter=0), "above 0"),
        (lambda: E.SummarySaverHook(save_steps=1), "exactly one"),
        (lambda: E.CheckpointSaverHook("x", save_steps=1, save_secs=1), "exactly one"),
        (lambda: E.FeedFnHook(print), "no placeholders"),
        (lambda: E.GlobalStepWaiterHook(3), "never end"),
        (lambda: E.LoggingTensorHook({"a": jnp.ones(1)}, every_n_iter=1), "outside a model_fn"),
        (lambda: ex.summary.scalar("a", jnp.ones(2)), "scalar"),
        (lambda: ex.summary.image("a", jnp.ones(2)), "batch, height"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
