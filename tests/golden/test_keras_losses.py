"""Losses, their reductions and gradients against Keras 3."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import losses
from tests.golden import golden

GRADIENTS = {"rtol": 1e-3, "atol": 1e-4}
# Keras 3.15 leaves these out of configs, so that they are lost; estimax writes them where they are not the default.
WRITTEN_BY_ESTIMAX_ONLY = {"axis", "delta", "dtype"}


def build(node: Any, arrays: dict[str, np.ndarray], **more: Any) -> Any:
    """The loss of a config tree, with further arguments."""
    kwargs = golden.build_keras(node.get("kwargs", {}), lambda name: getattr(losses, name.rsplit(".", 1)[-1]), arrays)
    return getattr(losses, node["class"].rsplit(".", 1)[-1])(**kwargs, **more)


@golden.parametrize("keras", "losses")
def test_case(file: str, case: dict) -> None:
    A = golden.arrays(file)
    if case["kind"] == "error":
        check_error(case, A)
        return
    tol = case.get("tol", {})
    y_true, y_pred = A[case["y_true"]["array"]], A[case["y_pred"]["array"]]
    if case["kind"] == "function":
        fn = getattr(losses, case["config"]["fn"].rsplit(".", 1)[-1])
        kwargs = golden.build_keras(case["config"].get("kwargs", {}), lambda name: getattr(losses, name), A)
        golden.assert_keras(jax.jit(lambda t, p: fn(t, p, **kwargs))(y_true, y_pred), A[case["value"]["array"]], **tol)
        return
    weight = A[case["sample_weight"]["array"]] if "sample_weight" in case else None
    mask = A[case["mask"]["array"]] if "mask" in case else None
    cotangents = {"none": A[case["cotangent_none"]["array"]]} if "cotangent_none" in case else {}
    by_reduction = {name: build(case["config"], A, reduction=name) for name in case["values"]}

    @jax.jit
    def values_and_gradients(y_pred: Any) -> Any:
        out = {}
        for name, loss in by_reduction.items():
            value, pullback = jax.vjp(lambda p, loss=loss: loss(y_true, p, sample_weight=weight, mask=mask), y_pred)
            out[name] = value, pullback(jnp.asarray(cotangents.get(name, jnp.ones_like(value))))[0]
        return out

    out = values_and_gradients(y_pred)
    for name, want in case["values"].items():
        golden.assert_keras(out[name][0], A[want["array"]], **tol, what=name)
    for name, want in case.get("grads", {}).items():
        golden.assert_keras(out[name][1], A[want["array"]], **(tol or GRADIENTS), what=f"gradient of {name}")
    check_config(case, A)


def check_config(case: dict, arrays: dict[str, np.ndarray]) -> None:
    """Name and config are Keras's, and the config builds an equal loss."""
    loss = build(case["config"], arrays)
    config = loss.get_config()
    if "name" in case:
        assert loss.name == case["name"]
    if "get_config" in case:
        assert {k: v for k, v in config.items() if k in case["get_config"]} == case["get_config"]
        assert set(config) - set(case["get_config"]) <= WRITTEN_BY_ESTIMAX_ONLY
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == config


def check_error(case: dict, arrays: dict[str, np.ndarray]) -> None:
    """The case fails at the stage that it names."""
    if case["error"].get("stage", "construct") == "construct":
        with pytest.raises((ValueError, TypeError)):
            build(case["config"], arrays)
        return
    loss = build(case["config"], arrays)
    inputs = [golden.build_keras(case[key], lambda name: getattr(losses, name), arrays) for key in ("y_true", "y_pred")]
    with pytest.raises((ValueError, TypeError)):
        loss(*inputs)
