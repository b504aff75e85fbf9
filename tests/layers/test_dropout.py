"""Random layers: shares, seeds, errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers


def test_a_seed_makes_draws_repeatable_and_calls_differ():
    x = jnp.ones((4, 50))
    a, b = layers.Dropout(0.5, seed=1), layers.Dropout(0.5, seed=1)
    first = a(x, training=True)
    np.testing.assert_array_equal(first, b(x, training=True))
    assert not np.array_equal(first, a(x, training=True))


def test_inside_a_pure_call_the_key_decides():
    layer = layers.Dropout(0.5)
    x = jnp.ones((4, 50))
    run = jax.jit(lambda key: layer.apply({}, x, training=True, key=key)[0])
    np.testing.assert_array_equal(run(jax.random.key(1)), run(jax.random.key(1)))
    assert not np.array_equal(run(jax.random.key(1)), run(jax.random.key(2)))


def test_rate_one_drops_all_without_nan():
    for layer in (layers.Dropout(1.0), layers.SpatialDropout1D(1.0)):
        assert not np.asarray(layer(jnp.ones((2, 3, 4)), training=True)).any()
    assert np.isfinite(layers.AlphaDropout(1.0)(jnp.ones((2, 3)), training=True)).all()


@pytest.mark.parametrize("make", [layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.SpatialDropout2D])
@pytest.mark.parametrize("rate", [-0.1, 1.1, "half", None])
def test_wrong_rate(make, rate):
    with pytest.raises(ValueError, match="rate: given"):
        make(rate)


def test_wrong_noise():
    with pytest.raises(ValueError, match="stddev: given 2"):
        layers.GaussianNoise(2)
    with pytest.raises(ValueError, match="noise_shape .* has 2 axes, expected 3"):
        layers.Dropout(0.5, noise_shape=(1, None))(jnp.ones((2, 3, 4)), training=True)
    with pytest.raises(ValueError, match=r"noise_shape: given \(0, 1\)"):
        layers.Dropout(0.5, noise_shape=(0, 1))
    with pytest.raises(ValueError, match="seed: given 'x'"):
        layers.Dropout(0.5, seed="x")
