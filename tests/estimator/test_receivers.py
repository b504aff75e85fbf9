"""Receivers whose features are not the inputs of a request."""

from __future__ import annotations

import numpy as np
import pytest

import estimax as ex

fc = ex.feature_columns
SPEC = ex.data.TensorSpec


def engineered(features):
    return {**features, "difference": features["a"] - features["b"]}


def train(model_fn, batch):
    return ex.estimator.Estimator(model_fn).train(lambda: batch, steps=1)


def model_fn(features, labels, mode):
    net = features if not isinstance(features, dict) else features["x"]
    output = ex.layers.Dense(1)(net)
    loss = ((output - 1) ** 2).mean()
    train_op = ex.optimizers.legacy.train.GradientDescentOptimizer(0.1).minimize(loss)
    return ex.estimator.EstimatorSpec(mode, predictions={"y": output}, loss=loss, train_op=train_op)


def test_features_that_a_function_makes_are_part_of_the_export(tmp_path):
    columns = [
        fc.numeric_column("difference"),
        fc.indicator_column(fc.categorical_column_with_vocabulary_list("city", ["Rome", "Oslo"])),
    ]
    estimator = ex.estimator.DNNRegressor([4], columns)
    rows = {"a": np.array([1.0, 2.0], "float32"), "b": np.array([0.5, 4.0], "float32"), "city": np.array(["Oslo", "Bonn"])}
    estimator.train(lambda: (engineered(rows), np.array([[1.0], [2.0]], "float32")), steps=2)
    inputs = {"a": SPEC([None], "float32"), "b": SPEC([None], "float32"), "city": SPEC([None], "string")}
    path = estimator.export_saved_model(str(tmp_path), lambda: ex.estimator.export.ServingInputReceiver(engineered, inputs))
    served = ex.export.load(path)(rows)["predictions"]
    live = [p["predictions"] for p in estimator.predict(lambda: ex.data.Dataset.from_tensors(engineered(rows)))]
    np.testing.assert_allclose(served, live, rtol=1e-5)


def test_a_request_may_name_features_otherwise(tmp_path):
    x = np.ones((2, 3), "float32")
    estimator = train(model_fn, ({"x": x}, None))
    placeholder = SPEC([None, 3], "float32")
    receiver = ex.estimator.export.ServingInputReceiver({"x": placeholder}, {"image": placeholder})
    served = ex.export.load(estimator.export_saved_model(str(tmp_path), lambda: receiver))
    assert served({"image": x})["y"].shape == (2, 1)


@pytest.mark.parametrize("features", [SPEC([None, 3], "float32"), lambda inputs: inputs["pixels"] / 255])
def test_one_array_is_taken_from_the_named_input(tmp_path, features):
    estimator = train(model_fn, (np.ones((2, 3), "float32"), None))
    receiver = ex.estimator.export.TensorServingInputReceiver(features, {"pixels": SPEC([None, 3], "float32")})
    served = ex.export.load(estimator.export_saved_model(str(tmp_path), lambda: receiver))
    assert served({"pixels": np.ones((2, 3), "float32")})["y"].shape == (2, 1)


def test_a_feature_that_comes_from_nowhere_is_refused():
    spec = SPEC([None], "float32")
    with pytest.raises(ValueError, match="'difference' is none of the receiver_tensors"):
        ex.estimator.export.ServingInputReceiver({"a": spec, "difference": SPEC([None], "float32")}, {"a": spec, "b": spec})


def test_a_request_of_csv_lines(tmp_path, monkeypatch):
    columns = [
        fc.bucketized_column(fc.numeric_column("age"), [25]),
        fc.indicator_column(fc.categorical_column_with_vocabulary_list("city", ["Rome", "Oslo"])),
    ]
    estimator = ex.estimator.DNNRegressor([4], columns)
    lines = ["31.5,Oslo", "20,Bonn"]

    def parse(line):
        return dict(zip(("age", "city"), ex.data.decode_csv(line, [[0.0], [""]])))

    rows = ex.data.Dataset.from_tensor_slices(lines).map(parse).batch(2)
    estimator.train(lambda: rows.map(lambda features: (features, np.ones((2, 1), "float32"))), steps=1)
    receiver = ex.estimator.export.ServingInputReceiver(
        lambda inputs: parse(inputs["csv_row"]), {"csv_row": SPEC([None], "string")}
    )
    served = ex.export.load(estimator.export_saved_model(str(tmp_path), lambda: receiver))
    live = [p["predictions"] for p in estimator.predict(lambda: rows)]
    read, decode = [], ex.data.decode_csv
    monkeypatch.setattr("estimax.data.decoding.decode_csv", lambda *given, **named: read.append(1) or decode(*given, **named))
    np.testing.assert_allclose(served({"csv_row": np.array(lines)})["predictions"], live, rtol=1e-5)
    assert len(read) == 1, "lines are read once, not for each field"
    with pytest.raises(ex.data.DataLossError, match="2 fields are expected"):
        served({"csv_row": np.array(["1,Oslo,3"])})
