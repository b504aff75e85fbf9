"""What a raw feature says, row by row: its entries, whatever container it came in.

Users hold columns as NumPy arrays, lists, Arrow, pandas, polars, SciPy or COO triples. Columns read one form, `Entries`: flat values
and where they stand. Values of a rectangular container are *dense*: an empty string and -1 stand for "missing", as in TensorFlow.
Containers with row lengths of their own (COO, ragged, Arrow lists) say themselves what is there, so such values are kept.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from estimax.core.errors import InputDataError
from estimax.core.text import Text, text_from_arrow, text_from_numpy, text_from_objects
from estimax.feature_columns.dictionaries import DictionaryMemo


@dataclasses.dataclass(eq=False, slots=True)  # not frozen: that would triple the cost of making one
class Entries:
    """Values of a column and where they stand.

    Attributes:
        values: one value per entry, or the distinct values if `codes` is given. Shape `[m]`.
        shape: the shape as a dense array, rows first.
        index: row-major position of each entry in `shape`; None if every position has one. Shape `[entries]`, int64, ascending.
        codes: which of the distinct `values` each entry has. Shape `[entries]`.
        nulls: entries that the container marks as missing. Shape `[entries]`, bool; None if there are none.
        weights: the weights of a weighted column, an `Entries` of float32.
        layout: `"dense"`, `"sparse"` (a width of its own), `"ragged"` (as wide as its longest row), or `"lists"`: Python lists of lists,
            ragged, but with '' and -1 as missing values, so that their meaning does not hang on whether all are of one length.
    """

    values: Text | np.ndarray
    shape: tuple[int, ...]
    index: np.ndarray | None = None
    codes: np.ndarray | None = None
    nulls: np.ndarray | None = None
    weights: Entries | None = None
    layout: str = "dense"

    @property
    def kind(self) -> str:
        """`"string"`, `"integer"`, `"float"` or `"bool"`."""
        if isinstance(self.values, Text):
            return "string"
        return {"i": "integer", "u": "integer", "f": "float", "b": "bool"}.get(self.values.dtype.kind, str(self.values.dtype))

    @property
    def marks_missing(self) -> bool:
        """Whether '' and -1 (and a weight of 0) mean that nothing is there."""
        return self.layout in ("dense", "lists")

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self.values) if self.codes is None else len(self.codes)

    def positions(self) -> np.ndarray:
        """The row-major position of each entry. Shape `[entries]`, int64."""
        return np.arange(self.count) if self.index is None else self.index

    def indices(self) -> np.ndarray:
        """The coordinates of each entry. Shape `[entries, rank]`, int64."""
        return np.stack(np.unravel_index(self.positions(), self.shape), -1).reshape(-1, len(self.shape))

    def rows(self) -> np.ndarray:
        """The row of each entry. Shape `[entries]`, int64."""
        return self.positions() // max(math.prod(self.shape[1:]), 1)

    def replace(self, **changes: Any) -> Entries:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def select(self, order: np.ndarray) -> Entries:
        """Some of the entries, by number."""
        codes = None if self.codes is None else self.codes[order]
        values = self.values if self.codes is not None else self.values[order]
        index = order if self.index is None else self.index[order]
        nulls = None if self.nulls is None else self.nulls[order]
        return dataclasses.replace(self, values=values, codes=codes, index=index, nulls=nulls)

    def keep(self, present: np.ndarray) -> Entries:
        """Only the entries where `present`, which leaves no nulls."""
        return self.replace(nulls=None).select(np.flatnonzero(present))


def read_entries(raw: Any, dictionary: DictionaryMemo | None = None) -> Entries:
    """The entries of a raw feature.

    Args:
        raw: a NumPy or JAX array, list, pyarrow array, pandas or polars series, SciPy sparse matrix, `estimax.data.SparseTensor` or
            `RaggedTensor`. Shape `[batch]`, `[batch, width]` or `[batch, steps, width]`.
        dictionary: what is remembered of the feature's earlier batches.

    Raises:
        ValueError: if it is a scalar or of no known container or type.
    """
    if isinstance(raw, np.ndarray):
        return _from_numpy(raw, dictionary)
    module = type(raw).__module__.partition(".")[0]
    if module == "pyarrow":
        return _from_arrow(raw, dictionary)
    if module == "scipy" and hasattr(raw, "tocsr"):
        matrix = raw.tocsr().tocoo()
        return _from_triples(np.stack([matrix.row, matrix.col], 1), matrix.data, matrix.shape)
    if hasattr(raw, "dense_shape") and hasattr(raw, "indices"):
        return _from_triples(raw.indices, raw.values, raw.dense_shape)
    if hasattr(raw, "nested_row_splits"):
        return _from_splits([np.asarray(s) for s in raw.nested_row_splits], read_entries(np.asarray(raw.flat_values)))
    if module == "pandas":
        return _from_pandas(raw, dictionary)
    if module == "polars":
        return _from_arrow(raw.to_arrow(), dictionary)
    if isinstance(raw, (list, tuple)):
        return _from_list(raw)
    if hasattr(raw, "__arrow_c_stream__"):
        import pyarrow as pa

        return _from_arrow(pa.chunked_array(raw), dictionary)
    return _from_numpy(np.asarray(raw))


def _from_numpy(array: np.ndarray, dictionary: DictionaryMemo | None = None) -> Entries:
    if array.ndim == 0:
        raise InputDataError(f"given a scalar ({array!r}), expected one value or list of values for each row. Shape it [batch].")
    kind = array.dtype.kind
    shape = array.shape if array.ndim > 1 else (len(array), 1)
    if kind in "iufb":
        return Entries(array.reshape(-1), shape)
    if kind in "SU":
        found = None if dictionary is None else _encoded_fixed(array, dictionary)
        return Entries(text_from_numpy(array), shape) if found is None else Entries(found[0], shape, codes=found[1])
    if kind == "O":
        return _from_objects(array, shape, dictionary)
    if kind == "T":
        return Entries(text_from_objects(array.astype(object)), shape)
    if kind == "V":  # bfloat16 and the other small floats of ml_dtypes
        return Entries(array.astype(np.float32).reshape(-1), shape)
    raise InputDataError(
        f"given an array of {array.dtype}, expected strings or numbers. Convert dates to numbers or strings first."
    )


def _encoded_fixed(array: np.ndarray, dictionary: DictionaryMemo) -> tuple[Any, np.ndarray] | None:
    """NumPy's fixed-width strings as values and codes: Arrow compares their memory as it is, and only the values are decoded."""
    import pyarrow as pa

    flat = np.ascontiguousarray(array.reshape(-1))
    kind = flat.dtype
    if not kind.itemsize:
        return None
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(kind.itemsize), len(flat), [None, pa.py_buffer(flat)])
    return dictionary.encode(fixed, lambda v: text_from_numpy(np.frombuffer(v.buffers()[1], kind)[v.offset : v.offset + len(v)]))


def _from_objects(array: np.ndarray, shape: tuple[int, ...], dictionary: DictionaryMemo | None) -> Entries:
    import pyarrow as pa

    try:
        entries = _from_arrow(pa.array(array.reshape(-1), from_pandas=True), dictionary)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise InputDataError(f"given an object array of mixed types, expected one type of value. {e} Convert the column.") from e
    # Cells that are lists make rows of their own length, and an axis more.
    return entries.replace(shape=shape) if entries.layout == "dense" and entries.shape[1:] == (1,) else entries


def _from_list(items: Any) -> Entries:
    first = next((x for x in items if x is not None), None)
    if isinstance(first, (list, tuple)) or hasattr(first, "__len__") and not isinstance(first, (str, bytes)):
        return _from_rows(items)
    array = np.asarray(items)
    if array.dtype.kind in "SU":  # NumPy's own strings would drop trailing NULs
        array = np.array(items, object)
    return _from_numpy(array)


def _from_rows(items: Any) -> Entries:
    import pyarrow as pa

    try:
        return _from_arrow(pa.array(list(items), from_pandas=True), None).replace(layout="lists")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        if isinstance(items[0], np.ndarray) and items[0].ndim > 1:
            return _from_numpy(np.stack(items))
        raise InputDataError(f"given lists of mixed types, expected one type of value. {e}") from e


def _from_arrow(array: Any, dictionary: DictionaryMemo | None) -> Entries:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = array.type
    nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    shape = (len(array), 1)
    if _is_text(kind):
        encoded = None if dictionary is None else dictionary.encode(array, text_from_arrow)
        if encoded is None:
            return Entries(text_from_arrow(array), shape, nulls=nulls)
        return Entries(encoded[0], shape, codes=encoded[1], nulls=nulls)
    if pa.types.is_dictionary(kind):
        indices, distinct = array.indices, array.dictionary
        if nulls is not None:
            indices = indices.fill_null(0)
        if not len(distinct):
            distinct = pa.array([""] if _is_text(distinct.type) else [0], distinct.type)
        codes = indices.to_numpy(zero_copy_only=False)
        if dictionary is None:
            return Entries(read_entries(distinct).values, shape, codes=codes, nulls=nulls)
        token = (len(distinct), distinct.offset, tuple(b.address for b in distinct.buffers() if b is not None))
        values = dictionary.values_of(token, distinct, lambda: read_entries(distinct).values)
        return Entries(values, shape, codes=codes, nulls=nulls)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        if nulls is not None:
            array = array.cast(pa.int64()).fill_null(-1)
        return Entries(array.to_numpy(zero_copy_only=False), shape, nulls=nulls)
    if pa.types.is_floating(kind):
        return Entries(array.to_numpy(zero_copy_only=False), shape, nulls=nulls)
    if pa.types.is_null(kind):
        return Entries(np.full(len(array), -1), shape, nulls=np.ones(len(array), bool))
    if pa.types.is_fixed_size_list(kind) and nulls is None:
        flat = _from_arrow(array.flatten(), dictionary)
        return flat.replace(shape=(len(array), kind.list_size, *(flat.shape[1:] if flat.shape[1:] != (1,) else ())))
    if _is_list(kind):
        lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        splits = [_splits(lengths)]
        flat_array = array.flatten()
        while _is_list(flat_array.type):
            splits.append(_splits(pc.list_value_length(flat_array).fill_null(0).to_numpy(zero_copy_only=False)))
            flat_array = flat_array.flatten()
        return _from_splits(splits, _from_arrow(flat_array, dictionary))
    raise InputDataError(f"given Arrow values of type {kind}, expected strings, numbers or lists of them. Cast the column.")


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return (
        types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_binary(kind)
        or types.is_large_binary(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind)
    )  # fmt: skip


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return (
        types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        or types.is_list_view(kind) or types.is_large_list_view(kind)
    )  # fmt: skip


def _splits(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _from_pandas(series: Any, dictionary: DictionaryMemo | None) -> Entries:
    import pyarrow as pa

    if hasattr(series, "columns"):
        return _from_numpy(series.to_numpy())
    if hasattr(series, "cat") and hasattr(series.cat, "categories"):
        categories = series.cat.categories
        codes = series.cat.codes.to_numpy()
        nulls = codes < 0
        some = bool(nulls.any())
        memo = DictionaryMemo() if dictionary is None else dictionary
        values = memo.values_of(id(categories), categories, lambda: _categories(categories))
        return Entries(values, (len(codes), 1), codes=np.where(nulls, 0, codes) if some else codes, nulls=nulls if some else None)
    if isinstance(series.dtype, np.dtype):
        return _from_numpy(series.to_numpy(), dictionary)
    return _from_arrow(pa.Array.from_pandas(series), dictionary)


def _categories(categories: Any) -> Any:
    return read_entries(categories.to_numpy()).values if len(categories) else np.zeros(1, np.int64)


def _from_triples(indices: Any, values: Any, dense_shape: Any) -> Entries:
    shape = tuple(int(n) for n in np.asarray(dense_shape).tolist())
    if not shape:
        raise InputDataError("given a sparse scalar, expected at least [batch].")
    if len(shape) == 1:  # one value a row, or none
        shape, indices = (*shape, 1), np.stack([np.asarray(indices, np.int64).reshape(-1), np.zeros(len(values), np.int64)], 1)
    flat = read_entries(values if len(values) else np.asarray(values).reshape(-1))
    index: np.ndarray = np.ravel_multi_index(tuple(np.asarray(indices, np.int64).reshape(-1, len(shape)).T), shape)  # type: ignore[assignment]
    entries = Entries(flat.values, shape, index=index, codes=flat.codes, nulls=flat.nulls, layout="sparse")
    if len(index) > 1 and not (np.diff(index) > 0).all():
        entries = entries.select(np.argsort(index, kind="stable"))
    return entries if entries.nulls is None else entries.keep(~entries.nulls)


def _from_splits(splits: list[np.ndarray], flat: Entries) -> Entries:
    shape: tuple[int, ...] = (len(splits[0]) - 1,)
    at = np.arange(shape[0])
    for bounds in splits:
        lengths = np.diff(bounds)
        width = int(lengths.max(initial=0))
        within = np.arange(int(bounds[-1])) - np.repeat(bounds[:-1], lengths)
        at = np.repeat(at, lengths) * width + within
        shape += (width,)
    inner = flat.shape[1:]
    if inner != (1,):
        size = math.prod(inner)
        at = (at[:, None] * size + np.arange(size)).reshape(-1)
        shape += inner
    entries = Entries(flat.values, shape, index=at, codes=flat.codes, nulls=flat.nulls, layout="ragged")
    return entries if entries.nulls is None else entries.keep(~entries.nulls)
