"""Wrapper, TimeDistributed, SpectralNormalization."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core import Frame
from estimax.core.errors import ShapeError

RNG = np.random.default_rng(0)


def test_time_distributed_equals_a_loop():
    x = RNG.normal(size=(2, 3, 5)).astype("float32")
    inner = layers.Dense(4, activation="tanh")
    y = layers.TimeDistributed(inner)(x)
    np.testing.assert_allclose(y, np.stack([inner(x[:, t]) for t in range(3)], 1), rtol=1e-5, atol=1e-6)


def test_time_distributed_over_several_inputs():
    layer = layers.TimeDistributed(layers.Concatenate())
    assert layer([jnp.ones((2, 3, 5)), jnp.ones((2, 3, 1))]).shape == (2, 3, 6)


def test_time_distributed_leaves_padding_rows_out_of_statistics():
    x = RNG.normal(size=(3, 4, 2)).astype("float32")
    layer = layers.TimeDistributed(layers.BatchNormalization(momentum=0.0))
    layer.build(x.shape)
    with Frame(layer.values, layer.bindings, training=True, row_mask=jnp.array([True, True, False])) as frame:
        layer(jnp.asarray(x))
    mean = frame.values["time_distributed/batch_normalization/moving_mean"]
    np.testing.assert_allclose(mean, x[:2].mean((0, 1)), rtol=1e-4, atol=1e-6)


def test_spectral_normalization_brings_the_largest_singular_value_to_one():
    layer = layers.SpectralNormalization(layers.Dense(4), power_iterations=300)  # close singular values converge slowly
    x = RNG.normal(size=(2, 5)).astype("float32")
    layer(x, training=True)
    assert np.linalg.svd(layer.layer.kernel.numpy(), compute_uv=False)[0] == pytest.approx(1, abs=0.02)


def test_errors():
    with pytest.raises(ValueError, match="layer: given 3, expected a layer"):
        layers.TimeDistributed(3)
    with pytest.raises(ShapeError, match="at least 3 axes"):
        layers.TimeDistributed(layers.Dense(2))(jnp.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"a mask of shape \(2, 3\)"):
        layers.TimeDistributed(layers.Dense(2))(jnp.ones((2, 3, 4)), mask=jnp.ones((2, 2), bool))
    with pytest.raises(ValueError, match="neither kernel nor embeddings"):
        layers.SpectralNormalization(layers.Flatten())(jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="power_iterations: given 0"):
        layers.SpectralNormalization(layers.Dense(2), power_iterations=0)
