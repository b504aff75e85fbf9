"""The exceptions of the input side, drawn as a tree.

    DataError
        InvalidDataError (an InputDataError, so a ValueError)     an element, record or argument that can't be used
            DataLossError                   a damaged or truncated file; an element that does not fit
            EmptyDatasetError               an input that ends before its first element
        WorkerError (a RuntimeError)        a user function failed in a worker; `__cause__` is what it raised

A file that does not exist raises Python's own `FileNotFoundError`.
"""

from __future__ import annotations

from estimax.core.errors import EstimaxError, InputDataError


class DataError(EstimaxError):
    """Base class of what the input side raises."""


class InvalidDataError(DataError, InputDataError):
    """An element, record or argument that can't be used, with what to do about it."""


class DataLossError(InvalidDataError):
    """Data that is damaged, cut off, or too large for the place it must go to."""


class EmptyDatasetError(InvalidDataError):
    """An input that ended before its first element."""


class WorkerError(DataError, RuntimeError):
    """A user function that failed in a worker; names the element, and `__cause__` is the original exception."""
