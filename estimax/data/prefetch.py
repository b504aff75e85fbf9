"""Work ahead of the consumer: `prefetch` in a thread, and maps whose calls run in several threads or processes."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from estimax.data.errors import WorkerError
from estimax.data.mapping import MapNode, call_map, function_name, noted
from estimax.data.node import Context, Cursor, Node
from estimax.data.order import SameElementsNode

AUTOTUNE = -1
"""As a buffer size or a number of parallel calls: chosen for the machine."""

DEFAULT_AHEAD = 2
CLOSE_SECONDS = 2.0  # how long the end of an iterator waits for its thread


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
            deadline = time.monotonic() + CLOSE_SECONDS
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

    def __init__(
        self, source: Node, fn: Callable[..., Any], *, num_parallel_calls: int, deterministic: bool, workers: str
    ):
        super().__init__(source, fn)
        self.num_parallel_calls, self.deterministic, self.workers = num_parallel_calls, deterministic, workers

    def open(self, context: Context) -> Cursor:
        return ParallelMapCursor(self, self.source.open(context.for_functions().child()))

    def describe(self) -> str:
        order = "" if self.deterministic else ", any order"
        return f"map({function_name(self.fn)}, {worker_count(self.num_parallel_calls)} {self.workers}s{order})"


class ParallelMapCursor(Cursor):
    """Keeps calls in flight; hands results out in the order of the input, or as they come.

    The state of the input before the oldest call that was not handed out is noted; after a restart its elements are
    drawn again, leaving out those that had been handed out of turn.
    """

    def __init__(self, node: ParallelMapNode, below: Cursor):
        self._node, self._below = node, below
        self._workers = worker_count(node.num_parallel_calls)
        self._pool: concurrent.futures.Executor | None = None
        self._flying: collections.deque[tuple[int, Any, concurrent.futures.Future]] = collections.deque()
        self._count = 0
        self._handed: set[int] = set()  # numbers handed out before the oldest one in flight
        self._ended = False

    def _fill(self) -> None:
        if self._pool is None:
            self._pool = _pool(self._node.workers, self._workers)
        while not self._ended and len(self._flying) < 2 * self._workers:
            before = self._below.state()
            try:
                element = self._below.next()
            except StopIteration:
                self._ended = True
                return
            number, self._count = self._count, self._count + 1
            if number in self._handed:
                continue
            try:
                future = self._pool.submit(call_map, self._node.fn, element)
            except RuntimeError as error:  # a broken pool refuses further work
                future = concurrent.futures.Future()
                future.set_exception(error)
            self._flying.append((number, before, future))

    def next(self) -> Any:
        self._fill()
        if not self._flying:
            raise StopIteration
        at = 0
        if not self._node.deterministic:
            futures = [future for _, _, future in self._flying]
            concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
            at = next(i for i, future in enumerate(futures) if future.done())
        number, _, future = self._flying[at]
        del self._flying[at]
        self._handed.add(number)
        oldest = self._flying[0][0] if self._flying else self._count
        self._handed = {n for n in self._handed if n >= oldest}
        try:
            return future.result()
        except concurrent.futures.BrokenExecutor as error:
            raise WorkerError(
                f"map({function_name(self._node.fn)}): a worker process ended while it held element {number}; it may have "
                "run out of memory, or the function can't be pickled: define it at the top of a module"
            ) from error
        except Exception as error:
            raise noted(error, "map", self._node.fn, number)  # noqa: B904 - the same error, with a note
        finally:
            del future  # it holds the exception, whose traceback holds this frame

    def state(self) -> Any:
        if self._flying:
            number, before, _ = self._flying[0]
        else:
            number, before = self._count, self._below.state()
        return [number, sorted(self._handed), before]

    def restore(self, state: Any) -> None:
        self._count, handed, below = state
        self._handed = set(handed)
        self._below.restore(below)

    def close(self) -> None:
        if self._pool is not None:
            # Processes are ended, not waited for; threads end after the call that they are in.
            processes = list((getattr(self._pool, "_processes", None) or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(CLOSE_SECONDS)
            self._pool = None
        self._flying.clear()
        self._below.close()


def _pool(kind: str, size: int) -> concurrent.futures.Executor:
    if kind == "thread":
        return concurrent.futures.ThreadPoolExecutor(size, thread_name_prefix="estimax-map")
    import multiprocessing

    # Not fork: the parent holds the threads of JAX.
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(size, mp_context=context, initializer=_ignore_interrupts)


def _ignore_interrupts() -> None:
    """Ctrl-C is for the parent, which then ends the workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
