"""From an input_fn to batches."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from estimax.core.errors import InputDataError
from estimax.estimator.modes import ModeKeys

INPUT_FN_ARGUMENTS = ("mode", "params", "config")


def call_with_known(fn: Callable, given: Mapping[str, Any], *, what: str, required: tuple[str, ...] = ()) -> Any:
    """Calls a user's function with those of the given arguments that it takes.

    Raises:
        ValueError: if it lacks a required argument, or takes one that is unknown and has no default.
    """
    return fn(**{k: v for k, v in given.items() if k in checked_arguments(fn, tuple(given), what=what, required=required)})


def checked_arguments(fn: Callable, known: tuple[str, ...], *, what: str, required: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names among `known` that a function takes.

    Raises:
        ValueError: if it lacks a required argument, or takes one that is unknown and has no default.
    """
    if not callable(fn):
        raise ValueError(f"{what}: given {type(fn).__name__}, expected a function. Pass the function itself, or lambda: ... around a value.")
    parameters = list(inspect.signature(fn).parameters.values())
    takes_all = any(p.kind == p.VAR_KEYWORD for p in parameters)
    names = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if unknown := [n for n in needed if n not in known]:
        raise ValueError(f"{what}: takes {unknown}, expected only some of {list(known)}. Bind other arguments with functools.partial.")
    if lacking := [n for n in required if n not in names and not takes_all]:
        raise ValueError(f"{what}: takes {names}, expected it to take {lacking} too.")
    return tuple(k for k in known if takes_all or k in names)


def is_table(x: Any) -> bool:
    """Whether a value is one table of columns: a dict, a pandas, polars or Arrow table, or an array."""
    module = type(x).__module__.partition(".")[0]
    return isinstance(x, (Mapping, np.ndarray)) or (module in ("pandas", "polars", "pyarrow", "jaxlib", "jax") and hasattr(x, "shape"))


class Batches:
    """The batches of what an input_fn returned.

    Args:
        result: a dataset or any iterable of batches, or one batch: features, or `(features, labels)`.
        mode: in training one batch is repeated without end, otherwise it is given once.
        finite: whether the number of steps is bounded by the caller.

    Raises:
        InputDataError: if it is neither, or one batch would be repeated without end and nobody ends it.
    """

    def __init__(self, result: Any, mode: str, *, finite: bool = True):
        self.repeated = isinstance(result, tuple) or is_table(result)
        if self.repeated and mode == ModeKeys.TRAIN and not finite:
            raise InputDataError(
                "input_fn returned one batch, which training repeats without end. Give train(steps=...) or max_steps, or return a Dataset."
            )
        if not self.repeated and not isinstance(result, Iterable):
            raise InputDataError(
                f"input_fn returned {type(result).__name__}, expected a Dataset, an iterable of (features, labels) batches, or one batch: "
                "features or (features, labels), where features are an array, a dict of columns or a table."
            )
        self._result, self._mode = result, mode

    def __iter__(self) -> Iterator[Any]:
        if not self.repeated:
            # Text columns in memory come dictionary-encoded, so that a column works once per distinct value.
            make = getattr(self._result, "make_iterator", None)
            return iter(self._result) if make is None else make(columns="arrow")
        return itertools.repeat(self._result) if self._mode == ModeKeys.TRAIN else iter([self._result])


class Peekable:
    """An iterator whose first element may be seen early; it gives the state of the one inside.

    Args:
        inner: the iterator.
    """

    def __init__(self, inner: Iterator[Any]):
        self.inner, self._first = inner, []
        if hasattr(inner, "get_state"):
            self.get_state = inner.get_state

    def over_rows(self) -> Any:
        """The table in memory below and an iterator over row numbers, from where this iterator is; None if there is none."""
        find = getattr(self.inner, "over_rows", None)
        return None if find is None else find(self._before if self._first else None)

    def peek(self) -> Any:
        """The first element, or None if there is none."""
        if not self._first:
            self._before = self.inner.get_state() if hasattr(self.inner, "over_rows") else None
            try:
                self._first.append(next(self.inner))
            except StopIteration:
                return None
        return self._first[0]

    def __iter__(self) -> Peekable:
        return self

    def __next__(self) -> Any:
        return self._first.pop() if self._first else next(self.inner)

    def close(self) -> None:
        """Lets go of what the input holds: threads, files."""
        close = getattr(self.inner, "close", None)
        if close is not None:
            close()
