"""Gradients of a few rows of a large table: what a look-up gives back instead of a dense array of zeros."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class RowGradient:
    """A gradient that is zero but for some rows of a table.

    An id may occur several times: the gradient of that row is the sum. An id outside `[0, rows)` is padding and its
    row is ignored, so that batches of different length share one compiled step.

    Args:
        ids: which rows. Shape `[n]`, int32.
        rows: their gradients. Shape `[n, ...]`, where `...` are the table's axes after the first.
        dense_shape: shape of the table.
        lookups: of the consecutive look-ups that the entries come from, how many entries and whether TensorFlow looks up
            repeated ids only once, so that clipping there sees their sum; empty if no look-up does that.

    Example:
        >>> gradient = RowGradient(jnp.array([2, 0, 2]), jnp.ones((3, 1)), (4, 1))
        >>> print(gradient.to_dense().ravel())
        [1. 0. 2. 0.]
    """

    ids: jax.Array
    rows: jax.Array
    dense_shape: tuple[int, ...]
    lookups: tuple[tuple[int, bool], ...] = ()

    @property
    def dtype(self) -> jnp.dtype:
        """Type of the rows."""
        return self.rows.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the table."""
        return self.dense_shape

    def with_rows(self, rows: jax.Array) -> RowGradient:
        """The same ids with other rows."""
        return dataclasses.replace(self, rows=rows)

    def in_range(self) -> jax.Array:
        """Which entries are no padding. Shape `[n]`, bool."""
        return (self.ids >= 0) & (self.ids < self.dense_shape[0])

    def without_padding(self) -> RowGradient:
        """The same gradient with the rows of padding ids set to zero, so that norms don't count them."""
        keep = self.in_range().reshape((-1,) + (1,) * (self.rows.ndim - 1))
        return self.with_rows(jnp.where(keep, self.rows, jnp.zeros((), self.rows.dtype)))

    def to_dense(self) -> jax.Array:
        """The whole gradient. Shape `dense_shape`."""
        # A negative index would count from the end, so padding goes past the end, where "drop" drops it.
        ids = jnp.where(self.ids < 0, self.dense_shape[0], self.ids)
        return jnp.zeros(self.dense_shape, self.rows.dtype).at[ids].add(self.rows, mode="drop")

    def merged(self) -> RowGradient:
        """Repeated ids added up within each look-up that looks them up only once; those of different look-ups stay apart."""
        if not any(is_merged for _, is_merged in self.lookups):
            return self
        parts, start = [], 0
        for size, is_merged in self.lookups:
            part = RowGradient(self.ids[start : start + size], self.rows[start : start + size], self.dense_shape)
            parts.append(part.summed() if is_merged else part)
            start += size
        return RowGradient(jnp.concatenate([p.ids for p in parts]), jnp.concatenate([p.rows for p in parts]), self.dense_shape)

    def summed(self) -> RowGradient:
        """Repeated ids added up: each occurs once, in no special order, and what is left of the `n` places is padding.

        Rows of one id are added in their order in the batch, as a dense scatter would, so that the two ways of
        training a table agree to the last bit.
        """
        count, table_rows = self.ids.shape[0], self.dense_shape[0]
        if count == 0:
            return self
        ids = jnp.where(self.in_range(), self.ids, table_rows)
        place = _first_places(ids) if jax.default_backend() == "cpu" else _sorted_places(ids)
        rows = jnp.zeros_like(self.rows).at[place].add(self.rows, mode="drop")
        # Each padding place gets its own id past the end: scatters are promised unique ids.
        unique = table_rows + jnp.arange(count, dtype=jnp.int32)
        unique = unique.at[jnp.where(ids < table_rows, place, count)].set(ids, mode="drop")
        return RowGradient(unique, rows, self.dense_shape)


def _first_places(ids: jax.Array) -> jax.Array:
    """For each id, one of the places where it stands, the same for all of them; ids are at least 0.

    Each place writes its number into a table of hashes; who reads another's number there, of the same id, has found it. Places of an id
    that shares its hash with a stronger one try again with another hash: one in twenty, then next to none. On a CPU this takes half of the
    time of sorting the ids, which would be the largest part of a step.
    """
    count = ids.shape[0]
    bits = max(8, (8 * count - 1).bit_length())
    places = jnp.arange(count, dtype=jnp.int32)

    def body(carry: tuple) -> tuple:
        factor, found, table = carry
        # Multiplicative hashing: Knuth, "The Art of Computer Programming", volume 3, section 6.4.
        slot = ((ids.astype(jnp.uint32) * factor) >> (32 - bits)).astype(jnp.int32)
        table = table.at[jnp.where(found < 0, slot, 2**bits)].set(places, mode="drop")
        other = table.at[slot].get(mode="promise_in_bounds")
        is_same = (found < 0) & (ids.at[other].get(mode="promise_in_bounds") == ids)
        return factor * jnp.uint32(0x85EBCA6B), jnp.where(is_same, other, found), table

    # Every round finds at least one id, so that it ends; what an earlier round left in the table is checked like the rest.
    start = (jnp.uint32(0x9E3779B9), jnp.full((count,), -1, jnp.int32), jnp.zeros((2**bits,), jnp.int32))
    return jax.lax.while_loop(lambda carry: jnp.any(carry[1] < 0), body, start)[1]


def _sorted_places(ids: jax.Array) -> jax.Array:
    """As `_first_places`, by sorting: the rank of each id among those that occur."""
    order = jnp.argsort(ids)
    ordered = ids[order]
    rank = jnp.cumsum(jnp.concatenate([jnp.zeros((1,), bool), ordered[1:] != ordered[:-1]]), dtype=jnp.int32)
    return jnp.zeros_like(ids).at[order].set(rank, unique_indices=True)


jax.tree_util.register_dataclass(RowGradient, data_fields=["ids", "rows"], meta_fields=["dense_shape", "lookups"])
