"""Regularizers: names, zero rows, bad arguments."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from estimax import regularizers


@pytest.mark.parametrize("name", ["L1", "l1", "L2", "l2", "L1L2", "l1l2", "OrthogonalRegularizer"])
def test_names(name: str) -> None:
    regularizer = regularizers.get(name)
    assert type(regularizer).__name__.lower() == name.lower()
    assert float(regularizer(np.eye(3, dtype=np.float32))) >= 0


def test_other_identifiers() -> None:
    assert regularizers.get(None) is None
    assert regularizers.get(abs) is abs
    assert regularizers.get(regularizers.L2).l2 == 0.01
    assert regularizers.l1_l2(l1=0.1).l1 == 0.1


def test_the_dtype_is_that_of_the_weights() -> None:
    for regularizer in (regularizers.L1(), regularizers.L2(), regularizers.L1L2(0.1, 0.2)):
        assert jax.eval_shape(regularizer, jax.ShapeDtypeStruct((2, 2), "bfloat16")).dtype == "bfloat16"


def test_a_zero_row_has_a_finite_gradient() -> None:
    x = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    assert np.all(np.isfinite(jax.grad(regularizers.OrthogonalRegularizer())(x)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: regularizers.L1(-0.1), "l1 to be a finite number >= 0, given -0.1"),
        (lambda: regularizers.L2(float("nan")), "given nan"),
        (lambda: regularizers.L1L2(l2="a"), "given 'a'"),
        (lambda: regularizers.OrthogonalRegularizer(mode="diagonal"), "given 'diagonal'"),
        (lambda: regularizers.OrthogonalRegularizer()(np.zeros((2, 2, 2))), r"given shape \(2, 2, 2\)"),
        (lambda: regularizers.get("l1_l2"), "Did you mean 'l1l2'"),
    ],
)
def test_bad_arguments(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
