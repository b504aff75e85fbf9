"""Regularizers and their gradients against Keras 3."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from estimax import regularizers
from tests.golden import golden


def build(config: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The regularizer of a config tree."""
    return golden.build_keras(config, lambda name: getattr(regularizers, name.rsplit(".", 1)[-1]), arrays)


@golden.parametrize("keras", "regularizers")
def test_case(file: str, case: dict) -> None:
    A = golden.arrays(file)
    if case["kind"] == "error":
        with pytest.raises((ValueError, TypeError)):
            build(case["config"], A)(np.zeros(case.get("x_shape", (2, 2)), np.float32))
        return
    regularizer = build(case["config"], A)
    value, grad = jax.value_and_grad(regularizer)(A[case["x"]["array"]])
    tol = case.get("tol", {})
    golden.assert_keras(value, A[case["value"]["array"]], **tol)
    if "grad" in case:
        golden.assert_keras(grad, A[case["grad"]["array"]], **(tol or {"rtol": 1e-3, "atol": 1e-4}), what="gradient")
    if "get_config" in case:
        # Keras rounds some factors to float32 on the way into the config; estimax keeps what was given.
        for key, want in case["get_config"].items():
            assert regularizer.get_config()[key] == (want if isinstance(want, str) else pytest.approx(want, rel=1e-6))
        assert set(regularizer.get_config()) == set(case["get_config"])
        again = regularizers.deserialize(regularizers.serialize(regularizer))
        assert type(again) is type(regularizer) and again.get_config() == regularizer.get_config()
