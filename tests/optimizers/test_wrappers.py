"""Optimizers around others, and those with more than one rule."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from estimax import optimizers
from estimax.core import RowGradient, Variable


def test_optax_takes_the_same_steps():
    tx = optax.adam(0.1)
    optimizer = optimizers.get(tx)
    assert isinstance(optimizer, optimizers.Optax)
    params = {"a": jnp.ones(2), "b": jnp.ones(2)}
    grads = {"a": jnp.array([1.0, -2.0]), "b": None}
    new, state = optimizer.apply(grads, optimizer.init(params), params)
    updates, _ = tx.update({"a": grads["a"], "b": jnp.zeros(2)}, tx.init(params), params)
    np.testing.assert_allclose(new["a"], params["a"] + updates["a"], rtol=1e-6)
    assert new["b"].tolist() == [1.0, 1.0] and int(state["iteration"]) == 1


def test_optax_takes_row_gradients_as_dense_ones():
    optimizer = optimizers.Optax(optax.sgd(1.0))
    params = {"t": jnp.zeros((3, 1))}
    gradient = RowGradient(jnp.array([1, 1]), jnp.ones((2, 1)), (3, 1))
    new, _ = optimizer.apply({"t": gradient}, optimizer.init(params), params)
    assert new["t"][:, 0].tolist() == [0.0, -2.0, 0.0]


def test_the_learning_rate_of_optax_can_be_set_if_it_was_injected():
    optimizer = optimizers.Optax(optax.inject_hyperparams(optax.sgd)(learning_rate=0.5))
    params = {"w": jnp.zeros(())}
    optimizer.state = optimizer.init(params)
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate = 2.0
    params, _ = optimizer.apply({"w": jnp.ones(())}, optimizer.state, params)
    assert float(params["w"]) == -2.0
    closed = optimizers.Optax(optax.sgd(0.5))
    closed.state = closed.init(params)
    with pytest.raises(ValueError, match="inject_hyperparams"):
        closed.learning_rate  # noqa: B018
    with pytest.raises(ValueError, match="optax.MultiSteps"):
        optimizers.Optax(optax.sgd(0.5), gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="can't be written into a config"):
        closed.get_config()


def test_the_state_of_optax_shows_as_variables():
    optimizer = optimizers.Optax(optax.chain(optax.scale_by_adam(), optax.sgd(0.1, momentum=0.9)))
    optimizer.build([Variable([1.0, 2.0], name="w")])
    by_path = {v.path: v for v in optimizer.variables}
    assert len(by_path) == 5  # iteration, count, mu, nu, trace
    mu = by_path["optax/0_mu_w"]
    mu.assign([3.0, 4.0])
    assert optimizer.state["optax"][0].mu["w"].tolist() == [3.0, 4.0] and mu.numpy().tolist() == [3.0, 4.0]
    assert type(optimizer.state["optax"][0]) is optax.ScaleByAdamState


def test_loss_scale_shrinks_and_grows():
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(1.0), initial_scale=8.0, dynamic_growth_steps=2)
    params = {"w": jnp.zeros((), jnp.float16)}
    optimizer.state = optimizer.init(params)
    step = jax.jit(optimizer.apply)
    scales = []
    for loss_gradient in (1.0, jnp.inf, 1.0, 1.0):
        scaled = optimizer.scale_loss(jnp.asarray(loss_gradient, jnp.float16), optimizer.state)
        params, optimizer.state = step({"w": scaled}, optimizer.state, params)
        scales.append(optimizer.dynamic_scale)
    assert scales == [8.0, 4.0, 4.0, 8.0]
    assert float(params["w"]) == -3.0 and optimizer.iterations == 3
    assert step._cache_size() == 1
    optimizer.learning_rate = 0.5
    assert float(optimizer.state["inner"]["learning_rate"]) == 0.5


def test_muon_treats_variables_by_kind():
    optimizer = optimizers.Muon(exclude_layers=["output"])
    kinds = {
        ("dense/kernel", 2): True,
        ("dense/bias", 1): False,
        ("embedding/table", 2): False,
        ("output/kernel", 2): False,
        ("conv/kernel", 4): False,
    }
    assert {k: optimizer.is_matrix(*k) for k in kinds} == kinds
    rng = np.random.default_rng(0)
    for shape in ((5, 3), (3, 5)):
        singular = np.linalg.svd(optimizer.orthogonalised(jnp.asarray(rng.normal(size=shape), jnp.float32)))[1]
        assert 0.6 < singular.min() and singular.max() < 1.3


def test_schedule_free_swaps_between_training_and_averaged_weights():
    optimizer = optimizers.ScheduleFreeAdamW(0.1)
    w = Variable([1.0, -1.0], name="w")
    for _ in range(3):
        optimizer.apply_gradients([(jnp.array([0.5, 1.0]), w)])
    training = np.asarray(w.value)
    optimizer.swap_to_eval([w])
    assert np.abs(w.value - training).max() > 1e-4
    optimizer.swap_to_train([w])
    np.testing.assert_allclose(w.value, training, rtol=1e-6)
