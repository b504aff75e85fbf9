"""Ids of combinations of values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.core import HostValue, register
from estimax.core.errors import InputDataError
from estimax.core.fingerprint import DEFAULT_CROSS_KEY, buckets, cross64, fingerprint64
from estimax.core.text import Text
from estimax.data import VarLenFeature
from estimax.feature_columns.base import MODULE, CategoricalColumn, FeatureReader, check_size
from estimax.feature_columns.entries import Entries
from estimax.feature_columns.hashed import HashedCategoricalColumn
from estimax.feature_columns.host_ops import ColumnOp


@register(MODULE)
class CrossIds(ColumnOp):
    """Entries of several inputs to hashed ids of their combinations, the last input fastest.

    Sparse inputs are hashed before dense ones, each group in the given order. Inputs that are ids of other columns count as sparse.

    Args:
        name: of the column, for messages.
        num_buckets: number of ids.
        hash_key: the start of the hash.
        raw: which of the inputs are raw features.
    """

    pad_value = -1

    def __init__(self, name: str, num_buckets: int, hash_key: int, raw: Sequence[bool]):
        self.name, self.num_buckets, self.hash_key, self.raw = name, num_buckets, hash_key, list(raw)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "num_buckets": self.num_buckets, "hash_key": self.hash_key, "raw": self.raw}

    def __call__(self, *inputs: Entries) -> Entries:
        for entries in inputs:
            if len(entries.shape) != 2 or entries.shape[0] != inputs[0].shape[0]:
                raise InputDataError(
                    f'column "{self.name}": given inputs of shapes {[list(e.shape) for e in inputs]}, expected [batch, width] with one '
                    "batch size. Repair the features."
                )
        is_dense = [raw and e.layout == "dense" for raw, e in zip(self.raw, inputs)]
        order = sorted(range(len(inputs)), key=is_dense.__getitem__)
        parts = [(inputs[i], self._fingerprints(inputs[i])) for i in order]
        batch = inputs[0].shape[0]
        fixed = all(e.layout == "dense" for e in inputs)
        if batch and all(e.index is None and e.shape[1] == 1 for e in inputs):
            hashes: Any = np.uint64(self.hash_key)
            for _, fingerprints in parts:
                hashes = cross64(hashes, fingerprints)
            return Entries(buckets(hashes, self.num_buckets), (batch, 1))
        return self._combinations(parts, batch, fixed)

    def _combinations(self, parts: list[tuple[Entries, np.ndarray]], batch: int, fixed: bool) -> Entries:
        counts = [np.bincount(e.rows(), minlength=batch) for e, _ in parts]
        totals = np.prod(counts, axis=0)
        row = np.repeat(np.arange(batch), totals)
        ends = np.cumsum(totals)
        number = np.arange(len(row)) - (ends - totals)[row]  # of the combination within its row
        chosen = []
        rest = number
        for (_, fingerprints), count in zip(reversed(parts), reversed(counts)):
            first = (np.cumsum(count) - count)[row]
            rest, at = np.divmod(rest, count[row])
            chosen.append(fingerprints[first + at])
        hashes: Any = np.uint64(self.hash_key)
        for fingerprints in reversed(chosen):
            hashes = cross64(hashes, fingerprints)
        width = int(totals.max(initial=0))
        if fixed and width == math.prod(e.shape[1] for e, _ in parts) and len(row) == batch * width:
            return Entries(buckets(hashes, self.num_buckets), (batch, width))
        return Entries(buckets(hashes, self.num_buckets), (batch, width), index=row * width + number, layout="sparse")

    def _fingerprints(self, entries: Entries) -> np.ndarray:
        """What each entry adds to the hash: an integer itself, a string its fingerprint. Shape `[entries]`, uint64."""
        values = entries.values
        if isinstance(values, Text):
            found = values.fingerprints
            if entries.codes is not None:
                found = found[entries.codes]
                if entries.nulls is not None:  # as the empty string, which a null is in a plain string column
                    found = np.where(entries.nulls, _EMPTY, found)
            return found
        if entries.kind == "float":
            with np.errstate(invalid="ignore"):
                values = np.trunc(values).astype(np.int64)
        elif entries.kind not in ("integer", "bool"):
            raise InputDataError(
                f'column "{self.name}": given {entries.kind} values, expected strings or integers. Cast the feature.'
            )
        values = values.astype(np.int64, copy=False)
        return (values if entries.codes is None else values[entries.codes]).view(np.uint64)


_EMPTY = fingerprint64(np.zeros(0, np.uint8), np.zeros(1, np.int64), np.zeros(1, np.int64))[0]


@register(MODULE)
class CrossedColumn(CategoricalColumn):
    """See `crossed_column`."""

    def __init__(self, keys: Sequence[Any], hash_bucket_size: int, hash_key: int | None = None):
        if not isinstance(keys, (list, tuple)) or len(keys) < 2:
            raise ValueError(f"crossed_column: keys is {keys!r}, expected a list of at least two.")
        for key in keys:
            if isinstance(key, HashedCategoricalColumn):
                raise ValueError(
                    f'crossed_column: "{key.name}" is a hashed column, whose values would be hashed twice. Give its key, {key.key!r}, instead.'
                )
            if isinstance(key, CategoricalColumn) and key.dynamic is not None:
                raise ValueError(
                    f'crossed_column: "{key.name}" has ids that change while training. Give its key, {key.dynamic.key!r}, instead.'
                )
            if not isinstance(key, (str, CategoricalColumn)):
                raise ValueError(
                    f"crossed_column: {key!r} cannot be crossed, expected the name of a feature or a categorical column. Bucketize numbers "
                    "first."
                )
        self.keys = tuple(keys)
        self.hash_bucket_size = check_size(hash_bucket_size, "hash_bucket_size", self.name)
        self.hash_key = hash_key

    @property
    def name(self) -> str:
        return "_X_".join(sorted(leaf if isinstance(leaf, str) else leaf.name for leaf in self.leaves))

    @property
    def leaves(self) -> list[Any]:
        """The keys, with those of crosses among them in their place."""
        found: list[Any] = []
        for key in self.keys:
            found += key.leaves if isinstance(key, CrossedColumn) else [key]
        return found

    @property
    def parents(self) -> tuple[Any, ...]:
        return self.keys

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key in self.keys:
            merged.update({key: VarLenFeature("string")} if isinstance(key, str) else key.parse_example_spec)
        return merged

    @property
    def num_buckets(self) -> int:
        return self.hash_bucket_size

    def ids(self, features: FeatureReader) -> HostValue:
        inputs, raw = [], []
        for leaf in self.leaves:
            if isinstance(leaf, str):
                inputs.append(features.entries(leaf, self.name))
            elif leaf.is_weighted:
                raise ValueError(
                    f'column "{self.name}": "{leaf.name}" has weights, which a cross has no use for. Cross its categorical column.'
                )
            else:
                inputs.append(leaf.ids(features))
            raw.append(isinstance(leaf, str))
        key = (self.hash_key or DEFAULT_CROSS_KEY) % 2**64  # TensorFlow takes 0 as "not given", too
        return HostValue(op=CrossIds(self.name, self.hash_bucket_size, key, raw), inputs=inputs)


def crossed_column(keys: Sequence[Any], hash_bucket_size: int, hash_key: int | None = None) -> CrossedColumn:
    """A categorical column of combinations of values, hashed: TensorFlow's ids, bit for bit.

    Rows with several values give every combination. A value that is missing in a categorical column leaves no combination; raw features
    take part as they are, '' and -1 too.

    Args:
        keys: names of features (hashed as they are), and categorical columns (their ids are hashed); crosses are taken apart.
        hash_bucket_size: number of ids.
        hash_key: the start of the hash, to make ids of several crosses differ; 0xDECAFCAFFE by default, also for 0.

    Raises:
        ValueError: if there are fewer than two keys, one is a hashed or numeric column, or the size is below 1.

    Example:
        >>> from estimax.feature_columns import crossed_column, ids_of
        >>> ids_of(crossed_column(["a", "b"], 1000), {"a": ["x", "y"], "b": ["z", "z"]}).shape
        (2, 1)

    Reference: tf.feature_column.crossed_column.
    """
    return CrossedColumn(keys, hash_bucket_size, hash_key)
