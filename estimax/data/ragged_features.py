"""Values and partition features of a batch as one `RaggedTensor`."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimax.data.columns_of_examples import Values
from estimax.data.errors import InvalidDataError
from estimax.data.features import (
    Partition,
    RaggedFeature,
    RowLengths,
    RowLimits,
    RowSplits,
    RowStarts,
    UniformRowLength,
)
from estimax.data.values import RaggedTensor, row_splits


def partitioned(name: str, feature: RaggedFeature, values: Values, parts: dict[str, Values]) -> RaggedTensor:
    """The values of each example in its rows; partitions are applied from the innermost out.

    Raises:
        InvalidDataError: if a partition does not fit the values of its example.
    """
    dtype = np.dtype(feature.row_splits_dtype)
    counts, flat = values.counts, values.flat  # items of each example at the current level
    inner: list[np.ndarray] = []
    for part in reversed(feature.partitions):
        if isinstance(part, UniformRowLength):
            if part.length < 1 or (counts % part.length).any():
                i = int(np.flatnonzero(counts % max(part.length, 1))[0]) if part.length > 0 else 0
                raise InvalidDataError(
                    f'feature "{name}": example {i} of the batch has {int(counts[i])} items, no multiple of the uniform row '
                    f"length {part.length}"
                )
            counts = counts // part.length
            if inner:
                inner.insert(0, row_splits(np.full(int(counts.sum()), part.length), dtype))
            else:
                flat = flat.reshape(-1, part.length, *flat.shape[1:])
            continue
        lengths, rows = row_lengths(name, part, parts[part.key], counts)
        inner.insert(0, row_splits(lengths, dtype))
        counts = rows
    return RaggedTensor([row_splits(counts, dtype), *inner], flat)


def row_lengths(name: str, part: Partition, given: Values, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The length of every row of every example, and the number of rows of each example.

    Args:
        given: the partition feature of the batch.
        counts: the number of items that each example's rows must hold. Shape `[batch]`.
    """
    flat, size = given.flat, given.counts
    owner = np.repeat(np.arange(len(size)), size)
    ends = np.cumsum(size)
    first = ends - size
    present = size > 0
    if isinstance(part, RowLengths):
        lengths, rows = flat, size
    elif isinstance(part, RowSplits):
        _need(name, part, (flat[first[present]] == 0).all(), "must start at 0")
        inside = np.ones(len(flat), bool)
        inside[first[present]] = False
        lengths, rows = (flat - np.concatenate([[0], flat[:-1]]))[inside], np.maximum(size - 1, 0)
    elif isinstance(part, RowStarts):
        _need(name, part, (flat[first[present]] == 0).all(), "must start at 0")
        following = np.append(flat[1:], 0)
        following[ends[present] - 1] = counts[present]
        lengths, rows = following - flat, size
    elif isinstance(part, RowLimits):
        before = np.concatenate([[0], flat[:-1]]) if len(flat) else flat
        before[first[present]] = 0
        lengths, rows = flat - before, size
    else:
        # Row numbers of values: rows without values in between are empty, the last number gives how many there are.
        _need(name, part, not len(flat) or (flat >= 0).all(), "must be at least 0")
        rows = np.zeros(len(size), np.int64)
        rows[present] = flat[ends[present] - 1] + 1
        total = int(rows.sum())
        _need(name, part, total <= 2 * len(flat) + 1_000_000, "has row numbers far above the number of values")
        _need(name, part, (flat < rows[owner]).all(), "must not decrease")
        lengths = np.bincount(flat + (np.cumsum(rows) - rows)[owner], minlength=total)
    _need(name, part, (lengths >= 0).all(), "must not decrease")
    held = np.zeros(len(size), np.int64)
    np.add.at(held, np.repeat(np.arange(len(rows)), rows), lengths)
    if (held != counts).any():
        i = int(np.flatnonzero(held != counts)[0])
        raise InvalidDataError(
            f'feature "{name}": the partition {type(part).__name__}("{_key(part)}") of example {i} of the batch holds '
            f"{int(held[i])} items, the example has {int(counts[i])}"
        )
    return lengths, rows


def _key(part: Any) -> str:
    return getattr(part, "key", "")


def _need(name: str, part: Partition, fine: Any, what: str) -> None:
    if not fine:
        raise InvalidDataError(f'feature "{name}": the partition {type(part).__name__}("{_key(part)}") {what}')
