"""Registered classes and functions are found by loading; nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from estimax import Input, Model, layers, saving


@saving.register_keras_serializable("tests")
class Doubled(layers.Layer):
    """Twice the input, through a function."""

    def __init__(self, then=None, **kwargs):  # noqa: ANN001, ANN003
        super().__init__(**kwargs)
        self.then = then

    def call(self, inputs):  # noqa: ANN001, ANN201
        return self.then(2 * inputs) if self.then else 2 * inputs


@saving.register_keras_serializable("tests", name="cubed")
def cube(x):  # noqa: ANN001, ANN201
    """The third power."""
    return x**3


@saving.register_keras_serializable("tests")
def far(y_true, y_pred):  # noqa: ANN001, ANN201
    """A loss."""
    return abs(y_true - y_pred).mean(-1)


def test_registered_names_are_found_again(tmp_path) -> None:  # noqa: ANN001
    x = Input((3,))
    model = Model(x, Doubled()(layers.Dense(2, activation=cube)(x)))
    model.compile("sgd", far)
    data = np.ones((2, 3), np.float32)
    config = model.get_config()["layers"][-1]
    assert config["registered_name"] == "tests>Doubled" and config["class_name"] == "Doubled"
    saving.save_model(model, tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(data), model(data))
    assert again.evaluate(data, np.zeros((2, 2)), verbose=0) == model.evaluate(data, np.zeros((2, 2)), verbose=0)


def test_names() -> None:
    assert saving.get_registered_name(Doubled) == "tests>Doubled" and saving.get_registered_name(cube) == "tests>cubed"
    assert saving.get_custom_objects()["tests>cubed"] is cube
    config = saving.serialize_keras_object(cube)
    assert config["config"] == "tests>cubed" and saving.deserialize_keras_object(config) is cube
    assert saving.deserialize_keras_object(saving.serialize_keras_object(Doubled(name="a"))).name == "a"


def test_a_scope_ends() -> None:
    def halve(x):  # noqa: ANN001, ANN202
        return x / 2

    with saving.custom_object_scope({"halve": halve}):
        assert layers.Dense(1, activation="halve").activation is halve
    with pytest.raises(ValueError, match="halve"):
        layers.Dense(1, activation="halve")


def test_code_is_never_read(tmp_path) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match="code in files is never run"):
        saving.load_model(tmp_path / "m.keras", safe_mode=False)
    with pytest.raises(ValueError, match="unknown class"):
        saving.deserialize_keras_object({"module": "os", "class_name": "system", "config": {}, "registered_name": None})
    with pytest.raises(ValueError, match="no get_config"):
        saving.register_keras_serializable()(type("Plain", (), {}))
