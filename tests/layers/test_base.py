"""The Layer: shapes, masks, variables, losses, configs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core import Frame, deserialize, serialize
from estimax.core.errors import ShapeError, TracerLeakError


class Block(layers.Layer):
    """Two layers in attributes, one in a list."""

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.Dense(units)
        self.others = [layers.BatchNormalization()]

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        return self.others[0](self.first(inputs))


def test_wrong_shape_names_layer_path_expected_and_given():
    block = Block(3)
    block(jnp.ones((2, 4)))
    with pytest.raises(ShapeError, match=r'Dense "block/dense": expected input of size 4 on axis -1, given shape \(2, 5\)'):
        block(jnp.ones((2, 5)))
    with pytest.raises(ShapeError, match="at least 2 axes"):
        layers.Dense(2)(jnp.ones(3))
    with pytest.raises(ShapeError, match="expected 2 inputs, given 1"):
        layer = layers.Identity()
        layer.input_spec = [layers.InputSpec(ndim=1), layers.InputSpec(ndim=1)]
        layer(jnp.ones(2))


def test_unknown_arguments_and_names_are_refused():
    with pytest.raises(ValueError, match=r"Dense: unknown arguments \['unitz'\]"):
        layers.Dense(2, unitz=3)
    with pytest.raises(ValueError, match="name: given 3"):
        layers.Dense(2, name=3)


def test_sublayers_are_found_in_attributes_and_lists():
    block = Block(3)
    block(jnp.ones((2, 4)))
    assert [v.path for v in block.weights] == [
        "block/dense/kernel", "block/dense/bias", "block/batch_normalization/gamma", "block/batch_normalization/beta",
        "block/batch_normalization/moving_mean", "block/batch_normalization/moving_variance",
    ]  # fmt: skip
    assert len(block.trainable_variables) == 4 and len(block.layers) == 2
    block.trainable = False
    assert not block.trainable_variables and not block.first.trainable


def test_apply_is_pure_and_returns_state():
    block = Block(3)
    x = jnp.arange(8.0).reshape(2, 4)
    block(x)
    before = block.get_weights()
    _, new = jax.jit(lambda v: block.apply(v, x, training=True))(block.values)
    assert not np.allclose(new["block/batch_normalization/moving_mean"], 0)
    for a, b in zip(before, block.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_training_outside_a_pure_call_does_not_keep_tracers():
    layer = layers.BatchNormalization()
    layer(jnp.ones((2, 3)))
    with pytest.raises(TracerLeakError, match="layer.apply"):
        jax.jit(lambda x: layer(x, training=True))(jnp.ones((2, 3)))
    out = layer(layers.Input((3,)), training=True)  # symbolic calls change nothing
    assert out.shape == (None, 3) and layer.moving_mean.numpy().tolist() == [0, 0, 0]


def test_a_traced_attribute_is_refused():
    class Keeps(layers.Layer):
        def call(self, inputs: jax.Array) -> jax.Array:
            self.last = inputs
            return inputs

    with pytest.raises(TracerLeakError, match="'last' would keep a traced value"):
        jax.jit(Keeps())(jnp.ones(2))


def test_set_weights_checks_number_and_shapes_before_any_change():
    layer = layers.Dense(2)
    layer(jnp.ones((1, 3)))
    with pytest.raises(ValueError, match="expected 2 arrays, given 1"):
        layer.set_weights([np.ones((3, 2))])
    with pytest.raises(ShapeError, match=r"expected a value of shape \(2,\)"):
        layer.set_weights([np.ones((3, 2)), np.ones(3)])
    assert not (layer.kernel.numpy() == 1).all()


def test_masks_travel_with_arrays_inside_a_call():
    x = jnp.array([[[1.0], [0.0]]])

    class Net(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.steps = [layers.Masking(), layers.Dense(2), layers.Dropout(0.5), layers.GlobalAveragePooling1D()]

        def call(self, inputs: jax.Array) -> jax.Array:
            for step in self.steps:
                inputs = step(inputs)
            return inputs

    net = Net()
    out = net(x)
    dense = net.steps[1]
    np.testing.assert_allclose(out, dense(x)[:, 0], rtol=1e-6)  # the masked step does not count
    with Frame.eager() as frame:
        y = layers.Flatten()(layers.Masking()(x))
        assert frame.mask_of(y) is None
        z = layers.Softmax()(x, mask=jnp.array([[True, False]]))
        assert frame.mask_of(z).tolist() == [[True, False]]


def test_own_layer_saves_arguments_kept_under_their_names():
    block = Block(3, name="b", trainable=False)
    config = block.get_config()
    assert config["units"] == 3 and config["trainable"] is False
    again = deserialize(serialize(block), {"Block": Block})
    assert again.units == 3 and again.name == "b" and again.first.units == 3

    class Forgets(layers.Layer):
        def __init__(self, units: int):
            super().__init__()

    with pytest.raises(TypeError, match=r"argument 'units' is not kept.*self.units = units"):
        Forgets(3).get_config()


def test_arguments_passed_on_by_keywords_are_saved_too():
    class Named(layers.Dense):
        def __init__(self, label: str, **kwargs: Any):
            super().__init__(**kwargs)
            self.label = label

    again = Named.from_config(Named("a", units=2, activation="relu").get_config())
    assert again.units == 2 and again.label == "a" and again.activation.__name__ == "relu"


def test_activity_loss_is_a_mean_over_real_rows():
    layer = layers.ActivityRegularization(l2=1.0)
    x = jnp.array([[1.0], [2.0], [9.0]])
    layer(x[:2])
    assert float(layer.losses[0]) == 2.5
    with Frame({}, {}, row_mask=jnp.array([True, True, False])) as frame:
        layer(x)
    assert float(frame.losses[0]) == 2.5


def test_the_same_layer_on_several_inputs_shares_its_variables():
    layer = layers.Dense(2)
    a, b = layer(layers.Input((3,))), layer(layers.Input((3,)))
    assert len(layer.weights) == 2 and a.node is not b.node and a.shape == (None, 2)


def test_input_and_output_are_those_of_the_first_symbolic_call():
    layer = layers.Dense(2)
    with pytest.raises(ValueError, match="it has no symbolic output"):
        layer.output  # noqa: B018
    x = layers.Input((3,))
    y = layer(x)
    layer(layers.Input((3,)))
    assert layer.input is x and layer.output is y

    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.output = layers.Dense(4)

        def call(self, inputs: jax.Array) -> jax.Array:
            return self.output(inputs)

    assert Own()(jnp.ones((2, 3))).shape == (2, 4)


def test_training_and_mask_by_position():
    layer = layers.BatchNormalization(momentum=0.0)
    x = jnp.array([[1.0], [3.0], [100.0]])
    layer(x, True, jnp.array([True, True, False]))
    assert layer.moving_mean.numpy().tolist() == [2.0]


def test_stateless_call_takes_and_gives_lists():
    layer = layers.BatchNormalization(momentum=0.0)
    x = jnp.array([[1.0], [3.0]])
    layer(x)
    trainable = [v.value for v in layer.trainable_variables]
    state = [v.value for v in layer.non_trainable_variables]
    _, new = layer.stateless_call(trainable, state, x, training=True)
    assert [v.tolist() for v in new] == [[2.0], [1.0]] and layer.moving_mean.numpy().tolist() == [0.0]
    with pytest.raises(ValueError, match="given 1 values, expected 2"):
        layer.stateless_call(trainable[:1], state, x)
