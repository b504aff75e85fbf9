"""The wanted features of many serialized Examples as columns: how many values each example has, and all values joined."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from estimax.data import wire
from estimax.data.errors import DataLossError
from estimax.data.freed_memory import keep_freed_memory
from estimax.data.wire_buffer import Joined, ranges
from estimax.data.wire_columns import Found
from estimax.data.wire_values import SHORT, list_values, lone_floats, lone_integers, short_texts, texts

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
        each: the number of values of every example, all of the kind asked for, if that is known.
    """

    kinds: np.ndarray
    counts: np.ndarray
    flat: np.ndarray
    each: int | None = None


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
BLOCK = 1024  # the arrays for so many messages stay in the processor's cache


def columns_of(records: Sequence[bytes], wanted: Sequence[Wanted]) -> dict[Wanted, Values]:
    """The wanted features of a batch of Examples.

    Raises:
        DataLossError: if a record is not a valid message.
    """
    if len(records) <= SMALL_BATCH:
        decoded = decode_each(records, {key for key, _ in wanted})
        return {(key, kind): gather_values((found.get(key) for found in decoded), kind) for key, kind in wanted}
    keep_freed_memory()
    if len(records) < 2 * BLOCK:
        with _turn():
            return _side_by_side(records, wanted, 0)
    parts = []
    for at in range(0, len(records), BLOCK):
        with _turn():
            parts.append(_side_by_side(records[at : at + BLOCK], wanted, at))
    return {column: _joined([part[column] for part in parts]) for column in parts[0]}


@functools.cache
def _turn() -> threading.Lock:
    """Held while a block is read: of threads that do so side by side each waits for Python's lock after every operation, and
    as these take microseconds two threads are slower than one (280,000 records a second against 500,000)."""
    return threading.Lock()


def _joined(parts: list[Values]) -> Values:
    """The same feature of several batches."""
    return Values(
        np.concatenate([part.kinds for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.flat for part in parts]),
        parts[0].each if all(part.each == parts[0].each for part in parts) else None,
    )


def _side_by_side(records: Sequence[bytes], wanted: Sequence[Wanted], number: int = 0) -> dict[Wanted, Values]:
    """`columns_of` with array operations; `number` is that of the first record in messages."""
    found = Found(records, {key: kind for key, kind in reversed(wanted)})
    while True:
        fast = None if not found.slow.any() else np.flatnonzero(~found.slow)
        out = _read(found, wanted, fast)
        if isinstance(out, dict):
            break
        found.slow[out] = True  # only its values showed that it is not in the usual encoding
    if fast is None:
        return out
    slow = np.flatnonzero(found.slow)
    keys = {key for key, _ in wanted}
    others: list[dict[bytes, wire.Feature]] = []
    for i in slow.tolist():
        try:
            others.append(wire.example(records[i], keys))
        except DataLossError as error:
            raise DataLossError(f"example {number + i} of the batch is {error}") from None
    return {
        (key, kind): _merged(found.size, fast, out[key, kind], slow, gather_values((other.get(key) for other in others), kind))
        for key, kind in wanted
    }


def _read(found: Found, wanted: Sequence[Wanted], lanes: np.ndarray | None) -> dict[Wanted, Values] | np.ndarray:
    """The wanted columns of some messages (of all if None); or which messages are slow after all."""

    def part(array: np.ndarray, row: Any) -> np.ndarray:
        return array[row] if lanes is None else array[row][..., lanes]

    row = np.array([found.row[key] for key, _ in wanted])
    kinds = part(found.kinds, row)
    asked = np.array([kind for _, kind in wanted], np.int8)
    right = kinds == asked[:, None]
    plain = (right & part(found.plain, row)).all(1)
    out: dict[Wanted, Values] = {}
    for kind in set(asked[plain].tolist()):
        which = np.flatnonzero(plain & (asked == kind))
        first, last = part(found.first, row[which]), part(found.last, row[which])
        for i, values in _plain_columns(found.data, kind, first, last).items():
            out[wanted[which[i]]] = values
    for i, (key, kind) in enumerate(wanted):
        if (key, kind) in out:
            continue
        here = np.flatnonzero(right[i])
        first, last = part(found.first, row[i])[here], part(found.last, row[i])[here]
        first = first - 2 * part(found.plain, row[i])[here]  # where the list is: one byte says how long it is
        counts, flat, bad = list_values(found.data, kind, first, last)
        if bad.any():
            return here[bad] if lanes is None else lanes[here[bad]]
        every = np.zeros(kinds.shape[1], np.int64)
        every[here] = counts
        out[key, kind] = Values(kinds[i].astype(np.int64), every, flat)
    return out


def _plain_columns(data: Joined, kind: int, first: np.ndarray, last: np.ndarray) -> dict[int, Values]:
    """Those of some columns whose examples all have one value, and a text in any case. Shapes `[columns, examples]`."""
    size, batch = last - first, first.shape[1]
    kinds, ones = np.full(batch, kind, np.int64), np.ones(batch, np.int64)
    if kind == wire.BYTES:
        longest = size.max(1, initial=0)
        out = {}
        for i in np.flatnonzero(longest > SHORT).tolist():
            out[i] = Values(kinds, ones, texts(data, first[i], last[i]), 1)
        for words in set((-(-longest[longest <= SHORT] // 8)).tolist()):
            which = np.flatnonzero((longest + 7) // 8 == words)
            flat = short_texts(data, first[which], size[which])
            for j, i in enumerate(which.tolist()):
                out[i] = Values(kinds, ones, texts(data, first[i], last[i]) if flat is None else flat[j], 1)
        return out
    lone = ((size == 4) if kind == wire.FLOAT else (size <= 10)).all(1)
    which = np.flatnonzero(lone)
    if kind == wire.FLOAT:
        return {i: Values(kinds, ones, flat, 1) for i, flat in zip(which.tolist(), lone_floats(data, first[which]))}
    numbers, good = lone_integers(data, first[which], size[which])
    fine = np.asarray(good.all(1))
    return {i: Values(kinds, ones, numbers[j], 1) for j, i in enumerate(which.tolist()) if fine[j]}


def _merged(size: int, fast: np.ndarray, a: Values, slow: np.ndarray, b: Values) -> Values:
    """A column of examples of which some were read one by one."""
    kinds, counts = np.empty(size, np.int64), np.empty(size, np.int64)
    kinds[fast], kinds[slow] = a.kinds, b.kinds
    counts[fast], counts[slow] = a.counts, b.counts
    starts = np.cumsum(counts) - counts
    mixed = object if "O" in (a.flat.dtype.kind, b.flat.dtype.kind) else a.flat.dtype
    flat = np.empty(len(a.flat) + len(b.flat), mixed)
    flat[ranges(starts[fast], a.counts)] = a.flat
    flat[ranges(starts[slow], b.counts)] = b.flat
    return Values(kinds, counts, flat)
