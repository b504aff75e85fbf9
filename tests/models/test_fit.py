"""fit, evaluate, predict: every kind of data, every argument, weights and learning rate at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from estimax import callbacks, metrics, optimizers
from estimax.core import set_random_seed
from estimax.core.errors import InputDataError
from estimax.layers import BatchNormalization, Dense, Dropout, Input, from_module
from estimax.models import Model, Sequential

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def line(**options: Any) -> Sequential:
    """A compiled linear model that starts from zeros."""
    model = Sequential([Input((3,), name="x"), Dense(1, kernel_initializer="zeros")])
    model.compile(**{"optimizer": optimizers.SGD(0.1), "loss": "mse", **options})
    return model


def fitted(*data: Any, **options: Any) -> np.ndarray:
    model = line()
    model.fit(*data, verbose=0, **{"epochs": 2, "shuffle": False, **options})
    return model.get_weights()[0]


class Batched:
    """Batches by index, as Keras's PyDataset has them."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        return X[5 * i : 5 * i + 5], Y[5 * i : 5 * i + 5]


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for i in range(4):
        yield X[5 * i : 5 * i + 5], Y[5 * i : 5 * i + 5]


def forever() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        yield from batches()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_kind_of_data_gives_the_same_weights() -> None:
    import pandas as pd
    import pyarrow as pa

    from estimax.data import Dataset

    expected = fitted(X, Y, batch_size=5)
    frame = pd.DataFrame(X, columns=list("abc"))
    kinds = {
        "jax": fitted(jnp.asarray(X), jnp.asarray(Y), batch_size=5),
        "lists": fitted(X.tolist(), Y.tolist(), batch_size=5),
        "dict": fitted({"x": X}, Y, batch_size=5),
        "float64": fitted(X.astype(float), Y.astype(float), batch_size=5),
        "pandas labels": fitted(X, pd.Series(Y[:, 0]), batch_size=5),
        "arrow labels": fitted(X, pa.array(Y[:, 0]), batch_size=5),
        "dataset": fitted(Dataset.from_tensor_slices((X, Y)).batch(5)),
        "list of batches": fitted(list(batches())),
        "by index": fitted(Batched()),
        "generator": fitted(forever(), steps_per_epoch=4),
        "pandas values": fitted(frame.to_numpy(), Y, batch_size=5),
    }
    for kind, got in kinds.items():
        np.testing.assert_allclose(got, expected, rtol=1e-5, err_msg=kind)


def test_grain_batches() -> None:
    grain = pytest.importorskip("grain")
    data = grain.MapDataset.source([(x, y) for x, y in zip(X, Y)]).batch(5)
    np.testing.assert_allclose(fitted(data.to_iter_dataset()), fitted(X, Y, batch_size=5), rtol=1e-5)
    loader = grain.DataLoader(
        data_source=[(x, y) for x, y in zip(X, Y)],
        sampler=grain.samplers.SequentialSampler(len(X)),
        operations=[grain.transforms.Batch(5)],
    )
    np.testing.assert_allclose(fitted(loader), fitted(X, Y, batch_size=5), rtol=1e-5)


MODULES = {
    "flax.nnx": lambda m: m.Sequential(m.Linear(3, 4, rngs=m.Rngs(0)), m.relu, m.Linear(4, 1, rngs=m.Rngs(1))),
    "flax.linen": lambda m: m.Sequential([m.Dense(4), m.relu, m.Dense(1)]),
    "haiku": lambda m: m.transform(lambda x: m.nets.MLP([4, 1])(x)),
    "equinox": lambda m: m.nn.MLP(3, 1, 4, 1, key=jax.random.key(0)),
}


@pytest.mark.parametrize("library", list(MODULES))
def test_modules_of_other_libraries_train(library: str) -> None:
    module = MODULES[library](pytest.importorskip(library))
    model = Sequential([Input((3,)), from_module(module)])
    model.compile(optimizers.Adam(0.05), "mse")
    losses = model.fit(X, Y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0] and len(model.trainable_variables) == 4


def test_torch_batches() -> None:
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=5)
    np.testing.assert_allclose(fitted(loader), fitted(X, Y, batch_size=5), rtol=1e-5)


def test_a_table_feeds_inputs_by_column() -> None:
    import pandas as pd

    a, b = Input((1,), name="a"), Input((1,), name="b")
    model = Model({"a": a, "b": b}, Dense(1)(a + b))
    model.compile("sgd", "mse")
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1, 2, 3], "unused": ["x", "y", "z"]})
    history = model.fit(frame, frame["a"], verbose=0)
    assert np.isfinite(history.history["loss"][0]) and model.predict(frame).shape == (3, 1)


def test_a_short_last_batch_counts_by_its_rows() -> None:
    model = line(metrics=["mae"])
    model.set_weights([np.ones((3, 1)), np.ones(1)])
    found = model.evaluate(X[:7], Y[:7], batch_size=4, return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(1.0, abs=1e-6) and found["mae"] == pytest.approx(1.0, abs=1e-6)
    assert model.predict(X[:7], batch_size=4, verbose=0).shape == (7, 1)


def test_evaluate_gives_a_number_or_a_list() -> None:
    assert isinstance(line().evaluate(X, Y, verbose=0), float)
    assert len(line(metrics=["mae", "mse"]).evaluate(X, Y, verbose=0)) == 3


def test_fits_continue_each_other() -> None:
    one, two = line(optimizer=optimizers.Adam(0.1)), line(optimizer=optimizers.Adam(0.1))
    one.fit(X, Y, epochs=4, shuffle=False, verbose=0)
    for _ in range(2):
        two.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(one.get_weights()[0], two.get_weights()[0], rtol=1e-6)
    assert one.optimizer.iterations == two.optimizer.iterations == 4


def test_nothing_is_compiled_again() -> None:
    model = line(metrics=["mae"])
    model.fit(X, Y, epochs=2, batch_size=8, validation_data=(X, Y), verbose=0)
    model.predict(X, verbose=0)
    traces = model._program.traces
    model.fit(X, Y, epochs=3, batch_size=8, validation_data=(X, Y), verbose=0)
    model.evaluate(X, Y, batch_size=8, verbose=0)
    model.predict(X, verbose=0)
    assert model._program.traces == traces


def test_shuffling_follows_the_seed() -> None:
    def run(seed: int) -> np.ndarray:
        set_random_seed(seed)
        model = line()
        model.fit(X, Y, batch_size=4, verbose=0)
        return model.get_weights()[0]

    assert np.array_equal(run(1), run(1)) and not np.array_equal(run(1), run(2))


def test_weights_and_rates_change_while_training() -> None:
    seen: list[Any] = []

    class Meddler(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append((self.model.layers[0].kernel.numpy().copy(), float(self.model.optimizer.learning_rate), logs["loss"]))
            if batch == 1:
                self.model.set_weights([np.full((3, 1), 7.0), np.zeros(1)])
                self.model.optimizer.learning_rate = 0.0

    model = line()
    model.fit(X, Y, batch_size=5, verbose=0, shuffle=False, callbacks=[Meddler()])
    assert [round(rate, 3) for _, rate, _ in seen] == [0.1, 0.1, 0.0, 0.0]
    assert not np.allclose(seen[0][0], seen[1][0]) and np.allclose(seen[3][0], 7.0)
    traces = model._program.traces
    model.optimizer.learning_rate = 0.1
    model.fit(X, Y, batch_size=5, verbose=0)
    assert model._program.traces == traces and not np.allclose(model.get_weights()[0], 7.0)


def test_validation() -> None:
    model = line(metrics=["mae"])
    history = model.fit(X, Y, epochs=4, validation_split=0.25, validation_freq=2, verbose=0).history
    assert len(history["loss"]) == 4 and len(history["val_mae"]) == 2
    assert len(line().fit(X, Y, epochs=3, validation_data=(X, Y), validation_freq=[1, 3], verbose=0).history["val_loss"]) == 2
    weighted = line().fit(X, Y, validation_data=(X, Y, np.zeros(20)), verbose=0).history
    assert weighted["val_loss"] == [0.0]
    steps = line().fit(X, Y, validation_data=forever(), validation_steps=2, verbose=0).history
    assert np.isfinite(steps["val_loss"][0])


def test_weights_of_classes_and_rows() -> None:
    labels = np.array([0, 1] * 10)
    model = Sequential([Input((3,)), Dense(2, kernel_initializer="zeros")])
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    model.compile(optimizers.SGD(0.1), "mse")
    a = model.fit(X, np.eye(2)[labels], class_weight={0: 1.0, 1: 0.0}, verbose=0, shuffle=False).history["loss"]
    b = line()  # the same rows left out by sample_weight
    assert a[0] == pytest.approx(0.25, rel=1e-5)
    rows = np.where(labels == 0, 1.0, 0.0)
    assert b.fit(X, Y, sample_weight=rows, verbose=0, shuffle=False).history["loss"][0] == pytest.approx(
        float((Y[labels == 0] ** 2).sum() / 20), rel=1e-4
    )


def test_several_outputs() -> None:
    x = Input((3,))
    model = Model(x, [Dense(1, name="a", kernel_initializer="zeros")(x), Dense(1, name="b", kernel_initializer="zeros")(x)])
    model.compile("sgd", {"a": "mse", "b": "mae"}, loss_weights={"a": 2.0, "b": 0.5}, metrics={"b": ["mse"]})
    found = model.evaluate(X, [Y, Y], return_dict=True, verbose=0)
    a, b = float((Y**2).mean()), float(np.abs(Y).mean())
    assert set(found) == {"loss", "a_loss", "b_loss", "b_mse"}
    assert found["loss"] == pytest.approx(2 * a + 0.5 * b, rel=1e-5) and found["a_loss"] == pytest.approx(a, rel=1e-5)
    assert model.metrics_names[0] == "loss" and len(model.evaluate(X, {"a": Y, "b": Y}, verbose=0)) == 4
    model.compile("sgd", ["mse", None])
    assert set(model.fit(X, [Y], verbose=0).history) == {"loss"}


def test_nested_outputs() -> None:
    x = Input((3,))
    model = Model(x, {"a": Dense(1)(x), "b": [Dense(2)(x), Dense(1)(x)]})
    model.compile("sgd", {"a": "mse", "b": ["mse", "mae"]})
    history = model.fit(X, {"a": Y, "b": [np.hstack([Y, Y]), Y]}, verbose=0).history
    assert len(history) == 4 and "a_loss" in history


def test_batches_one_by_one() -> None:
    model = line(metrics=["mae"])
    first = model.train_on_batch(X, Y, return_dict=True)
    second = model.train_on_batch(X, Y, return_dict=True)
    assert second["loss"] < first["loss"]  # the mean so far
    model.reset_metrics()
    assert model.train_on_batch(X, Y, return_dict=True)["loss"] < second["loss"]
    assert model.test_on_batch(X, Y, return_dict=True)["mae"] > 0 and model.predict_on_batch(X).shape == (20, 1)
    assert model.optimizer.iterations == 3


def test_steps_per_execution_and_eager_steps_change_no_number() -> None:
    expected = fitted(X, Y, batch_size=10, epochs=1)
    for options in ({"steps_per_execution": 2}, {"run_eagerly": True}):
        model = line(**options)
        model.fit(X, Y, batch_size=10, shuffle=False, verbose=0)
        np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-5, err_msg=str(options))


def test_callbacks_see_every_so_many_steps() -> None:
    seen: list[Any] = []
    watch = callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(("begin", batch)),
        on_train_batch_end=lambda batch, logs: seen.append(("end", batch)),
    )
    line(steps_per_execution=2).fit(X, Y, batch_size=4, verbose=0, callbacks=watch)
    assert seen == [("begin", 0), ("end", 1), ("begin", 2), ("end", 3), ("begin", 4), ("end", 4)]


def test_optax_transformations_train() -> None:
    model = line(optimizer=optax.sgd(0.1))
    model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], fitted(X, Y, batch_size=5), rtol=1e-5)


def test_state_and_randomness() -> None:
    model = Sequential([Input((3,)), Dense(8), BatchNormalization(), Dropout(0.5), Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    assert not np.allclose(model.layers[1].moving_mean, 0)
    assert np.array_equal(model.predict(X, verbose=0), model.predict(X, verbose=0))


class Own(Model):
    """A subclass with its own loss and its own metric."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(1, kernel_initializer="zeros")
        self.largest = metrics.Mean(name="largest")

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        self.largest.update_state(jnp.max(y))
        return jnp.mean((y - y_pred) ** 2)


def test_an_own_loss_and_metric() -> None:
    model = Own()
    model.compile(optimizers.SGD(0.1))
    history = model.fit(X, Y, batch_size=20, epochs=2, verbose=0).history
    assert history["largest"] == pytest.approx([float(Y.max())] * 2, rel=1e-6) and history["loss"][1] < history["loss"][0]
    expected = line()
    expected.fit(X, Y, batch_size=20, epochs=2, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], expected.get_weights()[0], rtol=1e-5)


def test_an_own_train_step() -> None:
    from estimax.training import Outputs, TrainOp

    class Twice(Model):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = Dense(1, name="a"), Dense(1, name="b")
            self.second = optimizers.SGD(0.05)

        def call(self, inputs: Any) -> Any:
            return self.a(inputs) + self.b(inputs)

        def train_step(self, data: Any) -> Outputs:
            x, y, _ = data
            loss_a, loss_b = jnp.mean((self.a(x) - y) ** 2), jnp.mean((self.b(x) + y) ** 2)
            ops = TrainOp(self.optimizer, loss_a, lambda p: "/a/" in p), TrainOp(self.second, loss_b, lambda p: "/b/" in p)
            return Outputs(loss=loss_a + loss_b, metrics={"loss_a": loss_a, "loss_b": loss_b}, train_ops=ops)

    model = Twice()
    model.compile(optimizers.SGD(0.05))
    history = model.fit(X, Y, epochs=30, verbose=0, batch_size=20).history
    assert history["loss_a"][-1] < history["loss_a"][0] / 5 and history["loss_b"][-1] < history["loss_b"][0] / 5
    assert model.second.iterations == 30
    np.testing.assert_allclose(model.predict(X, verbose=0), np.zeros((20, 1)), atol=1.0)


def test_ema_ends_with_averages() -> None:
    model = line(optimizer=optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0, shuffle=False)
    path = model.bindings[id(model.layers[0].kernel)]
    np.testing.assert_allclose(model.get_weights()[0], model.optimizer.state["ema"][path])
    assert not np.allclose(model.get_weights()[0], fitted(X, Y, batch_size=5))


def test_freezing_after_training() -> None:
    model = Sequential([Input((3,)), Dense(2), Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = False
    model.compile(model.optimizer, "mse")
    kernel = model.layers[0].kernel.numpy()
    model.fit(X, Y, verbose=0)
    assert np.array_equal(kernel, model.layers[0].kernel.numpy())


def test_an_abstract_first_pass_computes_nothing() -> None:
    calls: list[Any] = []

    class Watched(Dense):
        def call(self, inputs: Any, **kwargs: Any) -> Any:
            calls.append(isinstance(inputs, jax.core.Tracer))
            return super().call(inputs, **kwargs)

    model = Sequential([Watched(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert calls and all(calls)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: Sequential([Dense(1)]).fit(X, Y), ValueError, "call compile"),
        (lambda: line().fit(X[:3], Y), InputDataError, "equally many rows; given x: 3, y: 20"),
        (lambda: line().fit(X[:0], Y[:0]), InputDataError, "no rows"),
        (lambda: line().fit(), ValueError, "x: given None"),
        (lambda: line().fit(X, Y, batch_size=0), ValueError, "batch_size: given 0"),
        (lambda: line().fit(X, Y, validation_split=1.5), ValueError, "validation_split: given 1.5"),
        (lambda: line().fit(X, Y, validation_split=0.1, validation_data=(X, Y)), ValueError, "expected one of them"),
        (lambda: line().fit(forever(), validation_split=0.1, steps_per_epoch=1), ValueError, "can't be split"),
        (
            lambda: line().fit(X, Y, class_weight={0: 1}, sample_weight=np.ones(20)),
            ValueError,
            "both class_weight and sample_weight",
        ),
        (lambda: line().fit(batches(), batch_size=5), ValueError, "makes its own batches"),
        (lambda: line().fit(batches(), Y), ValueError, "y: given with x of type generator"),
        (lambda: line().fit(batches(), epochs=2), ValueError, "Give steps_per_epoch"),
        (lambda: line().fit(batches(), epochs=1, steps_per_epoch=9), InputDataError, "ended after 4 of 9 steps"),
        (lambda: line().fit(X, Y, callbacks=[object()]), TypeError, "Derive your class from"),
        (lambda: line().fit(X, Y, verbose=7), ValueError, "verbose: given 7"),
        (lambda: line().fit(X, Y, steps_per_epoch=0), ValueError, "steps_per_epoch: given 0"),
        (lambda: line().fit(object(), Y), ValueError, "y: given with x of type object"),
        (lambda: line().fit(object()), TypeError, "given object, expected arrays"),
        (lambda: line().fit(X), ValueError, "has a loss but no labels"),
        (lambda: line(loss=None).fit(X, Y), ValueError, "there is no loss"),
        (lambda: line(loss="nothing"), ValueError, "given 'nothing'"),
        (lambda: line(metrics=["nothing"]), ValueError, "given 'nothing'"),
        (lambda: line(metrics="mae"), ValueError, r"metrics=\['mae'\]"),
        (lambda: line(optimizer="nothing"), ValueError, "given 'nothing'"),
        (lambda: line(steps_per_execution=0), ValueError, "steps_per_execution: given 0"),
        (lambda: line(loss={"other": "mse"}), None, ""),
        (lambda: line(loss=["mse", "mae"]).fit(X, Y), ValueError, "given 2 parts, expected 1"),
        (
            lambda: line().fit(np.ones((20, 4)), Y, verbose=0),
            ValueError,
            r"input 'x': given shape \(20, 4\), expected \(None, 3\)",
        ),
        (lambda: line().fit(X, np.array(["a"] * 20), verbose=0), ValueError, "labels of output .* are strings"),
    ],
)
def test_bad_input_is_explained(use: Any, error: Any, message: str) -> None:
    if error is None:
        use()
        return
    with pytest.raises(error, match=message):
        use()
