"""The iterator over a dataset: elements, and a state that continues at the very next row."""

from __future__ import annotations

import json
import weakref
from typing import Any

from estimax.data.errors import InvalidDataError
from estimax.data.node import Context, Node

STATE_VERSION = 1


class Iterator:
    """Goes over the elements of a dataset; made by `iter(dataset)` or `dataset.make_iterator()`.

    `get_state()` is what `json.dumps` takes: numbers that say where every step of the chain is. `set_state()` on an
    iterator of the same chain (also in another process) continues with the same remaining elements in the same order.
    Chains over columns in memory go there at once. Generators, `scan`, shuffle buffers over streams, `group_by_window`
    and caches that are not full yet draw their elements again from the start of the pass, without handing them out.

    Example:
        >>> from estimax.data import Dataset
        >>> it = iter(Dataset.range(6).batch(2))
        >>> next(it).tolist()
        [0, 1]
        >>> state = it.get_state()
        >>> other = iter(Dataset.range(6).batch(2))
        >>> other.set_state(state)
        >>> next(other).tolist()
        [2, 3]
    """

    def __init__(self, node: Node, context: Context):
        self._node, self._context = node, context
        self._given = 0
        self._open()

    def _open(self) -> None:
        self._cursor: Any = self._node.open(self._context)
        # Threads and processes of the chain end with the iterator, also when it is dropped half way.
        self._closer = weakref.finalize(self, self._cursor.close)
        self._ended = False

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        if self._ended or self._cursor is None:
            raise StopIteration
        try:
            element = self._cursor.next()
        except StopIteration:
            self._ended = True
            self._end_state = self._cursor.state()
            self._closer()
            raise
        self._given += 1
        return element

    def get_next(self) -> Any:
        """The next element, as `next(iterator)`."""
        return next(self)

    @property
    def element_spec(self) -> Any:
        """What an element looks like."""
        return self._node.spec()

    def get_state(self) -> dict[str, Any]:
        """Where this iterator is, as numbers, lists and dicts; see the class."""
        if self._cursor is None:
            raise InvalidDataError("this iterator is closed; make another one")
        where = self._end_state if self._ended else self._cursor.state()
        return {
            "version": STATE_VERSION,
            "seed": self._context.seed,
            "iteration": self._context.iteration,
            "elements": self._given,
            "ended": self._ended,
            "where": where,
        }

    def set_state(self, state: dict[str, Any] | str) -> None:
        """Continues where the iterator that gave `state` was.

        Raises:
            InvalidDataError: if the state is not one of an iterator over such a chain.
        """
        if isinstance(state, str | bytes):
            state = json.loads(state)
        if not isinstance(state, dict) or state.get("version") != STATE_VERSION:
            raise InvalidDataError(f"expected a state that get_state() of a dataset iterator gave, got {str(state)[:80]}")
        self._closer()
        self._context = Context(seed=int(state["seed"]), iteration=int(state["iteration"]), columns=self._context.columns)
        self._open()
        self._given = int(state["elements"])
        try:
            self._cursor.restore(state["where"])
        except StopIteration:
            raise InvalidDataError(
                "the input ended before the place where the state was taken; it has fewer elements than it had then"
            ) from None
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise InvalidDataError(
                f"the state does not fit this dataset's chain of steps ({error}); it must be the chain that the state "
                "was taken from"
            ) from error
        if state["ended"]:
            self._ended, self._end_state = True, state["where"]

    def over_rows(self, state: dict[str, Any] | None = None) -> tuple[Any, Iterator] | None:
        """The table in memory whose rows this chain only picks, orders and batches, and an iterator over their numbers.

        The training engine encodes such a table once and then gathers rows of what it encoded.

        Args:
            state: where to start; where this iterator is, if omitted.

        Returns:
            The table, which has `size` and `gather(rows, columns)`, and an iterator with the same states as this one whose
            elements are row numbers `[batch]`; None if the chain computes something, or is not over columns in memory.
        """
        node = self._node
        while (
            type(node).__name__ in ("BatchNode", "RepeatNode", "SliceNode", "PrefetchNode")
            and node.indexed(self._context) is None
        ):
            node = node.inputs[0]
        indexed = node.indexed(self._context)
        if indexed is None or not hasattr(indexed.table, "columns"):
            return None
        context = Context(seed=self._context.seed, iteration=self._context.iteration, columns="rows")
        rows = Iterator(self._node, context)
        rows.set_state(self.get_state() if state is None else state)
        return indexed.table, rows

    def close(self) -> None:
        """Lets go of files, threads and processes; the iterator can't be used afterwards."""
        self._closer()
        self._cursor = None
