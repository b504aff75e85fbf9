"""Pools of threads and of processes for user functions. They never hold up the end of the program.

The pools of `concurrent.futures` are joined when the interpreter ends, also after Ctrl-C, however long a call takes. These
threads are daemons, and processes are ended with their pool; one that dies gives an error instead of a wait without end.
"""

from __future__ import annotations

import pickle
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from estimax.data.errors import WorkerError
from estimax.data.mapping import call_map, function_name

CLOSE_SECONDS = 0.5  # how long the end of an iterator waits for its workers

Results = tuple[list[tuple[bool, Any]], float]


class Failed:
    """The error of an earlier step, on its way to the place of its element."""

    def __init__(self, error: Exception):
        self.error = error


def run(fn: Callable[..., Any], elements: list[Any], is_process: bool = False) -> Results:
    """What a worker does: the results (or errors) of some elements, and the seconds that they took."""
    results: list[tuple[bool, Any]] = []
    start = time.perf_counter()
    for element in elements:
        if isinstance(element, Failed):
            results.append((False, element.error))
            continue
        try:
            results.append((True, call_map(fn, element)))
        except Exception as error:
            if is_process:  # the traceback does not travel
                error.add_note(f"In a worker process:\n{traceback.format_exc()}")
            results.append((False, error))
    return results, time.perf_counter() - start


class Workers:
    """Daemon threads that run tasks; for `kind="process"` each hands its tasks to a process of its own.

    Args:
        kind: `"thread"` or `"process"`.
        size: how many.
    """

    def __init__(self, kind: str, size: int):
        self._tasks: queue.SimpleQueue = queue.SimpleQueue()
        self._processes = [_Process() for _ in range(size)] if kind == "process" else []
        self._threads = [
            threading.Thread(
                target=_serve,
                args=(self._tasks, self._processes[i].run if self._processes else run),
                name="estimax-map",
                daemon=True,
            )
            for i in range(size)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], elements: list[Any]) -> Future:
        """The results of some elements, as `run` gives them, in the future."""
        future: Future = Future()
        self._tasks.put((future, fn, elements))
        return future

    def close(self) -> None:
        """Drops tasks that are not begun, ends processes, and lets threads end after the call that they are in."""
        try:
            while True:
                self._tasks.get_nowait()
        except queue.Empty:
            pass
        for _ in self._threads:
            self._tasks.put(None)
        for process in self._processes:
            process.close()


def _serve(tasks: queue.SimpleQueue, work: Callable[[Callable[..., Any], list[Any]], Results]) -> None:
    while True:
        task = tasks.get()
        if task is None:
            return
        future, fn, elements = task
        try:
            future.set_result(work(fn, elements))
        except BaseException as error:  # handed to the consumer, who raises it
            future.set_exception(error)
        del task, future, fn, elements  # nothing of a finished task is kept alive by a thread that waits


class _Process:
    """One worker process, started by its first task."""

    def __init__(self) -> None:
        self._process: Any = None
        self._connection: Any = None
        self._closed = False

    def _start(self) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")  # not fork: the parent holds the threads of JAX
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_process_main, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def run(self, fn: Callable[..., Any], elements: list[Any]) -> Results:
        """`run`, in the process.

        Raises:
            WorkerError: if the process ends while it works, or function, element or result can't be sent.
        """
        if self._process is None:
            self._start()
        try:
            message = pickle.dumps((fn, elements), pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise WorkerError(
                f"map(workers='process'): {function_name(fn)} or its element can't be sent to a process ({error}); define the "
                "function at the top of a module, or use workers='thread'"
            ) from error
        try:
            self._connection.send_bytes(message)
            kind, answer = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise WorkerError(
                f"map({function_name(fn)}): a worker process ended while it held an element; it may have run out of memory, or "
                "the script starts its work outside of `if __name__ == '__main__':`"
            ) from error
        if kind == "failed":
            raise WorkerError(f"map({function_name(fn)}): {answer}")
        return answer

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None and not self._closed:
            self._closed = True
            self._process.terminate()
            self._process.join(CLOSE_SECONDS)
            if self._process.is_alive():
                self._process.kill()


def _process_main(connection: Any) -> None:
    """What runs in the process, until the other side closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            fn, elements = pickle.loads(message)
            answer = pickle.dumps(("done", run(fn, elements, is_process=True)), pickle.HIGHEST_PROTOCOL)
        except BaseException as error:
            answer = pickle.dumps(("failed", f"{type(error).__name__}: {error}"))
        try:
            connection.send_bytes(answer)
        except OSError:
            return
