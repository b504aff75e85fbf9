"""Steps over several datasets at once: zip, enumerate, flat_map, interleave, and choosing among datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from estimax.data.batching import draw
from estimax.data.collate import block_rows, slice_block, stack
from estimax.data.errors import InvalidDataError
from estimax.data.mapping import call, function_name, noted, result_spec
from estimax.data.node import INFINITE, UNKNOWN, BlockCursor, Context, Cursor, Node, ReplayCursor
from estimax.data.specs import TensorSpec, describe, merge
from estimax.data.structure import flatten, rebuild


class ZipNode(Node):
    """Elements of several inputs side by side, until the shortest ends."""

    name = "zip"

    def __init__(self, structure: Any, inputs: list[Node]):
        self.structure, self.inputs = structure, tuple(inputs)

    def spec(self) -> Any:
        return rebuild(self.structure, [node.spec() for node in self.inputs])

    def cardinality(self) -> int:
        sizes = [node.cardinality() for node in self.inputs]
        if UNKNOWN in sizes:
            return UNKNOWN
        return min((n for n in sizes if n != INFINITE), default=INFINITE)

    def open(self, context: Context) -> Cursor:
        cursors = [node.open(context.child(i)) for i, node in enumerate(self.inputs)]
        kind: Any = ZipBlocks if all(isinstance(c, BlockCursor) for c in cursors) else ZipCursor
        return kind(self.structure, cursors)

    def probes(self, count: int) -> list[Any]:
        return [rebuild(self.structure, list(parts)) for parts in zip(*(n.probes(count) for n in self.inputs))]


class ZipCursor(Cursor):
    """Streams of elements side by side."""

    def __init__(self, structure: Any, cursors: list[Cursor]):
        self._structure, self._cursors = structure, cursors

    def next(self) -> Any:
        return rebuild(self._structure, [cursor.next() for cursor in self._cursors])

    def state(self) -> Any:
        return [cursor.state() for cursor in self._cursors]

    def restore(self, state: Any) -> None:
        for cursor, part in zip(self._cursors, state):
            cursor.restore(part)

    def skip(self, count: int) -> int:
        return min(cursor.skip(count) for cursor in self._cursors)

    def close(self) -> None:
        for cursor in self._cursors:
            cursor.close()


class ZipBlocks(BlockCursor):
    """Streams of blocks side by side."""

    def __init__(self, structure: Any, cursors: list[BlockCursor]):
        super().__init__()
        self._structure, self._cursors = structure, cursors

    def _block(self, limit: int) -> Any:
        first = self._cursors[0].block(limit)
        blocks, rows = [first], block_rows(first)
        for cursor in self._cursors[1:]:
            blocks.append(cursor.full_block(rows))
        shortest = min(block_rows(block) for block in blocks)
        return rebuild(self._structure, [slice_block(block, 0, shortest) for block in blocks])

    def _state(self) -> Any:
        return [cursor.state() for cursor in self._cursors]

    def _restore(self, state: Any) -> None:
        for cursor, part in zip(self._cursors, state):
            cursor.restore(part)

    def close(self) -> None:
        for cursor in self._cursors:
            cursor.close()


class FlatMapNode(Node):
    """The elements of the datasets that a function makes, one dataset after the other."""

    name = "flat_map"
    runs_user_code = True

    def __init__(self, source: Node, fn: Callable[..., Any]):
        self.inputs, self.source, self.fn, self._spec = (source,), source, fn, None

    def dataset(self, element: Any, position: int) -> Node:
        """The steps of the dataset made for one element."""
        try:
            made = call(self.fn, element)
            if not hasattr(made, "node"):
                raise TypeError(
                    f"{self.name}: {function_name(self.fn)} must return a Dataset, returned {type(made).__name__}; "
                    "to return several elements use Dataset.from_tensor_slices(...), for one use map"
                )
            return made.node
        except Exception as error:
            raise noted(error, self.name, self.fn, position)  # noqa: B904

    def spec(self) -> Any:
        if self._spec is None:
            self._spec = result_spec(lambda e: self.dataset(e, 0).spec(), self.source, self.name)
        return self._spec

    def cardinality(self) -> int:
        return UNKNOWN

    def open(self, context: Context) -> Cursor:
        below = self.source.open(context.for_functions().child(0))
        before = below.state()
        try:
            first = below.next()
        except StopIteration:
            return FlatMapCursor(self, context, below)
        inner = self.dataset(first, 0).open(context.child(1, 0))
        kind = FlatMapBlocks if isinstance(inner, BlockCursor) else FlatMapCursor
        return kind(self, context, below, before, inner)

    def describe(self) -> str:
        return f"{self.name}({function_name(self.fn)})"


class _Flat:
    """Where a flat_map is: the dataset of which element, and the place in it."""

    def __init__(self, node: FlatMapNode, context: Context, below: Cursor, before: Any = None, inner: Any = None):
        self.node, self.context, self.below = node, context, below
        self.before, self.inner, self.number = before, inner, 0 if inner is not None else -1

    def advance(self) -> None:
        """Opens the next dataset; raises StopIteration at the end."""
        if self.inner is not None:
            self.inner.close()
            self.inner = None
        before = self.below.state()
        element = self.below.next()
        self.number += 1
        self.before, self.inner = before, self._open(element)

    def _open(self, element: Any) -> Cursor:
        return self.node.dataset(element, self.number).open(self.context.child(1, self.number))

    def state(self) -> Any:
        if self.inner is None:
            return [self.number, self.below.state()]
        return [self.number, self.before, self.inner.state()]

    def restore(self, state: Any) -> None:
        self.close()
        self.below = self.node.source.open(self.context.for_functions().child(0))
        self.number, self.inner, self.before = state[0], None, state[1]
        self.below.restore(state[1])
        if len(state) > 2:
            self.inner = self._open(self.below.next())
            self.inner.restore(state[2])

    def close(self) -> None:
        self.below.close()
        if self.inner is not None:
            self.inner.close()


class FlatMapCursor(Cursor):
    """One element of the current dataset after the other."""

    def __init__(self, *args: Any):
        self._flat = _Flat(*args)

    def next(self) -> Any:
        while True:
            if self._flat.inner is not None:
                try:
                    return self._flat.inner.next()
                except StopIteration:
                    pass
            self._flat.advance()

    def state(self) -> Any:
        return self._flat.state()

    def restore(self, state: Any) -> None:
        self._flat.restore(state)

    def close(self) -> None:
        self._flat.close()


class FlatMapBlocks(BlockCursor):
    """Blocks of the current dataset, one after the other."""

    def __init__(self, *args: Any):
        super().__init__()
        self._flat = _Flat(*args)

    def _block(self, limit: int) -> Any:
        while True:
            inner = self._flat.inner
            if inner is not None:
                try:
                    return inner.block(limit) if isinstance(inner, BlockCursor) else stack(draw(inner, limit, False))
                except StopIteration:
                    pass
            self._flat.advance()

    def _state(self) -> Any:
        return self._flat.state()

    def _restore(self, state: Any) -> None:
        self._flat.restore(state)

    def close(self) -> None:
        self._flat.close()


class InterleaveNode(FlatMapNode):
    """Elements of several datasets at a time, `block_length` of one, then of the next in a cycle."""

    name = "interleave"

    def __init__(self, source: Node, fn: Callable[..., Any], cycle_length: int, block_length: int):
        super().__init__(source, fn)
        self.cycle_length, self.block_length = cycle_length, block_length

    def open(self, context: Context) -> Cursor:
        return InterleaveCursor(self, context)

    def describe(self) -> str:
        return f"interleave({function_name(self.fn)}, cycle_length={self.cycle_length})"


class InterleaveCursor(Cursor):
    """A cycle of open datasets; a slot whose dataset has ended takes the next one when its turn comes."""

    def __init__(self, node: InterleaveNode, context: Context):
        self._node, self._context = node, context
        self._below = node.source.open(context.for_functions().child(0))
        # For each slot: the number of the dataset, the input's state before its element, the cursor.
        self._slots: list[tuple[int, Any, Cursor] | None] = [None] * node.cycle_length
        self._slot = self._in_block = self._count = 0
        self._input_ended = False

    def _turn(self) -> None:
        self._in_block = 0
        self._slot = (self._slot + 1) % len(self._slots)

    def next(self) -> Any:
        while not self._input_ended or any(slot is not None for slot in self._slots):
            slot = self._slots[self._slot]
            if slot is not None:
                try:
                    element = slot[2].next()
                except StopIteration:
                    slot[2].close()
                    self._slots[self._slot] = None
                    self._turn()
                    continue
                self._in_block += 1
                if self._in_block == self._node.block_length:
                    self._turn()
                return element
            if self._input_ended:
                self._turn()
                continue
            before = self._below.state()
            try:
                element = self._below.next()
            except StopIteration:
                self._input_ended = True
                continue
            self._slots[self._slot] = (self._count, before, self._open(element, self._count))
            self._count += 1
        raise StopIteration

    def _open(self, element: Any, number: int) -> Cursor:
        return self._node.dataset(element, number).open(self._context.child(1, number))

    def state(self) -> Any:
        slots = [None if slot is None else [slot[0], slot[1], slot[2].state()] for slot in self._slots]
        return [self._slot, self._in_block, self._count, self._input_ended, slots, self._below.state()]

    def restore(self, state: Any) -> None:
        self._slot, self._in_block, self._count, self._input_ended, slots, below = state
        for i, slot in enumerate(slots):
            if slot is not None:
                number, before, inner = slot
                source = self._node.source.open(self._context.for_functions().child(0))
                source.restore(before)
                cursor = self._open(source.next(), number)
                source.close()
                cursor.restore(inner)
                self._slots[i] = (number, before, cursor)
        self._below.restore(below)

    def close(self) -> None:
        self._below.close()
        for slot in self._slots:
            if slot is not None:
                slot[2].close()


class ChooseNode(Node):
    """Elements of several datasets in the order that another dataset gives."""

    name = "choose_from_datasets"

    def __init__(self, datasets: list[Node], choice: Node, stop_on_empty: bool):
        self.datasets, self.choice, self.stop_on_empty = datasets, choice, stop_on_empty
        self.inputs = (*datasets, choice)
        if self.has_static_spec():
            self.spec()

    def spec(self) -> Any:
        choices = self.choice.spec()
        if not (isinstance(choices, TensorSpec) and choices.dtype == "int64" and choices.shape == ()):
            raise TypeError(f"choose_from_datasets: choice_dataset must give int64 scalars, gives {describe(choices)}")
        found = self.datasets[0].spec()
        for node in self.datasets[1:]:
            try:
                found = merge(found, node.spec())
            except TypeError as error:
                raise TypeError(f"{self.name}: all datasets need elements of one type; {error}") from None
        return found

    def cardinality(self) -> int:
        return INFINITE if any(node.cardinality() == INFINITE for node in self.datasets) else UNKNOWN

    def probes(self, count: int) -> list[Any]:
        return [element for node in self.datasets for element in node.probes(1)][:count]

    def made_up(self, number: int) -> Any:
        return self.datasets[0].made_up(number)

    def choices(self, context: Context) -> Cursor:
        """The cursor of the choices."""
        return self.choice.open(context.for_functions().child(len(self.datasets)))

    def open(self, context: Context) -> Cursor:
        self.check()
        cursors = [node.open(context.child(i)) for i, node in enumerate(self.datasets)]
        return ChooseCursor(self, cursors, self.choices(context))


class ChooseCursor(Cursor):
    """Draws from the chosen dataset."""

    def __init__(self, node: ChooseNode, cursors: list[Cursor], choices: Cursor):
        self._node, self._cursors, self._choices = node, cursors, choices
        self._ended = [False] * len(cursors)
        self._stopped = False

    def next(self) -> Any:
        while not self._stopped and not all(self._ended):
            chosen = int(self._choices.next())
            if not 0 <= chosen < len(self._cursors):
                raise InvalidDataError(
                    f"{self._node.name}: the choice {chosen} is not below the number of datasets, {len(self._cursors)}"
                )
            if self._ended[chosen]:
                continue
            try:
                return self._cursors[chosen].next()
            except StopIteration:
                self._ended[chosen] = True
                self._stopped = self._node.stop_on_empty
        raise StopIteration

    def state(self) -> Any:
        return [list(self._ended), self._stopped, self._choices.state(), [cursor.state() for cursor in self._cursors]]

    def restore(self, state: Any) -> None:
        ended, self._stopped, choices, cursors = state
        self._ended = list(ended)
        self._choices.restore(choices)
        for cursor, part in zip(self._cursors, cursors):
            cursor.restore(part)

    def close(self) -> None:
        for cursor in (*self._cursors, self._choices):
            cursor.close()


class RandomChoicesNode(Node):
    """Endless random choices 0, 1, ... with given weights; a fixed vector or one vector an element of a dataset."""

    name = "random choices"

    def __init__(self, weights: np.ndarray | Node, seed: int | None, *, reshuffle: bool = True):
        self.weights, self.seed, self.reshuffle = weights, seed, reshuffle
        self.inputs = (weights,) if isinstance(weights, Node) else ()

    def spec(self) -> Any:
        return TensorSpec((), "int64")

    def cardinality(self) -> int:
        return self.weights.cardinality() if isinstance(self.weights, Node) else INFINITE

    def open(self, context: Context) -> Cursor:
        below = self.weights.open(context.child()) if isinstance(self.weights, Node) else None
        return RandomChoicesCursor(self, below, context.random(self.seed, every_pass=self.reshuffle))


class RandomChoicesCursor(ReplayCursor):
    """Draws choices one by one (many at once for fixed weights)."""

    def __init__(self, node: RandomChoicesNode, below: Cursor | None, random: np.random.Generator):
        super().__init__()
        self._node, self._below, self._random = node, below, random
        self._ready: list[int] = []

    def _draw(self) -> Any:
        if self._below is not None:
            weights = np.asarray(self._below.next(), np.float64)
            return np.int64(np.searchsorted(np.cumsum(weights / weights.sum()), self._random.random(), side="right"))
        if not self._ready:
            bounds = np.cumsum(self._node.weights / self._node.weights.sum())  # type: ignore[operator, union-attr]
            bounds[-1] = 1.0
            self._ready = np.searchsorted(bounds, self._random.random(1024), side="right")[::-1].tolist()
        return np.int64(self._ready.pop())

    def close(self) -> None:
        if self._below is not None:
            self._below.close()


def leaves_as_nodes(datasets: Any, what: str) -> list[Node]:
    """The steps of each dataset in a structure of datasets."""
    leaves = flatten(datasets)
    for leaf in leaves:
        if not hasattr(leaf, "node"):
            raise TypeError(f"{what}: expected datasets, given {type(leaf).__name__}")
    return [leaf.node for leaf in leaves]
