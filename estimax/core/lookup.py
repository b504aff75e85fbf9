"""Looking up rows of a table so that large tables can train by rows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core.errors import ShapeError
from estimax.core.frame import Lookup, current_frame, trace_state
from estimax.core.variable import Variable


def embedding_lookup(table: Variable | jax.Array, ids: Any) -> jax.Array:
    """Rows of a table by integer ids.

    In a training step the engine finds these look-ups by an abstract pass and, for large tables, differentiates by the
    looked-up rows only (a zero array is added to them), so that a step's cost is set by the batch, not by the table.

    Args:
        table: `[rows, width]`, a Variable or an array.
        ids: integers `[...]`. An id outside `[0, rows)` gives a row of zeros, and gets no gradient.

    Returns:
        `[..., width]`, the table's dtype.

    Raises:
        ValueError: if the table is not of rank 2 or the ids are not integers.

    Example:
        >>> import jax.numpy as jnp
        >>> embedding_lookup(jnp.eye(3), [2, -1]).tolist()
        [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]

    Reference: tf.nn.embedding_lookup (which leaves ids out of range undefined on accelerators).
    """
    return lookup_rows(table, ids)


def lookup_rows(table: Variable | jax.Array, ids: Any, *, is_merged: bool = False, touched: jax.Array | None = None) -> jax.Array:
    """As `embedding_lookup`, with what an optimizer is told about the look-up.

    Args:
        table: see `embedding_lookup`.
        ids: see `embedding_lookup`.
        is_merged: whether TensorFlow looks repeated ids up once, see `RowGradient.lookups`.
        touched: places without id for which row 0 gets a gradient of zeros, in the shape of the ids; they give rows of zeros as without.

    Returns:
        `[..., width]`, the table's dtype.

    Raises:
        ValueError: if the table is not of rank 2 or the ids are not integers.
    """
    ids = jnp.asarray(ids)
    if not jnp.issubdtype(ids.dtype, jnp.integer):
        raise ShapeError(f"ids: expected integers, given {ids.dtype}. Cast them first, or use a categorical column.")
    if len(table.shape) != 2:
        raise ShapeError(f"table: expected a table of shape [rows, width], given {tuple(table.shape)}.")
    rows, width = table.shape
    flat = ids.reshape(-1).astype(jnp.int32)
    flat = jnp.where((flat < 0) | (flat >= rows), rows, flat)
    frame = current_frame()
    path = frame.bindings.get(id(table)) if frame is not None and isinstance(table, Variable) else None
    if path is None:
        values = table.value if isinstance(table, Variable) else table
        return _rows_or_zeros(values, flat).reshape(*ids.shape, width)
    assert frame is not None
    inner = trace_state() != frame._trace
    values = frame.values[path] if path in frame.values else frame.read(path)
    frame.lookups.append(Lookup(path, flat.shape[0], width, values.dtype, inner, is_merged))
    if frame.deltas is not None and path in frame.row_tables:
        delta = frame.deltas[len(frame.lookup_ids)]
        found = _rows_apart(jax.lax.stop_gradient(values), flat)
        if touched is not None:
            touched = touched.reshape(-1)
            flat, delta = jnp.where(touched, 0, flat), jnp.where(touched[:, None], 0, delta)
        frame.lookup_ids.append(flat)
        return (found + delta).reshape(*ids.shape, width)
    return _rows_or_zeros(values, flat).reshape(*ids.shape, width)


def _rows_apart(table: jax.Array, ids: jax.Array) -> jax.Array:
    """As `_rows_or_zeros`; on a CPU a plain copy of rows where no id is out of range, kept apart from what is around it as in `apart`."""
    if jax.default_backend() != "cpu":
        return _rows_or_zeros(table, ids)
    is_padded = jnp.any(ids >= len(table))
    return jax.lax.cond(is_padded, _rows_or_zeros, lambda t, i: t.at[i].get(mode="promise_in_bounds"), table, ids)


def _rows_or_zeros(table: jax.Array, ids: jax.Array) -> jax.Array:
    return table.at[ids].get(mode="fill", fill_value=0)
