"""What is to be known of a feature, gathered batch by batch: moments, a sample, counts of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from estimax.core.errors import InputDataError
from estimax.core.text import Text
from estimax.feature_columns.entries import Entries, read_entries

# Quantiles of larger data come from a random sample of this size: off by less than 0.3 % of the rows, nearly always.
_SAMPLE = 200_000


class Summary:
    """One feature, over all batches seen.

    Attributes:
        rows, entries, nulls: how many; NaN and '' count as nulls.
        kind: `"string"`, `"integer"`, `"float"`, `"bool"` or None if only nulls were seen.
        width: the largest number of values in a row.
        layout: of the container; `"dense"` if all were.
        mean, std, low, high: of numbers, None without any.
    """

    def __init__(self, key: str):
        self.key = key
        self.rows = self.entries = self.nulls = 0
        self.width = 1
        self.kind: str | None = None
        self.layout = "dense"
        self.low: float | None = None
        self.high: float | None = None
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._sample: list[np.ndarray] = []
        self._keys: list[np.ndarray] = []
        self._largest_key, self._is_sampled = 1.0, False
        self._random = np.random.default_rng(0)
        self._counts: dict[Any, int] = {}
        self._counts_too_many = False

    @property
    def mean(self) -> float | None:
        """The mean of the numbers."""
        return self._mean if self._count else None

    @property
    def std(self) -> float | None:
        """The standard deviation of the numbers (of the data, not of a population they are drawn from)."""
        return float(np.sqrt(self._squares / self._count)) if self._count else None

    @property
    def sample(self) -> np.ndarray:
        """All numbers if there are few, else a random sample."""
        if self._is_sampled and sum(map(len, self._keys)) > _SAMPLE:
            self._shrink_sample()
        return np.concatenate(self._sample) if self._sample else np.zeros(0)

    def counts(self) -> list[tuple[Any, int]]:
        """Values and how often they occur, the most frequent first, equally frequent ones in order."""
        return sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))

    def add(self, raw: Any, *, want_counts: bool = True, most_values: int | None = None) -> None:
        """Takes in one batch of the feature.

        Raises:
            ValueError: if it cannot be read or changes its type.
        """
        try:
            entries = read_entries(raw)
        except InputDataError as e:
            raise InputDataError(f'Feature "{self.key}": {e}') from e
        self.rows += entries.shape[0]
        self.width = max(self.width, *entries.shape[1:])
        if entries.layout != "dense":
            self.layout = entries.layout
        if entries.nulls is not None:
            self.nulls += int(entries.nulls.sum())
            if entries.nulls.all():
                return
            if entries.kind != "string":
                entries = entries.keep(~entries.nulls)
        if not entries.count:
            return
        if self.kind not in (None, entries.kind) and not {self.kind, entries.kind} <= {"integer", "float"}:
            raise InputDataError(f'Feature "{self.key}": given {self.kind} values, then {entries.kind} values. Give it one type.')
        self.kind = entries.kind if self.kind != "float" else "float"
        if not isinstance(entries.values, Text):
            numbers = entries.values if entries.codes is None else entries.values[entries.codes]
            self._add_numbers(np.asarray(numbers, np.float64))
        else:
            self.entries += entries.count
        if want_counts and self.kind != "float":
            self._add_counts(entries, most_values)

    def _add_numbers(self, numbers: np.ndarray) -> None:
        present = numbers[~np.isnan(numbers)]
        self.nulls += len(numbers) - len(present)
        self.entries += len(present)
        if not len(present):
            return
        low, high = float(present.min()), float(present.max())
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        # Moments of two parts joined: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm", 1979.
        count, mean = len(present), float(present.mean())
        total, apart = self._count + count, mean - self._mean
        self._squares += float(((present - mean) ** 2).sum()) + apart**2 * self._count * count / total
        self._mean += apart * count / total
        self._count = total
        self._add_sample(present)

    def _add_sample(self, numbers: np.ndarray) -> None:
        """Keeps the numbers with the smallest of random keys, which are a random sample at any moment."""
        keys = self._random.random(len(numbers))
        if self._is_sampled:
            few = keys < self._largest_key
            numbers, keys = numbers[few], keys[few]
        self._sample.append(numbers)
        self._keys.append(keys)
        if sum(map(len, self._keys)) > 2 * _SAMPLE:
            self._shrink_sample()

    def _shrink_sample(self) -> None:
        numbers, keys = np.concatenate(self._sample), np.concatenate(self._keys)
        kept = np.argpartition(keys, _SAMPLE)[:_SAMPLE]
        self._sample, self._keys = [numbers[kept]], [keys[kept]]
        self._largest_key, self._is_sampled = float(keys[kept].max()), True

    def _add_counts(self, entries: Entries, most_values: int | None) -> None:
        if self._counts_too_many:
            return
        for value, count in _value_counts(entries):
            if value == b"":
                self.nulls += count
                self.entries -= count
            else:
                self._counts[value] = self._counts.get(value, 0) + count
        if most_values is not None and len(self._counts) > most_values:
            self._counts_too_many = True

    @property
    def has_all_counts(self) -> bool:
        """Whether `counts` knows every value."""
        return not self._counts_too_many


def _value_counts(entries: Entries) -> list[tuple[Any, int]]:
    values = entries.values
    if entries.codes is not None:
        codes = entries.codes if entries.nulls is None else entries.codes[~entries.nulls]
        counts = np.bincount(codes, minlength=len(values))
        seen = np.flatnonzero(counts)
        return list(zip(values[seen].tolist(), counts[seen].tolist()))
    if isinstance(values, Text):
        _, first, counts = np.unique(values.fingerprints, return_index=True, return_counts=True)
        return list(zip(values[first].tolist(), counts.tolist()))
    distinct, counts = np.unique(values, return_counts=True)
    return list(zip(distinct.tolist(), counts.tolist()))


def batches_of(data: Any) -> Iterator[Mapping[str, Any]]:
    """Batches of features by name, of a dict of columns, a table, an iterable of batches, or an input_fn.

    Raises:
        ValueError: if a batch is no dict of features.
    """
    if callable(data) and not isinstance(data, Mapping):
        data = data()
    if isinstance(data, Mapping):
        yield data
        return
    names = getattr(data, "column_names", None)
    if names is None and hasattr(data, "columns") and hasattr(data, "__getitem__"):
        names = list(data.columns)
    if names is not None and not callable(names):
        yield {str(name): data[name] for name in names}
        return
    for batch in data:
        features = batch[0] if isinstance(batch, tuple) else batch
        if not isinstance(features, Mapping):
            raise InputDataError(
                f"data: given batches of {type(features).__name__}, expected dicts of features by name (or tuples that begin with one)."
            )
        yield features


def summarize(data: Any, keys: Mapping[str, Callable[[Summary, Any], None]]) -> dict[str, Summary]:
    """Summaries of some features, in one pass over the data.

    Args:
        data: as of `batches_of`.
        keys: the features, and how each takes in a batch.

    Raises:
        ValueError: if there are no rows, or a feature is missing.
    """
    found = {key: Summary(key) for key in keys}
    empty = True
    for features in batches_of(data):
        for key, add in keys.items():
            if key not in features:
                raise InputDataError(f"Feature {key!r} is missing from the data. Given features: {sorted(map(str, features))}.")
            add(found[key], features[key])
            empty = empty and not found[key].rows
    if empty and keys:
        raise InputDataError("data: there are no rows. Give a table, a dict of columns, or batches.")
    return found
