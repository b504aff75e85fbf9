"""The usual encoding of many Examples read side by side, with array operations instead of a loop over messages.

All messages are joined; a number of arrays hold, for every message (and further down for every feature of every message),
where it starts and ends. One pass over these arrays does the work of one step of a parser in all messages at once. Whatever
is not in the usual encoding - unknown fields, lists that are not packed, repeated keys, broken messages - marks its message as
slow, and `wire` reads that one. So every result is either that of `wire`, or plainly the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.data import wire
from estimax.data.wire_compiled import Compiled, compiled

PADDING = 16
SHORT = 32  # text up to this length comes as an array of fixed width
FEW = 8  # when so few messages are left in a loop, they are left to `wire`

LENGTH, KEY_TAG, VALUE_TAG = 0x0A, 0x0A, 0x12
_LOW_BITS = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [2**64 - 1], np.uint64)


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`concat(arange(s, s + n))` of all pairs."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


class Joined:
    """Messages in one buffer, with reads at many places at once. Every read stays inside, as the end is padded."""

    def __init__(self, records: Sequence[bytes]):
        self.text = b"".join([*records, bytes(PADDING + SHORT)])
        self.bytes = np.frombuffer(self.text, np.uint8)
        lengths = np.fromiter(map(len, records), np.int64, len(records))
        self.ends = np.cumsum(lengths)
        self.starts = self.ends - lengths

    def rows(self, at: np.ndarray, width: int) -> np.ndarray:
        """`width` bytes from each place. Shape `[places, width]`."""
        every = np.ndarray((len(self.bytes) - width + 1,), f"V{width}", self.text, strides=(1,))
        return every[at].view(np.uint8).reshape(-1, width)

    def words(self, at: np.ndarray) -> np.ndarray:
        """Eight bytes from each place as one number. Shape `[places]`, uint64."""
        return self.rows(at, 8).view("<u8").ravel()

    def lengths(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of up to four bytes: values, where they end, and which are such numbers."""
        first = self.bytes[at]
        if not (first & 0x80).any():
            return first.astype(np.int64), at + 1, np.ones(len(at), bool)
        word = self.rows(at, 4).view("<u4").ravel().astype(np.int64)
        two, three, four = word & 0x80, word & 0x8000, word & 0x800000
        count = 1 + (two > 0) + ((two > 0) & (three > 0)) + ((two > 0) & (three > 0) & (four > 0))
        word &= (1 << (8 * count)) - 1
        value = (word & 0x7F) | (word & 0x7F00) >> 1 | (word & 0x7F0000) >> 2 | (word & 0x7F000000) >> 3
        return value, at + count, (word < 0x80000000) | (count < 4)


class Fast:
    """The wanted features of all messages in the usual encoding.

    Args:
        records: serialized Examples.
        keys: the wanted feature names.

    Attributes:
        slow: which messages are left to `wire`. Shape `[messages]`, bool.
        owner, key, kind, start, stop: of every wanted feature found, by key and then by message: its message, its key's
            number, its kind, and where its list is.
    """

    def __init__(self, records: Sequence[bytes], keys: list[bytes]):
        self.data, self.keys = Joined(records), keys
        self.size = len(records)
        self.slow = np.zeros(self.size, bool)
        self._loops = compiled()
        if self._loops is not None:
            self._scan(self._loops)
            return
        start, stop = self._features()
        owner, step, start, stop = self._entries(start, stop)
        owner, key, start, stop = self._keys(owner, step, start, stop)
        self._kinds(owner, key, start, stop)

    def _scan(self, loops: Compiled) -> None:
        """All of what follows, in one compiled loop."""
        shape = (len(self.keys), self.size)
        kinds, first, last = np.full(shape, -1, np.int8), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        names = np.frombuffer(b"".join([*self.keys, b"\0"]), np.uint8)
        starts = np.cumsum([0, *(len(key) for key in self.keys)])
        data = self.data
        loops.scan(data.bytes, data.starts, data.ends, names, starts, self.slow, kinds, first, last)
        place = np.flatnonzero(kinds.ravel() >= 0)
        self.owner, self.key = place % max(self.size, 1), place // max(self.size, 1)
        self.kind = kinds.ravel()[place].astype(np.int64)
        self.start, self.stop = first.ravel()[place], last.ravel()[place]

    def _features(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the one Features message of each Example is."""
        data = self.data
        empty = data.starts == data.ends
        size, start, good = data.lengths(data.starts + 1)
        fine = good & (data.bytes[data.starts] == LENGTH) & (start + size == data.ends)
        self.slow |= ~(fine | empty)
        return np.where(fine & ~empty, start, 0), np.where(fine & ~empty, data.ends, 0)

    def _entries(self, at: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, ...]:
        """Every entry of the maps: its message, its number there, where it is."""
        data, found = self.data, []
        lanes = np.flatnonzero(at < end)
        at, end, step = at[lanes], end[lanes], 0
        while len(lanes):
            if len(lanes) < min(FEW, self.size):
                self.slow[lanes] = True
                break
            size, start, good = data.lengths(at + 1)
            stop = start + size
            fine = good & (data.bytes[at] == LENGTH) & (stop <= end)
            if not fine.all():
                self.slow[lanes[~fine]] = True
                lanes, start, stop, end = lanes[fine], start[fine], stop[fine], end[fine]
            found.append((lanes, np.full(len(lanes), step), start, stop))
            more = stop < end
            lanes, at, end = (lanes, stop, end) if more.all() else (lanes[more], stop[more], end[more])
            step += 1
        if not found:
            none = np.zeros(0, np.int64)
            return none, none, none, none
        return tuple(np.concatenate(parts) for parts in zip(*found))

    def _keys(self, owner: np.ndarray, step: np.ndarray, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, ...]:
        """The entries with wanted keys, and the place of their values."""
        data = self.data
        size = data.bytes[start + 1].astype(np.int64)
        key_start, key_stop = start + 2, start + 2 + size
        inside = (data.bytes[start] == KEY_TAG) & (size < 0x80) & (key_stop < stop)
        safe = np.where(inside, key_stop, 0)
        value_size, value_start, good = data.lengths(safe + 1)
        fine = inside & good & (data.bytes[safe] == VALUE_TAG) & (value_start + value_size == stop)
        self.slow[owner[~fine]] = True
        number = self._numbers(step, key_start, size, fine)
        keep = number >= 0
        owner, number, value_start, stop = owner[keep], number[keep], value_start[keep], stop[keep]
        place = number * self.size + owner
        if len(place) > 1 and not (place[1:] > place[:-1]).all():
            order = np.argsort(place, kind="stable")
            owner, number, value_start, stop, place = (part[order] for part in (owner, number, value_start, stop, place))
            self.slow[owner[1:][place[1:] == place[:-1]]] = True  # a repeated key
        return owner, number, value_start, stop

    def _numbers(self, step: np.ndarray, at: np.ndarray, size: np.ndarray, fine: np.ndarray) -> np.ndarray:
        """The number of each entry's key among the wanted ones, or -1.

        Messages of one writer mostly have their keys in one order: entries with the same number in their message are compared
        with one of them, all at once; what differs is compared in further rounds.
        """
        number = np.full(len(at), -1)
        if not len(at):
            return number
        data, wanted = self.data, {key: i for i, key in enumerate(self.keys)}
        words = [data.words(at) & _LOW_BITS[np.minimum(size, 8)]]
        for j in range(1, -(-int(size[fine].max(initial=0)) // 8)):
            here = np.clip(size - 8 * j, 0, 8)
            words.append(data.words(np.minimum(at + 8 * j, len(data.bytes) - PADDING)) & _LOW_BITS[here])
        bounds = np.flatnonzero(np.r_[True, step[1:] != step[:-1]])
        group = np.repeat(np.arange(len(bounds)), np.diff(np.r_[bounds, len(step)]))

        def key_of(i: int) -> int:
            return wanted.get(data.text[at[i] : at[i] + size[i]], -1) if fine[i] else -1

        same = fine & fine[bounds][group] & (size == size[bounds][group])
        for word in words:
            same &= word == word[bounds][group]
        ids = np.array([key_of(i) for i in bounds.tolist()])
        number = np.where(same, ids[group], -1)
        left = np.flatnonzero(fine & ~same)
        for _ in range(64):
            if not len(left):
                return number
            like = left[0]
            same = size[left] == size[like]
            for word in words:
                same &= word[left] == word[like]
            number[left[same]] = key_of(int(like))
            left = left[~same]
        for i in left.tolist():  # more than 64 different keys out of order
            number[i] = key_of(i)
        return number

    def _kinds(self, owner: np.ndarray, key: np.ndarray, start: np.ndarray, stop: np.ndarray) -> None:
        """The kind of each feature and where its list is."""
        data = self.data
        tag = data.bytes[start]
        empty = start == stop
        size, list_start, good = data.lengths(start + 1)
        fine = good & ((tag == 0x0A) | (tag == 0x12) | (tag == 0x1A)) & (list_start + size == stop) & ~empty
        self.slow[owner[~(fine | empty)]] = True
        self.owner, self.key, self.start, self.stop = owner, key, list_start, np.where(fine, stop, list_start)
        self.kind = np.where(fine, (tag >> 3).astype(np.int64), 0)

    def values(self, kind: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | np.ndarray]:
        """All values of a kind: the features they belong to, how many each has, and the values (of text, where they are)."""
        lanes = np.flatnonzero((self.kind == kind) & ~self.slow[self.owner])
        if self._loops is not None:
            counts, values = self._compiled_values(self._loops, lanes, kind)
        else:
            counts, values = self._text(lanes) if kind == wire.BYTES else self._numbers_of(lanes, kind)
        fine = ~self.slow[self.owner[lanes]]
        if not fine.all():  # found to be slow just now
            keep = np.repeat(fine, counts)
            values = tuple(v[keep] for v in values) if isinstance(values, tuple) else values[keep]
            lanes, counts = lanes[fine], counts[fine]
        return lanes, counts, values

    def _compiled_values(self, loops: Compiled, lanes: np.ndarray, kind: int) -> tuple[np.ndarray, Any]:
        data, start, stop = self.data, self.start[lanes], self.stop[lanes]
        counts = np.zeros(len(lanes), np.int64)
        room = int((stop - start).sum())  # no value takes less than a byte
        values: Any
        if kind == wire.FLOAT:
            at = np.zeros(len(lanes), np.int64)
            loops.floats(data.bytes, start, stop, counts, at)
            held = np.maximum(counts, 0)
            values = data.rows(np.repeat(at, held) + 4 * _within(held), 4).view("<f4").ravel()
        elif kind == wire.INT64:
            numbers = np.zeros(room, np.int64)
            values = numbers[: loops.integers(data.bytes, start, stop, counts, numbers)]
        else:
            first, last = np.zeros(room, np.int64), np.zeros(room, np.int64)
            n = loops.texts(data.bytes, start, stop, counts, first, last)
            values = (first[:n], last[:n])
        bad = counts < 0
        if bad.any():
            self.slow[self.owner[lanes[bad]]] = True
            counts[bad] = 0
        return counts, values

    def _numbers_of(self, lanes: np.ndarray, kind: int) -> tuple[np.ndarray, np.ndarray]:
        data, start, stop = self.data, self.start[lanes], self.stop[lanes]
        empty = start == stop
        size, at, good = data.lengths(start + 1)
        fine = good & (data.bytes[start] == LENGTH) & (at + size == stop)
        if kind == wire.FLOAT:
            fine &= size % 4 == 0
        else:
            fine &= (size > 0) & (data.bytes[np.where(fine, stop, 1) - 1] < 0x80)
        self.slow[self.owner[lanes[~(fine | empty)]]] = True
        at, size = np.where(fine, at, 0), np.where(fine, size, 0)
        if kind == wire.FLOAT:
            counts = size >> 2
            places = at if (counts == 1).all() else np.repeat(at, counts) + 4 * _within(counts)
            return counts, data.rows(places, 4).view("<f4").ravel()
        return self._varints(lanes, at, size)

    def _varints(self, lanes: np.ndarray, at: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        data = self.data
        single = data.bytes[at].astype(np.int64)
        if (size == 1).all():
            return size, single
        raw = data.bytes[ranges(at, size)]
        ends = raw < 0x80
        last = np.flatnonzero(ends)
        first = np.r_[0, last[:-1] + 1] if len(last) else last
        digits = last - first + 1
        bounds = np.r_[0, np.cumsum(size)]
        before = np.r_[0, np.cumsum(ends)]
        counts = before[bounds[1:]] - before[bounds[:-1]]
        if len(digits) and int(digits.max()) > 10:
            bad = np.repeat(np.arange(len(lanes)), counts)[digits > 10]
            self.slow[self.owner[lanes[bad]]] = True
        if not len(last):
            return counts, np.zeros(0, np.int64)
        place = np.minimum(np.arange(len(raw)) - np.repeat(first, digits), 9)
        parts = (raw & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
        return counts, np.bitwise_or.reduceat(parts, first).view(np.int64)

    def _text(self, lanes: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        data, found = self.data, []
        counts = np.zeros(len(lanes), np.int64)
        active = np.flatnonzero(self.start[lanes] < self.stop[lanes])
        at, end, rounds = self.start[lanes[active]], self.stop[lanes[active]], 0
        while len(active):
            if rounds > 32 and len(active) < FEW:
                self.slow[self.owner[lanes[active]]] = True
                break
            size, start, good = data.lengths(at + 1)
            stop = start + size
            fine = good & (data.bytes[at] == LENGTH) & (stop <= end)
            if not fine.all():
                self.slow[self.owner[lanes[active[~fine]]]] = True
                active, start, stop, end = active[fine], start[fine], stop[fine], end[fine]
            found.append((active, start, stop))
            counts[active] += 1
            more = stop < end
            active, at, end, rounds = active[more], stop[more], end[more], rounds + 1
        if not found:
            none = np.zeros(0, np.int64)
            return counts, (none, none)
        if len(found) == 1:
            return counts, (found[0][1], found[0][2])
        lane, start, stop = (np.concatenate(parts) for parts in zip(*found))
        order = np.argsort(lane, kind="stable")
        return counts, (start[order], stop[order])

    def text_array(self, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Text at some places: an array of fixed width if all of it is short, else of objects.

        A fixed-width array can't tell zero bytes at the end of a value from its own padding, so such values stay objects.
        """
        size = stop - start
        width = int(size.max(initial=0))
        if 0 < width <= SHORT and self._loops is not None:
            copied = np.zeros((len(size), width), np.uint8)
            if self._loops.copy_text(self.data.bytes, start, stop, copied):
                return copied.view(f"S{width}").ravel()
        elif 0 < width <= SHORT:
            rows = self.data.rows(start, width)
            if int(size.min()) < width:
                rows = np.where(np.arange(width) < size[:, None], rows, np.uint8(0))
            ends = rows[np.arange(len(size)), size - 1]  # of an empty value that is the row's last byte, a 0
            if ((ends != 0) | (size == 0)).all():
                return np.ascontiguousarray(rows).view(f"S{width}").ravel()
        out = np.empty(len(size), object)
        text = self.data.text
        out[:] = [text[a:b] for a, b in zip(start.tolist(), stop.tolist())]
        return out


def _within(counts: np.ndarray) -> np.ndarray:
    """0, 1, ... for each count, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
