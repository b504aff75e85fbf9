"""Initializers against Keras 3: moments and bounds of drawn values, exact values of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimax import initializers
from tests.golden import golden

# Arguments that Keras 3.15 leaves out of configs.
LOST_BY_KERAS = {"Identity": {"gain"}, "IdentityInitializer": {"gain"}}


def build(config: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The initializer of a config tree."""
    return golden.build_keras(config, lambda name: getattr(initializers, name.rsplit(".", 1)[-1]), arrays)


def check_distribution(values: np.ndarray, expected: dict) -> None:
    """Mean and standard deviation within 6 standard errors, and the bounds."""
    std_error = expected["std"] / np.sqrt(values.size)
    assert abs(values.mean() - expected["mean"]) <= 6 * std_error
    # The error of a standard deviation is largest, std / sqrt(2 n), for the normal distribution.
    assert abs(values.std() - expected["std"]) <= 6 * std_error / np.sqrt(2)
    if "low" in expected:
        slack = 1e-6 * (expected["high"] - expected["low"])
        assert values.min() >= expected["low"] - slack and values.max() <= expected["high"] + slack
    if "abs_bound" in expected:
        assert np.abs(values - expected["mean"]).max() <= expected["abs_bound"] * (1 + 1e-6)


@golden.parametrize("keras", "initializers")
def test_case(file: str, case: dict) -> None:
    A = golden.arrays(file)
    if case["kind"] == "error":
        with pytest.raises((ValueError, TypeError)):
            build(case["config"], A)(tuple(case.get("shape", (2, 2))))
        return
    initializer = build(case["config"], A)
    shape = tuple(case["shape"])
    values = np.asarray(initializer(shape))
    assert values.shape == shape and values.dtype == np.float32
    if case["kind"] == "distribution":
        check_distribution(values.astype(np.float64), case["expected"])
        repeat = case.get("repeat", {})
        if "same_object_same_values" in repeat:
            assert np.array_equal(values, initializer(shape)) == repeat["same_object_same_values"]
        if "equal_seed_same_values" in repeat:
            assert np.array_equal(values, build(case["config"], A)(shape)) == repeat["equal_seed_same_values"]
    elif case["kind"] == "orthogonal":
        flat = values.reshape(-1, shape[-1]).astype(np.float64)
        gram = flat @ flat.T if flat.shape[0] < flat.shape[1] else flat.T @ flat
        np.testing.assert_allclose(gram, case["gain"] ** 2 * np.eye(len(gram)), atol=1e-4 * case["gain"] ** 2)
    else:
        golden.assert_keras(values, A[case["value"]["array"]], **case.get("tol", {}))
    if "get_config" in case:
        config = initializer.get_config()
        assert {k: v for k, v in config.items() if k not in LOST_BY_KERAS.get(case["config"]["class"], ())} == case["get_config"]
        again = initializers.deserialize(initializers.serialize(initializer))
        assert type(again) is type(initializer) and again.get_config() == config
