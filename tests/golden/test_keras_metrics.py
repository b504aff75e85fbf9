"""Metrics against Keras 3: results batch by batch, variables, reset, configs; eager and as pure functions."""

from __future__ import annotations

from typing import Any

import jax
import pytest

from estimax import losses, metrics
from tests.golden import golden

# Keras 3.15 leaves it out of some configs, so that it is lost; estimax writes it where it is not the default.
WRITTEN_BY_ESTIMAX_ONLY = {"axis"}


def find(name: str) -> Any:
    """A class of metrics, or a function of another family by its path."""
    family, _, last = name.rpartition(".")
    return getattr(losses if family.endswith("losses") else metrics, last)


def plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


@golden.parametrize("keras", "metrics")
def test_case(file: str, case: dict) -> None:
    A = golden.arrays(file)
    if "error" in case:
        with pytest.raises((ValueError, TypeError)):
            metric = golden.build_keras(case["config"], find, A)
            assert case["error"].get("stage", "construct") == "call"
            for batch in case["batches"]:
                metric.update_state(**golden.build_keras(batch, find, A))
        return
    tol = case.get("tol", {})
    metric = golden.build_keras(case["config"], find, A)
    check_config(metric, case)
    if case.get("initial_result") is not None:
        golden.assert_keras(metric.result(), A[case["initial_result"]["array"]], **tol, what="initial result")
    batches = [golden.build_keras(batch, find, A) for batch in case["batches"]]

    @jax.jit
    def whole_run(batches: Any) -> Any:
        totals, results = metric.initial_totals(**batches[0]), []
        for batch in batches:
            totals = metric.updated_totals(totals, **batch)
            results.append(metric.result_of(totals))
        last = metric.updated_totals(metric.initial_totals(), **batches[-1])
        return results, list(totals.values()), metric.result_of(last)

    results, totals, after_reset = whole_run(batches)
    for i, want in enumerate(case["results"]):
        golden.assert_keras(results[i], A[want["array"]], **tol, what=f"result after batch {i}")
    if "variables" in case:
        assert [v.name for v in metric.variables] == [v["name"] for v in case["variables"]]
        for got, want in zip(totals, case["variables"], strict=True):
            assert got.dtype.name == want["dtype"]
            golden.assert_keras(got, A[want["array"]], **tol, what=want["name"])
    if "after_reset_and_last_batch" in case:
        want = A[case["after_reset_and_last_batch"]["array"]]
        golden.assert_keras(after_reset, want, **tol, what="result after reset")


def check_config(metric: Any, case: dict) -> None:
    """Name and config are Keras's, and the config builds an equal metric."""
    config = plain(metric.get_config())
    if "name" in case:
        assert metric.name == case["name"]
    if "get_config" in case:
        assert {k: v for k, v in config.items() if k in case["get_config"]} == case["get_config"]
        assert set(config) - set(case["get_config"]) <= WRITTEN_BY_ESTIMAX_ONLY
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric) and plain(again.get_config()) == config
