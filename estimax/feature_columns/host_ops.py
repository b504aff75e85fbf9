"""Host operations that all columns share: reading a raw feature, ids of entries, and ids as arrays that a device takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from estimax.core import HostOp, plain, register
from estimax.core.errors import InputDataError
from estimax.core.text import Text
from estimax.feature_columns.dictionaries import DictionaryMemo
from estimax.feature_columns.entries import Entries, read_entries

MODULE = "estimax.feature_columns"


class ColumnOp(HostOp):
    """A host operation that prints as its config."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in plain(self.get_config()).items())})"


@register(MODULE)
class ReadEntries(ColumnOp):
    """A raw feature as `Entries`.

    Args:
        key: of the feature, for messages.
    """

    def __init__(self, key: str):
        self.key_in_features = key
        self._dictionary = DictionaryMemo()

    def get_config(self) -> dict[str, Any]:
        return {"key": self.key_in_features}

    def __call__(self, raw: Any) -> Entries:
        try:
            return read_entries(raw, self._dictionary)
        except InputDataError as e:
            raise InputDataError(f'Feature "{self.key_in_features}": {e}') from e


class CategoricalOp(ColumnOp):
    """Entries to ids. Subclasses implement `ids_of(values)` for a column of distinct or plain values.

    Attributes:
        name: of the column, for messages.
        accepts: the kind of values, `"string"` or `"integer"`.
    """

    name: str
    accepts: str
    pad_value = -1

    def ids_of(self, values: Any) -> np.ndarray:
        """The id of each value. Shape `[n]`, int64."""
        raise TypeError(f"{type(self).__name__} does not implement ids_of(values).")

    def __call__(self, entries: Entries) -> Entries:
        if entries.kind != self.accepts:
            if entries.count and (entries.nulls is None or not entries.nulls.all()):
                raise InputDataError(self._wrong_kind(entries))
            nothing = np.zeros(entries.count, bool)
            return entries.replace(values=np.zeros(entries.count, np.int64), codes=None).keep(nothing)
        ids = _per_entry(self, entries, self.ids_of)
        found = Entries(ids, entries.shape, entries.index, layout=entries.layout)
        present = _present(entries) if entries.marks_missing else None
        return found if present is None else found.keep(present)

    def _wrong_kind(self, entries: Entries) -> str:
        expected = {"string": "strings", "integer": "integers"}[self.accepts]
        repair = "Cast the feature to strings" if self.accepts == "string" else "Cast the feature to integers"
        other = "int64" if self.accepts == "string" else "string"
        if entries.kind == "float":
            repair += " (floats, also those that pandas makes of integers with gaps, would silently change ids)"
        return (
            f'column "{self.name}": expected {expected}, given values of type {entries.kind}. {repair}, or see dtype="{other}".'
        )


def _present(entries: Entries) -> np.ndarray | None:
    """Which entries are there: not null, not '' and not -1; None if all are."""
    values = entries.values
    missing = values.lengths == 0 if isinstance(values, Text) else values == -1
    if missing.any():
        present = ~missing if entries.codes is None else ~missing[entries.codes]
        return present if entries.nulls is None else present & ~entries.nulls
    return None if entries.nulls is None else ~entries.nulls


def _per_entry(op: Any, entries: Entries, ids_of: Any) -> np.ndarray:
    """`ids_of` for each entry; a dictionary is transformed once, however many batches and rows share it."""
    values, codes = entries.values, entries.codes
    if codes is None:
        return ids_of(values)
    last, seen = op.__dict__.get("_last", (None, None)), op.__dict__.get("_seen")
    if last[0] is values:
        return last[1][codes]
    if len(values) > 4 * len(codes) and seen is not values:
        # A dictionary much larger than the batch pays only if it comes again.
        op.__dict__["_seen"] = values
        return ids_of(values[codes])  # type: ignore[index]
    ids = ids_of(values)
    op.__dict__["_last"] = (values, ids)
    return ids[codes]


@register(MODULE)
class PaddedIds(ColumnOp):
    """Ids as an array of fixed width for a device: -1 where a row has no further id.

    Args:
        name: of the column, for messages.
        num_buckets: ids are in `[0, num_buckets)`.
        too_large: what an id at or above `num_buckets` does: `"error"` (there is no such row of a table) or `"drop"`.
        negative: what an id below 0 does, which is an unknown value: `"drop"` or `"error"`.
        form: `"matrix"` `[batch, width]`; `"flat"`, the same with steps and values of an `[batch, steps, width]` feature in one
            row; `"sequence"` `[batch, steps, width]`.

    Returns:
        int32 ids, or for weighted columns `{"ids", "weights"}` with float32 weights.
    """

    pad_value = -1
    variable_axes = (1, 2)

    def __init__(self, name: str, num_buckets: int, *, too_large: str = "error", negative: str = "drop", form: str = "matrix"):
        self.name, self.num_buckets, self.form = name, num_buckets, form
        self.too_large, self.negative = too_large, negative

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name, "num_buckets": self.num_buckets, "too_large": self.too_large, "negative": self.negative, "form": self.form,
        }  # fmt: skip

    def __call__(self, entries: Entries) -> Any:
        self._check(entries.values)
        ids, weights = self.placed(entries, np.int32, -1)
        if self.too_large == "drop":
            ids = np.where(ids < self.num_buckets, ids, -1)
        return ids if weights is None else {"ids": ids, "weights": weights}

    def placed(self, entries: Entries, dtype: Any, fill: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The values as an array filled up with `fill`, and their weights, filled up with 0, or None."""
        place, shape = self._places(entries)
        values = _place(entries.values, dtype, fill, place, shape)
        weights = entries.weights
        if weights is None:
            return values, None
        if weights.count != entries.count or not np.array_equal(weights.positions(), entries.positions()):
            raise InputDataError(
                f'column "{self.name}": {entries.count} ids but {weights.count} weights, or in other places. Each id needs its weight '
                "(in a dense feature -1 and '' are missing ids, and 0.0 is a missing weight). Use sparse or ragged values for both."
            )
        return values, _place(weights.values, np.float32, 0, place, shape)

    def _check(self, ids: Any) -> None:
        if self.too_large == "error" and len(ids) and int(ids.max()) >= self.num_buckets:
            raise InputDataError(
                f'column "{self.name}": id {int(ids.max())} is not in [0, {self.num_buckets}), so there is no weight for it. '
                "Give the column a default_value or more buckets, or repair the feature."
            )

        if self.negative == "error" and len(ids) and int(ids.min()) < 0:
            raise InputDataError(
                f'column "{self.name}": id {int(ids.min())}, of an unknown value, is not in [0, {self.num_buckets}). Leave '
                "use_safe_embedding_lookup=True, which skips such ids, or give the column a default_value or num_oov_buckets."
            )

    def _places(self, entries: Entries) -> tuple[np.ndarray | None, tuple[int, ...]]:
        """Where each id goes in an array of the returned shape, row-major; None if everywhere in order."""
        shape = entries.shape
        if self.form == "sequence":
            return _places_in_steps(entries)
        if self.form == "matrix" and len(shape) > 2 and math.prod(shape[1:-1]) != 1:
            raise InputDataError(
                f'column "{self.name}": given values of shape {list(shape)}, expected [batch, width]. Values with steps need a '
                "sequence_categorical_column and SequenceFeatures."
            )
        width = math.prod(shape[1:])
        if entries.layout == "dense" and width:
            return entries.index, (shape[0], width)
        rows = entries.rows()
        counts = np.bincount(rows, minlength=shape[0])
        rounded = round_up(int(counts.max(initial=0)))
        within = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
        return rows * rounded + within, (shape[0], rounded)


def _places_in_steps(entries: Entries) -> tuple[np.ndarray | None, tuple[int, ...]]:
    batch, steps, width = entries.shape
    if entries.layout == "dense":
        return entries.index, entries.shape
    step_of = entries.positions() // max(width, 1)
    rounded_steps = round_up(steps) if entries.layout != "sparse" else steps
    rounded_width = round_up(width)
    row, step = np.divmod(step_of, max(steps, 1))
    place = (row * rounded_steps + step) * rounded_width + entries.positions() % max(width, 1)
    return place, (batch, rounded_steps, rounded_width)


def _place(values: Any, dtype: Any, fill: int, place: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if place is None:
        return values.astype(dtype).reshape(shape)
    out = np.full(math.prod(shape), fill, dtype)
    out[place] = values
    return out.reshape(shape)


def round_up(width: int) -> int:
    """The next of 1, 2, 4, 8, ...: a compiled step sees few widths, so it is compiled few times.

    >>> [round_up(n) for n in (0, 1, 3, 8, 9)]
    [1, 1, 4, 8, 16]
    """
    return 1 << max(width - 1, 0).bit_length()


@register(MODULE)
class AsSteps(ColumnOp):
    """Ids `[batch, steps]` as `[batch, steps, 1]`: every entry is a step of a sequence.

    Args:
        name: of the column, for messages.
    """

    def __init__(self, name: str):
        self.name = name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def __call__(self, entries: Entries) -> Entries:
        if len(entries.shape) > 3:
            raise InputDataError(
                f'column "{self.name}": given values of shape {list(entries.shape)}, expected [batch, steps] or [batch, steps, width].'
            )
        return entries if len(entries.shape) == 3 else entries.replace(shape=(*entries.shape, 1))


@register(MODULE)
class SequenceLengths(ColumnOp):
    """The length of each sequence: its last present step, counted from 1. Shape `[batch]`, int32.

    Args:
        name: of the column, for messages.
    """

    def __init__(self, name: str):
        self.name = name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def __call__(self, entries: Entries) -> np.ndarray:
        batch, steps = entries.shape[:2]
        step_size = max(math.prod(entries.shape[2:]), 1)
        row, step = np.divmod(entries.positions() // step_size, max(steps, 1))
        lengths = np.zeros(batch, np.int32)
        np.maximum.at(lengths, row, step.astype(np.int32) + 1)
        return lengths


@register(MODULE)
class AgreeingLengths(ColumnOp):
    """The lengths that several sequence columns have in common. Shape `[batch]`, int32.

    Args:
        names: of the columns, for messages.
    """

    def __init__(self, names: list[str]):
        self.names = list(names)

    def get_config(self) -> dict[str, Any]:
        return {"names": self.names}

    def __call__(self, *lengths: np.ndarray) -> np.ndarray:
        for name, other in zip(self.names[1:], lengths[1:]):
            if len(other) != len(lengths[0]) or not np.array_equal(lengths[0], other):
                raise InputDataError(
                    f'SequenceFeatures: columns "{self.names[0]}" and "{name}" have sequences of different lengths, expected the same '
                    "number of steps in each row. Put columns of different length into separate SequenceFeatures."
                )
        return lengths[0]
