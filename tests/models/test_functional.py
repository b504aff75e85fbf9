"""Functional models: inputs in every structure, shared and nested layers, operators, names, configs."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import pytest

from estimax.core.errors import InputDataError, ShapeError
from estimax.layers import Dense, Input, KerasTensor, Layer
from estimax.models import Model, clone_model, model_from_json


def two_inputs() -> Model:
    a, b = Input((2,), name="a"), Input((3,), name="b")
    shared = Dense(4, name="shared")
    return Model([a, b], Dense(1)(shared(a) + Dense(4)(b)))


def test_inputs_by_position_and_by_name() -> None:
    model = two_inputs()
    x, y = np.ones((5, 2)), np.ones((5, 3))
    expected = model([x, y])
    np.testing.assert_allclose(model({"b": y, "a": x, "other": y}), expected)
    np.testing.assert_allclose(model.predict({"a": x, "b": y}), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict([x, y]), expected, rtol=1e-6)
    assert model.input_names == ["a", "b"] and model.output_shape == (None, 1)


def test_a_missing_input_is_named() -> None:
    with pytest.raises(InputDataError, match="input 'b' is missing.*Given: \\['a'\\]"):
        two_inputs()({"a": np.ones((1, 2))})


def test_a_wrong_structure_is_shown() -> None:
    with pytest.raises(InputDataError, match=r"given inputs array \(1, 2\), expected \[a, b\]"):
        two_inputs()(np.ones((1, 2)))


def test_a_wrong_shape_names_the_input() -> None:
    with pytest.raises(ShapeError, match=r"input 'b': given shape \(1, 2\), expected \(None, 3\)"):
        two_inputs()([np.ones((1, 2)), np.ones((1, 2))])


def test_dicts_in_and_out() -> None:
    u, w = Input((1,), name="u"), Input((1,), name="w")
    model = Model({"u": u, "w": w}, {"sum": u + w, "first": (u * 2)[:, 0]})
    out = model.predict({"u": np.array([[1.0], [2.0]]), "w": np.array([[10.0], [20.0]])})
    assert out["sum"].tolist() == [[11.0], [22.0]] and out["first"].tolist() == [2.0, 4.0]


def test_a_missing_last_axis_is_added() -> None:
    x = Input((1,), name="x")
    assert Model(x, x * 3)(np.array([1.0, 2.0])).tolist() == [[3.0], [6.0]]


def test_a_shared_layer_counts_once() -> None:
    x, y = Input((3,)), Input((3,))
    layer = Dense(2)
    model = Model([x, y], [layer(x), layer(y)])
    assert model.count_params() == 8 and len(model.weights) == 2 and len(layer.nodes) == 2


def test_equal_automatic_names_are_counted_and_given_ones_kept() -> None:
    x = Input((3,))
    model = Model(x, Dense(1)(Dense(2, name="dense_1")(Dense(3)(Dense(4)(x)))))
    names = [v.path.split("/")[0] for v in model.weights[::2]]
    assert names == ["dense", "dense_2", "dense_1", "dense_3"]
    assert len(set(model.bindings.values())) == 8


def test_equal_given_names_are_refused() -> None:
    x = Input((3,))
    with pytest.raises(ValueError, match="two layers are named 'same'"):
        Model(x, Dense(1, name="same")(Dense(2, name="same")(x)))


def test_a_model_within_a_model() -> None:
    x = Input((3,))
    inner = Model(x, [Dense(2)(x), Dense(4)(x)], name="inner")
    z = Input((3,))
    a, b = inner(z)
    outer = Model(z, Dense(1)(b))
    assert outer.get_layer("inner") is inner and outer.count_params() == inner.count_params() + 5
    assert isinstance(a, KerasTensor) and a.shape == (None, 2)
    again = model_from_json(outer.to_json())
    assert json.loads(again.to_json()) == json.loads(outer.to_json())


def test_part_of_a_graph_as_a_model() -> None:
    x = Input((3,))
    h = Dense(4)(x)
    whole = Model(x, Dense(1)(h))
    head = Model(h, whole.output)
    features = Model(x, h)(np.ones((2, 3)))
    np.testing.assert_allclose(head(features), whole(np.ones((2, 3))), rtol=1e-6)


def test_outputs_that_need_another_input_are_refused() -> None:
    x, y = Input((3,), name="x"), Input((3,), name="y")
    with pytest.raises(ValueError, match="does not follow from the inputs"):
        Model(x, Dense(1)(x + y))


def test_something_else_than_symbolic_tensors_is_refused() -> None:
    with pytest.raises(ValueError, match="expected symbolic tensors"):
        Model(np.ones((1, 2)), np.ones((1, 2)))


def test_operators_survive_json() -> None:
    x = Input((4,), name="x")
    model = Model(x, {"y": (1 - x / 2)[:, 1:3], "z": (x > 0.5) | ~(x < 0.2), "w": abs(-x) ** 2})
    data = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    again = model_from_json(model.to_json())
    for k, value in model.predict(data).items():
        np.testing.assert_allclose(again.predict(data)[k], value)
    assert [x.name for x in model.layers] == ["x"] and model.predict(data)["y"].shape == (2, 2)


def test_a_symbolic_tensor_can_not_be_iterated() -> None:
    with pytest.raises(TypeError, match="can't be iterated"):
        list(Input((3,)))


def test_get_layer() -> None:
    model = two_inputs()
    assert model.get_layer("shared").units == 4 and model.get_layer(index=-1).units == 1
    with pytest.raises(ValueError, match="no layer is named 'nothing'.*shared"):
        model.get_layer("nothing")
    with pytest.raises(ValueError, match="exactly one"):
        model.get_layer()


def test_clones_have_their_own_weights() -> None:
    model = two_inputs()
    copy = clone_model(model)
    copy.set_weights([v + 1 for v in model.get_weights()])
    data = [np.ones((1, 2)), np.ones((1, 3))]
    assert not np.allclose(copy(data), model(data)) and [v.path for v in copy.weights] == [v.path for v in model.weights]


def test_a_clone_function_changes_layers_on_the_way() -> None:
    model = two_inputs()
    copy = clone_model(
        model, lambda x: Dense(4, name="shared", use_bias=False) if x.name == "shared" else type(x).from_config(x.get_config())
    )
    assert copy.count_params() == model.count_params() - 4


def test_pure_use() -> None:
    model = two_inputs()
    y, values = model.apply(model.values, [jnp.ones((1, 2)), jnp.ones((1, 3))])
    assert y.shape == (1, 1) and set(values) == set(model.values)


def test_masks_reach_the_config() -> None:
    from estimax.layers import LSTM, Embedding

    x = Input((5,), dtype="int32", name="tokens")
    model = Model(x, LSTM(2)(Embedding(7, 3, mask_zero=True)(x)))
    calls = {e["name"]: e["inbound_nodes"] for e in model.get_config()["layers"]}
    assert calls["lstm"][0]["kwargs"]["mask"]["config"]["keras_history"] == ["not_equal", 0, 0]
    data = np.array([[1, 2, 0, 0, 0]], np.int32)
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict(data), model.predict(data), rtol=1e-6)
    assert json.loads(again.to_json()) == json.loads(model.to_json())


def test_weights_may_be_set_only_if_they_fit() -> None:
    model = two_inputs()
    with pytest.raises(ValueError, match="expected 6 arrays, given 1"):
        model.set_weights([np.ones(3)])


def test_an_attribute_error_for_models_without_graph() -> None:
    class Own(Model):
        def call(self, inputs: Layer) -> Layer:
            return inputs

    with pytest.raises(AttributeError, match="has no inputs"):
        Own().inputs  # noqa: B018


def test_one_input_takes_a_dict_of_one_array_whatever_its_name() -> None:
    inputs = Input((2,))
    model = Model(inputs, Dense(1)(inputs))
    x = np.ones((3, 2), "float32")
    np.testing.assert_array_equal(model({"dense_input": x}), model(x))
    with pytest.raises(InputDataError, match="is missing.*'a', 'b'"):
        model({"a": x, "b": x})
