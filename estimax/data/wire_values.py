"""The values of features that `wire_columns` found: of all messages, joined."""

from __future__ import annotations

import numpy as np

from estimax.data import wire
from estimax.data.wire_buffer import Joined, ranges, within
from estimax.data.wire_layout import LENGTH

SHORT = 32  # text up to this length comes as an array of fixed width
FEW = 8

_BYTE = np.uint64(8)
_LOW_BITS = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [2**64 - 1], np.uint64)
_CONTINUED = np.uint64(0x8080808080808080)


def lone_floats(data: Joined, first: np.ndarray) -> np.ndarray:
    """One float from each place. Any shape, and that of the result."""
    return data.words(first)[0].astype(np.uint32).view(np.float32)


def lone_integers(data: Joined, first: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One number of up to 10 bytes from each place, and which are such numbers. Any shape, and that of the results."""
    if (size == 1).all():
        value = data.bytes.take(first)
        return value.astype(np.int64), value < 0x80
    low, high = data.words(first, 2)
    held = np.minimum(size, 8)
    one = np.where(size <= 8, low & _LOW_BITS.take(held), low)
    rest = _LOW_BITS.take(np.clip(size - 8, 0, 8)) & high
    value = np.zeros(first.shape, np.uint64)
    for i in range(8):
        value |= (one & np.uint64(0x7F << (8 * i))) >> np.uint64(i)
    value |= (rest & np.uint64(0x7F)) << np.uint64(56)
    value |= (rest & np.uint64(0x7F00)) << np.uint64(55)
    # All bytes but the last are marked as continued.
    marks = _CONTINUED & _LOW_BITS.take(np.clip(size - 1, 0, 8))
    more = _CONTINUED & _LOW_BITS.take(np.clip(size - 9, 0, 8))
    good = (size > 0) & (size <= 10) & ((one & _CONTINUED) == marks) & ((rest & _CONTINUED) == more)
    return value.view(np.int64), good


def short_texts(data: Joined, first: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """Texts of up to SHORT bytes as an array of fixed width, of the shape of `first`.

    Such an array can't tell zero bytes at the end of a value from its own padding: None if there is such a value.
    """
    longest = int(size.max(initial=0))
    last = data.bytes.take(first + size - 1)
    if longest > SHORT or ((last == 0) & (size > 0)).any():
        return None
    count = max(1, -(-longest // 8))
    out = np.empty((*first.shape, count), "<u8")
    for i, word in enumerate(data.words(first, count)):
        held = size if count == 1 else np.clip(size - 8 * i, 0, 8)
        np.bitwise_and(word, _LOW_BITS.take(held), out=out[..., i])
    return out.view(f"S{8 * count}")[..., 0]


def texts(data: Joined, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Texts at some places: an array of fixed width if all of it is short, else of objects. Shape `[places]`."""
    size = last - first
    if int(size.max(initial=0)) <= SHORT:
        short = short_texts(data, first, size)
        if short is not None:
            return short
    out = np.empty(len(first), object)
    text = data.text
    out[:] = [text[a:b] for a, b in zip(first.tolist(), last.tolist())]
    return out


def list_values(data: Joined, kind: int, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of lists.

    Args:
        kind: of all of them.
        start, stop: where they are. Shape `[lists]`.

    Returns:
        How many values each list has, all values, and which lists are not in the usual encoding (their counts are 0).
    """
    if kind == wire.BYTES:
        counts, first, last, bad = _texts_of(data, start, stop)
        return counts, texts(data, first, last), bad
    size, at, good = data.lengths(start + 1)
    empty = start == stop
    fine = good & (data.bytes[start] == LENGTH) & (at + size == stop) & ~empty
    if kind == wire.FLOAT:
        fine &= size % 4 == 0
    else:
        fine &= (size > 0) & (data.bytes[np.where(fine, stop, 1) - 1] < 0x80)
    at, size = np.where(fine, at, 0), np.where(fine, size, 0)
    bad = ~(fine | empty)
    if kind == wire.FLOAT:
        return size >> 2, _floats(data, at, size), bad
    return _integers(data, at, size, bad)


def _floats(data: Joined, at: np.ndarray, size: np.ndarray) -> np.ndarray:
    if not len(at):
        return np.zeros(0, np.float32)
    if (size == size[0]).all():
        return data.rows(at, int(size[0])).view("<f4").ravel() if size[0] else np.zeros(0, np.float32)
    return lone_floats(data, np.repeat(at, size >> 2) + 4 * within(size >> 2))


def _integers(data: Joined, at: np.ndarray, size: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    raw = data.bytes[ranges(at, size)]
    ends = raw < 0x80
    last = np.flatnonzero(ends)
    bounds, before = np.r_[0, np.cumsum(size)], np.r_[0, np.cumsum(ends)]
    counts = before[bounds[1:]] - before[bounds[:-1]]
    if not len(last):
        return counts, np.zeros(0, np.int64), bad
    first = np.r_[0, last[:-1] + 1]
    digits = last - first + 1
    if len(last) == len(raw):
        return counts, raw.astype(np.int64), bad
    if int(digits.max()) > 10:
        bad = bad.copy()
        bad[np.repeat(np.arange(len(at)), counts)[digits > 10]] = True
        size = np.where(bad, 0, size)
        return _integers(data, at, size, bad)
    place = np.arange(len(raw)) - np.repeat(first, digits)
    parts = (raw & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return counts, np.bitwise_or.reduceat(parts, first).view(np.int64), bad


def _texts_of(data: Joined, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How many texts each list has, where they are, and which lists are not in the usual encoding."""
    counts, bad = np.zeros(len(start), np.int64), np.zeros(len(start), bool)
    found, rounds = [], 0
    lists = np.flatnonzero(start < stop)
    at, end = start[lists], stop[lists]
    while len(lists):
        if rounds > 32 and len(lists) < FEW:
            bad[lists] = True
            break
        size, first, good = data.lengths(at + 1)
        last = first + size
        fine = good & (data.bytes[at] == LENGTH) & (last <= end)
        if not fine.all():
            bad[lists[~fine]] = True
            lists, first, last, end = lists[fine], first[fine], last[fine], end[fine]
        found.append((lists, first, last))
        counts[lists] += 1
        more = last < end
        lists, at, end, rounds = lists[more], last[more], end[more], rounds + 1
    if not found:
        none = np.zeros(0, np.int64)
        return counts, none, none, bad
    owner, first, last = (np.concatenate(parts) for parts in zip(*found))
    if len(found) > 1:
        order = np.argsort(owner, kind="stable")
        owner, first, last = owner[order], first[order], last[order]
    if bad.any():
        keep = ~bad[owner]
        first, last = first[keep], last[keep]
        counts[bad] = 0
    return counts, first, last, bad
