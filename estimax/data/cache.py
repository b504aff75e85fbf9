"""Steps that keep elements: `cache` in memory or in a file, and `snapshot`."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

from estimax.data.collate import block_rows, slice_block
from estimax.data.node import BlockCursor, Context, Cursor, Node
from estimax.data.order import SameElementsNode
from estimax.data.rows import Indexed, Repeated, Shuffled, Sliced
from estimax.data.structure import fresh, frozen


def first_pass(context: Context) -> Context:
    """The context in which a cached input is opened: always that of the first pass, so that every pass, also one after
    a restart, sees the same elements in the same order."""
    return dataclasses.replace(context, iteration=0, passes=())


def _is_fixed(rows: Any) -> bool:
    """Whether index arithmetic gives the same rows in every pass."""
    if isinstance(rows, Shuffled):
        return False
    return _is_fixed(rows.rows) if isinstance(rows, Sliced | Repeated) else True


class CacheNode(SameElementsNode):
    """Elements of the first complete pass, kept in memory for all later passes."""

    name = "cache"

    def __init__(self, source: Node):
        super().__init__(source)
        self._lock = threading.Lock()
        self._stored: list[Any] | None = None  # filled by the first complete pass

    def indexed(self, context: Context) -> Indexed | None:
        below = self.source.indexed(context.child())
        return below if below is not None and _is_fixed(below.rows) else None

    def open(self, context: Context) -> Cursor:
        if self._stored is not None:
            below: Cursor = StoredBlocks(self._stored) if self._is_blocks else StoredElements(self._stored)
            return below
        below = self.source.open(first_pass(context).child())
        return RecordingBlocks(self, below) if isinstance(below, BlockCursor) else RecordingElements(self, below)

    _is_blocks = False

    def keep(self, stored: list[Any], is_blocks: bool) -> None:
        """Takes the elements of a complete pass."""
        with self._lock:
            if self._stored is None:
                self._is_blocks = is_blocks
                self._stored = stored


class StoredElements(Cursor):
    """Over elements in memory."""

    def __init__(self, stored: list[Any]):
        self._stored, self._at = stored, 0

    def next(self) -> Any:
        if self._at >= len(self._stored):
            raise StopIteration
        self._at += 1
        return fresh(self._stored[self._at - 1])

    def state(self) -> Any:
        return self._at

    def restore(self, state: Any) -> None:
        self._at = state


class RecordingElements(Cursor):
    """Passes elements on and keeps them."""

    def __init__(self, node: CacheNode, below: Cursor):
        self._node, self._below, self._stored = node, below, []  # type: ignore[var-annotated]

    def next(self) -> Any:
        try:
            element = self._below.next()
        except StopIteration:
            self._node.keep(self._stored, False)
            raise
        self._stored.append(frozen(element))
        return element

    def state(self) -> Any:
        return len(self._stored)

    def restore(self, state: Any) -> None:
        while len(self._stored) < state:
            self.next()

    def close(self) -> None:
        self._below.close()


class StoredBlocks(BlockCursor):
    """Over blocks in memory."""

    def __init__(self, stored: list[Any]):
        super().__init__()
        self._stored, self._part, self._row, self._drawn = stored, 0, 0, 0

    def _block(self, limit: int) -> Any:
        while self._part < len(self._stored):
            rows = block_rows(self._stored[self._part])
            if self._row < rows:
                start, self._row = self._row, min(rows, self._row + limit)
                self._drawn += self._row - start
                return slice_block(self._stored[self._part], start, self._row)
            self._part, self._row = self._part + 1, 0
        raise StopIteration

    def _state(self) -> Any:
        return self._drawn

    def _restore(self, state: Any) -> None:
        while self._drawn < state:
            self._block(state - self._drawn)


class RecordingBlocks(BlockCursor):
    """Passes blocks on and keeps them."""

    def __init__(self, node: CacheNode, below: BlockCursor):
        super().__init__()
        self._node, self._below, self._stored, self._drawn = node, below, [], 0  # type: ignore[var-annotated]

    def _block(self, limit: int) -> Any:
        try:
            block = self._below.block(limit)
        except StopIteration:
            self._node.keep(self._stored, True)
            raise
        self._stored.append(frozen(block))
        self._drawn += block_rows(block)
        return block

    def _state(self) -> Any:
        return self._drawn

    def _restore(self, state: Any) -> None:
        while self._drawn < state:
            self._block(state - self._drawn)

    def close(self) -> None:
        self._below.close()
