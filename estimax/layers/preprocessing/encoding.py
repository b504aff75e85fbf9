"""What table and text layers share on the device: category ids to one-hot, multi-hot, counts; and how data for `adapt` is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostValue
from estimax.core.errors import InputDataError

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count")


def checked_mode(layer: Any, output_mode: str, modes: tuple[str, ...] = OUTPUT_MODES) -> str:
    """A known output mode, under its present name."""
    mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
    if mode not in modes:
        raise ValueError(f"{type(layer).__name__}: output_mode: given {output_mode!r}, expected one of {modes}.")
    return mode


def refuse_sparse(layer: Any, sparse: bool) -> None:
    """Keras's configs have this argument; outputs are dense arrays here."""
    if sparse:
        raise ValueError(
            f"{type(layer).__name__}: sparse: given True, expected False. Outputs are dense arrays here; leave it out."
        )


def encode_categories(ids: jax.Array, mode: str, depth: int, dtype: Any, weights: jax.Array | None = None) -> jax.Array:
    """Category ids as the output mode says; ids outside `[0, depth)` count nowhere.

    Args:
        ids: integers `[batch, ...]`, or `[n]` for a single sample of `n` ids.
        mode: `"int"`; `"one_hot"`: `[..., depth]`, without the last axis of the ids if its size is 1; `"multi_hot"` and `"count"`:
            `[batch, ..., depth]`, with the ids of axis 1 taken together.
        depth: number of categories.
        dtype: of the result.
        weights: of each id, for counts. Shape of the ids.

    Example:
        >>> encode_categories(jnp.array([[0, 2], [2, 2]]), "count", 3, "float32").tolist()
        [[1.0, 0.0, 1.0], [0.0, 0.0, 2.0]]
    """
    if mode == "int":
        return ids.astype(dtype)
    if ids.ndim == 0:
        ids = ids[None]
    if mode == "one_hot":
        if ids.ndim > 1 and ids.shape[-1] == 1:
            ids = ids[..., 0]
        return jax.nn.one_hot(ids, depth, dtype=dtype)
    axis = 1 if ids.ndim > 1 else 0
    ids = jnp.moveaxis(ids, axis, -1)
    rows = ids.reshape(-1, ids.shape[-1])
    # A scatter, not a sum of one-hot rows: those would take `depth` numbers for each id.
    places = jnp.where((rows < 0) | (rows >= depth), depth, rows)
    at = jnp.zeros((len(rows), depth), dtype).at[jnp.arange(len(rows))[:, None], places]
    if mode == "multi_hot":
        found = at.max(jnp.ones((), dtype), mode="drop")
    else:
        each = jnp.ones((), dtype) if weights is None else jnp.moveaxis(weights, axis, -1).reshape(rows.shape)
        found = at.add(each, mode="drop")
    return found.reshape(*ids.shape[:-1], depth)


def encoded_shape(shape: Any, mode: str, depth: int | None) -> tuple:
    """The shape that `encode_categories` gives."""
    shape = tuple(shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    return (shape[0], *shape[2:], depth) if len(shape) > 1 else (depth,)


def device_array(x: Any, dtype: Any = None) -> jax.Array:
    """A layer's input as a device array: raw features go there as they are."""
    if isinstance(x, HostValue):
        x = x.on_device()
    if isinstance(x, jax.Array):
        return x if dtype is None else x.astype(dtype)
    return jnp.asarray(np.asarray(x, None if dtype is None else np.dtype(dtype)))


def batches_of(data: Any, steps: int | None = None) -> Iterator[Any]:
    """What `adapt` was given, batch by batch: one array or nested list is one batch, anything else iterable gives batches.

    Of batches that are tuples or have features and labels, the first part is taken.

    Raises:
        ValueError: if there is no batch.
    """
    whole = isinstance(data, (np.ndarray, jax.Array, str, bytes)) or hasattr(data, "__array__") or hasattr(data, "type")
    if not whole and isinstance(data, (list, tuple)):
        whole = len(data) > 0 and not isinstance(data[0], (np.ndarray, jax.Array))
    count = 0
    for batch in [data] if whole else data:
        if steps is not None and count >= steps:
            return
        count += 1
        yield batch[0] if isinstance(batch, tuple) and not whole else batch
    if count == 0:
        raise InputDataError("adapt: given no batch at all, expected data. Pass an array, a list, or an iterable of batches.")
