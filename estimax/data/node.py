"""The two interfaces of a chain: a `Node` is one step of it, a `Cursor` is one pass over a step's elements.

A node is immutable and can be opened many times. A cursor remembers where it is, can say so (`state`) and go there
again (`restore`). Where rows lie in columns a cursor is a `BlockCursor`: it hands out many rows at once, and steps
above it (batch, shuffle, take, ...) then work on index arrays instead of on rows.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import numpy as np

from estimax.data.collate import block_rows, concat_blocks, one_row, slice_block
from estimax.data.specs import made_up
from estimax.data.structure import flatten, rebuild

INFINITE = -1
UNKNOWN = -2

ROWS_AHEAD = 256  # rows that a BlockCursor fetches when it is asked for single ones


@dataclasses.dataclass(frozen=True)
class Context:
    """Where a cursor stands in one iteration over a whole chain.

    Args:
        seed: of all steps that were not given their own.
        iteration: how often the dataset was iterated before.
        path: which input of which step this is, from the end of the chain; different steps draw differently.
        passes: the number of the current pass of each `repeat` around this step.
        columns: `"numpy"`, or `"arrow"` if text columns may be handed out dictionary-encoded.
    """

    seed: int
    iteration: int = 0
    path: tuple[int, ...] = ()
    passes: tuple[int, ...] = ()
    columns: str = "numpy"

    def child(self, *numbers: int) -> Context:
        """The context of an input (or of the n-th dataset that a function made)."""
        return dataclasses.replace(self, path=(*self.path, *(numbers or (0,))))

    def at_pass(self, number: int) -> Context:
        """The context of one pass of a `repeat`."""
        return dataclasses.replace(self, passes=(*self.passes, number))

    def for_functions(self) -> Context:
        """The context below a user function, which must see NumPy values."""
        return self if self.columns == "numpy" else dataclasses.replace(self, columns="numpy")

    def entropy(self, seed: int | None, *, every_pass: bool = True) -> list[int]:
        """The numbers that a step's random draws start from."""
        own = [1, seed & (2**64 - 1)] if seed is not None else [0, self.seed & (2**64 - 1), *self.path]
        return [*own, 2**32 + self.iteration, *self.passes] if every_pass else own

    def random(self, seed: int | None = None, *, every_pass: bool = True) -> np.random.Generator:
        """A generator for a step's random draws."""
        return generator(self.entropy(seed, every_pass=every_pass))


def generator(entropy: list[int]) -> np.random.Generator:
    """A NumPy generator started from a list of numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


class Node(abc.ABC):
    """One step of a chain."""

    inputs: tuple[Node, ...] = ()
    name: str = ""
    label: str | None = None  # what the user called it
    runs_user_code: bool = False  # the spec can then only be found by running it

    @abc.abstractmethod
    def open(self, context: Context) -> Cursor:
        """A cursor before the first element."""

    @abc.abstractmethod
    def spec(self) -> Any:
        """What an element looks like."""

    @abc.abstractmethod
    def cardinality(self) -> int:
        """The number of elements, INFINITE or UNKNOWN."""

    def indexed(self, context: Context) -> Any:
        """This step as index arithmetic over a table (`rows.Indexed`), or None."""
        return None

    def probes(self, count: int) -> list[Any]:
        """Up to `count` elements such as the step gives, to find the spec of a function by running it."""
        cursor, found = self.open(Context(seed=0)), list[Any]()
        try:
            while len(found) < count:
                found.append(cursor.next())
        except StopIteration:
            pass
        finally:
            cursor.close()
        return found

    def made_up(self, number: int) -> Any:
        """An element such as the step might give, with `number` for every number and unknown size; TypeError if none can be."""
        return made_up(self.spec(), number)

    def describe(self) -> str:
        """The step in a plan that is printed."""
        return self.name or type(self).__name__.removesuffix("Node").lower()

    def check(self) -> None:
        """Raises what is wrong with the types of the inputs, also where only running functions shows them.

        Where these fail there is nothing to check: the error is raised again, in its place, when elements are drawn.
        """
        try:
            for node in self.inputs:
                node.spec()
        except Exception:
            return
        self.spec()

    def has_static_spec(self) -> bool:
        """Whether the spec is known without running a user function."""
        return not self.runs_user_code and all(node.has_static_spec() for node in self.inputs)


class Cursor(abc.ABC):
    """One pass over the elements of a step."""

    columnar = False

    @abc.abstractmethod
    def next(self) -> Any:
        """The next element; raises StopIteration at the end."""

    @abc.abstractmethod
    def state(self) -> Any:
        """Where this cursor is: something that `json.dumps` takes."""

    @abc.abstractmethod
    def restore(self, state: Any) -> None:
        """Goes where a cursor of the same step was; only on a cursor just opened, in the same context."""

    def close(self) -> None:  # noqa: B027 - most cursors hold nothing
        """Lets go of files, threads and processes."""

    def skip(self, count: int) -> int:
        """Drops up to `count` elements; returns how many there were."""
        for done in range(count):
            try:
                self.next()
            except StopIteration:
                return done
        return count


class ReplayCursor(Cursor):
    """A cursor whose state is the number of elements handed out, and which gets there by drawing them again.

    A subclass gives `_draw`, the next element.
    """

    def __init__(self) -> None:
        self._drawn = 0

    @abc.abstractmethod
    def _draw(self) -> Any: ...

    def next(self) -> Any:
        element = self._draw()
        self._drawn += 1
        return element

    def state(self) -> Any:
        return self._drawn

    def restore(self, state: Any) -> None:
        while self._drawn < state:
            self.next()


class BlockCursor(Cursor):
    """A cursor over rows that lie in columns.

    A subclass gives `_block`, `_state` and `_restore`; single rows are served from a block that is held for them.
    """

    columnar = True

    def __init__(self) -> None:
        self._held: Any = None
        self._leaves: list[Any] = []
        self._at = self._size = 0
        self._before: Any = None

    @abc.abstractmethod
    def _block(self, limit: int) -> Any:
        """At least one and at most `limit` rows; raises StopIteration at the end."""

    @abc.abstractmethod
    def _state(self) -> Any: ...

    @abc.abstractmethod
    def _restore(self, state: Any) -> None: ...

    def block(self, limit: int) -> Any:
        """At least one and at most `limit` rows, as one batched element; raises StopIteration at the end."""
        if self._held is None:
            return self._block(limit)
        start, self._at = self._at, min(self._at + limit, self._size)
        part = slice_block(self._held, start, self._at)
        if self._at == self._size:
            self._held = None
        return part

    def full_block(self, limit: int) -> Any:
        """`limit` rows, fewer only at the end; raises StopIteration if there is none."""
        parts, have = list[Any](), 0
        while have < limit:
            try:
                part = self.block(limit - have)
            except StopIteration:
                if not parts:
                    raise
                break
            parts.append(part)
            have += block_rows(part)
        return concat_blocks(parts)

    def next(self) -> Any:
        if self._held is None:
            before = self._state()
            self._held = self._block(ROWS_AHEAD)
            self._before, self._at, self._leaves = before, 0, flatten(self._held)
            self._size = block_rows(self._held)
        i, held = self._at, self._held
        self._at += 1
        if self._at == self._size:
            self._held = None
        if len(self._leaves) == 1 and self._leaves[0] is held:
            return one_row(held, i)
        return rebuild(held, [one_row(leaf, i) for leaf in self._leaves])

    def state(self) -> Any:
        if self._held is None:
            return [self._state()]
        return [self._before, self._at]

    def restore(self, state: Any) -> None:
        self._held = None
        self._restore(state[0])
        if len(state) > 1:
            self.skip(state[1])

    def skip(self, count: int) -> int:
        done = 0
        while done < count:
            try:
                done += block_rows(self.block(count - done))
            except StopIteration:
                break
        return done


def probe_spec(node: Node, count: int = 2) -> list[Any]:
    """Elements of a step for finding a spec; none if they can't be had."""
    try:
        return node.probes(count)
    except Exception:  # the error is raised again, in its place, when the dataset is iterated
        return []
