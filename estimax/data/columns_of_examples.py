"""The wanted features of many serialized Examples as columns: how many values each example has, and all values joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from estimax.data import wire
from estimax.data.errors import DataLossError

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


def columns_of(records: Sequence[bytes], wanted: Sequence[Wanted]) -> dict[Wanted, Values]:
    """The wanted features of a batch of Examples.

    Raises:
        DataLossError: if a record is not a valid message.
    """
    decoded = decode_each(records, {key for key, _ in wanted})
    return {(key, kind): gather_values((found.get(key) for found in decoded), kind) for key, kind in wanted}
