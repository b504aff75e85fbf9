"""The optimizers of tf.compat.v1.train, against their formulas."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import optimizers
from estimax.optimizers.legacy import train

GRADS = np.array([[1.0, -2.0], [0.5, 0.25], [-1.0, 3.0]])


def _steps(optimizer) -> np.ndarray:
    params = {"w": jnp.array([1.0, 2.0])}
    state, seen = optimizer.init(params), []
    for g in GRADS:
        params, state = optimizer.apply({"w": jnp.asarray(g, jnp.float32)}, state, params)
        seen.append(np.asarray(params["w"]))
    return np.stack(seen)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov):
    w, m, want = np.array([1.0, 2.0]), np.zeros(2), []
    for g in GRADS:
        m = 0.9 * m + g
        w = w - 0.1 * (g + 0.9 * m if nesterov else m)
        want.append(w)
    np.testing.assert_allclose(_steps(train.MomentumOptimizer(0.1, 0.9, nesterov)), want, rtol=1e-5)


@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop(centered):
    w, rms, mg, mom, want = np.array([1.0, 2.0]), np.ones(2), np.zeros(2), np.zeros(2), []
    for g in GRADS:
        rms = 0.9 * rms + 0.1 * g**2
        mg = 0.9 * mg + 0.1 * g
        mom = 0.5 * mom + 0.1 * g / np.sqrt(rms - (mg**2 if centered else 0) + 1e-10)
        w = w - mom
        want.append(w)
    np.testing.assert_allclose(_steps(train.RMSPropOptimizer(0.1, momentum=0.5, centered=centered)), want, rtol=1e-5)


def test_adagrad_and_plain_descent():
    total = 0.1 + np.cumsum(GRADS**2, axis=0)
    want = np.array([1.0, 2.0]) - 0.1 * np.cumsum(GRADS / np.sqrt(total), axis=0)
    np.testing.assert_allclose(_steps(train.AdagradOptimizer(0.1)), want, rtol=1e-5)
    np.testing.assert_allclose(
        _steps(train.GradientDescentOptimizer(0.1)), np.array([1.0, 2.0]) - 0.1 * np.cumsum(GRADS, axis=0), rtol=1e-5
    )


def test_others_are_the_legacy_ones_with_their_own_defaults():
    assert train.AdamOptimizer().epsilon == train.AdadeltaOptimizer().epsilon == 1e-8
    np.testing.assert_array_equal(_steps(train.FtrlOptimizer(0.1)), _steps(optimizers.legacy.Ftrl(0.1)))
    for optimizer in (train.MomentumOptimizer(0.1, 0.9), train.RMSPropOptimizer(0.1)):
        again = optimizers.deserialize(optimizers.serialize(optimizer))
        assert type(again) is type(optimizer) and again.get_config() == optimizer.get_config()
    with pytest.raises(ValueError, match="use_locking"):
        train.AdamOptimizer(use_locking=True)
    with pytest.raises(ValueError, match="initial_accumulator_value: given 0"):
        train.AdagradOptimizer(0.1, 0)
