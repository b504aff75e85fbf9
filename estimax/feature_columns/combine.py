"""The device half of categorical columns: counts of ids, and rows of a table combined."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import Variable, current_frame, lookup_rows, row_mask

COMBINERS = ("mean", "sqrtn", "sum")


def multi_hot(ids: jax.Array, weights: jax.Array | None, size: int) -> jax.Array:
    """How often (or with what weight) each id occurs.

    Args:
        ids: -1 and ids outside `[0, size)` count nowhere. Shape `[..., width]`.
        weights: Shape `[..., width]`; all 1 if None.
        size: number of ids.

    Returns:
        Shape `[..., size]`, float32.

    Example:
        >>> import jax.numpy as jnp
        >>> multi_hot(jnp.array([[1, 1, -1]]), None, 3).tolist()
        [[0.0, 2.0, 0.0]]
    """
    hits = ids[..., None] == jnp.arange(size, dtype=ids.dtype)
    if weights is not None:
        return jnp.sum(jnp.where(hits, weights[..., None], 0.0), axis=-2)
    if ids.shape[-1] == 1:
        return hits[..., 0, :].astype(jnp.float32)
    return jnp.sum(hits, axis=-2, dtype=jnp.float32)


def lookup_combined(
    table: Any,
    ids: jax.Array,
    weights: jax.Array | None,
    combiner: str,
    *,
    max_norm: float | None = None,
    drop_weights: bool = True,
    taken_over: jax.Array | None = None,
    offsets: Variable | None = None,
) -> jax.Array:
    """Rows of a table, combined into one for each row of ids; zeros where there are none.

    To an optimizer a row of the batch without ids is a look-up of the table's first row with a gradient of zero, as in
    TensorFlow: FTRL, momentum and others change a row for that.

    Args:
        table: Variable or array. Shape `[rows, dimension]`.
        ids: -1 counts nowhere. Shape `[..., width]`.
        weights: Shape `[..., width]`; all 1 if None.
        combiner: `"sum"` of w e; `"mean"`, that by the sum of w; `"sqrtn"`, that by the root of the sum of w squared.
        max_norm: looked-up rows longer than this are shortened to it before they are combined.
        drop_weights: whether entries with a weight of 0 or less are left out, unless the combiner is the sum; without, a row
            without ids is no look-up of the first row either.
        taken_over, offsets: of a table whose rows change hands, see `own_rows`.

    Returns:
        Shape `[..., dimension]`.

    Reference: tf.nn.safe_embedding_lookup_sparse.
    """
    if weights is not None and combiner != "sum" and drop_weights:
        ids = jnp.where(weights > 0, ids, -1)
    touched = _first_of_empty(ids) if drop_weights and offsets is None and ids.ndim == 2 else None
    rows = lookup_rows(table, ids, is_merged=True, touched=touched)
    if offsets is not None and taken_over is not None:
        rows = own_rows(rows, ids, taken_over, offsets)
    if max_norm is not None:
        rows = _clipped(rows, max_norm)
    if weights is None and ids.shape[-1] == 1:
        return rows[..., 0, :]
    present = ids >= 0
    weights = present.astype(rows.dtype) if weights is None else jnp.where(present, weights, 0).astype(rows.dtype)
    total = jnp.sum(rows * weights[..., None], axis=-2)
    if combiner == "sum":
        return total
    size = jnp.sum(weights, axis=-1) if combiner == "mean" else jnp.sqrt(jnp.sum(weights * weights, axis=-1))
    return jnp.where(size[..., None] != 0, total / jnp.where(size == 0, 1, size)[..., None], 0)


def _first_of_empty(ids: jax.Array) -> jax.Array | None:
    """The first place of each row without ids, unless the row only pads the batch. Shape of the ids; None if padding is not known."""
    empty = jnp.all(ids < 0, axis=-1)
    mask = row_mask()
    if mask is not None:
        if mask.shape != empty.shape:
            return None
        empty = empty & mask
    return empty[:, None] & (jnp.arange(ids.shape[-1]) == 0)


def own_rows(rows: jax.Array, ids: jax.Array, taken_over: jax.Array, offsets: Variable) -> jax.Array:
    """Looked-up rows as their present owners know them: less what was there when they took them over.

    Only training changes a table, so a row that changes hands cannot be set to zero there; what it held is remembered instead.

    Args:
        rows: Shape `[..., dimension]`.
        ids: where they were looked up. Shape `[...]`.
        taken_over: which got a new owner in this step. Shape `[...]`.
        offsets: what rows held when they were taken over. Shape of the table.

    Returns:
        Shape `[..., dimension]`.
    """
    known = offsets.value
    size = len(known)
    held = jnp.where(
        taken_over[..., None], jax.lax.stop_gradient(rows), known.at[jnp.where(ids < 0, size, ids)].get(mode="fill", fill_value=0)
    )
    frame = current_frame()
    if frame is not None and frame.training:
        offsets.assign(known.at[jnp.where(taken_over, ids, size)].set(held, mode="drop"))
    return rows - held


def check_combiner(combiner: str, owner: str) -> None:
    """Refuses an unknown combiner.

    Raises:
        ValueError: if it is not mean, sqrtn or sum.
    """
    if combiner not in COMBINERS:
        raise ValueError(f"{owner}: combiner is {combiner!r}, expected one of {', '.join(COMBINERS)}.")


def _clipped(rows: jax.Array, max_norm: float) -> jax.Array:
    square = jnp.sum(rows * rows, axis=-1, keepdims=True)
    norm = jnp.sqrt(jnp.where(square > 0, square, 1.0))  # the gradient of the root at 0 would be NaN
    # Rows of zeros stand for places without an id, too: they stay zeros, whatever max_norm is.
    return rows * max_norm / jnp.where(square > 0, jnp.maximum(norm, max_norm), 1.0)
