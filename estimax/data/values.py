"""Containers for values that are not rectangular: `SparseTensor` and `RaggedTensor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.data.structure import list_to_array


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`concat(arange(s, s + n) for s, n in zip(starts, lengths))` without the loop."""
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths)


class SparseTensor:
    """An array given by the coordinates of its values (COO), as `tf.SparseTensor`.

    Args:
        indices: int64, in row-major order unless stated. Shape `[n, rank]`.
        values: one value for each row of `indices`. Shape `[n]`.
        dense_shape: int64. Shape `[rank]`.

    Raises:
        ValueError: if the three parts do not fit together.

    Example:
        >>> x = SparseTensor([[0, 1], [2, 0]], np.array([5, 7]), [3, 2])
        >>> x.to_dense().tolist()
        [[0, 5], [0, 0], [7, 0]]

    Reference: https://www.tensorflow.org/api_docs/python/tf/sparse/SparseTensor
    """

    is_estimax_value = True
    __slots__ = ("dense_shape", "indices", "values")

    def __init__(self, indices: Any, values: Any, dense_shape: Any):
        self.dense_shape = np.asarray(dense_shape, np.int64)
        if self.dense_shape.ndim != 1:
            raise ValueError(f"dense_shape must be a vector, given shape {self.dense_shape.shape}")
        self.indices = np.asarray(indices, np.int64)
        if self.indices.size == 0:
            self.indices = self.indices.reshape(0, len(self.dense_shape))
        self.values = values if isinstance(values, np.ndarray) else _values(values)
        if self.indices.ndim != 2 or self.indices.shape[1] != len(self.dense_shape):
            raise ValueError(
                f"indices must be [n, {len(self.dense_shape)}] for a dense_shape of {len(self.dense_shape)} axes, "
                f"given {list(self.indices.shape)}"
            )
        if len(self.values) != len(self.indices):
            raise ValueError(f"{len(self.indices)} indices need as many values, given {len(self.values)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape as a dense array."""
        return tuple(int(n) for n in self.dense_shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self.values.dtype

    @classmethod
    def from_dense(cls, dense: Any, *, missing: Any = None) -> SparseTensor:
        """The values of an array that are not `missing` (default: 0, False or the empty string).

        >>> SparseTensor.from_dense([[0, 3], [4, 0]]).indices.tolist()
        [[0, 1], [1, 0]]
        """
        dense = _values(dense) if isinstance(dense, list) else np.asarray(dense)
        if missing is not None:
            keep = dense != missing
        elif dense.dtype.kind in "OSU":
            keep = np.array([bool(x) for x in dense.ravel().tolist()], bool).reshape(dense.shape)
        else:
            keep = dense != np.zeros((), dense.dtype)
        return cls(np.argwhere(keep), dense[keep], dense.shape)

    @classmethod
    def from_scipy(cls, matrix: Any) -> SparseTensor:
        """A SciPy sparse matrix of any format, in row-major order."""
        coo = matrix.tocsr().tocoo()
        return cls(np.stack([coo.row, coo.col], 1), coo.data, coo.shape)

    def to_scipy(self) -> Any:
        """A `scipy.sparse.csr_array`; the rank must be 2."""
        if len(self.dense_shape) != 2:
            raise ValueError(f"SciPy holds matrices; this SparseTensor has shape {self.shape}")
        from scipy.sparse import coo_array

        return coo_array((self.values, (self.indices[:, 0], self.indices[:, 1])), shape=self.shape).tocsr()

    def to_dense(self, default_value: Any = None) -> np.ndarray:
        """The full array, `default_value` (0, or the empty string) where nothing is given. Shape `dense_shape`."""
        if default_value is None and self.values.dtype == object:
            default_value = "" if len(self.values) and isinstance(self.values[0], str) else b""
        out = np.full(self.shape, 0 if default_value is None else default_value, self.values.dtype)
        if self.values.dtype.kind in "SU" and default_value is None:
            out[...] = ""
        out[tuple(self.indices.T)] = self.values
        return out

    def row_splits(self) -> np.ndarray:
        """Where each row of the first axis starts among the values. Shape `[rows + 1]`."""
        rows = np.arange(int(self.dense_shape[0]) + 1)
        return np.searchsorted(self.indices[:, 0], rows).astype(np.int64)

    def take(self, rows: np.ndarray) -> SparseTensor:
        """Some rows of the first axis, in the given order, repeats allowed."""
        rows = np.asarray(rows)
        splits = self.row_splits()
        lengths = splits[rows + 1] - splits[rows]
        at = _ranges(splits[rows], lengths)
        indices = self.indices[at]
        indices[:, 0] = np.repeat(np.arange(len(rows)), lengths)
        return SparseTensor(indices, self.values[at], [len(rows), *self.dense_shape[1:]])

    def row(self, i: int) -> SparseTensor:
        """One element of the first axis, one rank lower."""
        a, b = np.searchsorted(self.indices[:, 0], [i, i + 1])
        return SparseTensor(self.indices[a:b, 1:], self.values[a:b], self.dense_shape[1:])

    def __len__(self) -> int:
        return int(self.dense_shape[0])

    def __repr__(self) -> str:
        return f"SparseTensor(shape={list(self.shape)}, dtype={self.values.dtype}, values={len(self.values)})"


def stack_sparse(parts: Sequence[SparseTensor]) -> SparseTensor:
    """Rank r elements as one of rank r + 1; a differing width becomes the largest one."""
    if len({len(p.dense_shape) for p in parts}) > 1:
        raise ValueError(f"sparse elements of one batch must have one rank, given shapes {[p.shape for p in parts]}")
    counts = np.array([len(p.values) for p in parts])
    first = np.repeat(np.arange(len(parts)), counts)[:, None]
    indices = np.concatenate([first, np.concatenate([p.indices for p in parts])], 1)
    shape = np.max([p.dense_shape for p in parts], 0)
    return SparseTensor(indices, np.concatenate([p.values for p in parts]), [len(parts), *shape])


def concat_sparse(parts: Sequence[SparseTensor]) -> SparseTensor:
    """Joins along the first axis; the other axes take the largest size."""
    offset, indices = 0, []
    for part in parts:
        shifted = part.indices.copy()
        shifted[:, 0] += offset
        indices.append(shifted)
        offset += len(part)
    shape = np.max([p.dense_shape[1:] for p in parts], 0) if len(parts[0].dense_shape) > 1 else []
    return SparseTensor(np.concatenate(indices), np.concatenate([p.values for p in parts]), [offset, *shape])


class RaggedTensor:
    """Rows of differing length, as `tf.RaggedTensor`: flat values and where each row ends, outermost first.

    Args:
        nested_row_splits: a list of split vectors; `splits[i]` to `splits[i + 1]` are the items of row i.
        flat_values: all values. Shape `[n, ...]`.

    Raises:
        ValueError: if splits do not start at 0, decrease, or do not end at the number of items.

    Example:
        >>> RaggedTensor.from_rows([[1, 2], [], [3]]).nested_row_splits[0].tolist()
        [0, 2, 2, 3]

    Reference: https://www.tensorflow.org/api_docs/python/tf/RaggedTensor
    """

    is_estimax_value = True
    __slots__ = ("flat_values", "nested_row_splits")

    def __init__(self, nested_row_splits: Sequence[Any], flat_values: Any):
        splits = [np.asarray(s) for s in nested_row_splits]
        self.nested_row_splits = [s if s.dtype in (np.int32, np.int64) else s.astype(np.int64) for s in splits]
        self.flat_values = flat_values if isinstance(flat_values, np.ndarray) else _values(flat_values)
        if not self.nested_row_splits:
            raise ValueError("nested_row_splits needs at least one split vector")
        sizes = [len(s) - 1 for s in self.nested_row_splits[1:]] + [len(self.flat_values)]
        for level, (split, size) in enumerate(zip(self.nested_row_splits, sizes)):
            if split.ndim != 1 or len(split) == 0 or split[0] != 0 or split[-1] != size or np.any(np.diff(split) < 0):
                raise ValueError(
                    f"row splits of level {level} must rise from 0 to {size}, the number of items below; "
                    f"given {split[:8].tolist()}{'...' if split.size > 8 else ''}"
                )

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self.flat_values.dtype

    @property
    def ragged_rank(self) -> int:
        """The number of ragged levels."""
        return len(self.nested_row_splits)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape, None for a ragged axis."""
        return (len(self), *[None] * self.ragged_rank, *self.flat_values.shape[1:])

    @property
    def values(self) -> Any:
        """The rows joined: a RaggedTensor with one level less, or the flat values."""
        if self.ragged_rank == 1:
            return self.flat_values
        return RaggedTensor(self.nested_row_splits[1:], self.flat_values)

    @classmethod
    def from_rows(cls, rows: Sequence[Any], *, row_splits_dtype: Any = np.int64) -> RaggedTensor:
        """One ragged level over a list of rows (lists or arrays)."""
        arrays = [r if isinstance(r, np.ndarray) else _values(list(r)) for r in rows]
        full = [a for a in arrays if len(a)] or arrays[:1]
        flat = np.concatenate(full) if full else np.zeros(0, np.float32)
        return cls([row_splits([len(a) for a in arrays], row_splits_dtype)], flat)

    @classmethod
    def from_row_lengths(cls, flat_values: Any, row_lengths: Any) -> RaggedTensor:
        """One ragged level from the length of each row."""
        return cls([row_splits(row_lengths)], flat_values)

    @classmethod
    def from_arrow(cls, array: Any) -> RaggedTensor:
        """A list array of pyarrow; a null row is an empty one. Nested lists give several levels."""
        import pyarrow as pa

        splits = []
        while pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
            if array.null_count:
                array = array.fill_null([])
            offsets = np.asarray(array.offsets).astype(np.int64)
            splits.append(offsets - offsets[0])
            array = array.values.slice(offsets[0], offsets[-1] - offsets[0])
        return cls(splits, np.asarray(array.to_numpy(zero_copy_only=False)))

    def to_arrow(self) -> Any:
        """A (nested) list array of pyarrow; the values must be a vector."""
        import pyarrow as pa

        array = pa.array(self.flat_values)
        for splits in reversed(self.nested_row_splits):
            array = pa.LargeListArray.from_arrays(pa.array(splits.astype(np.int64)), array)
        return array

    def row_lengths(self) -> np.ndarray:
        """The length of each row. Shape `[rows]`."""
        return np.diff(self.nested_row_splits[0])

    def row(self, i: int) -> Any:
        """One row: an array, or a RaggedTensor with one level less."""
        return self.take(np.array([i])).values

    def take(self, rows: np.ndarray) -> RaggedTensor:
        """Some rows in the given order, repeats allowed."""
        rows, out = np.asarray(rows), []
        for splits in self.nested_row_splits:
            lengths = splits[rows + 1] - splits[rows]
            out.append(row_splits(lengths, splits.dtype))
            rows = _ranges(splits[rows], lengths)
        return RaggedTensor(out, self.flat_values[rows])

    def to_list(self) -> list[Any]:
        """Nested Python lists."""
        items = self.flat_values.tolist()
        for splits in reversed(self.nested_row_splits):
            bounds = splits.tolist()
            items = [items[a:b] for a, b in zip(bounds, bounds[1:])]
        return items

    def to_dense(self, default_value: Any = None) -> np.ndarray:
        """Rows padded to the longest, for one ragged level. Shape `[rows, longest, ...]`."""
        return self.to_padded(None, default_value)

    def to_padded(self, width: int | None, default_value: Any = None) -> np.ndarray:
        """Rows padded or cut to `width` (None: the longest), for one ragged level. Shape `[rows, width, ...]`."""
        if self.ragged_rank != 1:
            raise ValueError(f"only one ragged level can be padded here, this value has {self.ragged_rank}")
        lengths = self.row_lengths()
        if width is None:
            width = int(lengths.max(initial=0))
        flat = self.flat_values
        if default_value is None:
            default_value = (b"" if not len(flat) or isinstance(flat.flat[0], bytes) else "") if flat.dtype == object else 0
        out = np.empty((len(lengths), width, *flat.shape[1:]), flat.dtype)
        out[...] = "" if default_value == 0 and flat.dtype.kind in "SU" else default_value
        present = np.arange(width) < lengths[:, None]
        kept = np.arange(int(lengths.sum())) - np.repeat(self.nested_row_splits[0][:-1], lengths) < width
        out[present] = flat if kept.all() else flat[kept]
        return out

    def to_sparse(self) -> SparseTensor:
        """The same values by coordinates, for one ragged level over a vector."""
        if self.ragged_rank != 1 or self.flat_values.ndim != 1:
            raise ValueError(f"only a ragged matrix can become sparse here, this value has shape {self.shape}")
        lengths = self.row_lengths()
        rows = np.repeat(np.arange(len(lengths)), lengths)
        columns = np.arange(len(rows)) - np.repeat(self.nested_row_splits[0][:-1], lengths)
        shape = [len(lengths), int(lengths.max(initial=0))]
        return SparseTensor(np.stack([rows, columns], 1), self.flat_values, shape)

    def __len__(self) -> int:
        return len(self.nested_row_splits[0]) - 1

    def __repr__(self) -> str:
        return f"RaggedTensor(shape={list(self.shape)}, dtype={self.flat_values.dtype})"


def row_splits(lengths: Any, dtype: Any = np.int64) -> np.ndarray:
    """The splits of rows of these lengths. Shape `[rows + 1]`.

    >>> row_splits([2, 0, 1]).tolist()
    [0, 2, 2, 3]
    """
    lengths = np.asarray(lengths, np.int64)
    out = np.zeros(len(lengths) + 1, dtype)
    np.cumsum(lengths, out=out[1:])
    return out


def stack_ragged(parts: Sequence[Any], row_splits_dtype: Any = np.int64) -> RaggedTensor:
    """Elements that differ in their first axis (or are ragged themselves) as the rows of one RaggedTensor."""
    if isinstance(parts[0], RaggedTensor):
        joined = concat_ragged(parts)
        outer = row_splits([len(p) for p in parts], parts[0].nested_row_splits[0].dtype)
        return RaggedTensor([outer, *joined.nested_row_splits], joined.flat_values)
    return RaggedTensor([row_splits([len(p) for p in parts], row_splits_dtype)], np.concatenate(parts))


def concat_ragged(parts: Sequence[RaggedTensor]) -> RaggedTensor:
    """Joins along the first axis."""
    if len({p.ragged_rank for p in parts}) > 1:
        raise ValueError("ragged values of differing depth can't be joined")
    splits = []
    for level in range(parts[0].ragged_rank):
        lengths = np.concatenate([np.diff(p.nested_row_splits[level]) for p in parts])
        splits.append(row_splits(lengths, parts[0].nested_row_splits[level].dtype))
    return RaggedTensor(splits, np.concatenate([p.flat_values for p in parts]))


def _values(values: Any) -> np.ndarray:
    if isinstance(values, list):
        return list_to_array(values)
    return np.asarray(values)
