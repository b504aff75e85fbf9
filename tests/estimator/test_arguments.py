"""Arguments in the forms in which programs give them."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

import estimax as ex
from estimax.estimator.heads.metric_set import AccuracyBaseline

X = np.ones((4, 2), "float32")


def model_fn(features, labels, mode, params):
    loss = ((ex.layers.Dense(params.units)(features) - labels) ** 2).mean()
    train_op = ex.optimizers.legacy.train.GradientDescentOptimizer(params.rate).minimize(loss)
    return ex.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn():
    return ex.data.Dataset.from_tensors((X, X)).repeat()


def test_params_may_be_an_object_and_steps_a_quotient():
    params = argparse.Namespace(units=2, rate=0.1)
    estimator = ex.estimator.Estimator(model_fn, params=params).train(input_fn, max_steps=5 / 2)
    params.rate = 7
    assert estimator.params.rate == 0.1
    assert int(estimator.get_variable_value("global_step")) == 3
    assert ex.estimator.TrainSpec(input_fn, max_steps=39.0625).max_steps == 40
    with pytest.raises(ValueError, match="params: given Namespace"):
        ex.estimator.Estimator(lambda features, labels, mode: None, params=params)


def test_numbers_of_units_as_a_command_line_gives_them():
    x = ex.feature_columns.numeric_column("x")
    estimator = ex.estimator.DNNRegressor(["3", np.int64(2), 4.0], [x])
    estimator.train(lambda: ({"x": X[:, 0]}, X[:, :1]), steps=1)
    assert [estimator.get_variable_value(f"dnn/hiddenlayer_{i}/kernel").shape[1] for i in range(3)] == [3, 2, 4]
    for bad in ("two", 2.5, -1):
        with pytest.raises(ValueError, match="hidden_units"):
            ex.estimator.DNNRegressor([bad], [x])


def test_input_functions_are_found_where_tensorflow_had_them():
    assert ex.estimator.inputs.numpy_input_fn is ex.data.numpy_input_fn
    assert ex.estimator.inputs.pandas_input_fn is ex.data.pandas_input_fn


def test_a_head_refuses_half_a_class_and_its_baseline_takes_negative_weights():
    with pytest.raises(ValueError, match="given 3.5, expected an integer above 2"):
        ex.estimator.MultiClassHead(n_classes=3.5)
    baseline = AccuracyBaseline(name="baseline")
    baseline.update_state(np.array([0.0, 1.0], np.float32), np.array([1.0, -1.5], np.float32))
    assert float(baseline.result()) == -2.0  # the greater of -1.5 and 1, by -0.5, as in TensorFlow


def test_metrics_of_a_head_count_every_element_of_a_row():
    head, metrics = ex.estimator.BinaryClassHead(), None
    for labels in (np.array([[[0], [0], [1]], [[1], [1], [1]]]), np.array([[[0], [1]]])):
        logits = np.ones(labels.shape, np.float32)  # class 1 always
        metrics = head.update_metrics(metrics or head.metrics(), {}, logits, labels)
    assert float(metrics["accuracy"].result()) == 5 / 8 and float(metrics["label/mean"].result()) == 5 / 8
