"""train_and_evaluate, exporters, early stopping, the separate evaluator."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estimax as ex
from estimax.estimator.exporters import exports_in, loss_smaller, read_best
from estimax.training.hooks import CheckpointSaverListener
from tests.estimator.data import E, columns, eval_fn, fc, linear, rows, train_fn

X = E.export


def _raw() -> Any:
    return X.build_raw_serving_input_receiver_fn({"x": np.zeros((1, 1), np.float32), "word": np.array(["a"])})


def test_evaluates_at_checkpoints_and_at_the_last_step(tmp_path):
    class Steps(CheckpointSaverListener):
        saved: list = []

        def after_save(self, session: Any, global_step_value: int) -> None:
            self.saved.append(global_step_value)

    estimator = linear(tmp_path, save_checkpoints_steps=4)
    exporters = [E.LatestExporter("latest", _raw(), exports_to_keep=1), E.FinalExporter("final", _raw())]
    spec = E.EvalSpec(eval_fn(), name="valid", exporters=exporters, start_delay_secs=0, throttle_secs=0)
    train = E.TrainSpec(train_fn(), max_steps=10, saving_listeners=[Steps()])
    metrics, exports = E.train_and_evaluate(estimator, train, spec)
    assert Steps.saved == [4, 8, 10] and metrics["global_step"] == 10
    assert list(E.experimental.read_eval_metrics(estimator.eval_dir("valid"))) == [4, 8, 10]
    assert len(exports) == 2 and len(exports_in(tmp_path / "export" / "latest")) == 1
    assert [f for f in os.listdir(estimator.eval_dir("valid")) if f.startswith("events")]
    predictor = ex.export.load(exports[-1])
    features, _ = rows()
    served = predictor({"x": features["x"][:3], "word": features["word"][:3]})
    own = [p["probabilities"] for p in estimator.predict(eval_fn())][:3]
    np.testing.assert_allclose(served["probabilities"], own, atol=1e-6)
    assert set(predictor.signatures) == {"predict"}, "classify and regress take serialized Examples only, as in TensorFlow"


def test_a_list_of_specs_and_a_second_call_that_only_evaluates(tmp_path):
    estimator = linear(tmp_path)
    specs = [E.EvalSpec(eval_fn(), name="a"), E.EvalSpec(eval_fn(), name="b", steps=1)]
    metrics, exports = E.train_and_evaluate(estimator, E.TrainSpec(train_fn(), max_steps=3), specs)
    assert set(metrics) == {"a", "b"} and exports == {"a": [], "b": []}
    again, _ = E.train_and_evaluate(linear(tmp_path), E.TrainSpec(train_fn(), max_steps=3), specs)
    assert again == metrics


def test_best_exporter_remembers_across_restarts(tmp_path):
    estimator = linear(tmp_path).train(train_fn(), steps=2)
    folder = str(tmp_path / "best")
    os.makedirs(folder)

    def export(exporter: Any, loss: float) -> Any:
        return exporter.export(estimator, folder, None, {"loss": np.float32(loss), "global_step": 2}, False)

    first = E.BestExporter("best", _raw(), exports_to_keep=2)
    assert export(first, 0.5) and export(first, 0.6) is None
    second = E.BestExporter("best", _raw(), exports_to_keep=2)
    assert export(second, 0.5) is None and export(second, 0.25) and export(second, 0.125)
    assert read_best(folder)["loss"] == 0.125 and len(exports_in(folder)) == 2
    (Path(folder) / "best_eval_result.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        export(second, 0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: E.BestExporter("b", _raw(), compare_fn=lambda a: True), "compare_fn"),
        (lambda: E.BestExporter("b", _raw(), exports_to_keep=0), "exports_to_keep"),
        (lambda: E.BestExporter("b"), "serving_input_receiver_fn"),
        (lambda: E.LatestExporter("b", _raw(), as_text=True), "as_text"),
        (lambda: loss_smaller({}, {"loss": 1}), "no 'loss'"),
        (lambda: E.TrainSpec(train_fn(), max_steps=0), "positive"),
        (lambda: E.TrainSpec([1]), "expected a function"),
        (lambda: E.EvalSpec(eval_fn(), steps=0), "positive"),
        (lambda: E.EvalSpec(eval_fn(), exporters=[1]), "LatestExporter"),
        (lambda: E.EvalSpec(eval_fn(), throttle_secs=-1), "throttle_secs"),
        (lambda: E.train_and_evaluate(1, E.TrainSpec(train_fn()), E.EvalSpec(eval_fn())), "expected an Estimator"),
        (
            lambda: E.train_and_evaluate(linear(), E.TrainSpec(train_fn()), [E.EvalSpec(eval_fn()), E.EvalSpec(eval_fn())]),
            "names",
        ),
        (lambda: X.build_raw_serving_input_receiver_fn({}, 3), "default_batch_size"),
        (lambda: X.ServingInputReceiver({"a": "text"}, {}), "TensorSpec"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_failing_exporter_is_reported_and_nothing_is_lost(tmp_path):
    class Fails(E.Exporter):
        name = "fails"

        def export(self, *args: Any, **kwargs: Any) -> None:
            raise OSError("of the exporter")

    spec = E.EvalSpec(eval_fn(), exporters=[Fails()])
    with pytest.raises(OSError, match="of the exporter"):
        E.train_and_evaluate(linear(tmp_path), E.TrainSpec(train_fn(), max_steps=3), spec)
    assert linear(tmp_path).evaluate(eval_fn())["global_step"] == 3


def test_early_stopping_by_values_of_evaluations(tmp_path):
    estimator = linear(tmp_path, save_checkpoints_steps=2)
    hook = E.experimental.stop_if_lower_hook(estimator, "loss", 10.0, run_every_secs=None, run_every_steps=2, min_steps=4)
    spec = E.EvalSpec(eval_fn(), start_delay_secs=0, throttle_secs=0)
    metrics, _ = E.train_and_evaluate(estimator, E.TrainSpec(train_fn(), max_steps=50, hooks=[hook]), spec)
    assert metrics["global_step"] == 6, "the evaluation of step 4 is there when the hook looks at step 6"


def test_patience_sees_no_evaluations_of_a_later_life(tmp_path):
    from estimax.estimator.early_stopping import append_eval_metrics

    estimator = linear(tmp_path)
    for step, loss in ((1, 0.5), (2, 0.6), (3, 0.7), (100, 0.9)):
        append_eval_metrics(estimator.eval_dir(), step, {"loss": loss})
    with open(Path(estimator.eval_dir()) / "evaluations.jsonl", "a") as f:
        f.write('{"global_step": 5, "met')  # a process was killed here
    append_eval_metrics(estimator.eval_dir(), 6, {"loss": 0.8})
    hook = E.experimental.stop_if_no_decrease_hook(estimator, "loss", 3, run_every_secs=None, run_every_steps=1)
    assert [hook.should_stop_fn(step) for step in (3, 5, 6)] == [False, False, True]
    wrong = E.experimental.stop_if_higher_hook(estimator, "nonsense", 3)
    with pytest.raises(ValueError, match="no metric 'nonsense'"):
        wrong.should_stop_fn(3)


def test_the_evaluator_follows_and_ends(tmp_path, monkeypatch):
    cluster = {"chief": ["a:1"], "evaluator": ["b:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}}))
    train, spec = E.TrainSpec(train_fn(), max_steps=4), E.EvalSpec(eval_fn(), start_delay_secs=0, throttle_secs=0)
    assert E.train_and_evaluate(linear(tmp_path), train, spec) == (None, None)
    assert not (tmp_path / "eval").exists()
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "evaluator", "index": 0}}))
    metrics, _ = E.train_and_evaluate(linear(tmp_path), train, spec)
    assert metrics["global_step"] == 4


def test_parsing_exports_have_all_signatures(tmp_path):
    estimator = E.LinearClassifier(columns(), str(tmp_path), label_vocabulary=["no", "yes"])
    features, labels = rows(8)
    estimator.train(lambda: (features, np.array(["no", "yes"])[labels]), steps=2)
    receiver = X.build_parsing_serving_input_receiver_fn(fc.make_parse_example_spec(columns()))
    extra = tmp_path / "note.txt"
    extra.write_text("hello")
    path = estimator.export_saved_model(tmp_path / "exports", receiver, assets_extra={"note.txt": str(extra)})
    assert (Path(path) / "assets.extra" / "note.txt").read_text() == "hello"
    predictor = ex.export.load(path)
    assert {n: s["method"] for n, s in predictor.signatures.items()} == {
        "serving_default": "classify", "classification": "classify", "regression": "regress", "predict": "predict",
    }  # fmt: skip
    examples = [
        ex.data.Example({"x": [float(x)], "word": [str(w)]}).SerializeToString()
        for x, w in zip(features["x"][:, 0], features["word"])
    ]
    served = predictor({"examples": np.array(examples, object)}, "classification")
    own = [p["probabilities"] for p in estimator.predict(lambda: features)]
    np.testing.assert_allclose(served["scores"], own, atol=1e-6)
    assert served["classes"][0].tolist() == [b"no", b"yes"]
    with pytest.raises(ValueError, match="build_raw_supervised_input_receiver_fn"):
        estimator.export_saved_model(tmp_path / "exports", receiver, experimental_mode="train")


def test_parse_specs_of_labels():
    spec = E.classifier_parse_example_spec(columns(), "y", weight_column="w")
    assert set(spec) == {"x", "word", "y", "w"} and spec["y"].dtype == "int64"
    assert E.regressor_parse_example_spec(columns(), "y", label_dimension=2)["y"].shape == (2,)
    with pytest.raises(ValueError, match="label_key"):
        E.classifier_parse_example_spec(columns(), "x")
