"""Work ahead of the consumer: `prefetch` in a thread, and maps whose calls run in several threads or processes."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from estimax.data import workers
from estimax.data.errors import WorkerError
from estimax.data.mapping import MapNode, function_name, noted
from estimax.data.node import Context, Cursor, Node
from estimax.data.order import SameElementsNode
from estimax.data.workers import Failed, Workers

AUTOTUNE = -1
"""As a buffer size or a number of parallel calls: chosen for the machine."""

DEFAULT_AHEAD = 2
TASK_SECONDS = 1e-3  # about what a task of quick calls should take
MOST_IN_TASK = 64


class PrefetchNode(SameElementsNode):
    """Keeps the next elements ready, made by a thread."""

    name = "prefetch"

    def __init__(self, source: Node, buffer_size: int):
        super().__init__(source)
        self.buffer_size = buffer_size

    def open(self, context: Context) -> Cursor:
        below = self.source.open(context.child())
        return below if self.buffer_size == 0 else PrefetchCursor(below, self.buffer_size)

    def describe(self) -> str:
        return f"prefetch({'AUTOTUNE' if self.buffer_size < 0 else self.buffer_size})"


class PrefetchCursor(Cursor):
    """Takes elements from a queue that a daemon thread fills; started by the first `next`.

    The state of the cursor below is noted with every element, so that what lies ready in the queue is drawn again after
    a restart.
    """

    def __init__(self, below: Cursor, size: int):
        self._below = below
        self._size = DEFAULT_AHEAD if size < 0 else size
        self._queue: queue.Queue[tuple[str, Any, Any]] = queue.Queue(self._size)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._state: Any = None
        self._end: tuple[str, Any] | None = None

    def _start(self) -> None:
        self._state = self._below.state()
        self._thread = threading.Thread(
            target=_produce, args=(self._below, self._queue, self._stop), name="estimax-prefetch", daemon=True
        )
        self._thread.start()

    def next(self) -> Any:
        if self._end is not None:
            raise StopIteration
        if self._thread is None:
            self._start()
        kind, value, state = self._queue.get()
        if kind == "end":
            self._end = (kind, value)
            raise StopIteration
        self._state = state
        try:
            if kind == "error":
                raise value
            return value
        finally:
            del value  # the traceback holds this frame: a cycle would keep the iterator, and its thread, alive

    def state(self) -> Any:
        return self._below.state() if self._thread is None else self._state

    def restore(self, state: Any) -> None:
        self._below.restore(state)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            deadline = time.monotonic() + workers.CLOSE_SECONDS
            while self._thread.is_alive() and time.monotonic() < deadline:
                try:  # a producer that waits for room must see the stop
                    self._queue.get_nowait()
                except queue.Empty:
                    self._thread.join(0.05)
            if self._thread.is_alive():
                return  # stuck in a source that does not answer; being a daemon it ends with the process
        self._below.close()


def _produce(below: Cursor, ready: queue.Queue, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            element = below.next()
            item: tuple[str, Any, Any] = ("element", element, below.state())
        except StopIteration:
            item = ("end", None, None)
        except BaseException as error:  # handed to the consumer, who raises it
            item = ("error", error, below.state())
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                break
            except queue.Full:
                continue
        if item[0] == "end":
            return


def worker_count(num_parallel_calls: int) -> int:
    """How many workers a number of parallel calls means."""
    return max(1, os.cpu_count() or 1) if num_parallel_calls < 0 else num_parallel_calls


class ParallelMapNode(MapNode):
    """A map whose calls run in a pool of threads or processes."""

    def __init__(self, source: Node, fn: Callable[..., Any], *, num_parallel_calls: int, deterministic: bool, workers: str):
        super().__init__(source, fn)
        self.num_parallel_calls, self.deterministic, self.workers = num_parallel_calls, deterministic, workers

    def open(self, context: Context) -> Cursor:
        return ParallelMapCursor(self, self.source.open(context.for_functions().child()))

    def describe(self) -> str:
        order = "" if self.deterministic else ", any order"
        return f"map({function_name(self.fn)}, {worker_count(self.num_parallel_calls)} {self.workers}s{order})"


@dataclasses.dataclass
class _Task:
    """Some consecutive elements in a worker: the number of the first, the input's state before it, and what came back."""

    first: int
    numbers: list[int]
    before: Any
    future: concurrent.futures.Future
    results: collections.deque[tuple[bool, Any]] | None = None


class ParallelMapCursor(Cursor):
    """Keeps calls in flight; hands results out in the order of the input, or as they come.

    Quick functions get several elements a task, so that handing over costs little. The state of the input before the oldest
    task that was not used up is noted; after a restart its elements are drawn again, leaving out those that had been handed
    out.
    """

    def __init__(self, node: ParallelMapNode, below: Cursor):
        self._node, self._below = node, below
        self._workers = worker_count(node.num_parallel_calls)
        self._pool: Workers | None = None
        self._flying: list[_Task] = []
        self._count = 0
        self._handed: set[int] = set()  # numbers handed out after the start of the oldest task in flight
        self._seconds = TASK_SECONDS  # for one call, about; at first one element a task
        self._ended = False

    def _fill(self) -> None:
        if self._pool is None:
            self._pool = Workers(self._node.workers, self._workers)
        while not self._ended and len(self._flying) < 2 * self._workers:
            before, first = self._below.state(), self._count
            numbers, elements = list[int](), list[Any]()
            wanted = min(MOST_IN_TASK, max(1, int(TASK_SECONDS / self._seconds)))
            while len(elements) < wanted:
                try:
                    element = self._below.next()
                except StopIteration:
                    self._ended = True
                    break
                except Exception as error:  # an earlier step failed: it counts as the result of this element
                    element = Failed(error)
                number, self._count = self._count, self._count + 1
                if number not in self._handed:
                    numbers.append(number)
                    elements.append(element)
            if not elements:
                return
            future = self._pool.submit(self._node.fn, elements)
            self._flying.append(_Task(first, numbers, before, future))

    def next(self) -> Any:
        self._fill()
        if not self._flying:
            raise StopIteration
        task = self._next_task()
        if task.results is None:
            self._collect(task)
        assert task.results is not None
        number = task.numbers.pop(0)
        fine, value = task.results.popleft()
        self._handed.add(number)
        if not task.numbers:
            self._flying.remove(task)
            oldest = self._flying[0].first if self._flying else self._count
            self._handed = {n for n in self._handed if n >= oldest}
        try:
            if fine:
                return value
            raise value if isinstance(value, WorkerError) else noted(value, "map", self._node.fn, number)
        finally:
            del value, task  # they hold the exception, whose traceback holds this frame: a cycle would keep threads alive

    def _next_task(self) -> _Task:
        if self._node.deterministic:
            return self._flying[0]
        begun = next((task for task in self._flying if task.results is not None), None)
        if begun is not None:
            return begun
        concurrent.futures.wait([t.future for t in self._flying], return_when=concurrent.futures.FIRST_COMPLETED)
        return next(task for task in self._flying if task.future.done())

    def _collect(self, task: _Task) -> None:
        try:
            results, seconds = task.future.result()
        except Exception as error:  # a process that ended, or a result that can't be sent
            results, seconds = [(False, error)] * len(task.numbers), TASK_SECONDS
        task.results = collections.deque(results)
        task.future = concurrent.futures.Future()
        self._seconds = max(1e-7, 0.5 * self._seconds + 0.5 * seconds / max(1, len(results)))

    def state(self) -> Any:
        if not self._flying:
            return [self._count, sorted(self._handed), self._below.state()]
        oldest = self._flying[0]
        return [oldest.first, sorted(self._handed), oldest.before]

    def restore(self, state: Any) -> None:
        self._count, handed, below = state
        self._handed = set(handed)
        self._below.restore(below)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._flying.clear()
        self._below.close()
