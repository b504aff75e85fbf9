"""model_fns on modules of Flax, Haiku and Equinox; skipped where these are not installed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

import estimax as ex
from tests.estimator.data import E, line_fn


def check(model_fn: Any, tmp_path: Any, *names: str) -> None:
    """Trains, evaluates, predicts, goes on from the checkpoint, exports."""
    estimator = E.Estimator(model_fn, str(tmp_path))
    first = estimator.train(line_fn(), steps=1).evaluate(line_fn(repeat=False))["loss"]
    last = estimator.train(line_fn(), steps=150).evaluate(line_fn(repeat=False))["loss"]
    assert last < first / 4 and set(names) <= set(estimator.get_variable_names())
    assert E.Estimator(model_fn, str(tmp_path)).evaluate(line_fn(repeat=False))["loss"] == last
    predicted = [float(p["predictions"][0]) for p in estimator.predict(line_fn(repeat=False))]
    receiver = E.export.build_raw_serving_input_receiver_fn({"x": jnp.zeros((1, 1))})
    served = ex.export.load(estimator.export_saved_model(tmp_path / "exports", receiver))
    x = next(iter(line_fn(repeat=False)()))[0]["x"]
    assert served({"x": x})["predictions"][:, 0].tolist() == pytest.approx(predicted[: len(x)], abs=1e-5)


def head_of(features: Any, mode: str, y: Any, labels: Any) -> Any:
    return E.RegressionHead().create_estimator_spec(features, mode, y, labels, optimizer=ex.optimizers.Adam(0.05))


def test_flax_with_dropout_and_batch_statistics(tmp_path):
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: Any, training: bool) -> Any:
            x = nn.Dropout(0.05, deterministic=not training)(nn.relu(nn.Dense(8)(x)))
            return nn.Dense(1)(nn.BatchNorm(use_running_average=not training, momentum=0.9)(x))

    net = Net()

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        x, training = features["x"], mode == E.ModeKeys.TRAIN
        params = E.VariableTree("net", lambda key: net.init(key, x, False)["params"])
        stats = E.VariableTree("stats", lambda key: net.init(key, x, False)["batch_stats"], trainable=False)
        given = {"params": params.value, "batch_stats": stats.value}
        if training:
            y, changed = net.apply(given, x, True, mutable=["batch_stats"], rngs={"dropout": ex.core.next_key()})
            stats.assign(changed["batch_stats"])
        else:
            y = net.apply(given, x, False)
        return head_of(features, mode, y, labels)

    check(model_fn, tmp_path, "net/Dense_0/kernel", "stats/BatchNorm_0/mean")


def test_haiku(tmp_path):
    hk = pytest.importorskip("haiku")
    net = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([8, 1])(x)))

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        params = E.VariableTree("net", lambda key: net.init(key, features["x"]))
        return head_of(features, mode, net.apply(params.value, features["x"]), labels)

    check(model_fn, tmp_path, "net/mlp/~/linear_0/w")


def test_equinox(tmp_path):
    eqx = pytest.importorskip("equinox")

    def make(key: Any) -> Any:
        return eqx.nn.MLP(1, 1, 8, 1, key=key)

    static = eqx.partition(make(jax.random.key(0)), eqx.is_array)[1]

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        params = E.VariableTree("net", lambda key: eqx.filter(make(key), eqx.is_array))
        y = jax.vmap(eqx.combine(params.value, static))(features["x"])
        return head_of(features, mode, y, labels)

    check(model_fn, tmp_path, "net/layers/0/weight")
