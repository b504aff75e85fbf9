"""Activations: what golden cases do not show."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from estimax import activations

FUNCTIONS = sorted(set(activations.__all__) - {"get", "serialize", "deserialize"})
NEEDS = {"threshold": {"threshold": 0.5, "default_value": 0.0}}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keeps_the_dtype_and_comes_back_from_its_name(name: str) -> None:
    fn = getattr(activations, name)
    y = jax.eval_shape(lambda x: fn(x, **NEEDS.get(name, {})), jax.ShapeDtypeStruct((2, 4), "bfloat16"))
    assert y.dtype == "bfloat16" and y.shape == ((2, 2) if name == "glu" else (2, 4))
    assert activations.get(activations.serialize(fn)) is fn


def test_relu_refuses_what_keras_refuses() -> None:
    with pytest.raises(ValueError, match="negative_slope >= 0, given -0.1"):
        activations.relu([1.0], negative_slope=-0.1)
    with pytest.raises(ValueError, match="max_value >= 0"):
        activations.relu([1.0], max_value=-1.0)


def test_relu_of_integers_and_of_a_threshold_with_a_slope() -> None:
    np.testing.assert_allclose(activations.relu(np.array([-2, 3])), [0.0, 3.0])
    np.testing.assert_allclose(activations.relu([0.0, 2.0], negative_slope=0.5, threshold=1.0), [-0.5, 2.0])


def test_glu_of_an_odd_axis() -> None:
    with pytest.raises(ValueError, match=r"even length of axis -1, given shape \(2, 3\)"):
        activations.glu(np.zeros((2, 3), np.float32))


def test_unknown_names_and_lambdas() -> None:
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        activations.get("reluu")
    with pytest.raises(ValueError, match="given 3 of type int"):
        activations.get(3)
    with pytest.raises(ValueError, match="given a lambda"):
        activations.serialize(lambda x: x)


def test_get_takes_every_form() -> None:
    keras_config = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    assert activations.get(keras_config) is activations.relu
    assert activations.get(activations.relu) is activations.relu
    assert activations.get(None) is activations.linear
    assert activations.deserialize("twice", {"twice": np.negative}) is np.negative
