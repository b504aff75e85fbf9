"""Reshaping, normalization within rows, and activation layers: what the golden cases leave open."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core.errors import ShapeError


def test_unknown_axes_stay_unknown():
    x = layers.Input((None, 4))
    assert layers.Reshape((-1, 2))(x).shape == (None, None, 2)
    assert layers.Flatten()(layers.Input((3, 4))).shape == (None, 12)
    assert layers.Permute((2, 1))(x).shape == (None, 4, None)
    assert layers.RepeatVector(3)(layers.Input((4,))).shape == (None, 3, 4)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: layers.Reshape((5,))(jnp.ones((2, 4))), r"elements that fill \(5,\)"),
        (lambda: layers.Reshape((-1, 3))(jnp.ones((2, 4))), "elements that fill"),
        (lambda: layers.Reshape((-1, -1)), "one may be -1"),
        (lambda: layers.Permute((0, 1)), "expected each of 1..2"),
        (lambda: layers.Permute((2, 1))(jnp.ones((2, 3))), "3 axes"),
        (lambda: layers.RepeatVector(-1), "expected at least 1"),
        (lambda: layers.GroupNormalization(groups=3)(jnp.ones((2, 4))), "a multiple of 3"),
        (lambda: layers.GroupNormalization(groups=0), "groups: given 0"),
        (lambda: layers.LayerNormalization(axis=2)(jnp.ones((2, 3))), "a known size on axis 2"),
        (lambda: layers.UnitNormalization(axis="x"), "axis: given 'x'"),
        (lambda: layers.ReLU(threshold=-1.0), "threshold: given -1.0"),
        (lambda: layers.LeakyReLU(negative_slope=None), "negative_slope: given None"),
        (lambda: layers.PReLU()(layers.Input((None,))), "not in shared_axes"),
    ],
)
def test_errors(call, match):
    with pytest.raises((ValueError, ShapeError), match=match):
        call()


def test_repeat_vector_needs_an_integer():
    with pytest.raises(TypeError, match="n: given 2.5"):
        layers.RepeatVector(2.5)


def test_layer_normalization_in_16_bits_computes_in_32():
    x = (100 + np.arange(8, dtype=np.float32))[None]
    y = layers.LayerNormalization(dtype="mixed_float16")(x)
    assert y.dtype == jnp.float16
    np.testing.assert_allclose(np.asarray(y, np.float32), layers.LayerNormalization()(x.astype(np.float16)), atol=2e-3)


def test_rms_scaling_keeps_the_mean():
    x = jnp.array([[1.0, 3.0]])
    layer = layers.LayerNormalization(rms_scaling=True, epsilon=0.0)
    assert layer(x).tolist() == [[1.0, 3.0]] and [v.name for v in layer.weights] == ["gamma"]


def test_softmax_over_several_axes_with_a_mask():
    y = layers.Softmax(axis=[1, 2])(jnp.zeros((1, 2, 2)), mask=jnp.array([[True, False]]))
    assert y[0].tolist() == [[0.5, 0.5], [0.0, 0.0]]
