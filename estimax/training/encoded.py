"""A table in memory, encoded once: then a batch is one gather of packed rows, whatever the columns cost to encode."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.training.batches import ROW_MASK, flatten

PACKED = "packed_rows"
BLOCK_ROWS = 1 << 15
LARGEST_ROWS = 1 << 21  # of a table that is encoded at once, in about a second a million
LARGEST_BYTES = 2**30  # of the encoded table: above it batches are encoded as they come
PACKED_BYTES = 1024  # of a row of one array: larger ones (images) are gathered by themselves
COPIED_BYTES = (
    2**26
)  # of numbers that need no encoding, up to which a packed copy of them is made; larger ones stay where they are


@dataclasses.dataclass(frozen=True)
class Slot:
    """Where an array lies in the packed rows."""

    key: str
    leaf: int
    start: int
    stop: int
    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class Layout:
    """How packed rows `[batch, words]` are taken apart again, in the compiled step.

    Attributes:
        slots: the packed arrays.
        trees: the structure of each key's arrays.
    """

    slots: tuple[Slot, ...]
    trees: tuple[tuple[str, Any], ...]

    def unpack(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """The arrays by key, from packed rows and arrays that were not packed."""
        packed = arrays[PACKED]
        leaves: dict[tuple[str, int], Any] = {}
        for s in self.slots:
            words = packed[:, s.start : s.stop]
            leaves[s.key, s.leaf] = jax.lax.bitcast_convert_type(words, jnp.dtype(s.dtype)).reshape(packed.shape[0], *s.shape)
        for name, array in arrays.items():
            if name not in (PACKED, ROW_MASK):
                key, _, leaf = name.rpartition("#")
                leaves[key, int(leaf)] = array
        found = {key: jax.tree.unflatten(tree, [leaves[key, i] for i in range(tree.num_leaves)]) for key, tree in self.trees}
        return found | ({ROW_MASK: arrays[ROW_MASK]} if ROW_MASK in arrays else {})


class EncodedTable:
    """All rows of a table after the host transform.

    Args:
        blocks: encoded arrays of consecutive blocks of rows.
        pad_values: what rows that only pad hold, by key; None for what the given row holds.
        packs: whether arrays with short rows are copied into packed ones.
    """

    def __init__(self, blocks: list[dict[str, Any]], pad_values: Mapping[str, Any], *, packs: bool = True):
        trees, loose, packed, slots, width = [], {}, [], [], 0
        for key in blocks[0]:
            parts = [jax.tree.flatten(b[key]) for b in blocks]
            trees.append((key, parts[0][1]))
            for leaf in range(len(parts[0][0])):
                pad = pad_values.get(key)
                array = _joined([p[0][leaf] for p in parts], 0 if pad is None else pad)
                row_bytes = array.nbytes // max(len(array), 1)
                if packs and array.dtype.itemsize == 4 and row_bytes <= PACKED_BYTES:
                    words = array.reshape(len(array), -1).view(np.uint32)
                    slots.append(Slot(key, leaf, width, width + words.shape[1], array.shape[1:], str(array.dtype)))
                    packed.append(words)
                    width += words.shape[1]
                else:
                    loose[f"{key}#{leaf}"] = array
        self.layout = Layout(tuple(slots), tuple(trees))
        self._packed = np.concatenate(packed, axis=1) if packed else np.zeros((len(next(iter(loose.values()))), 0), np.uint32)
        self._loose = loose
        self._pads = {k: v for k, v in pad_values.items() if v is not None}

    def gather(self, rows: np.ndarray, valid: np.ndarray | None = None) -> dict[str, Any]:
        """Rows by number, `[...]`, as packed and loose arrays `[..., ...]`.

        Args:
            rows: the numbers; those of rows that only pad are any real ones.
            valid: False for rows that only pad; all are real if omitted.
        """
        flat = rows.reshape(-1)
        # Rows in their order are cut out, which is several times faster than picking them one by one.
        in_order = len(flat) > 1 and flat[-1] - flat[0] == len(flat) - 1 and bool((np.diff(flat) == 1).all())

        def pick(array: np.ndarray) -> np.ndarray:
            return array[flat[0] : flat[-1] + 1] if in_order else array.take(flat, axis=0)

        packed, loose = pick(self._packed), {name: pick(array) for name, array in self._loose.items()}
        if in_order and valid is not None and not valid.all():
            packed, loose = packed.copy(), {name: array.copy() for name, array in loose.items()}
        if valid is not None and not valid.all():
            padding = np.flatnonzero(~valid.reshape(-1))
            for s in self.layout.slots:
                if s.key in self._pads:
                    packed[padding, s.start : s.stop] = np.asarray(self._pads[s.key], s.dtype).reshape(1).view(np.uint32)
            for name, array in loose.items():
                if name.rpartition("#")[0] in self._pads:
                    array[padding] = self._pads[name.rpartition("#")[0]]
        found = {name: array.reshape(*rows.shape, *array.shape[1:]) for name, array in loose.items()}
        return {PACKED: packed.reshape(*rows.shape, packed.shape[1]), **found}


def _joined(parts: list[np.ndarray], pad: Any) -> np.ndarray:
    """Blocks of rows under each other, widened to the widest; a single block is not copied."""
    if len(parts) == 1:
        return parts[0]
    shape = tuple(max(p.shape[axis] for p in parts) for axis in range(1, parts[0].ndim))
    out = np.full((sum(len(p) for p in parts), *shape), pad, parts[0].dtype)
    at = 0
    for p in parts:
        out[(slice(at, at + len(p)), *(slice(0, n) for n in p.shape[1:]))] = p
        at += len(p)
    return out


def encode_table(
    table: Any, encode: Any, split: Any, pad_values: Mapping[str, Any], key: Any = None, *, is_plain: bool = False
) -> EncodedTable | None:
    """The table encoded block by block; None if it would take too much memory.

    Args:
        table: with `size` and `gather(rows, columns)`; with `in_place()` too if it is of arrays that can be used where they are.
        encode: raw columns to encoded arrays.
        split: what the table gives to `(features, labels, weights)`.
        pad_values: by key.
        key: of the encoding; a table with an attribute `encoded` keeps what was made for it there, for the next pass.
        is_plain: whether `encode` takes numbers as they are.
    """
    kept = getattr(table, "encoded", None)
    if kept is not None and kept[0] == (key, split):
        return kept[1]
    if is_plain and hasattr(table, "in_place"):
        arrays = {k: jax.tree.map(np.asarray, v) for k, v in encode(flatten(*split(table.in_place()))[0]).items()}
        encoded = EncodedTable([arrays], pad_values, packs=sum(x.nbytes for x in jax.tree.leaves(arrays)) <= COPIED_BYTES)
        table.encoded = (key, split), encoded
        return encoded
    if not 0 < table.size <= LARGEST_ROWS:
        return None
    blocks: list[dict[str, Any]] = []
    for rows in _spans(table.size):
        raw, _ = flatten(*split(table.gather(rows, "arrow")))
        blocks.append({k: jax.tree.map(np.asarray, v) for k, v in encode(raw).items()})
        size = sum(x.nbytes for x in jax.tree.leaves(blocks[0]))
        if size * (table.size / len(rows) if len(blocks) == 1 else 1) > LARGEST_BYTES:
            return None
    encoded = EncodedTable(blocks, pad_values)
    if key is not None and hasattr(table, "encoded"):
        table.encoded = (key, split), encoded
    return encoded


def _spans(size: int) -> Iterator[np.ndarray]:
    for start in range(0, size, BLOCK_ROWS):
        yield np.arange(start, min(start + BLOCK_ROWS, size))
