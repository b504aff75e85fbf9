"""Operators on symbolic tensors, and operations by name."""

from __future__ import annotations

import numpy as np
import pytest

from estimax.core import deserialize, find_class, serialize
from estimax.layers import Input, KerasTensor
from estimax.layers.operation import OPERATORS, OperationFamily
from estimax.models import Model

A = np.array([[1.0, -2.0, 3.0]], np.float32)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda x: 1 + x - 2, A - 1),
        (lambda x: 6 / (x * 2), 3 / A),
        (lambda x: 2**x, 2**A),
        (lambda x: x % 2, A % 2),
        (lambda x: x // 2, A // 2),
        (lambda x: abs(-x), abs(A)),
        (lambda x: (x >= 1) & (x < 3), (A >= 1) & (A < 3)),
        (lambda x: (x != 1) ^ (x <= 1), (A != 1) ^ (A <= 1)),
        (lambda x: x[:, ::2], A[:, ::2]),
        (lambda x: x[..., 0], A[..., 0]),
        (lambda x: x @ np.ones((3, 2), np.float32), A @ np.ones((3, 2))),
    ],
)
def test_operators_compute_and_survive_json(expression, expected) -> None:  # noqa: ANN001
    from estimax.models import model_from_json

    x = Input((3,))
    y = expression(x)
    assert isinstance(y, KerasTensor) and y.shape[1:] == expected.shape[1:]
    model = Model(x, y)
    np.testing.assert_allclose(model(A), expected, rtol=1e-6)
    np.testing.assert_allclose(model_from_json(model.to_json())(A), expected, rtol=1e-6)


def test_every_operation_has_a_config() -> None:
    for name in OPERATORS.functions:
        class_name = "".join(part.capitalize() for part in name.split("_"))
        cls = find_class("keras.src.ops.numpy", class_name)
        again = deserialize(serialize(cls()))
        assert type(again) is cls and serialize(again) == serialize(cls()), name


def test_bad_use_is_explained() -> None:
    x = Input((3,))
    with pytest.raises(ValueError, match="Add: unknown arguments"):
        find_class("keras.src.ops.numpy", "Add")(axis=1)
    with pytest.raises(TypeError, match="can't be an index"):
        x[x]
    with pytest.raises(TypeError, match="can't be iterated"):
        sum(x)


def test_a_family_binds_arguments_as_its_text_says() -> None:
    family = OperationFamily("tests")
    weigh = family.define("weigh(x; axis=(0, 1), weights*=None)", lambda x, weights, axis: (x, weights, axis))
    x, weights, axis = weigh([1.0], weights=[2.0], axis=[1])
    assert x.tolist() == [1.0] and weights.tolist() == [2.0] and axis == (1,)
    assert weigh([1.0])[1:] == (None, (0, 1))
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        weigh([1.0], scale=1)


def test_an_option_is_no_symbolic_tensor() -> None:
    family = OperationFamily("tests")
    shift = family.define("shift(x; by)", lambda x, by: x + by)
    with pytest.raises(TypeError, match="by: given a symbolic tensor"):
        shift(Input((3,)), by=Input((3,)))
    with pytest.raises(ValueError, match=r"arguments \['by'\] are missing"):
        find_class("tests", "Shift")()
