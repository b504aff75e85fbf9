"""The checkpoint at the end of `train`, put off where calls follow each other closely."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from estimax.core import TrainState
from estimax.training import Checkpointer

INTERVAL_SECONDS = 1.0
MARKER = ".unsaved"
_LONGEST_WAIT_SECONDS = 30.0


class DeferredSave:
    """Keeps the last state of short `train` calls and saves it a second later, before anybody asks, or when the process ends.

    `train(steps=1)` in a loop would otherwise cost a checkpoint a call. A file in the model_dir says so meanwhile, so that another object
    or process that looks for the latest checkpoint waits for it.

    Args:
        checkpoints: writes the state.
    """

    def __init__(self, checkpoints: Checkpointer):
        self._checkpoints = checkpoints
        self._lock = threading.RLock()
        self._pending: tuple[TrainState, Callable[[], dict[str, Any]]] | None = None
        self._timer: threading.Timer | None = None
        self._last: float | None = None
        self._marker = Path(checkpoints.directory) / MARKER
        self._registered = False

    def offer(self, state: TrainState, extra: Callable[[], dict[str, Any]]) -> bool:
        """Takes a state to save later; False if it is to be saved now, as the last time is long enough ago."""
        with self._lock:
            now, last = time.monotonic(), self._last
            if last is None or now - last >= INTERVAL_SECONDS:
                self._last = now
                return False
            if self._pending is None and not self._marker.exists():
                self._marker.write_text(str(os.getpid()))
            self._pending = state, extra
            self._at_exit()
            if self._timer is None:
                self._timer = threading.Timer(INTERVAL_SECONDS, self._on_timer)
                self._timer.daemon = True
                self._timer.start()
            return True

    def begin(self) -> None:
        """Called before training goes on: the step takes over the memory of the kept state, which the new end replaces."""
        with self._lock:
            if self._pending is not None and self._last is not None and time.monotonic() - self._last >= INTERVAL_SECONDS:
                self.flush()
            self._pending = None

    def flush(self) -> None:
        """Saves what is kept, and waits until all checkpoints are on disk."""
        with self._lock:
            pending, self._pending = self._pending, None
            if pending is not None:
                self._last = time.monotonic()
                state, extra = pending
                self._checkpoints.save(state, extra(), force=True)
        self._checkpoints.wait()  # not under the lock: training goes on meanwhile
        with self._lock:
            if pending is not None and self._pending is None:
                self._marker.unlink(missing_ok=True)

    def _on_timer(self) -> None:
        with self._lock:
            self._timer = None
        self.flush()

    def _at_exit(self) -> None:
        if self._registered:
            return
        self._registered = True
        kept = weakref.ref(self)

        def at_exit() -> None:
            saver = kept()
            if saver is not None:
                saver.flush()

        # Not `atexit`: its functions run when thread pools, which write checkpoints, have ended already.
        register = getattr(threading, "_register_atexit", None)
        if register is not None:
            register(at_exit)
        else:
            import atexit

            atexit.register(at_exit)


def wait_for_deferred(model_dir: str | os.PathLike) -> None:
    """Waits until what another object or process keeps for saving is on disk; what a dead process kept is given up."""
    marker = Path(model_dir) / MARKER
    until = time.monotonic() + _LONGEST_WAIT_SECONDS
    while time.monotonic() < until:
        try:
            os.kill(int(marker.read_text()), 0)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError):
            marker.unlink(missing_ok=True)
            return
        time.sleep(0.02)
