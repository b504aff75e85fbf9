"""Models that compute in 16 or 64 bits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import optimizers
from estimax.layers import Dense, Input
from estimax.models import Model, Sequential, load_model

X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def model(policy: str) -> Model:
    return Sequential([Input((4,)), Dense(8, "relu", dtype=policy), Dense(1, dtype="float32")])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_weights_of_32_bits(policy: str) -> None:
    m = model(policy)
    m.compile(optimizers.Adam(0.02), "mse")
    losses = m.fit(X, Y, epochs=20, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    assert m.layers[0].kernel.dtype == "float32" and m.layers[0](X).dtype == policy.removeprefix("mixed_")
    assert isinstance(m.optimizer, optimizers.LossScaleOptimizer) == (policy == "mixed_float16")


def test_gradients_that_overflow_are_skipped_and_the_scale_goes_down() -> None:
    m = model("mixed_float16")
    m.compile(optimizers.LossScaleOptimizer(optimizers.SGD(0.01), initial_scale=2.0**24), "mse")
    before = m.get_weights()
    m.train_on_batch(X[:8], 100 * Y[:8])
    assert all(np.array_equal(a, b) for a, b in zip(before, m.get_weights()))
    m.fit(X, Y, epochs=20, batch_size=8, verbose=0)
    assert all(np.isfinite(w).all() for w in m.get_weights()) and m.evaluate(X, Y, verbose=0) < 1.0


def test_loss_scaling_can_be_left_out() -> None:
    m = model("mixed_float16")
    m.compile("sgd", "mse", auto_scale_loss=False)
    assert isinstance(m.optimizer, optimizers.SGD)


def test_mixed_precision_survives_saving(tmp_path) -> None:
    m = model("mixed_float16")
    m.compile("adam", "mse")
    m.fit(X, Y, verbose=0)
    m.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.layers[0].dtype_policy.name == "mixed_float16"
    np.testing.assert_allclose(loaded.predict(X, verbose=0), m.predict(X, verbose=0))
    # Steps whose gradients overflow are not counted, so the count tells where an optimizer stands, and the scale with it.
    taken, scale = int(m.optimizer.iterations), m.optimizer.dynamic_scale
    assert int(loaded.optimizer.iterations) == taken and loaded.optimizer.dynamic_scale == scale
    m.fit(X, Y, verbose=0, shuffle=False)
    loaded.fit(X, Y, verbose=0, shuffle=False)
    assert int(loaded.optimizer.iterations) == int(m.optimizer.iterations) > taken
    assert loaded.optimizer.dynamic_scale == m.optimizer.dynamic_scale


def test_64_bits_from_end_to_end() -> None:
    with jax.enable_x64(True):
        m = Sequential([Input((4,), dtype="float64"), Dense(1, dtype="float64", kernel_initializer="zeros")])
        m.compile(optimizers.SGD(0.1), "mse")
        x = X.astype(np.float64)
        y = x.sum(1, keepdims=True)
        m.fit(x, y, epochs=200, verbose=0)
        found = m.predict(x, verbose=0)
        assert m.layers[0].kernel.dtype == "float64" and found.dtype == np.float64
        assert m(jnp.asarray(x)).dtype == jnp.float64
        np.testing.assert_allclose(found, y, atol=1e-9)  # far beyond what 32 bits can reach
