"""What `fit`, `evaluate` and `predict` accept as data, as passes of batches `(x, y, sample_weight)`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

import jax
import numpy as np

from estimax.core.errors import InputDataError

_IN_MEMORY = ("numpy", "pandas", "pyarrow", "polars", "jax", "jaxlib", "torch", "scipy", "tensorflow")


class Source:
    """Data that can be passed over several times, or once if it is an iterator.

    Args:
        make: gives a new pass, an iterator of batches, from the number of the pass.
        steps: batches of one pass, if it is known.
        is_single: whether `make` gives the same iterator every time, as a generator does.
        on_epoch_end: called after each epoch, if given.
        is_table: whether the engine takes rows from a table, a group of steps at once.
    """

    def __init__(
        self, make: Any, steps: int | None, *, is_single: bool = False, on_epoch_end: Any = None, is_table: bool = False
    ):
        self._make, self.steps, self.is_single, self.on_epoch_end = make, steps, is_single, on_epoch_end
        self.is_table = is_table
        self._passes = 0
        self._stream: Iterator[Any] | None = None

    def one_pass(self) -> Iterator[Any]:
        """The batches of one pass."""
        self._passes += 1
        return self._make(self._passes - 1)

    def stream(self) -> Iterator[Any]:
        """Batches without end, pass after pass; the same iterator at every call."""
        if self._stream is None:
            self._stream = self._forever()
        return self._stream

    def _forever(self) -> Iterator[Any]:
        while True:
            count = 0
            for batch in self.one_pass():
                count += 1
                yield batch
            if count == 0 or self.is_single:
                return


def make_source(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    class_weight: Mapping[int, float] | None = None,
    seed: int = 0,
    what: str = "fit",
) -> Source:
    """Arrays, tables, datasets, generators or iterables as a source of batches.

    Raises:
        ValueError: if arguments contradict each other.
        InputDataError: if arrays differ in their number of rows.
        TypeError: if nothing is known of the data's type.
    """
    if x is None:
        raise ValueError(
            f"{what}: x: given None, expected arrays, a dict, a table, a Dataset, a generator or an iterable of batches."
        )
    if is_in_memory(x):
        if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
            raise ValueError(f"{what}: batch_size: given {batch_size!r}, expected a positive integer.")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    f"{what}: given both class_weight and sample_weight, expected one of them. Multiply them into sample_weight."
                )
            sample_weight = class_weights(class_weight, y, what)
        return _array_source(x, y, sample_weight, int(batch_size or 32), bool(shuffle), seed, what)
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"{what}: {name}: given with x of type {type(x).__name__}, which yields it itself, as (x, y, sample_weight). Leave it out."
            )
    if batch_size is not None:
        raise ValueError(
            f"{what}: batch_size: given with x of type {type(x).__name__}, which makes its own batches. Leave it out."
        )
    source = _stream_source(x, seed, what)
    if class_weight is not None:
        inner = source._make
        source._make = lambda epoch: (_weighted(b, class_weight, what) for b in inner(epoch))
    return source


def is_in_memory(x: Any) -> bool:
    """Whether data are arrays or tables, or lists and dicts of them, with all rows."""
    if isinstance(x, Mapping):
        return all(is_in_memory(v) for v in x.values())
    if isinstance(x, list) and x and all(isinstance(v, tuple) for v in x):
        return False  # a list of (x, y) batches
    if isinstance(x, (list, tuple)):
        return len(x) > 0 and all(is_in_memory(v) or isinstance(v, (int, float, bool, str, bytes)) for v in x)
    return (
        hasattr(x, "shape")
        and type(x).__module__.split(".")[0] in _IN_MEMORY
        or isinstance(x, (np.ndarray, jax.Array))
        or _is_table(x)
    )


def _is_table(x: Any) -> bool:
    return type(x).__module__.split(".")[0] in ("pandas", "pyarrow", "polars") and hasattr(x, "__len__")


def columns_of(x: Any) -> Any:
    """Arrays and tables in memory as nested lists and dicts of columns that can be cut by rows."""
    if x is None:
        return None
    kind = type(x).__module__.split(".")[0]
    if isinstance(x, Mapping):
        return {str(k): columns_of(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        if all(hasattr(v, "shape") or isinstance(v, Mapping) or _is_table(v) for v in x):
            return [columns_of(v) for v in x]
        return np.asarray(x)
    if kind == "pandas":
        if hasattr(x, "columns"):
            return {str(c): columns_of(x[c]) for c in x.columns}
        return np.asarray(x) if isinstance(x.dtype, np.dtype) else np.asarray(x, dtype=None if x.dtype.kind in "biuf" else object)
    if kind == "polars":
        return columns_of(x.to_arrow())
    if kind == "pyarrow":
        if hasattr(x, "schema") and hasattr(x, "column"):
            return {n: columns_of(x.column(n)) for n in x.schema.names}
        x = x.combine_chunks() if hasattr(x, "combine_chunks") else x
        numeric = x.null_count == 0 and str(x.type) in _ARROW_NUMBERS
        return x.to_numpy(zero_copy_only=False) if numeric else x
    if kind == "torch":
        return x.detach().cpu().numpy()
    if kind == "scipy":
        return x.tocsr()
    return np.asarray(x)


def narrowed(tree: Any) -> Any:
    """64-bit numbers as the 32-bit ones that go to the device, once instead of batch by batch; too large ones stay as they are."""
    if jax.config.jax_enable_x64 or tree is None:  # type: ignore[attr-defined]
        return tree
    if isinstance(tree, dict):
        return {k: narrowed(v) for k, v in tree.items()}
    if isinstance(tree, list):
        return [narrowed(v) for v in tree]
    if not isinstance(tree, np.ndarray) or tree.size == 0:
        return tree
    if tree.dtype == np.float64:
        return tree.astype(np.float32)
    if tree.dtype in (np.int64, np.uint64, np.uint32) and tree.max() <= 2**31 - 1 and tree.min() >= -(2**31):
        return tree.astype(np.int32)
    return tree


_ARROW_NUMBERS = frozenset(("float", "double", "halffloat", *(f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64))))


def _leaves(tree: Any, name: str) -> list[tuple[str, Any]]:
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for k, v in tree.items() for leaf in _leaves(v, f"{name}[{k!r}]")]
    if isinstance(tree, list):
        return [leaf for i, v in enumerate(tree) for leaf in _leaves(v, f"{name}[{i}]")]
    return [(name, tree)]


def rows_in(parts: Any, what: str) -> int:
    """The number of rows of `(x, y, sample_weight)` columns.

    Raises:
        InputDataError: if they differ, or there are none.
    """
    sizes = {}
    for name, part in zip(("x", "y", "sample_weight"), parts):
        for leaf_name, leaf in _leaves(part, name):
            shape = getattr(leaf, "shape", None)
            if shape == ():
                raise InputDataError(f"{what}: {leaf_name}: given a single value, expected an array with one entry a row.")
            sizes[leaf_name] = shape[0] if shape is not None else len(leaf)
    if len(set(sizes.values())) > 1:
        raise InputDataError(
            f"{what}: all arrays must have equally many rows; given {', '.join(f'{k}: {n}' for k, n in sizes.items())}."
        )
    rows = next(iter(sizes.values()), 0)
    if rows == 0:
        raise InputDataError(f"{what}: the data have no rows.")
    return rows


def take_rows(tree: Any, index: Any) -> Any:
    """Some rows of columns, by a slice or an array of row numbers."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {k: take_rows(v, index) for k, v in tree.items()}
    if isinstance(tree, list):
        return tuple(take_rows(v, index) for v in tree)  # the engine takes a list within a dict for one column
    if isinstance(tree, np.ndarray):
        return tree[index]
    if type(tree).__module__.split(".")[0] == "scipy":
        return tree[index].toarray()
    return tree.slice(index.start, index.stop - index.start) if isinstance(index, slice) else tree.take(index)


def _array_source(x: Any, y: Any, weight: Any, batch_size: int, shuffle: bool, seed: int, what: str) -> Source:
    parts = tuple(narrowed(columns_of(v)) for v in (x, y, weight))
    table = ArrayTable(parts, rows_in(parts, what))

    def one_pass(epoch: int) -> Iterator[Any]:
        order = np.random.default_rng((seed, epoch)).permutation(table.size) if shuffle else None
        return ArrayPass(table, batch_size, order)

    return Source(one_pass, -(-table.size // batch_size), is_table=table.is_plain)


class ArrayTable:
    """Columns in memory, `(x, y, sample_weight)`, of which the engine may take rows by number.

    Attributes:
        size: number of rows.
        encoded: what the engine keeps of it from one pass to the next.
    """

    def __init__(self, parts: tuple[Any, Any, Any], size: int):
        self.parts, self.size = parts, size
        self.encoded: Any = None

    def gather(self, rows: Any, columns: str = "numpy") -> tuple[Any, ...]:
        """Some rows; text stays as it is, whatever `columns` says."""
        return tuple(take_rows(part, rows) for part in self.parts)

    @property
    def is_plain(self) -> bool:
        """Whether all columns are numbers, of which the engine may take rows where they lie."""
        leaves = [leaf for part in self.parts for _, leaf in _leaves(part, "")]
        return all(isinstance(x, np.ndarray) and x.dtype.kind in "biuf" for x in leaves)

    def in_place(self) -> tuple[Any, ...]:
        """All rows, without copying."""
        return self.gather(slice(0, self.size))


class ArrayPass:
    """One pass over columns in memory, batch by batch.

    Args:
        table: the columns.
        batch_size: rows of a batch; the last may have fewer.
        order: row numbers in the order of this pass; None for the order they lie in.
    """

    def __init__(self, table: ArrayTable, batch_size: int, order: np.ndarray | None):
        self._table, self._batch_size, self._order = table, batch_size, order
        self._start = 0

    def __iter__(self) -> ArrayPass:
        return self

    def __next__(self) -> Any:
        if self._start >= self._table.size:
            raise StopIteration
        start, stop = self._start, min(self._start + self._batch_size, self._table.size)
        self._start = stop
        return self._table.gather(slice(start, stop) if self._order is None else self._order[start:stop])

    def over_rows(self) -> Any:
        """The table and the row numbers of each batch from here on, for the engine; None where columns are not all numbers."""
        return (self._table, self._numbers(self._start)) if self._table.is_plain else None

    def _numbers(self, start: int) -> RowNumbers:
        order = np.arange(self._table.size) if self._order is None else self._order
        return RowNumbers(order[start:], self._batch_size)


class RowNumbers:
    """The row numbers of one batch after the other."""

    def __init__(self, order: np.ndarray, batch_size: int):
        self._order, self._batch_size, self._at = order, batch_size, 0

    def __iter__(self) -> RowNumbers:
        return self

    def __len__(self) -> int:
        """How many batches are left."""
        return -(-max(0, len(self._order) - self._at) // self._batch_size)

    def __next__(self) -> np.ndarray:
        if self._at >= len(self._order):
            raise StopIteration
        rows = self._order[self._at : self._at + self._batch_size]
        self._at += self._batch_size
        return rows

    def get_state(self) -> None:
        """An epoch of arrays has no state to go on from."""


def _stream_source(x: Any, seed: int, what: str) -> Source:
    from estimax.data import Dataset, as_batches

    if isinstance(x, Dataset):
        count = int(x.cardinality())
        return Source(lambda epoch: as_batches(x, seed=seed + epoch, what=what), count if count >= 0 else None)
    if isinstance(x, Iterator) or (callable(x) and not isinstance(x, Iterable)):
        stream = as_batches(x, what=what)
        return Source(lambda epoch: stream, None, is_single=True)
    if hasattr(x, "__getitem__") and hasattr(x, "__len__") and not hasattr(x, "__iter__"):
        return Source(
            lambda epoch: as_batches((x[i] for i in range(len(x))), what=what),
            len(x),
            on_epoch_end=getattr(x, "on_epoch_end", None),
        )
    if isinstance(x, Iterable):
        steps = len(x) if isinstance(x, Sized) else None
        return Source(lambda epoch: as_batches(iter(x), what=what), steps)
    raise TypeError(
        f"{what}: x: given {type(x).__name__}, expected arrays, a dict of arrays, a table, a Dataset, a generator or an iterable of batches."
    )


def class_weights(weights: Mapping[int, float], y: Any, what: str) -> np.ndarray:
    """The weight of each row, by its class.

    Raises:
        ValueError: if there is not exactly one array of labels, or a class number is no integer.
    """
    if y is None or isinstance(y, (Mapping, tuple)) or (isinstance(y, list) and any(hasattr(v, "shape") for v in y)):
        raise ValueError(f"{what}: class_weight: expected one array of labels; for several outputs give sample_weight instead.")
    try:
        table = {int(k): float(v) for k, v in weights.items()}
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"{what}: class_weight: given {weights!r}, expected {{class number: weight}}.") from None
    labels = np.asarray(columns_of(y))
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(-1)
    elif labels.ndim > 1:
        labels = labels[..., 0]
    labels = np.round(labels).astype(np.int64)
    known = np.asarray(sorted(table))
    if not known.size:
        return np.ones(labels.shape, np.float32)
    place = np.clip(np.searchsorted(known, labels), 0, known.size - 1)
    found = np.asarray([table[k] for k in known.tolist()], np.float32)[place]
    return np.where(known[place] == labels, found, np.float32(1)).astype(np.float32)


def _weighted(batch: Any, weights: Mapping[int, float], what: str) -> Any:
    x, y, *rest = batch
    if rest and rest[0] is not None:
        raise ValueError(
            f"{what}: class_weight: the data yield sample weights already. Multiply them, and leave class_weight out."
        )
    return x, y, class_weights(weights, y, what)


def split_off(x: Any, y: Any, weight: Any, share: float) -> tuple[tuple, tuple]:
    """The first rows for training and the last ones for validation.

    Raises:
        ValueError: if the data are not in memory, or one of the two parts would be empty.
    """
    if not 0 < share < 1:
        raise ValueError(f"fit: validation_split: given {share!r}, expected a share between 0 and 1.")
    if not is_in_memory(x):
        raise ValueError(
            f"fit: validation_split: x of type {type(x).__name__} can't be split, expected arrays. Give validation_data."
        )
    parts = tuple(columns_of(v) for v in (x, y, weight))
    rows = rows_in(parts, "fit")
    at = int(np.floor(rows * (1.0 - share)))
    if at in (0, rows):
        raise ValueError(f"fit: validation_split: {share} of {rows} rows leaves one part empty. Give more rows or another share.")
    return tuple(take_rows(p, slice(0, at)) for p in parts), tuple(take_rows(p, slice(at, rows)) for p in parts)
