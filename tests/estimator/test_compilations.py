"""What compiles and what does not, between the calls of one estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estimax as ex
from estimax.training import Hook
from tests.estimator.data import E, columns, eval_fn, line_fn, linear, regression_fn, rows, train_fn


def generator_fn() -> Any:
    """Batches that are no table in memory."""
    features, labels = rows()
    for i in (0, 8, 16):
        yield {k: v[i : i + 8] for k, v in features.items()}, labels[i : i + 8]


def traces(estimator: Any) -> int:
    return estimator._program.traces


@pytest.mark.parametrize("input_fn", [eval_fn(8), generator_fn])
def test_other_numbers_of_steps_and_hooks_of_evaluate(input_fn):
    estimator = linear().train(train_fn(), steps=2)
    first = estimator.evaluate(input_fn, steps=1)
    before = traces(estimator)
    whole = estimator.evaluate(input_fn)
    assert estimator.evaluate(input_fn, steps=2) != whole != first
    assert estimator.evaluate(input_fn, steps=3) == whole
    assert estimator.evaluate(input_fn, name="other") == whole
    assert traces(estimator) == before


@pytest.mark.parametrize("input_fn", [train_fn(), lambda: (b for _ in range(1000) for b in generator_fn())])
def test_other_numbers_of_steps_and_hooks_of_train(input_fn):
    class Every(Hook):
        def after_run(self, run: Any) -> None:
            pass

    estimator = linear().train(input_fn, steps=1)
    before = traces(estimator)
    estimator.train(input_fn, steps=3).train(input_fn, steps=40).train(input_fn, max_steps=400)
    estimator.train(input_fn, steps=2, hooks=[Every()])
    assert traces(estimator) == before and estimator.get_variable_value("global_step") == 402


def test_the_same_numbers_whatever_was_compiled_before():
    one_by_one, at_once = linear(), linear().train(train_fn(), steps=40)
    for _ in range(4):
        one_by_one.train(train_fn(), steps=10)
    again = linear()
    again.train(train_fn(), steps=1)
    assert at_once.get_variable_value("global_step") == one_by_one.get_variable_value("global_step") == 40
    shuffled = ex.data.Dataset.from_tensor_slices(rows()).repeat().batch(8)
    whole, parts = linear(), linear()
    whole.train(lambda: shuffled, steps=30)
    for start, steps in ((0, 1), (1, 9), (10, 20)):
        parts.train(lambda start=start: shuffled.skip(start), steps=steps)
    for name in whole.get_variable_names():
        np.testing.assert_array_equal(whole.get_variable_value(name), parts.get_variable_value(name), err_msg=name)


def test_other_file_names(tmp_path):
    features, labels = rows()
    for name in ("a", "b"):
        table = zip(features["x"][:, 0], features["word"], labels)
        (tmp_path / f"{name}.csv").write_text("x,word,label\n" + "".join(f"{x},{w},{y}\n" for x, w, y in table))

    def csv(name: str) -> Any:
        return lambda: ex.data.make_csv_dataset(str(tmp_path / f"{name}.csv"), 8, label_name="label", num_epochs=1, shuffle=False)

    estimator = linear().train(csv("a"))
    metrics = estimator.evaluate(csv("a"))
    before = traces(estimator)
    assert estimator.train(csv("b")).evaluate(csv("b"))["global_step"] == 2 * metrics["global_step"]
    assert traces(estimator) == before


def test_models_of_other_kinds_compile_once_too():
    estimator = E.Estimator(regression_fn, params={}).train(line_fn(), steps=1)
    estimator.evaluate(line_fn(repeat=False), steps=1)
    list(estimator.predict(line_fn(repeat=False)))
    before = traces(estimator)
    estimator.train(line_fn(), steps=5)
    estimator.evaluate(line_fn(repeat=False))
    list(estimator.predict(line_fn(repeat=False), predict_keys="predictions"))
    assert traces(estimator) == before and len(columns()) == 2
