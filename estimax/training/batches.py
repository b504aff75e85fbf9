"""What a batch looks like to the engine: a flat dict of raw columns, and the structure they came in."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from estimax.core import Features, HostValue, is_host_array
from estimax.core.errors import InputDataError

ROW_MASK = "row_mask"


class Structure:
    """How features, labels and weights of a batch were nested, with the raw column's key at each leaf.

    Two batches of equal structure are read by the same compiled program.

    Args:
        features, labels, weights: nested dicts and lists of keys; None where absent.
        on_host: keys of columns that cannot go to a device as they are.
    """

    def __init__(self, features: Any, labels: Any, weights: Any, on_host: frozenset[str]):
        self.features, self.labels, self.weights, self.on_host = features, labels, weights, on_host
        self.signature = repr((features, labels, weights, sorted(on_host)))

    def open(self) -> tuple[Any, Any, Any]:
        """Features, labels and weights as a forward function takes them, inside an open frame."""
        features = self.features
        if isinstance(features, dict) and all(isinstance(k, str) for k in features.values()):
            opened: Any = Features(features, self.on_host)
        else:
            opened = self._leaf_values(features)
        return opened, self._leaf_values(self.labels), self._leaf_values(self.weights)

    def _leaf_values(self, tree: Any) -> Any:
        if tree is None:
            return None
        if isinstance(tree, dict):
            return {k: self._leaf_values(v) for k, v in tree.items()}
        if isinstance(tree, (list, tuple)):
            return type(tree)(self._leaf_values(v) for v in tree)
        value = HostValue(tree)
        return value if tree in self.on_host else value.on_device()


def _is_many(x: Any, in_dict: bool) -> bool:
    """Whether a list or tuple holds several arrays, rather than being one column; a list inside a dict is always a column."""
    if not isinstance(x, list):
        return isinstance(x, tuple)
    return not in_dict and len(x) > 0 and all(isinstance(v, dict) or (hasattr(v, "shape") and np.ndim(v) > 0) for v in x)


def as_columns(x: Any) -> Any:
    """Tables (pandas, Arrow, polars) as dicts of columns; other values as they are."""
    kind = type(x).__module__.split(".")[0] + "." + type(x).__name__
    if kind == "pandas.DataFrame":
        return {str(k): x[k] for k in x.columns}
    if kind in ("pyarrow.Table", "pyarrow.RecordBatch"):
        return {k: x.column(k) for k in x.schema.names}
    if kind == "polars.DataFrame":
        return as_columns(x.to_arrow())
    return x


def flatten(features: Any, labels: Any = None, weights: Any = None) -> tuple[dict[str, Any], Structure]:
    """A batch as raw columns by key, and its structure."""
    raw: dict[str, Any] = {}
    on_host: set[str] = set()

    def walk(x: Any, key: str, in_dict: bool = False) -> Any:
        x = as_columns(x)
        if x is None:
            return None
        if isinstance(x, Mapping):
            return {k: walk(v, f"{key}/{k}", in_dict=True) for k, v in x.items()}
        if _is_many(x, in_dict):
            return [walk(v, f"{key}/{i}") for i, v in enumerate(x)]
        if isinstance(x, (bool, int, float, list)) or type(x).__module__.startswith("pandas"):
            array = _as_array(x)
            x = x if array is None else array
        elif type(x).__module__.startswith("torch"):
            x = x.numpy()
        raw[key] = x
        if is_host_array(x):
            on_host.add(key)
        return key

    keys = {name: walk(part, name) for name, part in (("features", features), ("labels", labels), ("weights", weights))}
    return raw, Structure(**keys, on_host=frozenset(on_host))


def _as_array(x: Any) -> np.ndarray | None:
    """A NumPy array of a plain value, or None if it is ragged or of a richer type that a column should see."""
    if type(x).__module__.startswith("pandas"):
        return np.asarray(x) if isinstance(x.dtype, np.dtype) and x.dtype.kind in "biuf" else None
    try:
        return np.asarray(x)
    except ValueError:
        return None


def row_count(arrays: Mapping[str, Any]) -> int:
    """The number of rows of a batch of encoded arrays.

    Raises:
        InputDataError: if columns disagree, or there are none.
    """
    sizes = {k: leaf.shape[0] for k, v in arrays.items() for leaf in jax.tree.leaves(v) if np.ndim(leaf) > 0}
    if not sizes:
        raise InputDataError("The batch has no columns that the model reads. Give features, and labels for training.")
    counts = set(sizes.values())
    if len(counts) > 1:
        listed = ", ".join(f"{k.removeprefix('features/')}: {n}" for k, n in sizes.items())
        raise InputDataError(f"Columns of one batch must have equally many rows; given {listed}.")
    return counts.pop()


def pad_rows(arrays: Mapping[str, Any], size: int, pad_values: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays with rows appended up to `size`: of the key's pad value, or copies of the first row where that is None."""

    def pad(x: Any, value: Any) -> Any:
        x = np.asarray(x)
        if x.ndim == 0 or x.shape[0] == size:
            return x
        out = np.empty((size, *x.shape[1:]), x.dtype)
        out[: x.shape[0]] = x
        out[x.shape[0] :] = x[0] if value is None else value
        return out

    return {k: jax.tree.map(functools.partial(pad, value=pad_values.get(k)), v) for k, v in arrays.items()}
