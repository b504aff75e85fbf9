"""What every optimizer promises, over one list of all of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import optimizers
from estimax.core import RowGradient
from estimax.optimizers import legacy

ALL = [
    optimizers.SGD(0.1),
    optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    optimizers.RMSprop(0.1, momentum=0.5, centered=True),
    optimizers.Adam(0.1, amsgrad=True),
    optimizers.AdamW(0.1),
    optimizers.Adadelta(0.1),
    optimizers.Adagrad(0.1),
    optimizers.RowWiseAdagrad(0.1),
    optimizers.Adamax(0.1),
    optimizers.Adafactor(0.1),
    optimizers.Nadam(0.1),
    optimizers.Ftrl(0.1, l1_regularization_strength=0.01),
    optimizers.Lion(0.01),
    optimizers.Lamb(0.1),
    optimizers.Muon(0.1),
    optimizers.ScheduleFreeAdamW(0.1, warmup_steps=3),
    optimizers.LossScaleOptimizer(optimizers.Adam(0.1), initial_scale=1.0),
    legacy.SGD(0.1, momentum=0.9),
    legacy.RMSprop(0.1),
    legacy.Adam(0.1, decay=0.1),
    legacy.Adadelta(0.1),
    legacy.Adagrad(0.1),
    legacy.Adamax(0.1),
    legacy.Nadam(0.1),
    legacy.Ftrl(0.1),
]
every = pytest.mark.parametrize("optimizer", ALL, ids=lambda o: f"{type(o).__module__.split('.')[-1]}-{type(o).__name__}")


def _params(dtype: str = "float32") -> dict[str, jax.Array]:
    rng = np.random.default_rng(0)
    return {n: jnp.asarray(rng.normal(size=s), dtype) for n, s in {"a/kernel": (4, 3), "a/bias": (3,), "scale": ()}.items()}


def _grads(params: dict[str, jax.Array], seed: int) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    return {n: jnp.asarray(rng.normal(size=p.shape), p.dtype) for n, p in params.items()}


@every
def test_a_compiled_step_keeps_structure_and_compiles_once(optimizer):
    params = _params()
    state = optimizer.init(params)
    step = jax.jit(lambda p, s, g: optimizer.apply(g, s, p), donate_argnums=(0, 1))
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), state)
    for seed in range(3):
        params, state = step(params, state, _grads(params, seed))
    assert step._cache_size() == 1
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == shapes
    assert all(bool(jnp.all(jnp.isfinite(p))) for p in params.values())
    assert int(state["iteration"]) == 3


@every
def test_bfloat16_keeps_its_type(optimizer):
    params = _params("bfloat16")
    new, state = optimizer.apply(_grads(params, 0), optimizer.init(params), params)
    assert {p.dtype for p in new.values()} == {jnp.dtype("bfloat16")}
    assert {x.dtype for x in jax.tree.leaves(state["slots"])} <= {jnp.dtype("bfloat16")}


@every
def test_a_variable_without_gradient_stays(optimizer):
    params = _params()
    state = optimizer.init(params)
    grads = _grads(params, 0) | {"a/bias": None}
    new, after = optimizer.apply(grads, state, params)
    np.testing.assert_array_equal(new["a/bias"], params["a/bias"])
    assert np.abs(new["a/kernel"] - params["a/kernel"]).max() > 0
    before = jax.tree.map(np.asarray, state["slots"].get("a/bias", {}))
    assert jax.tree.all(jax.tree.map(np.array_equal, before, after["slots"].get("a/bias", {})))
    with pytest.raises(ValueError, match="no gradient for any variable"):
        optimizer.apply(dict.fromkeys(params), state, params)


@every
def test_config_round_trip(optimizer):
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


@every
def test_loss_goes_down(optimizer):
    target = _params()
    params = {n: p + 0.5 for n, p in target.items()}

    def loss(p):
        return sum(jnp.sum(jnp.square(p[n] - target[n])) for n in p)

    def body(carry, _):
        params, state = carry
        return optimizer.apply(jax.grad(loss)(params), state, params), None

    (final, _), _ = jax.jit(lambda c: jax.lax.scan(body, c, None, length=20))((params, optimizer.init(params)))
    assert float(loss(final)) < float(loss(params))


@every
def test_a_row_gradient_of_every_row_is_a_dense_one(optimizer):
    params = {"table": _params()["a/kernel"]}
    rng = np.random.default_rng(1)
    by_rows = by_array = (params, optimizer.init(params))
    for _ in range(2):
        rows = jnp.asarray(rng.normal(size=(6, 3)), jnp.float32)
        ids = jnp.asarray([3, 1, 0, 2, 1, 4], jnp.int32)  # 1 twice, 4 is padding
        gradient = RowGradient(ids, rows, (4, 3))
        by_rows = optimizer.apply({"table": gradient}, by_rows[1], by_rows[0])
        by_array = optimizer.apply({"table": gradient.to_dense()}, by_array[1], by_array[0])
    np.testing.assert_allclose(by_rows[0]["table"], by_array[0]["table"], rtol=2e-6, atol=1e-6)


@every
def test_stands_in_an_optax_chain(optimizer):
    optax = pytest.importorskip("optax")
    params = {"layer": {"kernel": _params()["a/kernel"]}}
    grads = {"layer": {"kernel": _grads(_params(), 0)["a/kernel"]}}
    chain = optax.chain(optax.scale(0.5), optimizer)
    updates, _ = chain.update(grads, chain.init(params), params)
    flat = {"layer/kernel": params["layer"]["kernel"]}
    want, _ = optimizer.apply({"layer/kernel": 0.5 * grads["layer"]["kernel"]}, optimizer.init(flat), flat)
    got = optax.apply_updates(params, updates)["layer"]["kernel"]
    np.testing.assert_allclose(got, want["layer/kernel"], rtol=1e-6, atol=1e-6)


@every
def test_refuses_unknown_arguments(optimizer):
    cls = type(optimizer)
    with pytest.raises((ValueError, TypeError), match="speed"):
        cls(optimizers.SGD(), speed=1.0) if cls is optimizers.LossScaleOptimizer else cls(speed=1.0)
