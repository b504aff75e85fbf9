"""Checks of arguments, and the argument `name` that every step takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def named(method: Method) -> Method:
    """Gives a method tf.data's argument `name`: what `explain` calls the step."""

    @functools.wraps(method)
    def with_name(self: Any, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        dataset = method(self, *args, **kwargs)
        if name is not None:
            dataset.node.label = str(name)
        return dataset

    plain = inspect.signature(method)
    extra = inspect.Parameter("name", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="str | None")
    with_name.__signature__ = plain.replace(parameters=[*plain.parameters.values(), extra])  # type: ignore[attr-defined]
    return with_name  # type: ignore[return-value]


def positive(value: Any, what: str) -> int:
    """A size argument; raises ValueError unless it is a positive integer."""
    number = integer(value, what)
    if number <= 0:
        raise ValueError(f"{what} must be positive, given {number}")
    return number


def integer(value: Any, what: str) -> int:
    """An integer argument; raises TypeError for anything else."""
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        raise TypeError(f"{what} must be an integer, given {value!r}") from None
