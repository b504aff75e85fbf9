"""Steps that choose and order elements without looking at them: take, skip, shard, repeat, shuffle, concatenate, zip."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimax.data.collate import block_rows, concat_blocks, slice_block, take_block
from estimax.data.node import INFINITE, UNKNOWN, BlockCursor, Context, Cursor, Node, ReplayCursor
from estimax.data.rows import BLOCK, Indexed, IndexedCursor, Repeated, Shuffled, Sliced, replace_order
from estimax.data.specs import describe, merge


class SameElementsNode(Node):
    """A step whose elements are those of its only input."""

    def __init__(self, source: Node):
        self.source = source
        self.inputs = (source,)

    def spec(self) -> Any:
        return self.source.spec()

    def probes(self, count: int) -> list[Any]:
        return self.source.probes(count)

    def made_up(self, number: int) -> Any:
        return self.source.made_up(number)

    def cardinality(self) -> int:
        return self.source.cardinality()


class SliceNode(SameElementsNode):
    """Elements `start`, `start + step`, ..., at most `count` of them: take, skip and shard."""

    def __init__(self, source: Node, *, start: int = 0, step: int = 1, count: int | None = None, name: str = ""):
        super().__init__(source)
        self.start, self.step, self.count, self.name = start, step, count, name

    def cardinality(self) -> int:
        return self._size(self.source.cardinality())

    def _size(self, n: int) -> int:
        if n == UNKNOWN:
            return UNKNOWN  # also for a count of 0, as in TensorFlow
        if n == INFINITE:
            return INFINITE if self.count is None else self.count
        rest = max(0, -(-(n - self.start) // self.step))
        return rest if self.count is None else min(rest, self.count)

    def indexed(self, context: Context) -> Indexed | None:
        below = self.source.indexed(context.child())
        if below is None:
            return None
        return Indexed(below.table, Sliced(below.rows, self.start, self.step, self._size(below.rows.size)))

    def open(self, context: Context) -> Cursor:
        indexed = self.indexed(context)
        if indexed is not None:
            return IndexedCursor(indexed, context.passes, context.columns)
        below = self.source.open(context.child())
        return SliceBlocks(self, below) if isinstance(below, BlockCursor) else SliceCursor(self, below)

    def describe(self) -> str:
        what = {"take": self.count, "skip": self.start, "shard": f"{self.step}, {self.start}"}.get(self.name, "")
        return f"{self.name}({what})"


class SliceCursor(Cursor):
    """Slices a stream of elements."""

    def __init__(self, node: SliceNode, below: Cursor):
        self._node, self._below, self._given = node, below, 0
        self._started = False

    def next(self) -> Any:
        node = self._node
        if node.count is not None and self._given >= node.count:
            raise StopIteration
        gap = node.step - 1 if self._started else node.start
        if gap and self._below.skip(gap) < gap:
            raise StopIteration
        self._started = True
        element = self._below.next()
        self._given += 1
        return element

    def state(self) -> Any:
        return [self._given, self._started, self._below.state()]

    def restore(self, state: Any) -> None:
        self._given, self._started, below = state
        self._below.restore(below)

    def close(self) -> None:
        self._below.close()


class SliceBlocks(BlockCursor):
    """Slices a stream of blocks."""

    def __init__(self, node: SliceNode, below: BlockCursor):
        super().__init__()
        self._node, self._below, self._given, self._gap = node, below, 0, node.start

    def _block(self, limit: int) -> Any:
        node = self._node
        if node.count is not None:
            limit = min(limit, node.count - self._given)
            if limit <= 0:
                raise StopIteration
        if self._gap and self._below.skip(self._gap) < self._gap:
            raise StopIteration
        self._gap = 0
        block = self._below.block(limit if node.step == 1 else min(limit * node.step, BLOCK))
        if node.step > 1:
            self._gap = (-block_rows(block)) % node.step
            block = take_block(block, np.arange(0, block_rows(block), node.step))
        self._given += block_rows(block)
        return block

    def _state(self) -> Any:
        return [self._given, self._gap, self._below.state()]

    def _restore(self, state: Any) -> None:
        self._given, self._gap, below = state
        self._below.restore(below)

    def close(self) -> None:
        self._below.close()


class RepeatNode(SameElementsNode):
    """Its input several times, or without end."""

    name = "repeat"

    def __init__(self, source: Node, count: int):
        super().__init__(source)
        self.count = count

    def cardinality(self) -> int:
        n = self.source.cardinality()
        if self.count < 0:
            return 0 if n == 0 else INFINITE
        if self.count == 0:
            return 0
        return n if n < 0 else n * self.count

    def indexed(self, context: Context) -> Indexed | None:
        below = self.source.indexed(context.child())
        if below is None or below.rows.size == INFINITE:
            return None
        return Indexed(below.table, Repeated(below.rows, self.count if self.count >= 0 else INFINITE))

    def open(self, context: Context) -> Cursor:
        indexed = self.indexed(context)
        if indexed is not None:
            return IndexedCursor(indexed, context.passes, context.columns)
        first = self.source.open(context.child().at_pass(0))
        return RepeatBlocks(self, context, first) if isinstance(first, BlockCursor) else RepeatCursor(self, context, first)

    def describe(self) -> str:
        return f"repeat({self.count if self.count >= 0 else ''})"


class _Passes:
    """The current pass of a repeat."""

    def __init__(self, node: RepeatNode, context: Context, first: Cursor):
        self._node, self._context, self.cursor, self.number = node, context, first, 0
        self.any = False  # whether this pass gave an element: an empty input must not repeat for ever

    def current(self) -> Cursor:
        if 0 <= self._node.count <= self.number:
            raise StopIteration
        return self.cursor

    def advance(self) -> None:
        self.cursor.close()
        if not self.any:
            self.number = max(self._node.count, self.number + 1)
            raise StopIteration
        self.go(self.number + 1)

    def go(self, number: int) -> None:
        self.number, self.any = number, False
        self.cursor = self._node.source.open(self._context.child().at_pass(number))

    def state(self) -> Any:
        return [self.number, self.any, self.cursor.state()]

    def restore(self, state: Any) -> None:
        number, some, below = state
        self.cursor.close()
        self.go(number)
        self.any = some
        self.cursor.restore(below)


class RepeatCursor(Cursor):
    """Repeats a stream of elements."""

    def __init__(self, node: RepeatNode, context: Context, first: Cursor):
        self._passes = _Passes(node, context, first)

    def next(self) -> Any:
        while True:
            try:
                element = self._passes.current().next()
            except StopIteration:
                if 0 <= self._passes._node.count <= self._passes.number:
                    raise
                self._passes.advance()
                continue
            self._passes.any = True
            return element

    def state(self) -> Any:
        return self._passes.state()

    def restore(self, state: Any) -> None:
        self._passes.restore(state)

    def close(self) -> None:
        self._passes.cursor.close()


class RepeatBlocks(BlockCursor):
    """Repeats a stream of blocks."""

    def __init__(self, node: RepeatNode, context: Context, first: Cursor):
        super().__init__()
        self._passes = _Passes(node, context, first)

    def _block(self, limit: int) -> Any:
        while True:
            try:
                block = self._passes.current().block(limit)  # type: ignore[attr-defined]
            except StopIteration:
                if 0 <= self._passes._node.count <= self._passes.number:
                    raise
                self._passes.advance()
                continue
            self._passes.any = True
            return block

    def _state(self) -> Any:
        return self._passes.state()

    def _restore(self, state: Any) -> None:
        self._passes.restore(state)

    def close(self) -> None:
        self._passes.cursor.close()


class ShuffleNode(SameElementsNode):
    """A random choice among the next `buffer_size` elements, again and again."""

    name = "shuffle"

    def __init__(self, source: Node, buffer_size: int, seed: int | None, reshuffle_each_iteration: bool):
        super().__init__(source)
        self.buffer_size, self.seed, self.reshuffle = buffer_size, seed, reshuffle_each_iteration

    def _entropy(self, context: Context) -> tuple[int, ...]:
        own = context.entropy(self.seed, every_pass=False)
        return (*own, 2**32 + context.iteration) if self.reshuffle else tuple(own)

    def indexed(self, context: Context) -> Indexed | None:
        below = self.source.indexed(context.child())
        if below is None:
            return None
        buffer = self.buffer_size
        if buffer == INFINITE:
            if below.rows.size == INFINITE:
                return None
            buffer = max(1, below.rows.size)
        return Indexed(below.table, Shuffled(below.rows, buffer, self._entropy(context), self.reshuffle))

    def open(self, context: Context) -> Cursor:
        indexed = self.indexed(context)
        if indexed is not None:
            return IndexedCursor(indexed, context.passes, context.columns)
        below = self.source.open(context.child())
        random = context.random(self.seed, every_pass=self.reshuffle)
        kind = ShuffleBlocks if isinstance(below, BlockCursor) else ShuffleCursor
        return kind(below, self.buffer_size, random)  # type: ignore[arg-type]

    def describe(self) -> str:
        return f"shuffle({self.buffer_size})"


class ShuffleCursor(ReplayCursor):
    """Shuffles a stream of elements; brought back to a place by drawing again from the start of the pass."""

    def __init__(self, below: Cursor, size: int, random: np.random.Generator):
        super().__init__()
        self._below, self._size, self._random = below, size, random
        self._held: list[Any] = []
        self._full = False

    def _draw(self) -> Any:
        size, held = self._size, self._held
        if not self._full:
            while size == INFINITE or len(held) < size:
                try:
                    held.append(self._below.next())
                except StopIteration:
                    break
            self._full = True
        if not held:
            raise StopIteration
        slot = int(self._random.integers(len(held)))
        element = held[slot]
        try:
            held[slot] = self._below.next()
        except StopIteration:
            held[slot] = held[-1]
            held.pop()
        return element

    def close(self) -> None:
        self._below.close()


class ShuffleBlocks(BlockCursor):
    """Shuffles a stream of blocks with array operations; brought back to a place as `ShuffleCursor` is."""

    def __init__(self, below: BlockCursor, size: int, random: np.random.Generator):
        super().__init__()
        self._below, self._size, self._random = below, size, random
        self._buffer: Any = None
        self._out: Any = None
        self._out_rows = self._out_at = self._drawn = 0
        self._ended = False

    def _refill(self) -> None:
        """Makes the next shuffled block; raises StopIteration at the end."""
        size = self._size
        if self._buffer is None and not self._ended:
            try:
                self._buffer = self._below.full_block(2**62 if size == INFINITE else size)
            except StopIteration:
                self._ended = True
        if self._buffer is None:
            raise StopIteration
        block = None
        if not self._ended and block_rows(self._buffer) == size:
            try:
                # As many rows at a time as the buffer has: copying the buffer then costs a constant per row.
                block = self._below.full_block(min(max(size, 1024), BLOCK))
            except StopIteration:
                pass
        if block is None:
            self._ended = True
            self._out = take_block(self._buffer, self._random.permutation(block_rows(self._buffer)))
            self._buffer = None
        else:
            out, after = replace_order(self._random.integers(0, size, block_rows(block)), size)
            both = concat_blocks([self._buffer, block])
            self._out, self._buffer = take_block(both, out), take_block(both, after)
        self._out_rows, self._out_at = block_rows(self._out), 0

    def _advance(self, limit: int) -> tuple[int, int]:
        if self._out_at >= self._out_rows:
            self._refill()
        start = self._out_at
        self._out_at = min(self._out_rows, start + limit)
        self._drawn += self._out_at - start
        return start, self._out_at

    def _block(self, limit: int) -> Any:
        start, stop = self._advance(limit)  # may make a new block, so before self._out is looked at
        return slice_block(self._out, start, stop)

    def _state(self) -> Any:
        return self._drawn

    def _restore(self, state: Any) -> None:
        while self._drawn < state:
            self._advance(state - self._drawn)

    def close(self) -> None:
        self._below.close()


class ConcatenateNode(Node):
    """One input after the other."""

    name = "concatenate"

    def __init__(self, first: Node, second: Node):
        self.inputs = (first, second)
        if self.has_static_spec():
            self.spec()

    def spec(self) -> Any:
        first, second = (node.spec() for node in self.inputs)
        try:
            return merge(first, second)
        except TypeError as error:
            raise TypeError(
                f"concatenate: both datasets need elements of one type; given {describe(first)} and {describe(second)} "
                f"({error}). Convert one of them with map first."
            ) from None

    def cardinality(self) -> int:
        sizes = [node.cardinality() for node in self.inputs]
        if INFINITE in sizes:
            return INFINITE
        return UNKNOWN if UNKNOWN in sizes else sum(sizes)

    def open(self, context: Context) -> Cursor:
        self.check()
        cursors = [node.open(context.child(i)) for i, node in enumerate(self.inputs)]
        if all(isinstance(c, BlockCursor) for c in cursors):
            return ConcatenateBlocks(cursors)
        return ConcatenateCursor(cursors)


class ConcatenateCursor(Cursor):
    """Streams of elements one after the other."""

    def __init__(self, cursors: list[Cursor]):
        self._cursors, self._at = cursors, 0

    def next(self) -> Any:
        while True:
            try:
                return self._cursors[self._at].next()
            except StopIteration:
                if self._at + 1 == len(self._cursors):
                    raise
                self._at += 1

    def state(self) -> Any:
        return [self._at, self._cursors[self._at].state()]

    def restore(self, state: Any) -> None:
        self._at = state[0]
        self._cursors[self._at].restore(state[1])

    def close(self) -> None:
        for cursor in self._cursors:
            cursor.close()


class ConcatenateBlocks(BlockCursor):
    """Streams of blocks one after the other."""

    def __init__(self, cursors: list[Any]):
        super().__init__()
        self._cursors, self._part = cursors, 0

    def _block(self, limit: int) -> Any:
        while True:
            try:
                return self._cursors[self._part].block(limit)
            except StopIteration:
                if self._part + 1 == len(self._cursors):
                    raise
                self._part += 1

    def _state(self) -> Any:
        return [self._part, self._cursors[self._part].state()]

    def _restore(self, state: Any) -> None:
        self._part = state[0]
        self._cursors[self._part].restore(state[1])

    def close(self) -> None:
        for cursor in self._cursors:
            cursor.close()
