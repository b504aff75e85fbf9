"""Several batches in one compiled call: the numbers are those of single batches."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from estimax.callbacks import LambdaCallback
from estimax.layers import BatchNormalization, Conv1D, Dense, Embedding, Flatten, Input, Layer, StringLookup
from estimax.models import Model, Sequential

X = np.random.default_rng(0).normal(size=(53, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def by_batch(model: Model, x: Any, batch_size: int) -> np.ndarray:
    parts = [model.predict_on_batch(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
    return np.concatenate(parts)


@pytest.mark.parametrize("batch_size", [5, 8, 53, 100])
def test_predictions_of_a_group_are_those_of_its_batches(batch_size: int) -> None:
    model = Sequential([Input((4,)), Dense(8, "relu"), BatchNormalization(), Dense(2)])
    model.predict(X, batch_size=16, verbose=0)  # a larger batch before must not change anything
    found = model.predict(X, batch_size=batch_size, verbose=0)
    assert found.shape == (53, 2)
    np.testing.assert_array_equal(found, by_batch(model, X, batch_size))


def test_batches_stay_batches_for_layers_that_mix_rows() -> None:
    class MinusMean(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs - jnp.mean(inputs, axis=0)

    model = Sequential([Input((4,)), MinusMean()])
    expected = np.concatenate([X[i : i + 4] - X[i : i + 4].mean(0) for i in range(0, 48, 4)])
    np.testing.assert_allclose(model.predict(X[:48], batch_size=4, verbose=0), expected, atol=1e-6)


def test_convolutions_and_large_batches_are_predicted_one_by_one() -> None:
    model = Sequential([Input((8, 2)), Conv1D(3, 2), Flatten(), Dense(1)])
    x = np.random.default_rng(1).normal(size=(21, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(model.predict(x, batch_size=4, verbose=0), by_batch(model, x, 4), rtol=1e-6)


def test_many_batches_of_a_convolution_are_predicted_side_by_side() -> None:
    model = Sequential([Input((8, 2)), Conv1D(3, 2), Flatten(), Dense(1)])
    x = np.random.default_rng(1).normal(size=(163, 8, 2)).astype(np.float32)  # 41 batches, the last one of 3 rows
    np.testing.assert_allclose(model.predict(x, batch_size=4, verbose=0), by_batch(model, x, 4), rtol=1e-6)


def test_callbacks_see_every_batch_of_a_prediction() -> None:
    seen = []
    model = Sequential([Input((4,)), Dense(1)])
    callback = LambdaCallback()
    callback.on_predict_batch_end = lambda batch, logs=None: seen.append((batch, logs["outputs"].shape))
    model.predict(X, batch_size=20, verbose=0, callbacks=callback)
    assert seen == [(0, (20, 1)), (1, (20, 1)), (2, (13, 1))]


def test_predictions_that_are_not_one_for_each_row() -> None:
    class Pairs(Model):
        def call(self, inputs: Any) -> Any:
            return inputs.reshape(-1, 2)

    model = Pairs()
    found = model.predict(X[:40], batch_size=10, verbose=0)
    assert len(found) == 40  # as Keras: only so many rows as there were are kept of each batch


def test_strings_and_dicts_are_predicted_too() -> None:
    x = {"t": np.array(["a", "b", "c"] * 11), "n": X[:33]}
    t, n = Input((), dtype="string", name="t"), Input((4,), name="n")
    model = Model({"t": t, "n": n}, Dense(1)(n) + Embedding(4, 1)(StringLookup(vocabulary=["a", "b", "c"])(t)))
    found = model.predict(x, batch_size=7, verbose=0)
    np.testing.assert_allclose(found, model.predict(x, batch_size=33, verbose=0), rtol=1e-6)


def test_nothing_is_compiled_twice() -> None:
    model = Sequential([Input((4,)), Dense(1)])
    model.compile("sgd", "mse")
    model.predict(X, batch_size=5, verbose=0)
    model.evaluate(X, Y, batch_size=5, verbose=0)
    traces = model._program.traces
    model.predict(X[:48], batch_size=5, verbose=0)
    model.evaluate(X[:48], Y[:48], batch_size=5, verbose=0)
    assert model._program.traces == traces


@pytest.mark.parametrize("rows", [8, 20, 53])
def test_evaluation_of_a_group_is_that_of_its_batches(rows: int) -> None:
    model = Sequential([Input((4,)), Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = X[:rows], Y[:rows]
    found = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    error = model.predict(x, verbose=0) - y
    assert found["loss"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert found["mae"] == pytest.approx(abs(error).mean(), rel=1e-5)


def test_a_metric_of_the_whole_batch_is_a_mean_over_batches() -> None:
    def largest(y_true: Any, y_pred: Any) -> Any:
        return jnp.max(jnp.abs(y_true - y_pred))

    model = Sequential([Input((4,)), Dense(1)])
    model.compile("sgd", "mse", metrics=[largest])
    found = model.evaluate(X, Y, batch_size=25, verbose=0, return_dict=True)["largest"]
    error = abs(model.predict(X, verbose=0) - Y)
    assert found == pytest.approx(np.mean([error[:25].max(), error[25:50].max(), error[50:].max()]), rel=1e-5)
    history = model.fit(X, Y, batch_size=25, verbose=0, epochs=2)
    assert np.isfinite(history.history["largest"]).all()
