"""Index arithmetic: which rows of a table a chain of slices, shuffles and repeats draws, in which order.

Every step is a pure function of the position and of the numbers of the passes around it, so a position is the whole
state. Indices come in blocks; nothing here touches a column.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from estimax.data.node import INFINITE, BlockCursor, generator

BLOCK = 1 << 16


class Rows(abc.ABC):
    """A sequence of row numbers."""

    size: int  # INFINITE if it has no end

    @abc.abstractmethod
    def blocks(self, start: int, passes: tuple[int, ...]) -> Iterator[np.ndarray]:
        """The row numbers from position `start`, in pieces; `passes` numbers the repeats around this step."""

    def all(self, passes: tuple[int, ...]) -> np.ndarray:
        """All row numbers at once (finite only)."""
        parts = list(self.blocks(0, passes))
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


@dataclasses.dataclass(frozen=True)
class Span(Rows):
    """Rows 0 to `size`."""

    size: int

    def blocks(self, start: int, passes: tuple[int, ...]) -> Iterator[np.ndarray]:
        for at in range(start, self.size, BLOCK):
            yield np.arange(at, min(at + BLOCK, self.size))


@dataclasses.dataclass(frozen=True)
class Sliced(Rows):
    """Positions `start`, `start + step`, ... of another sequence, `size` of them."""

    rows: Rows
    start: int
    step: int
    size: int

    def blocks(self, start: int, passes: tuple[int, ...]) -> Iterator[np.ndarray]:
        at, left = self.start + start * self.step, (self.size - start if self.size != INFINITE else None)
        phase = 0
        for block in self.rows.blocks(at, passes):
            if left is not None and left <= 0:
                return
            if self.step > 1:
                here = block[phase :: self.step]
                phase = (phase - len(block)) % self.step
                block = here
            if left is not None:
                block = block[:left]
                left -= len(block)
            if len(block):
                yield block


@dataclasses.dataclass(frozen=True)
class Repeated(Rows):
    """A finite sequence, over and over; `count` times or, if INFINITE, without end."""

    rows: Rows
    count: int

    @property
    def size(self) -> int:  # type: ignore[override]
        return INFINITE if self.count == INFINITE else self.rows.size * self.count

    def blocks(self, start: int, passes: tuple[int, ...]) -> Iterator[np.ndarray]:
        if self.rows.size == 0:
            return
        number, at = divmod(start, self.rows.size)
        while self.count == INFINITE or number < self.count:
            yield from self.rows.blocks(at, (*passes, number))
            number, at = number + 1, 0


@dataclasses.dataclass(frozen=True)
class Shuffled(Rows):
    """Another sequence through a shuffle buffer; a full permutation if the buffer holds it all."""

    rows: Rows
    buffer: int
    entropy: tuple[int, ...]
    every_pass: bool

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.rows.size

    def blocks(self, start: int, passes: tuple[int, ...]) -> Iterator[np.ndarray]:
        rng = generator([*self.entropy, *passes] if self.every_pass else list(self.entropy))
        if self.rows.size != INFINITE and self.buffer >= self.rows.size:
            order = rng.permutation(self.rows.size)
            if not isinstance(self.rows, Span):
                order = self.rows.all(passes)[order]
            for at in range(start, len(order), BLOCK):
                yield order[at : at + BLOCK]
            return
        skip = start
        for block in buffered(self.rows.blocks(0, passes), self.buffer, rng):
            if skip >= len(block):
                skip -= len(block)
                continue
            yield block[skip:] if skip else block
            skip = 0


def replace_order(slots: np.ndarray, buffer: int) -> tuple[np.ndarray, np.ndarray]:
    """A shuffle buffer's work on one block, without its loop.

    Step p hands out what lies in slot `slots[p]` and puts the block's item p there. Positions below `buffer` mean the
    buffer before the block, `buffer + p` the block's item p.

    Returns:
        Positions handed out `[block]`, and positions that are in the buffer afterwards `[buffer]`.
    """
    n = len(slots)
    # NumPy sorts 16-bit numbers by radix, several times faster than wider ones.
    by_slot = np.argsort(slots.astype(np.uint16) if buffer <= 1 << 16 else slots, kind="stable")
    ordered = slots[by_slot]
    # What lies in a slot at step p was put there by the latest earlier step that drew the same slot.
    previous = np.empty(n, np.int64)
    previous[0:1] = ordered[0:1]
    same = ordered[1:] == ordered[:-1]
    previous[1:] = np.where(same, by_slot[:-1] + buffer, ordered[1:])
    out = np.empty(n, np.int64)
    out[by_slot] = previous
    after = np.arange(buffer)
    after[slots] = np.arange(n) + buffer  # the last write to a slot stays
    return out, after


def buffered(blocks: Iterator[np.ndarray], buffer: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Row numbers through a shuffle buffer, block by block."""
    held: np.ndarray = np.zeros(0, np.int64)
    for block in blocks:
        if len(held) < buffer:
            room = buffer - len(held)
            held, block = np.concatenate([held, block[:room]]), block[room:]
        if len(block):
            out, after = replace_order(rng.integers(0, buffer, len(block)), buffer)
            both = np.concatenate([held, block])
            held = both[after]
            yield both[out]
    if len(held):
        yield held[rng.permutation(len(held))]


@dataclasses.dataclass(frozen=True)
class Indexed:
    """Rows of a table in some order: what a chain over columns in memory comes down to."""

    table: Any
    rows: Rows


class IndexedCursor(BlockCursor):
    """Takes rows of a table, one gather per column and block."""

    def __init__(self, indexed: Indexed, passes: tuple[int, ...], columns: str):
        super().__init__()
        self._indexed, self._passes, self._columns = indexed, passes, columns
        self._go(0)

    def _go(self, position: int) -> None:
        self._position = position
        self._blocks = self._indexed.rows.blocks(position, self._passes)
        self._indices: np.ndarray = np.zeros(0, np.int64)

    def take(self, limit: int) -> np.ndarray:
        """Up to `limit` row numbers, fewer only at the end."""
        if len(self._indices) >= limit:
            out, self._indices = self._indices[:limit], self._indices[limit:]
        else:
            parts, have = [self._indices], len(self._indices)
            while have < limit:
                block = next(self._blocks, None)
                if block is None:
                    break
                parts.append(block)
                have += len(block)
            joined = np.concatenate(parts)
            out, self._indices = joined[:limit], joined[limit:]
        self._position += len(out)
        return out

    def _block(self, limit: int) -> Any:
        indices = self.take(limit)
        if not len(indices):
            raise StopIteration
        if self._columns == "rows":
            return indices
        return self._indexed.table.gather(indices, self._columns)

    def full_block(self, limit: int) -> Any:
        return self._block(limit) if self._held is None else super().full_block(limit)

    def _state(self) -> Any:
        return self._position

    def _restore(self, state: Any) -> None:
        self._go(state)

    def skip(self, count: int) -> int:
        if self._held is not None:
            return super().skip(count)
        done = len(self.take(count)) if count <= BLOCK else 0
        if count > BLOCK:
            size = self._indexed.rows.size
            done = count if size == INFINITE else min(count, size - self._position)
            self._go(self._position + done)
        return done
