"""`as_batches`: whatever an input_fn returns, as an iterator of `(features, labels)` batches with a state."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from estimax.data.collate import is_arrow
from estimax.data.dataset import Dataset
from estimax.data.errors import EmptyDatasetError, InvalidDataError
from estimax.data.iterator import Iterator
from estimax.data.oneshot import Followed, OneShotIterator, source_of
from estimax.data.structure import as_element, flatten, leaf_names
from estimax.data.table import as_arrays
from estimax.data.values import RaggedTensor, SparseTensor


class Batches:
    """An iterator of `(features, labels)`; made by `as_batches`.

    `labels` is None if the source gives features alone; a third part (row weights, as in `Model.fit`) is passed on. The
    first batch is checked before it is handed out, later ones for having the same names.
    """

    def __init__(self, source: Any, what: str):
        self._source, self._what = source, what
        self._given = 0
        self._names: list[str] | None = None

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> tuple[Any, ...]:
        batch = as_batch(next(self._source), self._what)
        features = batch[0]
        names = list(features) if type(features) is dict else leaf_names(features)
        if self._names is None:
            check_batch(batch, self._what)
            self._names = names
        elif names != self._names and sorted(names) != sorted(self._names):
            raise InvalidDataError(
                f"{self._what}: batch {self._given} has the features {names}, earlier ones had {self._names}; "
                "every batch needs the same"
            )
        self._given += 1
        return batch

    @property
    def is_one_batch(self) -> bool:
        """Whether the source was one batch (a dict of arrays, say), not a dataset or an iterable of batches."""
        return isinstance(self._source, _Once)

    def over_rows(self, state: dict[str, Any] | None = None) -> Any:
        """The table in memory below, and an iterator over row numbers; None if there is none. See `Iterator.over_rows`."""
        find = getattr(self._source, "over_rows", None)
        found = None if find is None else find(None if state is None else state["where"])
        if found is None:
            return None
        table, rows = found
        numbers = Batches(rows, self._what)
        numbers._names = []
        numbers._given = self._given if state is None else state["batches"]
        return table, _RowNumbers(numbers, rows)

    def get_state(self) -> dict[str, Any]:
        """Where the input is: that of the dataset's iterator, or the number of batches for other iterables."""
        where = self._source.get_state() if hasattr(self._source, "get_state") else None
        return {"batches": self._given, "where": where}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues after the batch at which `state` was taken.

        A dataset goes there by itself. Other iterables, and generators, are drawn from and dropped, so they must give
        the same batches again; this object must be fresh.

        Raises:
            InvalidDataError: if the input ends before that place.
        """
        if state["where"] is not None and hasattr(self._source, "set_state"):
            self._source.set_state(state["where"])
        else:
            dropped = sum(1 for _ in itertools.islice(self._source, state["batches"] - self._given))
            if dropped < state["batches"] - self._given:
                raise InvalidDataError(
                    f"{self._what}: training had used {state['batches']} batches, but the input ends after "
                    f"{self._given + dropped}; it must give the same batches again to continue"
                )
        self._given = state["batches"]

    def close(self) -> None:
        """Lets go of files, threads and processes."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


class _RowNumbers:
    """Row numbers of batches, with the states of `Batches`."""

    def __init__(self, batches: Batches, rows: Any):
        self._batches, self._rows = batches, rows

    def __iter__(self) -> _RowNumbers:
        return self

    def __next__(self) -> np.ndarray:
        rows = next(self._rows)
        self._batches._given += 1
        return rows

    def get_state(self) -> dict[str, Any]:
        """Where the input is."""
        return self._batches.get_state()


def as_batches(source: Any, *, seed: int | None = None, columns: str = "numpy", what: str = "input_fn") -> Batches:
    """Turns what an input_fn may return into an iterator of `(features, labels)` batches of host values.

    Args:
        source: a `Dataset` of batches, or its iterator; `(features, labels)` or features alone as arrays, which is one
            batch (and what `make_one_shot_iterator().get_next()` gives, which is all of them); an iterable or generator
            of batches, such as a list or a PyTorch DataLoader; a function without arguments that returns one of these.
        seed: for steps of a dataset that were not given their own.
        columns: `"arrow"` lets text columns in memory come as `pyarrow.DictionaryArray`.
        what: what messages call the source.

    Raises:
        TypeError: if the source is none of these.
        InvalidDataError: on use, if a batch is not usable: no features, or components of differing numbers of rows.

    Example:
        >>> batches = as_batches(({"x": np.array([1.0, 2.0])}, np.array([0, 1])))
        >>> features, labels = next(batches)
        >>> features["x"].tolist(), labels.tolist()
        ([1.0, 2.0], [0, 1])
    """
    if callable(source) and not isinstance(source, Iterable):
        source = source()
    if isinstance(source, tuple) and source and all(isinstance(part, Dataset) for part in source):
        source = Dataset.zip(*source)
    if isinstance(source, Dataset):
        return Batches(source.make_iterator(seed=seed, columns=columns), what)
    if isinstance(source, Iterator | OneShotIterator):
        return Batches(source.iterator if isinstance(source, OneShotIterator) else source, what)
    if source is None:
        raise TypeError(f"{what} returned None; it must return a Dataset or (features, labels). Is a `return` missing?")
    if _is_one_batch(source):
        linked = source_of(source, what)
        if linked is not None:
            return Batches(Followed(source, linked), what)
        return Batches(_Once(source), what)
    if isinstance(source, Iterable):
        return Batches(_Counted(source), what)
    raise TypeError(
        f"{what}: expected a Dataset, (features, labels), a dict of features, or an iterable of batches; "
        f"given {type(source).__name__}"
    )


class _Once:
    """One batch, as an iterator."""

    def __init__(self, batch: Any):
        self._batch, self._done = batch, False

    def __iter__(self) -> _Once:
        return self

    def __next__(self) -> Any:
        if self._done:
            raise StopIteration
        self._done = True
        return self._batch


class _Counted:
    """Any iterable; starts when the first batch is asked for."""

    def __init__(self, source: Iterable[Any]):
        self._source = source
        self._iterator: Any = None

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._source)
        return next(self._iterator)

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()
        self._iterator = None


def _is_one_batch(source: Any) -> bool:
    """Whether a value is features, or (features, labels), of one batch, not a sequence of batches."""
    if isinstance(source, tuple):
        return 0 < len(source) <= 3 and all(part is None or _is_one_batch(part) for part in source)
    return isinstance(source, Mapping) or _is_array(source)


def _is_array(value: Any) -> bool:
    if isinstance(value, np.ndarray | SparseTensor | RaggedTensor) or is_arrow(value):
        return True
    module = type(value).__module__.partition(".")[0]
    return module in ("pandas", "polars", "pyarrow") or hasattr(value, "__array__")


def as_batch(element: Any, what: str = "input_fn") -> tuple[Any, ...]:
    """One element as `(features, labels)`, or `(features, labels, weights)` if it has three parts."""
    if isinstance(element, list):
        element = tuple(element)
    if isinstance(element, tuple) and not hasattr(element, "_fields"):
        if not 1 <= len(element) <= 3:
            raise InvalidDataError(
                f"{what}: a batch must be features, (features, labels) or (features, labels, weights); "
                f"given a tuple of {len(element)}"
            )
        parts = tuple(None if part is None else _host(part) for part in element)
        return parts if len(parts) > 1 else (parts[0], None)
    return (_host(element), None)


def _host(value: Any) -> Any:
    """Arrays of any library as NumPy (or Arrow) values, keeping the structure."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Mapping):
        return {key: _host(part) for key, part in value.items()}
    if isinstance(value, tuple | list) and not _all_scalars(value):
        return tuple(_host(part) for part in value)
    if is_arrow(value):
        return value
    if hasattr(value, "detach"):  # a torch tensor, possibly on a device and part of a graph
        return value.detach().cpu().numpy()
    module = type(value).__module__.partition(".")[0]
    if module in ("pandas", "polars", "pyarrow"):
        return as_arrays(value)
    if isinstance(value, list) and all(isinstance(row, list) for row in value) and len({len(row) for row in value}) > 1:
        return _ragged(value)
    return as_element(value)


def _ragged(rows: list[list[Any]]) -> Any:
    """Rows of different lengths as an Arrow list column."""
    import pyarrow as pa

    try:
        return pa.array(rows)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise InvalidDataError(
            f"rows of different lengths that do not make a column: {e}. Give each row values of one type."
        ) from e


def _all_scalars(values: Any) -> bool:
    return all(isinstance(v, str | bytes | int | float | np.generic | list) for v in values)


def check_batch(batch: tuple[Any, ...], what: str = "input_fn") -> int:
    """The number of rows of a batch.

    Raises:
        InvalidDataError: if there is no feature, a value has no rows axis, or numbers of rows differ; names them.

    Example:
        >>> check_batch(({"x": np.ones(3)}, np.zeros(3)))
        3
    """
    features = batch[0]
    if features is None or isinstance(features, Mapping | tuple) and not flatten(features):
        raise InvalidDataError(f"{what}: a batch has no features; return a dict of arrays, or (features, labels)")
    if isinstance(features, Mapping):
        odd = [key for key in features if not isinstance(key, str)]
        if odd:
            raise InvalidDataError(f"{what}: feature names must be strings, given {odd[0]!r} of type {type(odd[0]).__name__}")
    sizes: dict[str, int] = {}
    for part, prefix in zip(batch, ("features", "labels", "weights")):
        if part is None:
            continue
        for leaf, name in zip(flatten(part), leaf_names(part, prefix)):
            if not _has_rows(leaf):
                raise InvalidDataError(
                    f"{what}: {name} is {type(leaf).__name__} {leaf!r:.40}, not an array of one value a row. "
                    "Is the dataset missing .batch(n)?"
                )
            sizes[name] = len(leaf)
    rows = next(iter(sizes.values()))
    for name, size in sizes.items():
        if size != rows:
            first = next(iter(sizes))
            raise InvalidDataError(f"{what}: {name} has {size} rows, {first} has {rows}; all parts of a batch need the same")
    return rows


def _has_rows(leaf: Any) -> bool:
    if isinstance(leaf, SparseTensor | RaggedTensor) or is_arrow(leaf):
        return True
    return _is_array(leaf) and np.ndim(leaf) > 0


def empty_input(what: str = "input_fn") -> EmptyDatasetError:
    """The error for an input that ended before its first batch."""
    return EmptyDatasetError(
        f"{what} gave no batch at all. Are files or filters empty, or was a generator used up by an earlier call? "
        "Return a new Dataset (or generator) from every call"
    )
