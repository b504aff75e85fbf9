"""Sequential and subclassed models: building, adding, names, errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from estimax.layers import LSTM, BatchNormalization, Dense, Embedding, Flatten, Input, StringLookup
from estimax.models import Model, Sequential, clone_model, model_from_json


def test_layers_are_built_when_the_input_is_known() -> None:
    model = Sequential([Dense(3), Dense(1)], name="m")
    assert not model.built and model.weights == []
    model.build((None, 2))
    assert [v.path for v in model.weights] == ["m/dense/kernel", "m/dense/bias", "m/dense_1/kernel", "m/dense_1/bias"]
    assert model.input_shape == (None, 2) and model.output_shape == (None, 1)


def test_a_call_builds() -> None:
    model = Sequential([Flatten(), Dense(1)])
    assert model(np.ones((4, 2, 3))).shape == (4, 1)
    assert model.input_shape == (None, 2, 3)


def test_add_and_pop() -> None:
    model = Sequential([Input((2,))])
    model.add(Dense(3))
    model.add(Dense(1))
    assert model.output_shape == (None, 1)
    assert model.pop().units == 1 and model.output_shape == (None, 3)
    with pytest.raises(ValueError, match="no layers"):
        Sequential().pop()


def test_input_shape_of_the_first_layer() -> None:
    assert Sequential([Dense(3, input_shape=(2,)), Dense(1)]).count_params() == 13


def test_errors_of_construction() -> None:
    with pytest.raises(TypeError, match="expected a layer. Wrap a function"):
        Sequential([lambda x: x])
    with pytest.raises(ValueError, match="two layers are named 'a'"):
        Sequential([Dense(1, name="a"), Dense(1, name="a")])
    with pytest.raises(ValueError, match="an Input can only be the first layer"):
        Sequential([Dense(1), Input((2,))])
    with pytest.raises(ValueError, match="its Input has shape"):
        Sequential([Input((2,)), Dense(1)]).build((None, 3))
    with pytest.raises(ValueError, match="has no layers"):
        Sequential().build((None, 3))


def test_unbuilt_models_say_so() -> None:
    model = Sequential([Dense(1)])
    for use in (model.count_params, lambda: model.save_weights("x.weights.h5"), lambda: model.save("x.keras")):
        with pytest.raises(ValueError, match="is not built"):
            use()
    with pytest.raises(AttributeError, match="Build it first"):
        model.output_shape  # noqa: B018


def test_config_round_trip() -> None:
    model = Sequential([Input((2,)), Dense(3, activation="relu"), BatchNormalization()], name="m")
    again = model_from_json(model.to_json())
    assert again.get_config() == model.get_config() and [v.path for v in again.weights] == [v.path for v in model.weights]
    late = Sequential([Dense(1)])
    assert not Sequential.from_config(late.get_config()).built
    assert clone_model(model).name == "m"
    with pytest.raises(ValueError, match="expected 'name' and 'layers'"):
        Sequential.from_config({})


def test_frozen_layers_stay_out_of_training() -> None:
    model = Sequential([Input((2,)), Dense(3, trainable=False), Dense(1)])
    assert len(model.trainable_variables) == 2 and len(model.non_trainable_variables) == 2
    model.trainable = False
    assert model.trainable_variables == []


def test_strings_may_come_first() -> None:
    words = np.array([["a"], ["b"], ["?"]])
    model = Sequential([StringLookup(vocabulary=["a", "b"]), Embedding(3, 2), Flatten(), Dense(1)])
    assert model.predict(words, verbose=0).shape == (3, 1)
    assert model.input_shape == (None, 1) and model.inputs[0].dtype == "string"
    assert model_from_json(model.to_json()).count_params() == model.count_params()


def test_layers_with_states_are_built_for_the_batch() -> None:
    model = Sequential([LSTM(2, stateful=True), Dense(1)])
    data = np.ones((4, 3, 2), np.float32)
    assert not np.allclose(model(data), model(data)) and model.input_shape == (4, 3, 2)


def test_a_sequential_in_a_sequential() -> None:
    model = Sequential([Input((2,)), Sequential([Dense(3), Dense(2)], name="inner"), Dense(1)], name="outer")
    assert model.weights[0].path == "outer/inner/dense/kernel" and len(model.bindings) == 6
    assert model(np.ones((2, 2))).shape == (2, 1)


class Tower(Model):
    """A subclass with layers in lists and dicts."""

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.body = [Dense(units, activation="relu"), Dense(units)]
        self.heads = {"a": Dense(1), "b": Dense(2)}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        for layer in self.body:
            inputs = layer(inputs)
        return {k: head(inputs) for k, head in self.heads.items()}


def test_subclasses_find_their_layers() -> None:
    model = Tower(4)
    out = model(np.ones((3, 2)))
    assert out["a"].shape == (3, 1) and out["b"].shape == (3, 2)
    assert len(model.layers) == 4 and len(model.weights) == 8 and model.weights[0].path.startswith("tower/dense/")
    assert len(set(model.bindings.values())) == 8


def test_subclasses_build_without_computing() -> None:
    model = Tower(4)
    model.build((None, 2))
    assert model.built and model.count_params() == 12 + 20 + 5 + 10


def test_subclasses_have_configs() -> None:
    model = Tower(4, name="t")
    assert Tower.from_config(model.get_config()).units == 4
    again = model_from_json(model.to_json(), {"Tower": Tower})
    assert isinstance(again, Tower) and again.name == "t"
    with pytest.raises(ValueError, match="unknown class 'Tower'"):
        model_from_json(model.to_json())


def test_subclasses_need_a_call() -> None:
    class Nothing(Model):
        pass

    with pytest.raises(TypeError, match="Nothing does not implement call"):
        Nothing()(np.ones((1, 1)))


def test_a_functional_subclass() -> None:
    class Named(Model):
        def __init__(self, units: int):
            x = Input((2,))
            super().__init__(x, Dense(units)(x))

    model = Named(3)
    assert model(np.ones((1, 2))).shape == (1, 3) and model.output_shape == (None, 3)


def test_models_are_pure_functions() -> None:
    model = Sequential([Input((2,)), Dense(3), BatchNormalization()])
    y, values = jax.jit(lambda v, x: model.apply(v, x, training=True))(model.values, np.ones((4, 2), np.float32))
    assert y.shape == (4, 3) and not np.allclose(values["sequential/batch_normalization/moving_variance"], 1.0)
    assert np.allclose(model.layers[1].moving_variance, 1.0)
