"""Constraints against Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimax import constraints
from tests.golden import golden


def build(config: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The constraint of a config tree."""
    return golden.build_keras(config, lambda name: getattr(constraints, name.rsplit(".", 1)[-1]), arrays)


@golden.parametrize("keras", "constraints")
def test_case(file: str, case: dict) -> None:
    A = golden.arrays(file)
    if case.get("kind") == "error":
        with pytest.raises((ValueError, TypeError)):
            build(case["config"], A)(np.zeros(case.get("x_shape", (2, 2)), np.float32))
        return
    constraint = build(case["config"], A)
    golden.assert_keras(constraint(A[case["x"]["array"]]), A[case["value"]["array"]], **case.get("tol", {}))
    if "get_config" in case:
        assert constraint.get_config() == case["get_config"]
        again = constraints.deserialize(constraints.serialize(constraint))
        assert type(again) is type(constraint) and again.get_config() == case["get_config"]
