from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import distribution, layers, optimizers
from estimax.training import Outputs, Program, Run, TrainOp


def forward(mode, features, labels, weights):
    z = layers.Dense(1)(layers.Dense(8, activation="tanh")(features["x"]))[:, 0]
    loss = jnp.mean((z - labels) ** 2)
    return Outputs(loss=loss, predictions=z, metrics={"loss": loss}, train_ops=(TrainOp(optimizers.Adam(0.01), loss),))


def batches(count, size=16):
    rng = np.random.default_rng(0)
    return [({"x": rng.normal(size=(size, 4)).astype("float32")}, rng.normal(size=size).astype("float32")) for _ in range(count)]


def test_two_devices_give_the_numbers_of_one():
    assert jax.local_device_count() == 2
    one, two = Run(Program(forward)), Run(Program(forward), distribution=distribution.DataParallel())
    one.train(batches(10))
    two.train(batches(10))
    kernel = two.state.params["dense/kernel"]
    assert len(kernel.sharding.device_set) == 2 and kernel.is_fully_replicated
    for path, value in one.state.params.items():
        np.testing.assert_allclose(value, two.state.params[path], rtol=2e-5, atol=1e-6)
    assert one.evaluate(batches(2))["loss"] == pytest.approx(two.evaluate(batches(2))["loss"], rel=1e-5)


def test_a_batch_is_split_and_an_odd_one_goes_everywhere():
    parallel = distribution.DataParallel()
    placed = parallel.place_batch({"x": np.ones((4, 3)), "odd": np.ones((3,)), "scalar": np.float32(1)})
    assert {len(s.data) for s in placed["x"].addressable_shards} == {2}
    assert placed["odd"].is_fully_replicated and placed["scalar"].is_fully_replicated
    assert not parallel.place_batch(np.ones((2, 4)), axis=1).is_fully_replicated


def test_no_devices_are_refused():
    with pytest.raises(ValueError, match="given no devices, expected at least one"):
        distribution.DataParallel([])


def test_an_estimator_trains_and_evaluates_on_two_devices(tmp_path):
    import estimax as ex

    column = ex.feature_columns.numeric_column("x", shape=(4,))
    features, labels = batches(1)[0]

    def made(name, parallel):
        config = ex.estimator.RunConfig(model_dir=str(tmp_path / name), tf_random_seed=1, train_distribute=parallel)
        return ex.estimator.DNNRegressor([8], [column], optimizer="SGD", config=config)

    one, two = made("one", None), made("two", distribution.DataParallel())
    results = []
    for estimator in (one, two):
        estimator.train(lambda: (features, labels), steps=5)
        results.append(estimator.evaluate(lambda: (features, labels), steps=1)["average_loss"])
        assert len(list(estimator.predict(lambda: features))) == 16
    assert results[0] == pytest.approx(results[1], rel=1e-5)
