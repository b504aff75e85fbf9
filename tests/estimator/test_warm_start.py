"""Weights of another model as a start."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estimax as ex
from tests.estimator.data import E, columns, eval_fn, fc, line_fn, linear, regression_fn, rows, train_fn


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return linear(tmp_path_factory.mktemp("source")).train(train_fn(), steps=5)


def test_from_a_model_dir_a_checkpoint_and_an_export(source, tmp_path, caplog):
    caplog.set_level(logging.INFO, "estimax")
    receiver = E.export.build_raw_serving_input_receiver_fn({"x": np.zeros((1, 1), np.float32), "word": np.array(["a"])})
    export = source.export_saved_model(tmp_path / "export", receiver)
    expected = source.evaluate(eval_fn())
    for start in (source.model_dir, source.latest_checkpoint(), export):
        warm = E.LinearClassifier(columns(), warm_start_from=start)
        got = warm.evaluate(eval_fn())
        assert got["loss"] == pytest.approx(expected["loss"]) and got["global_step"] == 0
    warm.train(train_fn(), steps=1)
    assert "taken from linear/linear_model/x/weights" in caplog.text and "new: not asked for" in caplog.text


def test_slots_and_step_on_request(source):
    settings = E.WarmStartSettings(source.model_dir, vars_to_warm_start=[".*"])
    warm = E.LinearClassifier(columns(), warm_start_from=settings)
    warm.train(train_fn(), steps=1)
    assert int(warm.get_variable_value("global_step")) == 6


def test_some_variables_under_other_names(source):
    settings = E.WarmStartSettings(
        source.model_dir,
        vars_to_warm_start=".*x.*",
        var_name_to_prev_var_name={"linear/linear_model/x2/weights": "linear/linear_model/x/weights"},
    )
    features, labels = rows()
    data = {"x2": features["x"]}, labels
    warm = E.LinearClassifier([fc.numeric_column("x2")], warm_start_from=settings, optimizer=ex.optimizers.SGD(0.0))
    warm.train(lambda: data, steps=1)
    np.testing.assert_array_equal(
        warm.get_variable_value("linear/linear_model/x2/weights"), source.get_variable_value("linear/linear_model/x/weights")
    )
    assert warm.get_variable_value("linear/linear_model/bias_weights") == [0.0]


def test_a_vocabulary_that_grew_and_moved(source, tmp_path):
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("a\nb\nc\n")
    new.write_text("c\nd\na\nb\n")
    name = "linear/linear_model/word/weights"
    info = E.VocabInfo(str(new), 4, 1, str(old), backup_initializer=lambda shape, dtype: np.full(shape, 9.0, dtype))
    warm = E.LinearClassifier(
        [fc.numeric_column("x"), fc.categorical_column_with_vocabulary_file("word", str(new), 4, num_oov_buckets=1)],
        warm_start_from=E.WarmStartSettings(source.model_dir, var_name_to_vocab_info={name: info}),
        optimizer=ex.optimizers.SGD(0.0),
    )
    warm.train(train_fn(), steps=1)
    before = source.get_variable_value(name)[:, 0]
    np.testing.assert_array_equal(warm.get_variable_value(name)[:, 0], [before[2], 9, before[0], before[1], 9])


def test_moving_averages_come_along(tmp_path):
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        net = ex.layers.BatchNormalization()(features["x"])
        return E.RegressionHead().create_estimator_spec(features, mode, ex.layers.Dense(1)(net), labels, optimizer="sgd")

    first = E.Estimator(model_fn, str(tmp_path)).train(line_fn(), steps=3)
    second = E.Estimator(model_fn, warm_start_from=str(tmp_path))
    assert second.evaluate(line_fn(repeat=False))["loss"] == pytest.approx(first.evaluate(line_fn(repeat=False))["loss"])


def test_mistakes_are_named(source, tmp_path):
    def warm(**options: Any) -> None:
        E.LinearClassifier(columns(), warm_start_from=E.WarmStartSettings(source.model_dir, **options)).train(train_fn(), steps=1)

    with pytest.raises(ValueError, match="no variable of this model"):
        E.Estimator(regression_fn, warm_start_from=source.model_dir, params={}).train(line_fn(), steps=1)
    with pytest.raises(ValueError, match='the model has no variable "nothing"'):
        warm(var_name_to_prev_var_name={"nothing": "x"})
    with pytest.raises(ValueError, match='has no variable "nothing"'):
        warm(var_name_to_prev_var_name={"linear/linear_model/bias_weights": "nothing"})
    with pytest.raises(ValueError, match="no checkpoint"):
        E.LinearClassifier(columns(), warm_start_from=str(tmp_path)).train(train_fn(), steps=1)
    wider = [fc.numeric_column("x"), fc.categorical_column_with_vocabulary_list("word", ["a", "b", "c", "d"])]
    with pytest.raises(ValueError, match="VocabInfo|vocabulary changed"):
        E.LinearClassifier(wider, warm_start_from=source.model_dir).train(train_fn(), steps=1)
    with pytest.raises(ValueError, match="warm_start_from"):
        E.LinearClassifier(columns(), warm_start_from=3)
    with pytest.raises(ValueError, match="axis"):
        E.VocabInfo("a", 1, 0, "b", axis=2)
    assert Path(source.model_dir, "checkpoints").is_dir()
