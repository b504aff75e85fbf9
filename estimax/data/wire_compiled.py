"""The loops of `wire_columns` compiled by numba (the extra `fast`), for the same results several times faster.

Without numba everything works as it does with it. A message that is not in the usual encoding is marked slow here too, and
read by `wire`.
"""

from __future__ import annotations

import functools
import types
from typing import Any, NamedTuple

import numpy as np


class Compiled(NamedTuple):
    """The compiled functions."""

    scan: Any
    floats: Any
    integers: Any
    texts: Any
    copy_text: Any


@functools.cache
def compiled() -> Compiled | None:
    """The compiled functions, or None without numba. The first call compiles, or reads what an earlier process compiled."""
    try:
        import numba
    except ImportError:
        return None
    jit = numba.njit(cache=True, nogil=True)

    length = jit(_length)
    # A compiled function finds the others it calls among its globals: each is bound to those made here.
    scope = {"_length": length, "np": np}
    return Compiled(
        *(
            jit(types.FunctionType(f.__code__, {**f.__globals__, **scope}, f.__name__))
            for f in (scan, floats, integers, texts, copy_text)
        )
    )


def _length(data: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """A number of up to four bytes and where it ends; -1 if it is not one."""
    value = 0
    for i in range(4):
        if at + i >= end:
            return -1, at
        byte = int(data[at + i])
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    return -1, at


def scan(
    data: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    keys: np.ndarray,
    key_starts: np.ndarray,
    slow: np.ndarray,
    kinds: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
) -> None:
    """Finds the wanted features of every message.

    Args:
        data, starts, ends: the messages.
        keys, key_starts: the wanted names joined, and where each starts (and the last one ends).
        slow: filled with which messages are left to `wire`. Shape `[messages]`.
        kinds, first, last: filled with kind and list of every feature; -1 where absent. Shapes `[keys, messages]`.
    """
    wanted = len(key_starts) - 1
    for m in range(len(starts)):
        at, end = starts[m], ends[m]
        if at == end:
            continue
        size, inner = _length(data, at + 1, end)
        if data[at] != 0x0A or size < 0 or inner + size != end:
            slow[m] = True
            continue
        at, guess = inner, 0
        while at < end:
            size, entry = _length(data, at + 1, end)
            stop = entry + size
            if data[at] != 0x0A or size < 4 or stop > end or data[entry] != 0x0A or data[entry + 1] >= 0x80:
                slow[m] = True
                break
            name, name_size = entry + 2, int(data[entry + 1])
            after = name + name_size
            if after >= stop or data[after] != 0x12:
                slow[m] = True
                break
            size, value = _length(data, after + 1, stop)
            if size < 0 or value + size != stop:
                slow[m] = True
                break
            found = -1
            for tried in range(wanted):
                key = guess + tried
                if key >= wanted:
                    key -= wanted
                a = key_starts[key]
                if key_starts[key + 1] - a != name_size:
                    continue
                same = True
                for i in range(name_size):
                    if data[name + i] != keys[a + i]:
                        same = False
                        break
                if same:
                    found = key
                    break
            if found >= 0:
                guess = found + 1
                if kinds[found, m] != -1:
                    slow[m] = True
                    break
                if value == stop:
                    kinds[found, m] = 0
                else:
                    tag = data[value]
                    size, inner = _length(data, value + 1, stop)
                    if (tag != 0x0A and tag != 0x12 and tag != 0x1A) or size < 0 or inner + size != stop:
                        slow[m] = True
                        break
                    kinds[found, m] = tag >> 3
                    first[found, m] = inner
                    last[found, m] = stop
            at = stop


def floats(data: np.ndarray, start: np.ndarray, stop: np.ndarray, counts: np.ndarray, at: np.ndarray) -> None:
    """How many floats each list has (-1: not the usual encoding), and where they are."""
    for i in range(len(start)):
        counts[i] = 0
        if start[i] == stop[i]:
            continue
        size, inner = _length(data, start[i] + 1, stop[i])
        good = data[start[i]] == 0x0A and size >= 0 and inner + size == stop[i] and size % 4 == 0
        counts[i] = size // 4 if good else -1
        at[i] = inner


def integers(data: np.ndarray, start: np.ndarray, stop: np.ndarray, counts: np.ndarray, out: np.ndarray) -> int:
    """How many integers each list has (-1: not the usual encoding), and the integers; returns how many in all."""
    n = 0
    for i in range(len(start)):
        counts[i] = 0
        if start[i] == stop[i]:
            continue
        size, at = _length(data, start[i] + 1, stop[i])
        if data[start[i]] != 0x0A or size <= 0 or at + size != stop[i] or data[stop[i] - 1] >= 0x80:
            counts[i] = -1
            continue
        before = n
        while at < stop[i]:
            value, shift = np.uint64(0), 0
            while data[at] >= 0x80 and shift < 63:
                value |= np.uint64(data[at] & 0x7F) << np.uint64(shift)
                shift += 7
                at += 1
            if data[at] >= 0x80:
                counts[i] = -1
                break
            value |= np.uint64(data[at]) << np.uint64(shift)
            at += 1
            out[n] = np.int64(value)
            n += 1
        if counts[i] == -1:
            n = before
        else:
            counts[i] = n - before
    return n


def texts(data: np.ndarray, start: np.ndarray, stop: np.ndarray, counts: np.ndarray, first: np.ndarray, last: np.ndarray) -> int:
    """How many texts each list has (-1: not the usual encoding), and where they are; returns how many in all."""
    n = 0
    for i in range(len(start)):
        at, before = start[i], n
        counts[i] = 0
        while at < stop[i]:
            size, inner = _length(data, at + 1, stop[i])
            if data[at] != 0x0A or size < 0 or inner + size > stop[i]:
                counts[i] = -1
                break
            first[n] = inner
            last[n] = inner + size
            n += 1
            at = inner + size
        if counts[i] == -1:
            n = before
        else:
            counts[i] = n - before
    return n


def copy_text(data: np.ndarray, start: np.ndarray, stop: np.ndarray, out: np.ndarray) -> bool:
    """Copies texts to the rows of a zeroed array; False if one ends with a zero byte."""
    for i in range(len(start)):
        size = stop[i] - start[i]
        if size and data[stop[i] - 1] == 0:
            return False
        for j in range(size):
            out[i, j] = data[start[i] + j]
    return True
