"""From an input_fn to batches."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from estimax.core.errors import InputDataError
from estimax.data import batches as data_batches
from estimax.data import numpy_input_fn, pandas_input_fn  # as in tf.estimator.inputs
from estimax.estimator.modes import ModeKeys

__all__ = [
    "INPUT_FN_ARGUMENTS",
    "Peekable",
    "batches_of",
    "call_with_known",
    "checked_arguments",
    "numpy_input_fn",
    "pandas_input_fn",
]

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
        raise ValueError(
            f"{what}: given {type(fn).__name__}, expected a function. Pass the function itself, or lambda: ... around a value."
        )
    parameters = list(inspect.signature(fn).parameters.values())
    takes_all = any(p.kind == p.VAR_KEYWORD for p in parameters)
    names = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if unknown := [n for n in needed if n not in known]:
        raise ValueError(
            f"{what}: takes {unknown}, expected only some of {list(known)}. Bind other arguments with functools.partial."
        )
    if lacking := [n for n in required if n not in names and not takes_all]:
        raise ValueError(f"{what}: takes {names}, expected it to take {lacking} too.")
    return tuple(k for k in known if takes_all or k in names)


def batches_of(result: Any, mode: str, *, seed: int, finite: bool) -> Peekable:
    """The batches of what an input_fn returned; one batch alone is repeated without end in training, as in TensorFlow.

    Args:
        result: see `estimax.data.batches.as_batches`.
        mode: a value of `ModeKeys`.
        seed: of steps of a dataset that were not given their own.
        finite: whether the caller bounds the number of steps.

    Raises:
        InputDataError: if one batch would be repeated without end and nobody ends it.
    """
    found = data_batches.as_batches(result, seed=seed, columns="arrow")
    if mode == ModeKeys.TRAIN and found.is_one_batch:
        if not finite:
            raise InputDataError(
                "input_fn returned one batch, which training repeats without end. Give train(steps=...) or max_steps, or return a Dataset."
            )
        found = data_batches.as_batches(itertools.repeat(result))
    return Peekable(found)


class Peekable:
    """An iterator of batches whose first one may be seen early.

    Args:
        inner: the iterator.
    """

    def __init__(self, inner: data_batches.Batches):
        self.inner = inner
        self._first: list[Any] = []
        self._before: Any = None

    def over_rows(self) -> Any:
        """The table in memory below, and an iterator over row numbers from here on; None if there is none.

        The engine asks: such a table is encoded once. See `estimax.data.Iterator.over_rows`.
        """
        return self.inner.over_rows(self._before if self._first else None)

    def peek(self) -> Any:
        """The first batch, or None if there is none."""
        if not self._first:
            self._before = self.inner.get_state()
            try:
                self._first.append(next(self.inner))
            except StopIteration:
                return None
        return self._first[0]

    def __iter__(self) -> Peekable:
        return self

    def __next__(self) -> Any:
        return self._first.pop() if self._first else next(self.inner)

    def get_state(self) -> Any:
        """Where the input is after the batch that was given last."""
        return self.inner.get_state()

    def close(self) -> None:
        """Lets go of what the input holds: threads, files."""
        self.inner.close()
