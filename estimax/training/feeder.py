"""Feeds a run: reads batches, runs the host transform, pads and places them, all while the device works."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from estimax.core.errors import InputDataError
from estimax.training.batches import ROW_MASK, flatten, pad_rows, row_count
from estimax.training.encoded import EncodedTable, Layout, encode_table
from estimax.training.program import Plan


@dataclasses.dataclass
class Fed:
    """Some batches of equal shape on the device.

    Attributes:
        arrays: stacked arrays `[group, batch, ...]`; the last batches may be missing, then their rows hold garbage.
        count: how many batches there are.
        rows: real rows of each.
        states: state of the input after each, or None where the input has none.
        layout: how packed rows are taken apart, if they are packed.
    """

    arrays: Any
    count: int
    rows: list[int]
    states: list[Any]
    layout: Layout | None = None


def split_batch(batch: Any) -> tuple[Any, Any, Any]:
    """`(features, labels, weights)` of what an input yields."""
    if isinstance(batch, tuple):
        if len(batch) == 3:
            return batch
        if len(batch) == 2:
            return batch[0], batch[1], None
        if len(batch) == 1:
            return batch[0], None, None
        raise InputDataError(
            f"The input gave a tuple of {len(batch)} parts, expected (features, labels) or (features, labels, weights). Put several "
            "features into a dict, or into a list."
        )
    return batch, None, None


class Prepared:
    """One encoded batch on the host: arrays padded to the plan's capacity, and its number of real rows."""

    __slots__ = ("arrays", "rows", "state", "shape_key")

    def __init__(self, arrays: dict[str, Any], rows: int, state: Any):
        self.arrays, self.rows, self.state = arrays, rows, state
        self.shape_key = tuple((k, np.shape(x)) for k in arrays for x in jax.tree.leaves(arrays[k]))


def prepare(plan: Plan, raw: dict[str, Any], state: Any = None, *, pad: bool | None = None) -> Prepared:
    """Encodes one batch of raw columns; pads it if the loss leaves padding out (or `pad` says so)."""
    arrays = check_range(plan.transform(raw))
    rows = row_count(arrays)
    if rows == 0:
        raise InputDataError("The input gave a batch of 0 rows. Drop empty batches, or check the filter of the input.")
    if plan.weighted if pad is None else pad:
        plan.capacity = max(plan.capacity, rows)
        arrays = pad_rows(arrays, plan.capacity, plan.pad_values)
        mask = np.zeros((plan.capacity,), bool)
        mask[:rows] = True
        arrays[ROW_MASK] = mask
    return Prepared(arrays, rows, state)


def check_range(arrays: dict[str, Any]) -> dict[str, Any]:
    """64-bit integers as 32-bit ones where JAX stores 32 bits; an error instead of a silent change of ids."""
    if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        return arrays

    def narrow(key: str, x: Any) -> Any:
        if isinstance(x, np.ndarray) and x.dtype in (np.int64, np.uint64, np.uint32):
            if x.size and (x.max() > 2**31 - 1 or (x.dtype == np.int64 and x.min() < -(2**31))):
                raise InputDataError(
                    f"Feature {key.removeprefix('features/')!r}: integers beyond 32 bits would change on the device. Use a hash or "
                    "identity column, or enable x64 in JAX."
                )
            return x.astype(np.int32)
        return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x

    return {
        k: narrow(k, v) if isinstance(v, np.ndarray) else jax.tree.map(lambda x, k=k: narrow(k, x), v) for k, v in arrays.items()
    }


def _encoded(plan: Plan, table: Any) -> EncodedTable | None:
    values = plan.transform.values
    return encode_table(
        table,
        lambda raw: check_range(plan.transform(raw)),
        split_batch,
        plan.pad_values,
        tuple(v.key for v in values),  # what tells encodings of one table apart
        is_plain=all(v.op is None for v in values),
    )


def gather_stack(plan: Plan, encoded: EncodedTable, numbers: list[np.ndarray], size: int, at_least: int = 0) -> dict[str, Any]:
    """Batches of rows by their numbers as arrays `[size, batch, ...]`; what is beyond the last batch is garbage.

    Args:
        plan: of the compiled call; says whether short batches are filled up to the largest one seen.
        encoded: the table.
        numbers: row numbers of each batch.
        size: of the stack.
        at_least: rows to which short batches are filled up in any case.
    """
    longest = max(at_least, *(len(rows) for rows in numbers))
    if plan.weighted:
        plan.capacity = longest = max(plan.capacity, longest)
    counts = np.array([len(rows) for rows in numbers] + [longest] * (size - len(numbers)))
    if (counts == longest).all():
        index = np.concatenate([*numbers, np.zeros((size - len(numbers)) * longest, np.int64)]).reshape(size, longest)
        valid = np.ones((size, longest), bool)
    else:
        index = np.zeros((size, longest), np.int64)
        for i, rows in enumerate(numbers):
            index[i, : len(rows)], index[i, len(rows) :] = rows, rows[0]
        valid = np.arange(longest) < counts[:, None]
    arrays = encoded.gather(index, valid)
    if plan.weighted:
        arrays[ROW_MASK] = valid
    return arrays


def gathered(plan: Plan, table: Any, numbers: Iterator[np.ndarray], group: int, *, pads: bool = False) -> Iterator[Fed] | None:
    """Groups of batches gathered from a table that was encoded at once, on the host; None if it is too large.

    Args:
        plan: of the compiled call.
        table: in memory.
        numbers: row numbers of each batch.
        group: batches in one call.
        pads: whether short batches are filled up to the first one's size, also where no loss leaves padding out.
    """
    encoded = _encoded(plan, table)
    if encoded is None:
        return None
    fills = plan.weighted or pads
    at_least = 0

    def groups() -> Iterator[Fed]:
        nonlocal at_least
        pending: list[np.ndarray] = []
        for rows in numbers:
            if pending and (len(pending) == group or len(rows) != len(pending[0]) and not fills):
                yield fed(pending)
                pending = []
            pending.append(rows)
            at_least = max(at_least, len(rows)) if pads else 0
        if pending:
            yield fed(pending)

    def fed(pending: list[np.ndarray]) -> Fed:
        arrays = gather_stack(plan, encoded, pending, max(group, len(pending)), at_least)
        return Fed(arrays, len(pending), [len(r) for r in pending], [None] * len(pending), encoded.layout)

    return groups()


GROUPED_BYTES = 2**20  # of a batch, up to which steps are grouped: above, dispatch is not what costs


def may_group(arrays: dict[str, Any]) -> bool:
    """Whether steps on batches of this size may be grouped into one compiled call."""
    return sum(np.asarray(x).nbytes for x in jax.tree.leaves(arrays)) <= GROUPED_BYTES


class Feeder:
    """A thread that prepares batches ahead, two groups at most.

    Args:
        batches: iterator of `(features, labels[, weights])`; `get_state()` is asked after each batch if it has one.
        plan: of the compiled call.
        group: gives how many batches go into one call now.
        place: puts a tree of host arrays on the devices.
        limit: at most so many batches are read.
        first: a batch that was read already.
        table: a table in memory and the row numbers of its batches, which then take the place of `batches`.
        may_group: whether batches are small enough for a compiled loop over several.
    """

    def __init__(
        self,
        batches: Iterator[Any],
        plan: Plan,
        group: Callable[[], int],
        *,
        place: Callable[[Any], Any] | None = None,
        limit: int | None = None,
        first: tuple[dict[str, Any], Any] | None = None,
        table: tuple[Any, Iterator[np.ndarray]] | None = None,
        may_group: bool = True,
    ):
        self._may_group = may_group
        self._batches, self._plan, self._group, self._limit, self._first = batches, plan, group, limit, first
        self._table = table
        self._place = place or jax.device_put
        self._x64 = jax.config.jax_enable_x64  # type: ignore[attr-defined] # `with jax.enable_x64()` is of one thread alone
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=2)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if limit == 1:
            self._work()  # a thread would cost more than the one batch; it fits into the queue
        else:
            self._thread = threading.Thread(target=self._work, name="estimax-feeder", daemon=True)
            self._thread.start()

    def __iter__(self) -> Iterator[Fed]:
        while True:
            item = self._queue.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Stops reading; the thread ends before the next batch."""
        self._stop.set()
        while self._thread is not None and self._thread.is_alive():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(timeout=0.05)

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _prepared(self) -> Iterator[Prepared]:
        read = 0
        get_state = getattr(self._batches, "get_state", None)
        while self._limit is None or read < self._limit:
            if self._first is not None:
                (raw, state), self._first = self._first, None
            else:
                try:
                    batch = next(self._batches)
                except StopIteration:
                    return
                raw, structure = flatten(*split_batch(batch))
                if structure.signature != self._plan.structure.signature:
                    raise InputDataError(
                        f"Batch {read} has another structure than the first. Given {structure.signature}, expected "
                        f"{self._plan.structure.signature}. Every batch must have the same features of the same kind."
                    )
                state = get_state() if get_state is not None else None
            read += 1
            yield prepare(self._plan, raw, state)

    def _work(self) -> None:
        with jax.enable_x64(self._x64):
            self._feed()

    def _feed(self) -> None:
        try:
            if self._table is not None and self._work_on_rows(*self._table):
                return
            pending: list[Prepared] = []
            for item in self._prepared():
                if pending and item.shape_key != pending[0].shape_key:
                    if not self._put(self._stacked(pending)):
                        return
                    pending = []
                pending.append(item)
                if len(pending) >= self._group():
                    if not self._put(self._stacked(pending)):
                        return
                    pending = []
                if self._stop.is_set():
                    return
            if pending and not self._put(self._stacked(pending)):
                return
            self._put(None)
        except BaseException as e:  # noqa: BLE001 - handed to the thread that waits
            self._put(e)

    def _work_on_rows(self, table: Any, numbers: Any) -> bool:
        """Encodes the table, then gathers; False if it is too large to be encoded at once."""
        plan = self._plan
        encoded = _encoded(plan, table)
        if encoded is None:
            return False
        pending: list[tuple[np.ndarray, Any]] = []
        read = 0
        while self._limit is None or read < self._limit:
            try:
                rows = next(numbers)
            except StopIteration:
                break
            read += 1
            if pending and len(rows) != len(pending[0][0]) and not plan.weighted:
                if not self._put(self._gathered(encoded, pending)):
                    return True
                pending = []
            pending.append((rows, numbers.get_state()))
            if len(pending) >= self._group():
                if not self._put(self._gathered(encoded, pending)):
                    return True
                pending = []
        if not pending or self._put(self._gathered(encoded, pending)):
            self._put(None)
        return True

    def _gathered(self, encoded: EncodedTable, items: list[tuple[np.ndarray, Any]]) -> Fed:
        # As in _stacked: a single batch travels in a stack of two where steps may be grouped.
        size = max(self._group(), len(items), 2 if self._plan.loops and self._may_group else 1)
        arrays = gather_stack(self._plan, encoded, [rows for rows, _ in items], size)
        return Fed(self._place(arrays), len(items), [len(r) for r, _ in items], [s for _, s in items], encoded.layout)

    def _stacked(self, items: list[Prepared]) -> Fed:
        # A stack of one would compile to other sums than a stack of many (its slice is simplified away), with other rounding. So
        # where steps may be grouped a single batch travels in a stack of two; large batches are never grouped.
        size = max(self._group(), len(items))
        size = 2 if size == 1 and self._plan.loops and self._may_group else size

        def stack(*leaves: Any) -> Any:
            if size == len(leaves) == 1:
                return np.asarray(leaves[0])[None]
            out = np.empty((size, *np.shape(leaves[0])), np.asarray(leaves[0]).dtype)
            np.stack(leaves, out=out[: len(leaves)])
            out[len(leaves) :] = 0
            return out

        arrays = jax.tree.map(stack, *[i.arrays for i in items])
        return Fed(self._place(arrays), len(items), [i.rows for i in items], [i.state for i in items])
