"""The wanted features of many serialized Examples as columns: how many values each example has, and all values joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from estimax.data import wire
from estimax.data.errors import DataLossError
from estimax.data.wire_columns import Fast, ranges

DTYPES: dict[str, int] = {"string": wire.BYTES, "float32": wire.FLOAT, "int64": wire.INT64}

Wanted = tuple[bytes, int]  # the key, and the kind that is asked for

ABSENT = -1


@dataclasses.dataclass
class Values:
    """One feature of a batch.

    Args:
        kinds: ABSENT, 0 (there, but no kind set) or the kind found. Shape `[batch]`.
        counts: the number of values; 0 where the kind is not the one asked for. Shape `[batch]`.
        flat: the values of all examples. Shape `[sum(counts)]`.
    """

    kinds: np.ndarray
    counts: np.ndarray
    flat: np.ndarray


def flat_array(values: list[Any], kind: int) -> np.ndarray:
    """Values of a kind as a vector."""
    if kind == wire.BYTES:
        out = np.empty(len(values), object)
        out[:] = values
        return out
    return np.array(values, np.float32 if kind == wire.FLOAT else np.int64)


def gather_values(found: Iterable[wire.Feature | None], kind: int) -> Values:
    """One column from what `wire` decoded, example by example."""
    kinds, counts, flat = [], [], []  # type: ignore[var-annotated]
    for item in found:
        kinds.append(ABSENT if item is None else item[0])
        right = item is not None and item[0] == kind
        counts.append(len(item[1]) if right else 0)  # type: ignore[index]
        if right:
            flat += item[1]  # type: ignore[index]
    return Values(np.array(kinds, np.int64), np.array(counts, np.int64), flat_array(flat, kind))


def decode_each(records: Sequence[bytes], wanted: Any) -> list[dict[bytes, wire.Feature]]:
    """The features of each record; raises DataLossError naming the record."""
    out = []
    for i, record in enumerate(records):
        try:
            out.append(wire.example(record, wanted))
        except DataLossError as error:
            raise DataLossError(f"example {i} of the batch is {error}") from None
    return out


SMALL_BATCH = 12  # up to this size a loop in Python is faster than array operations


def columns_of(records: Sequence[bytes], wanted: Sequence[Wanted]) -> dict[Wanted, Values]:
    """The wanted features of a batch of Examples.

    Raises:
        DataLossError: if a record is not a valid message.
    """
    if len(records) <= SMALL_BATCH:
        decoded = decode_each(records, {key for key, _ in wanted})
        return {(key, kind): gather_values((found.get(key) for found in decoded), kind) for key, kind in wanted}
    return _side_by_side(records, wanted)


def _side_by_side(records: Sequence[bytes], wanted: Sequence[Wanted]) -> dict[Wanted, Values]:
    keys = _in_order_of(records[0], list(dict.fromkeys(key for key, _ in wanted)))
    fast = Fast(records, keys)
    by_kind = {kind: fast.values(kind) for kind in sorted({kind for _, kind in wanted})}
    slow = np.flatnonzero(fast.slow)
    others: list[dict[bytes, wire.Feature]] = []
    for i in slow.tolist():
        try:
            others.append(wire.example(records[i], set(keys)))
        except DataLossError as error:
            raise DataLossError(f"example {i} of the batch is {error}") from None
    number = {key: i for i, key in enumerate(keys)}
    bounds = np.searchsorted(fast.key, np.arange(len(keys) + 1))
    out: dict[Wanted, Values] = {}
    for key, kind in wanted:
        a, b = bounds[number[key]], bounds[number[key] + 1]
        kinds = np.full(fast.size, ABSENT, np.int64)
        kinds[fast.owner[a:b]] = fast.kind[a:b]
        lanes, lane_counts, values = by_kind[kind]
        i, j = np.searchsorted(lanes, (a, b))
        counts = np.zeros(fast.size, np.int64)
        owners = fast.owner[lanes[i:j]]
        counts[owners] = lane_counts[i:j]
        start = int(lane_counts[:i].sum())
        stop = start + int(lane_counts[i:j].sum())
        if isinstance(values, tuple):
            flat = fast.text_array(values[0][start:stop], values[1][start:stop])
        else:
            flat = values[start:stop]
        found = Values(kinds, counts, flat)
        out[key, kind] = _with_slow(found, owners, slow, [other.get(key) for other in others], kind) if len(slow) else found
    return out


def _in_order_of(record: bytes, keys: list[bytes]) -> list[bytes]:
    """The keys as a record has them: features found in this order need no sorting."""
    try:
        there = [key for key in wire.keys(record) if key in set(keys)]
    except DataLossError:
        return keys
    return list(dict.fromkeys([*there, *keys]))


def _with_slow(fast: Values, owners: np.ndarray, slow: np.ndarray, items: list[wire.Feature | None], kind: int) -> Values:
    """A column with the examples that were read one by one put in their places."""
    other = gather_values(items, kind)
    fast_counts = fast.counts[owners]
    fast.kinds[slow], fast.counts[slow] = other.kinds, other.counts
    first = np.cumsum(fast.counts) - fast.counts
    mixed = object if "O" in (fast.flat.dtype.kind, other.flat.dtype.kind) else fast.flat.dtype
    flat = np.empty(len(fast.flat) + len(other.flat), mixed)
    flat[ranges(first[owners], fast_counts)] = fast.flat
    flat[ranges(first[slow], other.counts)] = other.flat
    return Values(fast.kinds, fast.counts, flat)
