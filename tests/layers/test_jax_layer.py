"""JaxLayer, Lambda, and modules of other libraries."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import core, layers


def init(rng, inputs):
    return {"w": jax.random.normal(rng, (inputs.shape[-1], 2)), "deep": [jnp.zeros(2)]}


def call(params, inputs):
    return inputs @ params["w"] + params["deep"][0]


def count(params, state, inputs, training):
    return inputs * params, {"calls": state["calls"] + (1 if training else 0)}


def test_a_pair_of_functions_is_a_layer():
    layer = layers.JaxLayer(call, init, seed=1)
    x = jnp.ones((4, 3))
    y = layer(x)
    assert [v.path for v in layer.trainable_variables] == ["jax_layer/deep.0", "jax_layer/w"]
    grad = jax.grad(lambda v: layer.apply(v, x)[0].sum())(layer.values)
    np.testing.assert_allclose(grad["jax_layer/deep.0"], 4.0)
    assert layer(layers.Input((3,))).shape == (None, 2)
    again = core.deserialize(core.serialize(layer), {"init": init, "call": call})
    np.testing.assert_allclose(again(x), y)


def test_parameters_made_while_something_is_traced_are_kept():
    layer = layers.JaxLayer(call, init)
    jax.eval_shape(lambda x: layer(x), jnp.ones((4, 3)))
    assert layer.weights[1].numpy().shape == (3, 2)


def test_state_is_carried():
    layer = layers.JaxLayer(count, params=jnp.array(2.0), state={"calls": jnp.array(0)})
    x = jnp.ones((1, 1))
    assert float(layer(x, training=True)[0, 0]) == 2
    layer(x)
    assert [int(v) for v in layer.non_trainable_variables] == [1]
    _, new = jax.jit(lambda v: layer.apply(v, x, training=True))(layer.values)
    assert int(new["jax_layer/calls"]) == 2


def test_wrong_functions():
    with pytest.raises(ValueError, match="call_fn: has the arguments"):
        layers.JaxLayer(lambda params, x: x, init)
    with pytest.raises(ValueError, match="expected init_fn, or params"):
        layers.JaxLayer(call)
    with pytest.raises(ValueError, match="has no name"):
        layers.JaxLayer(lambda inputs: inputs, params={}).get_config()
    with pytest.raises(ValueError, match="custom_objects"):
        core.deserialize(core.serialize(layers.JaxLayer(call, init)))


def test_modules_are_recognised_by_library():
    with pytest.raises(TypeError, match="given an int, expected a module of Flax, Haiku or Equinox.*pip install flax"):
        layers.from_module(3)


def test_a_flax_module():
    nnx = pytest.importorskip("flax.nnx")
    layer = layers.from_module(nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.BatchNorm(2, rngs=nnx.Rngs(0))))
    x = jnp.arange(6.0).reshape(2, 3)
    layer(x)
    _, new = jax.jit(lambda v: layer.apply(v, x, training=True))(layer.values)
    assert any(not np.allclose(new[p], v) for p, v in layer.values.items())


def test_a_linen_module():
    nn = pytest.importorskip("flax.linen")

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x, training: bool = False):
            x = nn.BatchNorm(use_running_average=not training)(nn.Dense(4)(x))
            return nn.Dense(1)(nn.Dropout(0.1, deterministic=not training)(x))

    layer = layers.from_module(Block())
    x = jnp.arange(12.0).reshape(4, 3)
    layer(x)
    assert len(layer.trainable_variables) == 6 and len(layer.non_trainable_variables) == 2
    key = jax.random.key(0)
    _, new = jax.jit(lambda v: layer.apply(v, x, training=True, key=key))(layer.values)
    assert any(not np.allclose(new[p], v) for p, v in layer.values.items())


def test_an_equinox_module():
    eqx = pytest.importorskip("equinox")
    layer = layers.from_module(eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0)))
    assert layer(jnp.ones((5, 3))).shape == (5, 2) and len(layer.trainable_variables) == 4


def test_a_haiku_function():
    hk = pytest.importorskip("haiku")
    layer = layers.from_module(hk.transform(lambda x: hk.Linear(2)(x)))
    assert layer(jnp.ones((5, 3))).shape == (5, 2) and len(layer.trainable_variables) == 2


def double(x, factor=2.0):
    return factor * x


def test_lambda_is_saved_by_name_only():
    layer = layers.Lambda(double, arguments={"factor": 3.0})
    assert layer(jnp.ones(2)).tolist() == [3.0, 3.0]
    config = core.serialize(layer)
    again = core.deserialize(config, {"double": double})
    assert again(jnp.ones(2)).tolist() == [3.0, 3.0]
    with pytest.raises(ValueError, match="holds no code"):
        core.deserialize(config)
    with pytest.raises(ValueError, match="anonymous function"):
        layers.Lambda(lambda x: x).get_config()
    with pytest.raises(ValueError, match="expected a function"):
        layers.Lambda(3)


def test_lambda_passes_what_the_function_accepts():
    layer = layers.Lambda(lambda x, training: x if training else -x)
    assert layer(jnp.ones(1)).tolist() == [-1.0] and layer(jnp.ones(1), training=True).tolist() == [1.0]
    assert layers.Lambda(lambda x: x.sum(-1))(layers.Input((3,))).shape == (None,)
    assert layers.Lambda(lambda x: x, output_shape=(7,))(layers.Input((3,))).shape == (None, 7)
