"""Activations and their gradients against Keras 3."""

from __future__ import annotations

import jax

from estimax import activations
from tests.golden import golden


@golden.parametrize("keras", "activations")
def test_case(file: str, case: dict) -> None:
    A = golden.arrays(file)
    fn = getattr(activations, case["config"]["fn"].removeprefix("activations."))
    kwargs = golden.build_keras(case["config"]["kwargs"], lambda name: getattr(activations, name), A)
    x = A[case["x"]["array"]]
    tol = case.get("tol", {})
    if x.dtype.kind != "f":
        got = fn(x, **kwargs)
        golden.assert_keras(got, A[case["y"]["array"]], **tol)
        return
    got, pullback = jax.vjp(lambda x: fn(x, **kwargs), x)
    assert got.dtype.name == case["y"]["dtype"]
    golden.assert_keras(got, A[case["y"]["array"]], **tol, what="y")
    if "grad" in case:
        (grad,) = pullback(A[case["cotangent"]["array"]])
        golden.assert_keras(grad, A[case["grad"]["array"]], **(tol or {"rtol": 1e-3, "atol": 1e-4}), what="gradient")
    assert activations.get(case["config"]["fn"]) is fn
