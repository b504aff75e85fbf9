"""Clipping of gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import optimizers
from estimax.core import RowGradient


def test_norm_of_zeros_has_a_finite_gradient():
    gradient = jax.grad(lambda x: optimizers.clip_by_norm(x, 1.0).sum())(jnp.zeros(3))
    assert gradient.tolist() == [1.0, 1.0, 1.0]


def test_padding_rows_do_not_count():
    gradient = RowGradient(jnp.array([0, 4, -1]), jnp.array([[3.0], [100.0], [100.0]]), (4, 1))
    assert optimizers.global_norm([gradient]) == 3.0
    clipped, norm = optimizers.clip_by_global_norm([gradient, None, jnp.array([4.0])], 1.0)
    assert norm == 5.0 and clipped[1] is None
    np.testing.assert_allclose(clipped[0].rows[:, 0], [0.6, 0.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(clipped[2], [0.8], rtol=1e-6)


def test_an_infinite_norm_shows():
    clipped, norm = optimizers.clip_by_global_norm([jnp.array([jnp.inf, 1.0])], 1.0)
    assert jnp.isinf(norm) and jnp.all(jnp.isnan(clipped[0]))


@pytest.mark.parametrize("option", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_optimizers_clip(option):
    optimizer = optimizers.SGD(1.0, **{option: 1.0})
    params = {"a": jnp.zeros(1), "b": jnp.zeros(2)}
    grads = {"a": jnp.array([12.0]), "b": jnp.array([3.0, 4.0])}
    new, _ = optimizer.apply(grads, optimizer.init(params), params)
    want = {
        "clipnorm": ([-1.0], [-0.6, -0.8]),
        "clipvalue": ([-1.0], [-1.0, -1.0]),
        "global_clipnorm": ([-12 / 13], [-3 / 13, -4 / 13]),
    }[option]
    np.testing.assert_allclose(new["a"], want[0], rtol=1e-6)
    np.testing.assert_allclose(new["b"], want[1], rtol=1e-6)


def test_one_axis_and_bounds_in_the_wrong_order():
    rows = jnp.array([[3.0, 4.0], [0.3, 0.4]])
    np.testing.assert_allclose(optimizers.clip_by_norm(rows, 1.0, axes=1), optimizers.clip_by_norm(rows, 1.0, axes=[1]))
    np.testing.assert_allclose(optimizers.clip_by_value(jnp.array([-1.0, 0.0, 1.0]), 0.5, -0.5), [0.5, 0.5, 0.5])
