"""The usual encoding of many Examples read side by side, with array operations instead of a loop over messages.

The length of each entry leads to the next one, in all messages at once. What stands in an entry is then compared with what
`wire_layout` expects of its key, all entries together; those that differ are looked at once more, field by field. Whatever
is not in the usual encoding - unknown fields, lists that are not packed, repeated keys, broken messages - marks its message
as slow, and `wire` reads that one. So every result is either that of `wire`, or plainly the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimax.data import wire
from estimax.data.errors import DataLossError
from estimax.data.wire_buffer import PADDING, Joined
from estimax.data.wire_layout import KEY_TAG, LENGTH, LONGEST_KEY, VALUE_TAG, layout

FEW = 8  # when so few messages are left in a loop, they are left to `wire`

_NONE = np.zeros(0, np.int64)


class Found:
    """Where the wanted features of many messages are.

    Args:
        records: serialized Examples.
        wanted: the wanted feature names, and of each the kind it probably has.

    Attributes:
        row: of each wanted name, its row in the arrays below.
        slow: which messages are left to `wire`. Shape `[messages]`, bool.
        kinds: -1 for absent, 0 for no kind, or the kind. Shape `[rows, messages]`.
        first, last: where the values are if `plain`, else where the list is. Shape `[rows, messages]`.
        plain: whether the feature is one text or one packed list. Shape `[rows, messages]`.
    """

    def __init__(self, records: Sequence[bytes], wanted: dict[bytes, int]):
        self.data, self.size = Joined(records), len(records)
        self.slow = np.zeros(self.size, bool)
        start, stop = self._features()
        there = _usual(records[0]) if self.size else {}
        kinds = {key: kind or wanted.get(key, wire.BYTES) for key, kind in there.items()}
        steps = len(kinds)
        kinds |= {key: kind for key, kind in wanted.items() if key not in kinds and len(key) <= LONGEST_KEY}
        if any(len(key) > LONGEST_KEY for key in wanted):
            self.slow[:] = True
        self._layout = layout(tuple(kinds), tuple(kinds.values())) if kinds else layout((b"",), (wire.BYTES,))
        number = self._layout.number
        self.row = {key: i for i, key in enumerate(wanted)}
        self._row_of = np.full(max(len(number), 1), -1)
        for key, i in self.row.items():
            if key in number:
                self._row_of[number[key]] = i
        shape = (len(wanted), self.size)
        self.kinds, self.plain = np.full(shape, -1, np.int8), np.zeros(shape, bool)
        self.first, self.last = np.zeros((2, *shape), np.int64)
        like = self._alike(start, stop, steps)
        self._others(start, stop, np.flatnonzero((start < stop) & ~like & ~self.slow))

    def _features(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the one Features message of each Example is."""
        data = self.data
        empty = data.starts == data.ends
        size, start, good = data.lengths(data.starts + 1)
        fine = good & (data.bytes[data.starts] == LENGTH) & (start + size == data.ends) & ~empty
        self.slow |= ~(fine | empty)
        return np.where(fine, start, 0), np.where(fine, data.ends, 0)

    def _alike(self, start: np.ndarray, stop: np.ndarray, steps: int) -> np.ndarray:
        """Reads the messages that have the keys of the first one in its order, by their lengths; gives which these are."""
        if not steps:
            return np.zeros(self.size, bool)
        data, at = self.data, np.empty((steps + 1, self.size), np.int64)
        size = np.empty((steps, self.size), np.uint8)
        at[0] = start
        here = start + 1
        for step in range(steps):
            np.take(data.bytes, here, out=size[step], mode="clip")
            if size[step, 0] < 0x80:
                here = here + size[step]
                here += 2
            else:
                length, body, _ = data.lengths(np.minimum(here, len(data.bytes) - PADDING))
                size[step] = np.where(body == here + 1, length, 0)  # 0 is never as expected
                here = body + length
                here += 1
            np.subtract(here, 1, out=at[step + 1])
        like = (at[-1] == stop) & (size.max(0) < 0x80) & ~self.slow
        lanes = None
        if not like.all():
            lanes = np.flatnonzero(like)
            if not len(lanes):
                return like
            at, size = at[:, lanes], size[:, lanes]
        keys = np.arange(steps)
        fits = self._layout.fits(data, at[:-1], size, keys)
        rows = self._row_of[:steps]
        kept = np.flatnonzero(rows >= 0)
        target = rows[kept] if lanes is None else (rows[kept][:, None], lanes)
        self.kinds[target] = self._layout.kinds[kept][:, None]
        self.first[target] = at[kept] + self._layout.head[kept][:, None]
        self.last[target] = at[kept + 1]
        self.plain[target] = True
        if not fits.all():
            entry, lane = np.nonzero(~fits)
            owner = lane if lanes is None else lanes[lane]
            mine = rows[entry]
            self.kinds[mine[mine >= 0], owner[mine >= 0]] = -1
            self._by_field(owner, at[entry, lane], at[entry + 1, lane], entry)
        return like

    def _others(self, start: np.ndarray, stop: np.ndarray, lanes: np.ndarray) -> None:
        """Reads further messages: of any keys in any order."""
        data, found = self.data, []
        at, end = start[lanes], stop[lanes]
        while len(lanes):
            if len(lanes) < min(FEW, self.size):
                self.slow[lanes] = True
                break
            size, body, good = data.lengths(at + 1)
            after = body + size
            fine = good & (data.bytes[at] == LENGTH) & (after <= end)
            if not fine.all():
                self.slow[lanes[~fine]] = True
                lanes, at, after, end = lanes[fine], at[fine], after[fine], end[fine]
            found.append((lanes, at, after))
            more = after < end
            lanes, at, end = (lanes, after, end) if more.all() else (lanes[more], after[more], end[more])
        if not found:
            return
        owner, at, after = (np.concatenate(parts) for parts in zip(*found))
        keep = ~self.slow[owner]
        if not keep.all():
            owner, at, after = owner[keep], at[keep], after[keep]
        guess = self._layout.guesses(data, at + 4, data.bytes.take(at + 3))
        size = after - at - 2
        fits = self._layout.fits(data, at, size, guess)
        row = self._row_of.take(guess)
        mine = np.flatnonzero(fits & (row >= 0))
        key = guess[mine]
        self._put(row[mine], owner[mine], self._layout.kinds[key], at[mine] + self._layout.head[key], after[mine], True)
        odd = np.flatnonzero(~fits)
        self._by_field(owner[odd], at[odd], after[odd], guess[odd])

    def _by_field(self, owner: np.ndarray, at: np.ndarray, stop: np.ndarray, guess: np.ndarray) -> None:
        """Reads entries that are not as the layout has them; `guess` is the number of the key each probably has."""
        if not len(owner):
            return
        data = self.data
        _, start, good = data.lengths(at + 1)
        size = data.bytes[start + 1].astype(np.int64)
        key_stop = start + 2 + size
        inside = good & (data.bytes[at] == LENGTH) & (data.bytes[start] == KEY_TAG) & (size < 0x80) & (key_stop < stop)
        safe = np.where(inside, key_stop, 0)
        value_size, value, good = data.lengths(safe + 1)
        fine = inside & good & (data.bytes[safe] == VALUE_TAG) & (value + value_size == stop)
        self.slow[owner[~fine]] = True
        row = np.where(self._layout.has_key(data, start + 2, size, guess), self._row_of.take(guess), -2)
        left = np.flatnonzero(fine & (row == -2))
        if len(left):
            row[left] = self._rows_of(start[left] + 2, size[left])
        keep = np.flatnonzero(fine & (row >= 0))
        owner, row, value, stop = owner[keep], row[keep], value[keep], stop[keep]
        tag, empty = data.bytes[value], value == stop
        list_size, list_start, good = data.lengths(value + 1)
        fine = good & ((tag == 0x0A) | (tag == 0x12) | (tag == 0x1A)) & (list_start + list_size == stop) & ~empty
        self.slow[owner[~(fine | empty)]] = True
        self._put(row, owner, np.where(fine, tag >> 3, 0), list_start, np.where(fine, stop, list_start), False)

    def _rows_of(self, at: np.ndarray, size: np.ndarray) -> np.ndarray:
        """The rows of keys of which nothing is known."""
        guess = self._layout.guesses(self.data, at, size)
        row = np.where(self._layout.has_key(self.data, at, size, guess), self._row_of.take(guess), -2)
        for i in np.flatnonzero(row == -2).tolist():
            row[i] = self.row.get(self.data.text[at[i] : at[i] + size[i]], -1)
        return row

    def _put(
        self, row: np.ndarray, owner: np.ndarray, kind: np.ndarray, first: np.ndarray, last: np.ndarray, plain: bool
    ) -> None:
        """Notes features; messages with a repeated key are slow."""
        again = self.kinds[row, owner] >= 0
        self.kinds[row, owner], self.first[row, owner], self.last[row, owner] = kind, first, last
        self.plain[row, owner] = plain
        again |= self.first[row, owner] != first
        self.slow[owner[again]] = True


def _usual(record: bytes) -> dict[bytes, int]:
    """The keys of a message in their order, and the kind of each; empty if it is not in the usual encoding."""
    try:
        found = wire.example(record)
    except DataLossError:
        return {}
    return {key: kind for key, (kind, _) in found.items()} if all(len(key) <= LONGEST_KEY for key in found) else {}
