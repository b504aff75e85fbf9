"""Sources that need no file: values in memory, ranges, generators."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from estimax.data.errors import InvalidDataError
from estimax.data.node import INFINITE, UNKNOWN, BlockCursor, Context, Cursor, Node, ReplayCursor, probe_spec
from estimax.data.rows import Indexed, IndexedCursor, Span
from estimax.data.specs import TensorSpec, check_compatible, merge, spec_of
from estimax.data.structure import as_element, fresh, map_leaves, reordered, same_structure


class TableNode(Node):
    """The rows of a table in memory."""

    def __init__(self, table: Any, name: str = "from_tensor_slices"):
        self.table, self.name = table, name

    def indexed(self, context: Context) -> Indexed:
        return Indexed(self.table, Span(self.table.size))

    def open(self, context: Context) -> Cursor:
        return IndexedCursor(self.indexed(context), context.passes, context.columns)

    def spec(self) -> Any:
        return self.table.spec()

    def cardinality(self) -> int:
        return self.table.size

    def describe(self) -> str:
        return f"{self.name}: {self.table.size} rows in memory"


class ElementsNode(Node):
    """A fixed list of elements, as `from_tensors` and windows have them."""

    def __init__(self, elements: list[Any], spec: Any = None, name: str = "from_tensors"):
        self.elements, self.name, self._spec = elements, name, spec

    def open(self, context: Context) -> Cursor:
        return ElementsCursor(self.elements)

    def spec(self) -> Any:
        if self._spec is None:
            found = spec_of(self.elements[0])
            for element in self.elements[1:]:
                found = merge(found, spec_of(element))
            self._spec = found
        return self._spec

    def cardinality(self) -> int:
        return len(self.elements)


class ElementsCursor(Cursor):
    """Over a list of elements."""

    def __init__(self, elements: list[Any]):
        self._elements, self._at = elements, 0

    def next(self) -> Any:
        if self._at >= len(self._elements):
            raise StopIteration
        self._at += 1
        return fresh(self._elements[self._at - 1])

    def state(self) -> Any:
        return self._at

    def restore(self, state: Any) -> None:
        self._at = state

    def skip(self, count: int) -> int:
        done = min(count, len(self._elements) - self._at)
        self._at += done
        return done


class GeneratorNode(Node):
    """Elements of a Python generator function (or of anything that can be iterated more than once)."""

    runs_user_code = True

    def __init__(self, generator: Callable[..., Iterable[Any]], signature: Any, args: tuple[Any, ...]):
        self.generator, self.args, self._signature, self._found = generator, args, signature, None
        self.name = "from_generator"

    def open(self, context: Context) -> Cursor:
        return GeneratorCursor(self)

    def spec(self) -> Any:
        if self._signature is not None:
            return self._signature
        if self._found is None:
            elements = probe_spec(self)
            if not elements:
                raise InvalidDataError(
                    "from_generator: the generator gave no element to find the element_spec from; "
                    "pass output_signature=, for example TensorSpec((), 'int64')"
                )
            found = spec_of(elements[0])
            for element in elements[1:]:
                found = merge(found, spec_of(element))
            self._found = found
        return self._found

    def has_static_spec(self) -> bool:
        return self._signature is not None

    def cardinality(self) -> int:
        return UNKNOWN


class GeneratorCursor(ReplayCursor):
    """Its state is a count: a generator is brought back to a place by running it again from its start."""

    def __init__(self, node: GeneratorNode):
        super().__init__()
        self._node = node
        self._iterator: Iterator[Any] | None = None

    def _draw(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._node.generator(*self._node.args))
        element = as_element(next(self._iterator))
        signature = self._node._signature
        if signature is not None:
            element = fit(element, signature, f"from_generator, element {self._drawn}: ")
        return element

    def close(self) -> None:
        if inspect.isgenerator(self._iterator):
            self._iterator.close()
        self._iterator = None


def fit(element: Any, signature: Any, what: str) -> Any:
    """An element converted to the dtypes of a signature; raises TypeError if structure or shape do not fit."""

    def convert(spec: Any, value: Any) -> Any:
        if not isinstance(spec, TensorSpec) or isinstance(value, str | bytes) or spec.dtype == "string":
            return value
        if isinstance(value, np.ndarray | np.generic) and value.dtype.name != spec.dtype and value.dtype.kind not in "OSU":
            return value.astype(spec.dtype)
        return value

    if same_structure(signature, element):
        element = map_leaves(convert, signature, reordered(element, signature))
    check_compatible(signature, element, what)
    return element


ENDLESS = 1 << 62  # grain's repeated datasets say that they are about this long


class SequenceNode(Node):
    """Elements of something that is indexed by number, such as grain's MapDataset."""

    runs_user_code = True
    name = "from_grain"

    def __init__(self, sequence: Any):
        self.sequence = sequence

    def open(self, context: Context) -> Cursor:
        return SequenceCursor(self.sequence)

    def spec(self) -> Any:
        numbers = range(min(len(self.sequence), 1 << 16))
        first = next((element for i in numbers if (element := self.sequence[i]) is not None), None)
        if first is None:
            raise InvalidDataError("from_grain: there is no element to find the element_spec from")
        return spec_of(first)

    def cardinality(self) -> int:
        size = len(self.sequence)
        return INFINITE if size >= ENDLESS else size


class SequenceCursor(Cursor):
    """By index; goes to any place at once."""

    def __init__(self, sequence: Any):
        self._sequence, self._at = sequence, 0

    def next(self) -> Any:
        # grain gives None for elements that a filter removed.
        while self._at < len(self._sequence):
            element = self._sequence[self._at]
            self._at += 1
            if element is not None:
                return as_element(element)
        raise StopIteration

    def state(self) -> Any:
        return self._at

    def restore(self, state: Any) -> None:
        self._at = state


class RandomNode(Node):
    """Endless random integers."""

    name = "random"

    def __init__(self, seed: int | None, every_pass: bool):
        self.seed, self.every_pass = seed, every_pass

    def open(self, context: Context) -> Cursor:
        return RandomCursor(context.random(self.seed, every_pass=self.every_pass))

    def spec(self) -> Any:
        return TensorSpec((), "int64")

    def cardinality(self) -> int:
        return INFINITE


class RandomCursor(BlockCursor):
    """Draws numbers in blocks of any size: the sequence does not depend on how it is cut."""

    def __init__(self, random: np.random.Generator):
        super().__init__()
        self._random, self._drawn = random, 0

    def _block(self, limit: int) -> Any:
        self._drawn += limit
        return (self._random.random(limit) * 2**32).astype(np.int64)

    def _state(self) -> Any:
        return self._drawn

    def _restore(self, state: Any) -> None:
        while self._drawn < state:
            self._block(min(1 << 16, state - self._drawn))
