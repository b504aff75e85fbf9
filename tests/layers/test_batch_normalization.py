"""BatchNormalization: which rows and steps enter the statistics."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax.core import Frame
from estimax.core.errors import ShapeError
from estimax.layers import BatchNormalization

RNG = np.random.default_rng(0)


def run(x, **frame):
    """Output, moving mean and variance after one training call."""
    layer = BatchNormalization(momentum=0.5)
    layer.build(x.shape)
    with Frame(layer.values, layer.bindings, training=True, **frame) as f:
        y = layer(jnp.asarray(x))
    return y, f.values["batch_normalization/moving_mean"], f.values["batch_normalization/moving_variance"]


def test_padding_rows_stay_out_of_the_statistics():
    x = RNG.normal(size=(4, 3, 2)).astype("float32")
    padded = np.concatenate([x, np.full((2, 3, 2), 1e3, "float32")])
    want = run(x)
    got = run(padded, row_mask=jnp.array([True] * 4 + [False] * 2))
    np.testing.assert_allclose(got[0][:4], want[0], rtol=1e-4, atol=1e-5)
    for g, w in zip(got[1:], want[1:]):
        np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-5)


def test_masked_steps_and_padding_rows_together():
    x = RNG.normal(size=(3, 4, 2)).astype("float32")
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]], bool)
    layer = BatchNormalization(momentum=0.0)
    layer.build(x.shape)
    with Frame(layer.values, layer.bindings, training=True, row_mask=jnp.array([True, True, False])) as frame:
        layer(jnp.asarray(x), mask=jnp.asarray(mask))
    kept = x[:2][mask[:2]]
    np.testing.assert_allclose(frame.values["batch_normalization/moving_mean"], kept.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(frame.values["batch_normalization/moving_variance"], kept.var(0), rtol=1e-4, atol=1e-6)


def test_large_means_do_not_spoil_the_output():
    x = (1e4 + RNG.normal(size=(64, 2))).astype("float32")
    y, _, _ = run(x)
    np.testing.assert_allclose(np.asarray(y).std(0), 1, atol=0.05)
    np.testing.assert_allclose(np.asarray(y).mean(0), 0, atol=0.05)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="momentum: given 2"):
        BatchNormalization(momentum=2)
    with pytest.raises(ValueError, match="Pass renorm=True"):
        BatchNormalization(renorm_clipping={"rmax": 2.0})
    with pytest.raises(ValueError, match="keys rmin, rmax and dmax"):
        BatchNormalization(renorm=True, renorm_clipping={"max": 2.0})
    with pytest.raises(ShapeError, match="an axis 3"):
        BatchNormalization(axis=3)(jnp.ones((2, 2)))
