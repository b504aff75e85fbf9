"""Large pages of memory for large tables.

A step that looks up rows of a table at random finds each in another page of memory. With pages of 4 KB the processor spends more time on
finding out where a page lies than on reading the row; with pages of 2 MB it knows them all. Linux gives such pages to programs that ask.

Reference: Linux, Documentation/admin-guide/mm/transhuge.rst; madvise(2), MADV_HUGEPAGE and MADV_COLLAPSE (Linux 6.1).
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterable

import jax

PAGE = 2**21
# Tables below this fit into what the processor remembers of small pages, and into its caches.
LEAST_BYTES = 2**26
_HUGE_PAGE, _COLLAPSE = 14, 25
_BYTES_PER_CALL = 2**25  # so that the process may end, and others may change its memory, in between


def use_huge_pages(arrays: Iterable[jax.Array]) -> threading.Thread | None:
    """Asks for large pages for the memory of large arrays on a CPU, in a thread: the contents are copied once, about a GB in 3 seconds.

    It is advice: where the system can't follow it nothing happens, and nothing else changes.

    Args:
        arrays: that are kept in place for long.

    Returns:
        The thread; None if there is nothing to do.
    """
    if not sys.platform.startswith("linux"):
        return None
    ranges = [r for a in arrays for r in _ranges(a)]
    if not ranges:
        return None
    try:
        advise = ctypes.CDLL(None, use_errno=True).madvise
    except (OSError, AttributeError):
        return None
    advise.argtypes, advise.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int], ctypes.c_int

    def work() -> None:
        for start, end in ranges:
            # An array that was freed meanwhile is no longer mapped: then the call fails and does nothing.
            if advise(start, end - start, _HUGE_PAGE) != 0:
                return
            for at in range(start, end, _BYTES_PER_CALL):
                if advise(at, min(_BYTES_PER_CALL, end - at), _COLLAPSE) != 0:
                    break

    thread = threading.Thread(target=work, name="estimax-huge-pages", daemon=True)
    thread.start()
    return thread


def _ranges(array: jax.Array) -> list[tuple[int, int]]:
    """The whole large pages in the memory of an array's parts."""
    found = []
    for shard in array.addressable_shards:
        if shard.device.platform != "cpu" or shard.data.nbytes < LEAST_BYTES:
            continue
        start = shard.data.unsafe_buffer_pointer()
        found.append((-(-start // PAGE) * PAGE, (start + shard.data.nbytes) // PAGE * PAGE))
    return found
