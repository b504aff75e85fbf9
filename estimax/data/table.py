"""A table in memory: columns of any kind, from which many rows are taken with one gather per column.

Columns of text are dictionary-encoded once, when the first rows are taken: a gather then moves int32 codes. With
`columns="arrow"` such a column comes out as a `pyarrow.DictionaryArray`, on which work can be done once per distinct
value; else as the NumPy array that it was given as.

A random gather waits for memory, not for arithmetic: from 39 separate columns it reads 39 cache lines a row. Tables too
large for the cache therefore get a second copy of their scalar columns laid out by rows when rows are first drawn out of
order, which measured 6 times the rows per second.
"""

from __future__ import annotations

import abc
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimax.data.collate import is_arrow, take_rows
from estimax.data.specs import AnySpec, TensorSpec, leaf_spec, without_batch
from estimax.data.structure import as_element, flatten, is_container, leaf_names, map_leaves, rebuild
from estimax.data.values import RaggedTensor, SparseTensor

ENCODE_ROWS = 4096  # shorter text columns are gathered as they are
PACK_BYTES = 1 << 22, 1 << 31  # tables within these bounds are laid out by rows for random gathers
DISTINCT_LIMIT = 0.5  # no dictionary if more than this part of a sample is distinct


class Column(abc.ABC):
    """One column of a table."""

    size: int

    def fixed(self) -> np.ndarray | None:
        """The vector of plain numbers that this column's rows come down to, if there is one."""
        return None

    def finish(self, taken: np.ndarray, columns: str) -> Any:
        """What rows of `fixed()` stand for."""
        return taken

    @abc.abstractmethod
    def gather(self, rows: np.ndarray, columns: str) -> Any:
        """The given rows, in the given order."""

    @abc.abstractmethod
    def spec(self) -> AnySpec:
        """The spec of one row."""


class PlainColumn(Column):
    """A NumPy array, SparseTensor or RaggedTensor."""

    def __init__(self, values: Any):
        self.values, self.size = values, len(values)

    def fixed(self) -> np.ndarray | None:
        values = self.values
        return values if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "biuf" else None

    def gather(self, rows: np.ndarray, columns: str) -> Any:
        return take_rows(self.values, rows)

    def spec(self) -> AnySpec:
        return without_batch(leaf_spec(self.values))


class TextColumn(Column):
    """A vector of text or bytes, encoded on first use."""

    def __init__(self, values: np.ndarray):
        self.values, self.size = values, len(values)
        self._lock = threading.Lock()
        self._codes: np.ndarray | None = None
        self._distinct: np.ndarray | None = None
        self._dictionary: Any = None
        self._plain = self.size < ENCODE_ROWS

    def _encode(self) -> None:
        with self._lock:
            if self._codes is not None or self._plain:
                return
            sample = self.values[:: max(1, self.size // ENCODE_ROWS)].tolist()
            kinds = {type(v) for v in sample}
            if len(kinds) != 1 or not kinds <= {str, bytes} or len(set(sample)) > DISTINCT_LIMIT * len(sample):
                self._plain = True
                return
            import pyarrow as pa

            try:
                encoded = pa.array(self.values, pa.string() if kinds == {str} else pa.binary()).dictionary_encode()
            except (pa.ArrowInvalid, pa.ArrowTypeError):  # bytes and text mixed further down
                self._plain = True
                return
            if encoded.null_count:
                self._plain = True
                return
            self._dictionary = encoded.dictionary
            self._distinct = np.asarray(encoded.dictionary.to_numpy(zero_copy_only=False)).astype(self.values.dtype)
            self._codes = np.asarray(encoded.indices)

    def fixed(self) -> np.ndarray | None:
        if self._codes is None and not self._plain:
            self._encode()
        return self._codes

    def finish(self, taken: np.ndarray, columns: str) -> Any:
        return _decode(taken, self._dictionary, self._distinct, columns)

    def gather(self, rows: np.ndarray, columns: str) -> Any:
        codes = self.fixed()
        return self.values.take(rows) if codes is None else self.finish(codes.take(rows), columns)

    def spec(self) -> AnySpec:
        return TensorSpec((), "string")


class EncodedColumn(Column):
    """A column that came dictionary-encoded from Arrow."""

    def __init__(self, codes: np.ndarray, dictionary: Any):
        self.size, self._codes, self._dictionary = len(codes), codes, dictionary
        self._distinct = np.asarray(dictionary.to_numpy(zero_copy_only=False))

    def fixed(self) -> np.ndarray | None:
        return self._codes

    def finish(self, taken: np.ndarray, columns: str) -> Any:
        return _decode(taken, self._dictionary, self._distinct, columns)

    def gather(self, rows: np.ndarray, columns: str) -> Any:
        return self.finish(self._codes.take(rows), columns)

    def spec(self) -> AnySpec:
        return TensorSpec((), "string")


def _decode(codes: np.ndarray, dictionary: Any, distinct: Any, columns: str) -> Any:
    if columns == "arrow":
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(pa.array(codes), dictionary, safe=False)
    return distinct.take(codes)


class RowMajor:
    """A copy of scalar columns of one item size laid out by rows.

    Args:
        parts: the columns' numbers in the table, and their vectors.
    """

    def __init__(self, parts: list[tuple[int, np.ndarray]]):
        self.numbers = [number for number, _ in parts]
        self.dtypes = [vector.dtype for _, vector in parts]
        vectors = [vector.view(f"u{vector.dtype.itemsize}") for _, vector in parts]
        self._rows = np.empty((len(vectors[0]), len(vectors)), vectors[0].dtype)
        for start in range(0, len(self._rows), 8192):  # blocks that stay in the cache
            for j, vector in enumerate(vectors):
                self._rows[start : start + 8192, j] = vector[start : start + 8192]

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """The given rows of each column."""
        by_column = np.ascontiguousarray(self._rows.take(rows, axis=0).T)
        return [part.view(dtype) for part, dtype in zip(by_column, self.dtypes)]


def column(values: Any, name: str = "") -> Column:
    """A column from what a user gave: arrays, lists, pandas Series, Arrow arrays, sparse or ragged values."""
    if isinstance(values, Column):
        return values
    if isinstance(values, SparseTensor | RaggedTensor):
        return PlainColumn(values)
    module = type(values).__module__.partition(".")[0]
    if module in ("pandas", "polars", "pyarrow") or is_arrow(values) or hasattr(values, "__arrow_c_stream__"):
        return arrow_column(values, module, name)
    array = as_element(values)
    if is_container(array):
        return PlainColumn(array)
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        shown = repr(values)
        raise ValueError(
            f"from_tensor_slices: {name or 'the value'} has no axis to slice: {shown[:60]}. "
            "Every component needs rows on its first axis; use from_tensors for one element."
        )
    return TextColumn(array) if array.ndim == 1 and array.dtype.kind in "OSU" else PlainColumn(array)


def arrow_column(values: Any, module: str, name: str = "") -> Column:
    """A pandas or polars series, or an Arrow array, as a column; missing text becomes the empty string."""
    import pyarrow as pa

    if module == "pandas":
        if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biufcmM":  # not the nullable types
            return PlainColumn(values.to_numpy())
        if values.dtype == object:
            plain = values.to_numpy()
            missing = values.isna().to_numpy()
            if missing.any() and any(isinstance(v, str) for v in plain[~missing][:1]):
                plain = plain.copy()
                plain[missing] = ""
            return column(plain, name)
        array = pa.Array.from_pandas(values)
    elif module == "polars":
        array = values.to_arrow()
    else:
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.chunked_array(values)
    if isinstance(array, pa.ChunkedArray):
        array = array.unify_dictionaries().combine_chunks() if array.num_chunks != 1 else array.chunk(0)
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return from_arrow_array(array, name)


def from_arrow_array(array: Any, name: str = "") -> Column:
    """One Arrow array as a column; a missing text becomes `''`, a missing integer -1, a missing float NaN."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(array.type) and (types.is_string(array.type.value_type) or types.is_binary(array.type.value_type)):
        if array.null_count:
            array = array.cast(array.type.value_type)
        else:
            return EncodedColumn(np.asarray(array.indices).astype(np.int32), array.dictionary)
    elif types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if types.is_string(array.type) or types.is_large_string(array.type) or types.is_string_view(array.type):
        return _text(array.fill_null("") if array.null_count else array, pa.large_string())
    if types.is_binary(array.type) or types.is_large_binary(array.type) or types.is_fixed_size_binary(array.type):
        return _text(array.fill_null(b"") if array.null_count else array, pa.large_binary())
    if types.is_list(array.type) or types.is_large_list(array.type):
        return PlainColumn(RaggedTensor.from_arrow(array))
    if types.is_fixed_size_list(array.type):
        width = array.type.list_size
        return PlainColumn(np.asarray(array.flatten()).reshape(-1, width))
    if types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if types.is_null(array.type):
        return PlainColumn(np.full(len(array), np.nan, np.float32))
    if types.is_integer(array.type) and array.null_count:
        # -1 is what feature columns take as missing; as floats with NaN the column could not be one of ids any more.
        array = (array.cast(pa.int64()) if types.is_unsigned_integer(array.type) else array).fill_null(-1)
    return PlainColumn(np.asarray(array.to_numpy(zero_copy_only=False)))


def _text(array: Any, kind: Any) -> Column:
    """Text without nulls: encoded at once where few values are distinct, as that needs no Python object per row."""
    array = array.cast(kind)
    if len(array) >= ENCODE_ROWS:
        encoded = array.dictionary_encode()
        if len(encoded.dictionary) <= DISTINCT_LIMIT * len(array):
            return EncodedColumn(np.asarray(encoded.indices), encoded.dictionary)
    return TextColumn(np.asarray(array.to_numpy(zero_copy_only=False)).astype(object, copy=False))


def as_columns(data: Any) -> Any:
    """Data frames and Arrow tables inside a structure, each as a dict of its columns."""
    if isinstance(data, Mapping):
        return {key: as_columns(value) for key, value in data.items()}
    if isinstance(data, tuple):
        parts = [as_columns(value) for value in data]
        return type(data)(*parts) if hasattr(data, "_fields") else tuple(parts)
    module = type(data).__module__.partition(".")[0]
    if module in ("pandas", "polars") and hasattr(data, "columns"):
        return {str(key): data[key] for key in data.columns}
    if hasattr(data, "column_names") and hasattr(data, "schema"):
        return {key: data.column(i) for i, key in enumerate(data.schema.names)}
    return data


class Table:
    """Columns of equal length in the structure of an element.

    Args:
        data: nested dicts and tuples of columns: arrays, lists, pandas or polars series, Arrow arrays, whole data
            frames and Arrow tables, sparse and ragged values.

    Raises:
        ValueError: if a component has no rows axis, or lengths differ.
    """

    def __init__(self, data: Any):
        data = as_columns(data)
        names = leaf_names(data)
        leaves = flatten(data)
        if not leaves:
            raise ValueError("from_tensor_slices: the structure holds no values; give at least one column")
        self.columns = [column(leaf, name) for leaf, name in zip(leaves, names)]
        sizes = {c.size for c in self.columns}
        if len(sizes) > 1:
            first, other = next((i, j) for i in [0] for j in range(1, len(names)) if self.columns[j].size != self.columns[0].size)
            raise ValueError(
                f"from_tensor_slices: all components need the same number of rows; {names[first] or 'the first'} has "
                f"{self.columns[first].size}, {names[other]} has {self.columns[other].size}"
            )
        self.size = sizes.pop()
        self._structure = map_leaves(lambda leaf: None, data)
        self._single = not isinstance(data, Mapping | tuple)
        self._lock = threading.Lock()
        self._packed: list[RowMajor] | None = None
        self.encoded: Any = None  # what the training engine made of all rows, kept for the next pass

    def _pack(self) -> list[RowMajor]:
        with self._lock:
            if self._packed is None:
                groups: dict[int, list[tuple[int, np.ndarray]]] = {}
                for number, part in enumerate(self.columns):
                    vector = part.fixed()
                    if vector is not None and vector.dtype.itemsize in (1, 2, 4, 8):
                        groups.setdefault(vector.dtype.itemsize, []).append((number, np.ascontiguousarray(vector)))
                bounds = range(*PACK_BYTES)
                self._packed = [
                    RowMajor(parts)
                    for size, parts in groups.items()
                    if len(parts) >= 4 and size * len(parts) * self.size in bounds
                ]
            return self._packed

    def spec(self) -> Any:
        """The spec of one row."""
        return rebuild(self._structure, [c.spec() for c in self.columns])

    def gather(self, rows: np.ndarray, columns: str = "numpy") -> Any:
        """The given rows, in the given order, as one batched element."""
        if self._single:
            return self.columns[0].gather(rows, columns)
        leaves: list[Any] = [None] * len(self.columns)
        n = len(rows)
        if n and (self._packed or self._packed is None and (rows[n - 1] - rows[0] != n - 1)):
            for group in self._pack():
                for number, part in zip(group.numbers, group.gather(rows)):
                    leaves[number] = self.columns[number].finish(part, columns)
        for number, source in enumerate(self.columns):
            if leaves[number] is None:
                leaves[number] = source.gather(rows, columns)
        return rebuild(self._structure, leaves)


class RangeTable:
    """The integers of a range as a table of one column that takes no memory."""

    def __init__(self, numbers: range, dtype: np.dtype):
        self.numbers, self.dtype, self.size = numbers, dtype, len(numbers)

    def spec(self) -> Any:
        """The spec of one number."""
        return TensorSpec((), self.dtype.name)

    def gather(self, rows: np.ndarray, columns: str = "numpy") -> Any:
        """The given numbers, in the given order."""
        return (rows * self.numbers.step + self.numbers.start).astype(self.dtype, copy=False)


def as_arrays(data: Any) -> Any:
    """Data frames, series and Arrow columns inside a structure as NumPy values."""

    def leaf(value: Any) -> Any:
        module = type(value).__module__.partition(".")[0]
        if module in ("pandas", "polars", "pyarrow"):
            found = column(value)
            return found.gather(np.arange(found.size), "numpy")
        return value

    return map_leaves(leaf, as_columns(data))
