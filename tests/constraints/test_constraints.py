"""Constraints: names, dtypes, bad names."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from estimax import constraints


@pytest.mark.parametrize("name", ["max_norm", "MinMaxNorm", "non_neg", "UnitNorm"])
def test_names_and_dtypes(name: str) -> None:
    constraint = constraints.get(name)
    again = constraints.deserialize(constraints.serialize(constraint))
    assert type(again) is type(constraint) and again.get_config() == constraint.get_config()
    assert jax.eval_shape(constraint, jax.ShapeDtypeStruct((2, 2), "bfloat16")).dtype == "bfloat16"


def test_a_weight_of_norm_zero_stays() -> None:
    np.testing.assert_array_equal(constraints.UnitNorm()(np.zeros((2, 2))), np.zeros((2, 2)))


def test_other_identifiers() -> None:
    assert constraints.get(None) is None and constraints.get(abs) is abs
    assert constraints.max_norm is constraints.MaxNorm
    with pytest.raises(ValueError, match="Did you mean 'max_norm'"):
        constraints.get("maxnorm")
    with pytest.raises(TypeError, match="Define __call__"):
        constraints.Constraint()([1.0])
