"""Builds the objects of tf.estimator's config trees, and the functions that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import estimax as ex
from estimax.core import HostValue
from tests.golden import golden


def _mean_abs(labels: Any, logits: Any) -> Any:
    return jnp.mean(jnp.abs(_float(labels) - logits), -1, keepdims=True)


def _float(x: Any) -> Any:
    return jnp.asarray(x, jnp.float32)


def loss_abs_diff(labels: Any, logits: Any) -> Any:
    return jnp.abs(_float(labels) - logits)


def loss_mean_abs_diff(labels: Any, logits: Any) -> Any:
    return _mean_abs(labels, logits)


def loss_squared_hinge(labels: Any, logits: Any) -> Any:
    return jnp.square(jax.nn.relu(1 - (2 * _float(labels) - 1) * logits))


def loss_scaled_by_feature(key: str) -> Callable:
    def loss(labels: Any, features: Any, logits: Any) -> Any:
        return jnp.square(_float(labels) - logits) * features[key]

    return loss


CALLABLES: dict[str, Callable] = {
    "scale": lambda a: lambda x: x * a,
    "shift_scale": lambda m, s: lambda x: (x - m) / s,
    "clip": lambda lo, hi: lambda x: jnp.clip(x, lo, hi),
    "log1p": lambda: jnp.log1p,
    "square": lambda: jnp.square,
    "exp": lambda: lambda logits: jnp.exp(logits),
    "sigmoid": lambda: lambda x: jax.nn.sigmoid(x),
    "softplus": lambda: jax.nn.softplus,
    "relu": lambda: jax.nn.relu,
    "tanh": lambda: jnp.tanh,
    "identity": lambda: lambda x: x,
    "add_scalar_of_ones": lambda: lambda x: x + jnp.ones_like(x),
    "loss_abs_diff": lambda: loss_abs_diff,
    "loss_mean_abs_diff": lambda: loss_mean_abs_diff,
    "loss_squared_hinge": lambda: loss_squared_hinge,
    "loss_scaled_by_feature": loss_scaled_by_feature,
}


def lookup(name: str) -> Any:
    """The class or function of a tree's `fn`."""
    if name == "make_columns":
        return columns_spliced
    if "." not in name:
        return getattr(ex.feature_columns, name)
    package, _, rest = name.partition(".")
    target = {"estimator": lambda: ex.estimator, "keras": lambda: ex, "io": lambda: ex.data}[package]()
    for part in rest.split("."):
        target = getattr(target, part)
    return target


def columns_spliced(tree: Any) -> Any:
    """Lists of columns with the lists that `shared_embeddings` returns spliced in."""
    if isinstance(tree, list):
        out: list[Any] = []
        for v in tree:
            v = columns_spliced(v)
            out.extend(v) if isinstance(v, list) else out.append(v)
        return out
    return tree


def build(tree: Any, **extra: Any) -> Any:
    """The object of a tree; `extra` are further keyword arguments of the outermost call."""
    args = golden.build_tf(tree.get("args", []), lookup, CALLABLES)
    kwargs = golden.build_tf(tree.get("kwargs", {}), lookup, CALLABLES)
    kwargs = {k: columns_spliced(v) if k.endswith("columns") else v for k, v in kwargs.items()}
    return lookup(tree["fn"])(*args, **kwargs, **extra)


def on_host(name: str, x: Any) -> Any:
    """A recorded value as an eager head takes it: arrays as they are, others as host values."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        return jnp.asarray(x)
    return HostValue(name, value=x)


def values(tree: Any, name: str = "") -> Any:
    """A recorded value or dict of values, for eager use."""
    return on_host(name, golden.value(tree)) if golden.is_value(tree) else {k: values(v, k) for k, v in tree.items()}


class SparseRows:
    """A recorded COO feature as the input gives it: slices of rows keep its dense width.

    Args:
        value: the recorded value.
    """

    def __init__(self, value: golden.Sparse):
        self.value = value

    def rows(self, start: int, stop: int) -> Any:
        """Some of the rows, as a SparseTensor."""
        v = self.value
        keep = (v.indices[:, 0] >= start) & (v.indices[:, 0] < stop)
        indices = v.indices[keep] - np.array([start] + [0] * (len(v.dense_shape) - 1))
        shape = (stop - start, *v.dense_shape[1:].tolist())
        return ex.data.SparseTensor(indices, v.values[keep], shape)


def rows_of(tree: Any, start: int, stop: int) -> Any:
    """Rows of recorded features or labels, as a batch."""
    if isinstance(tree, dict) and not golden.is_value(tree):
        return {k: rows_of(v, start, stop) for k, v in tree.items()}
    value = golden.value(tree)
    return SparseRows(value).rows(start, stop) if isinstance(value, golden.Sparse) else value[start:stop]


def count_rows(tree: Any) -> int:
    """How many rows recorded features have."""
    while not golden.is_value(tree):
        tree = next(iter(tree.values()))
    value = golden.value(tree)
    return int(value.dense_shape[0]) if isinstance(value, golden.Sparse) else len(value)


def batches(features: Any, labels: Any, size: int, *, repeat: bool) -> Iterator[Any]:
    """Batches in order, the short last one kept; the data repeats without end if asked to."""
    count = count_rows(features)
    while True:
        for start in range(0, count, size):
            stop = min(start + size, count)
            batch = rows_of(features, start, stop)
            yield batch if labels is None else (batch, rows_of(labels, start, stop))
        if not repeat:
            return
