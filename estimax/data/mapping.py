"""Steps that run a user function on elements: map, filter, scan, take_while; and how its spec is found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from estimax.data.batching import draw
from estimax.data.collate import block_rows, is_arrow, plain_block, stack
from estimax.data.errors import InvalidDataError
from estimax.data.node import UNKNOWN, BlockCursor, Context, Cursor, Node, ReplayCursor, probe_spec
from estimax.data.order import SameElementsNode
from estimax.data.specs import describe, made_up, merge, spec_of, with_batch, without_batch
from estimax.data.structure import as_element, flatten, map_leaves, reordered, same_structure


def call(fn: Callable[..., Any], element: Any) -> Any:
    """A user function on an element: a tuple becomes several arguments, as in tf.data."""
    try:
        return fn(*element) if type(element) is tuple else fn(element)
    except StopIteration as error:  # it would end the dataset silently
        raise RuntimeError(f"{function_name(fn)} raised StopIteration") from error


def call_map(fn: Callable[..., Any], element: Any) -> Any:
    """`call` for functions that return an element; a returned list counts as a tuple, as in tf.data."""
    result = call(fn, element)
    return as_element(tuple(result) if type(result) is list else result)


def function_name(fn: Any) -> str:
    """A short name of a function for messages."""
    return getattr(fn, "__qualname__", None) or type(fn).__name__


def noted(error: BaseException, what: str, fn: Any, position: int) -> BaseException:
    """The error with the place where it happened."""
    error.add_note(f"In {what}({function_name(fn)}), at element {position} of its input (counted from 0).")
    return error


def result_spec(run: Callable[[Any], Any], source: Node, what: str) -> Any:
    """The spec of what a function gives, found by running it.

    It runs on the first two elements, so that a size that depends on the element shows; and on made-up ones, whose
    failures do not matter, for inputs that are empty or alike.
    """
    found = None
    for element in probe_spec(source, 2):
        spec = run(element)
        found = spec if found is None else merge(found, spec)
    for number in (2, 3):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                spec = run(source.made_up(number))
                found = spec if found is None else merge(found, spec)
        except Exception:  # a function need not take made-up values
            continue
    if found is None:
        raise InvalidDataError(
            f"{what}: the element_spec could not be found, as the input has no element and the function fails on "
            f"zeros of {describe(source.spec())}"
        )
    return found


class MapNode(Node):
    """Each element through a function."""

    name = "map"
    runs_user_code = True

    def __init__(self, source: Node, fn: Callable[..., Any], *, vectorized: bool = False):
        self.inputs, self.source, self.fn, self.vectorized, self._spec = (source,), source, fn, vectorized, None

    def spec(self) -> Any:
        if self._spec is None:
            self._spec = self._find_spec()
        return self._spec

    def _find_spec(self) -> Any:
        if not self.vectorized:
            return result_spec(lambda e: spec_of(call_map(self.fn, e)), self.source, self.describe())
        batch = map_leaves(lambda leaf: with_batch(leaf, 2), self.source.spec())
        elements = probe_spec(self.source, 2)
        made = stack(elements) if elements else made_up(batch, 2)
        return map_leaves(without_batch, spec_of(call_map(self.fn, made)))

    def cardinality(self) -> int:
        return self.source.cardinality()

    def probes(self, count: int) -> list[Any]:
        if self.vectorized:
            return super().probes(count)
        return [call_map(self.fn, element) for element in self.source.probes(count)]

    def open(self, context: Context) -> Cursor:
        below = self.source.open(context.for_functions().child())
        return MapBlocks(self, below) if self.vectorized else MapCursor(self, below)

    def describe(self) -> str:
        return f"map({function_name(self.fn)}{', vectorized' if self.vectorized else ''})"


class MapCursor(Cursor):
    """Calls the function where the element is asked for."""

    def __init__(self, node: MapNode, below: Cursor):
        self._fn, self._below, self._count = node.fn, below, 0

    def next(self) -> Any:
        element = self._below.next()
        self._count += 1
        try:
            return call_map(self._fn, element)
        except Exception as error:
            raise noted(error, "map", self._fn, self._count - 1)  # noqa: B904 - the same error, with a note

    def state(self) -> Any:
        return [self._count, self._below.state()]

    def restore(self, state: Any) -> None:
        self._count, below = state
        self._below.restore(below)

    def skip(self, count: int) -> int:
        done = self._below.skip(count)
        self._count += done
        return done

    def close(self) -> None:
        self._below.close()


class MapBlocks(BlockCursor):
    """Calls the function on many rows at once."""

    def __init__(self, node: MapNode, below: Cursor):
        super().__init__()
        if not isinstance(below, BlockCursor):
            below = StackedBlocks(below)
        self._fn, self._below, self._count = node.fn, below, 0

    def _block(self, limit: int) -> Any:
        block = plain_block(self._below.block(limit), "numpy")
        n = block_rows(block)
        try:
            result = call_map(self._fn, block)
        except Exception as error:
            raise noted(error, "map", self._fn, self._count)  # noqa: B904
        sizes = [len(leaf) if _has_rows(leaf) else -1 for leaf in flatten(result)]
        if any(size != n for size in sizes):
            raise InvalidDataError(
                f"map(vectorized=True): {function_name(self._fn)} was given {n} rows and returned values of "
                f"{['no' if size < 0 else size for size in sizes]} rows; it must return one row for each that it gets"
            )
        self._count += n
        return result

    def _state(self) -> Any:
        return [self._count, self._below.state()]

    def _restore(self, state: Any) -> None:
        self._count, below = state
        self._below.restore(below)

    def close(self) -> None:
        self._below.close()


def _has_rows(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.ndim > 0 or hasattr(leaf, "is_estimax_value") or is_arrow(leaf)


class StackedBlocks(BlockCursor):
    """A stream of elements as one of blocks."""

    def __init__(self, below: Cursor):
        super().__init__()
        self._below = below

    def _block(self, limit: int) -> Any:
        return stack(draw(self._below, limit, False))

    def _state(self) -> Any:
        return self._below.state()

    def _restore(self, state: Any) -> None:
        self._below.restore(state)

    def close(self) -> None:
        self._below.close()


def truth(fn: Callable[..., Any], element: Any, what: str) -> bool:
    """What a predicate says of an element; raises TypeError unless it is one truth value."""
    result = call(fn, element)
    value = np.asarray(result)
    if value.shape != () or value.dtype.kind != "b":
        raise TypeError(
            f"{what}: {function_name(fn)} must return one truth value for each element, returned {result!r} "
            f"of dtype {value.dtype} and shape {list(value.shape)}; compare explicitly, for example x != 0"
        )
    return bool(value)


class FilterNode(SameElementsNode):
    """The elements for which a function is true."""

    name = "filter"

    def __init__(self, source: Node, predicate: Callable[..., Any]):
        super().__init__(source)
        self.predicate = predicate

    def cardinality(self) -> int:
        return UNKNOWN

    def probes(self, count: int) -> list[Any]:
        kept = []
        for element in self.source.probes(64):
            if truth(self.predicate, element, "filter"):
                kept.append(element)
        return kept[:count]

    def open(self, context: Context) -> Cursor:
        return FilterCursor(self.predicate, self.source.open(context.for_functions().child()))

    def describe(self) -> str:
        return f"filter({function_name(self.predicate)})"


class FilterCursor(Cursor):
    """Drops elements."""

    def __init__(self, predicate: Callable[..., Any], below: Cursor):
        self._predicate, self._below, self._count = predicate, below, 0

    def next(self) -> Any:
        while True:
            element = self._below.next()
            self._count += 1
            try:
                if truth(self._predicate, element, "filter"):
                    return element
            except Exception as error:
                raise noted(error, "filter", self._predicate, self._count - 1)  # noqa: B904

    def state(self) -> Any:
        return [self._count, self._below.state()]

    def restore(self, state: Any) -> None:
        self._count, below = state
        self._below.restore(below)

    def close(self) -> None:
        self._below.close()


class IgnoreErrorsNode(SameElementsNode):
    """The elements that can be made; those whose functions fail are left out."""

    name = "ignore_errors"

    def __init__(self, source: Node, on_error: Callable[[Exception], None] | None):
        super().__init__(source)
        self.on_error = on_error

    def cardinality(self) -> int:
        return UNKNOWN

    def open(self, context: Context) -> Cursor:
        return IgnoreErrorsCursor(self, self.source.open(context.child()))


class IgnoreErrorsCursor(Cursor):
    """Goes on after an error; gives up when the source gives nothing but errors for long."""

    def __init__(self, node: IgnoreErrorsNode, below: Cursor):
        self._node, self._below = node, below

    def next(self) -> Any:
        for _ in range(100_000):
            try:
                return self._below.next()
            except Exception as error:
                if isinstance(error, StopIteration):
                    raise
                if self._node.on_error is not None:
                    self._node.on_error(error)
        raise InvalidDataError("ignore_errors: 100,000 errors in a row; the input can't be read at all")

    def state(self) -> Any:
        return self._below.state()

    def restore(self, state: Any) -> None:
        self._below.restore(state)

    def close(self) -> None:
        self._below.close()


class TakeWhileNode(SameElementsNode):
    """The elements before the first for which a function is false."""

    name = "take_while"

    def __init__(self, source: Node, predicate: Callable[..., Any]):
        super().__init__(source)
        self.predicate = predicate

    def cardinality(self) -> int:
        return UNKNOWN

    def open(self, context: Context) -> Cursor:
        return TakeWhileCursor(self.predicate, self.source.open(context.for_functions().child()))


class TakeWhileCursor(Cursor):
    """Ends at the first false."""

    def __init__(self, predicate: Callable[..., Any], below: Cursor):
        self._predicate, self._below, self._ended = predicate, below, False

    def next(self) -> Any:
        if self._ended:
            raise StopIteration
        element = self._below.next()
        if not truth(self._predicate, element, "take_while"):
            self._ended = True
            raise StopIteration
        return element

    def state(self) -> Any:
        return [self._ended, self._below.state()]

    def restore(self, state: Any) -> None:
        self._ended, below = state
        self._below.restore(below)

    def close(self) -> None:
        self._below.close()


def check_state(initial: Any, following: Any, what: str) -> None:
    """Raises TypeError if a running state changes its structure, or the dtype that the initial one was given with."""
    if not same_structure(as_element(initial), following):
        raise TypeError(f"{what} must keep the structure of the state, {describe(spec_of(initial))}; returned {following!r}")
    for first, now in zip(flatten(initial), flatten(reordered(following, as_element(initial)))):
        if isinstance(first, np.generic | np.ndarray) and isinstance(now, np.generic | np.ndarray) and first.dtype != now.dtype:
            raise TypeError(
                f"{what} must keep the dtype of the state, {first.dtype}; returned {now.dtype}. Convert it, or start with {now.dtype}"
            )


class ScanNode(Node):
    """A function of a running state and an element that gives the next state and an output."""

    name = "scan"
    runs_user_code = True

    def __init__(self, source: Node, initial_state: Any, fn: Callable[..., Any]):
        self.inputs, self.source, self.fn = (source,), source, fn
        self.initial_state, self._spec, self._typed = as_element(initial_state), None, initial_state

    def step(self, state: Any, element: Any) -> tuple[Any, Any]:
        """The next state and the output."""
        result = self.fn(state, element)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(f"scan: {function_name(self.fn)} must return (new_state, output), returned {result!r}")
        following = as_element(result[0])
        check_state(self._typed, following, f"scan: {function_name(self.fn)}")
        return following, as_element(result[1])

    def spec(self) -> Any:
        if self._spec is None:
            self._spec = result_spec(lambda e: spec_of(self.step(self.initial_state, e)[1]), self.source, self.name)
        return self._spec

    def cardinality(self) -> int:
        return self.source.cardinality()

    def open(self, context: Context) -> Cursor:
        return ScanCursor(self, self.source.open(context.for_functions().child()))


class ScanCursor(ReplayCursor):
    """Carries the running state; brought back to a place by running over the elements again."""

    def __init__(self, node: ScanNode, below: Cursor):
        super().__init__()
        self._node, self._below, self._running = node, below, node.initial_state

    def _draw(self) -> Any:
        self._running, output = self._node.step(self._running, self._below.next())
        return output

    def close(self) -> None:
        self._below.close()


def elements_of(cursor: Cursor) -> Iterator[Any]:
    """A cursor as a Python iterator."""
    while True:
        try:
            yield cursor.next()
        except StopIteration:
            return
