"""Reads the golden cases: where they are, what their values mean, how results are compared."""

from __future__ import annotations

import base64
import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "golden"


def root() -> Path:
    """The folder of golden cases: the variable ESTIMAX_GOLDEN, or `../shared/golden` beside the checkout."""
    return Path(os.environ.get("ESTIMAX_GOLDEN", DEFAULT))


@functools.cache
def read(path: str) -> dict[str, Any]:
    """One file of cases."""
    return json.loads((root() / path).read_text())


def files(side: str, family: str) -> list[str]:
    """All case files of a family (`side` is `tf` or `keras`), as paths below the root."""
    return sorted(str(p.relative_to(root())) for p in (root() / side / family).glob("*.json"))


def parametrize(
    side: str, family: str, *, only: Callable[[str, dict], bool] | None = None, xfail: dict[str, str] | None = None
) -> Any:
    """One test a case: `(file, case)` pairs with the case's id.

    Args:
        only: keeps the cases for which `only(file, case)` is true.
        xfail: `{case id or prefix ending in '*': reason}` for cases that can't pass yet.
    """

    def marks(case_id: str) -> list:
        for pattern, reason in (xfail or {}).items():
            if case_id == pattern or (pattern.endswith("*") and case_id.startswith(pattern[:-1])):
                return [pytest.mark.xfail(reason=reason, strict=False)]
        return []

    def rows() -> Iterator[Any]:
        for file in files(side, family):
            for case in read(file)["cases"]:
                if only is None or only(file, case):
                    yield pytest.param(file, case, id=f"{side}/{family}/{Path(file).stem}/{case['id']}", marks=marks(case["id"]))

    params = list(rows())
    if not params:
        reason = f"no golden cases of {side}/{family} in {root()}"
        params = [pytest.param("", {}, id=f"{side}/{family}/absent", marks=pytest.mark.skip(reason=reason))]
    return pytest.mark.parametrize(("file", "case"), params)


# ---- TensorFlow side: values ------------------------------------------------------------------------------------


def _scalar(x: Any, dtype: str) -> Any:
    if dtype == "string":
        return base64.b64decode(x["b64"]) if isinstance(x, dict) else x.encode()
    return float(x) if isinstance(x, str) else x


def _map(x: Any, dtype: str) -> Any:
    return [_map(v, dtype) for v in x] if isinstance(x, list) else _scalar(x, dtype)


def array(data: Any, dtype: str, shape: list[int]) -> np.ndarray:
    """A nested list as an array; strings become an object array of bytes."""
    return np.array(_map(data, dtype), dtype=object if dtype == "string" else dtype).reshape(shape)


class Sparse:
    """A COO value: `indices` `[n, rank]`, `values` `[n]`, `dense_shape` `[rank]`."""

    def __init__(self, indices: Any, values: np.ndarray, dense_shape: Any):
        self.dense_shape = np.asarray(dense_shape, np.int64)
        self.indices = np.asarray(indices, np.int64).reshape(-1, len(self.dense_shape))
        self.values = values


class Ragged:
    """A ragged value: nested row splits, outermost first, and flat values."""

    def __init__(self, nested_row_splits: list, flat_values: np.ndarray):
        self.nested_row_splits = [np.asarray(s, np.int64) for s in nested_row_splits]
        self.flat_values = flat_values


def is_value(t: Any) -> bool:
    return isinstance(t, dict) and len(t) == 1 and next(iter(t)) in ("dense", "sparse", "ragged")


def value(t: dict) -> Any:
    """A recorded tensor as an array, `Sparse` or `Ragged`."""
    ((kind, v),) = t.items()
    if kind == "dense":
        return array(v["data"], v["dtype"], v["shape"])
    if kind == "sparse":
        return Sparse(v["indices"], array(v["values"], v["dtype"], [-1]), v["dense_shape"])
    flat = v["flat_values"]
    return Ragged(v["nested_row_splits"], array(flat["data"], flat["dtype"], flat["shape"]))


def build_tf(
    tree: Any, lookup: Callable[[str], Any], callables: dict[str, Callable], decode: Callable[[dict], Any] = value
) -> Any:
    """Interprets a config tree of the TensorFlow side; see the README of the cases."""
    again = functools.partial(build_tf, lookup=lookup, callables=callables, decode=decode)
    if isinstance(tree, list):
        return [again(v) for v in tree]
    if not isinstance(tree, dict):
        return tree
    if "fn" in tree:
        args, kwargs = again(tree.get("args", [])), {k: again(v) for k, v in tree.get("kwargs", {}).items()}
        return lookup(tree["fn"])(*args, **kwargs)
    if "callable" in tree:
        return callables[tree["callable"]](*tree.get("args", []))
    if set(tree) == {"dtype"}:
        return tree["dtype"]
    if "file" in tree:
        return str(root() / "tf" / tree["file"])
    if set(tree) == {"tuple"}:
        return tuple(again(tree["tuple"]))
    if set(tree) == {"float"}:
        return float(tree["float"])
    return decode(tree) if is_value(tree) else {k: again(v) for k, v in tree.items()}


def assert_tf(got: Any, want: Any, *, rtol: float = 1e-5, atol: float = 1e-6, what: str = "") -> None:
    """Compares a result with a recorded one: floats by tolerance, all else exactly."""
    want = np.asarray(want)
    got = np.asarray(got)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if want.dtype.kind == "f":
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=rtol, atol=atol, err_msg=what)
    elif want.dtype.kind in "OSU":
        as_bytes = [x.encode() if isinstance(x, str) else bytes(x) for x in got.ravel().tolist()]
        assert as_bytes == want.ravel().tolist(), f"{what}: {as_bytes} != {want.ravel().tolist()}"
    else:
        np.testing.assert_array_equal(got, want, err_msg=what)


# ---- Keras side ------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _npz(path: str) -> dict[str, np.ndarray]:
    with np.load(path) as z:
        return {k: z[k] for k in z.files}


def arrays(file: str) -> dict[str, np.ndarray]:
    """The arrays beside a case file of the Keras side."""
    path = (root() / file).with_suffix(".npz")
    return _npz(str(path)) if path.exists() else {}


def build_keras(node: Any, lookup: Callable[[str], Any], A: dict[str, np.ndarray]) -> Any:
    """Interprets a config tree of the Keras side; `lookup(name)` finds a class or function by the name in the tree."""
    if isinstance(node, dict):
        if "class" in node:
            return lookup(node["class"])(**{k: build_keras(v, lookup, A) for k, v in node.get("kwargs", {}).items()})
        if set(node) == {"fn"}:
            return lookup(node["fn"])
        if set(node) == {"float"}:
            return float(node["float"])
        if "array" in node:
            return A[node["array"]]
        return {k: build_keras(v, lookup, A) for k, v in node.items()}
    if isinstance(node, list):
        return [build_keras(v, lookup, A) for v in node]
    return node


def find(package: Any, name: str, family: str) -> Any:
    """`name` of a tree: without a dot in `package.<family>`, with dots a path from `package`."""
    target = getattr(package, family) if "." not in name else package
    for part in name.split("."):
        target = getattr(target, part)
    return target


def assert_keras(got: Any, want: Any, *, rtol: float = 1e-4, atol: float = 2e-5, what: str = "") -> None:
    """`|got - want| <= atol * max(1, max|want|) + rtol * |want|`; integers, booleans and strings equal."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if want.dtype.kind == "f" or got.dtype.kind == "f":
        got, want = got.astype(np.float64), want.astype(np.float64)
        finite = np.abs(want[np.isfinite(want)])
        scale = max(1.0, float(finite.max())) if finite.size else 1.0
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol * scale, err_msg=what)
    else:
        np.testing.assert_array_equal(got, want, err_msg=what)
