"""Many messages in one buffer, with reads at many places at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PADDING = 128  # zeros after the last message: what is read past its end

_SEVEN = np.uint64(7)
_ONE = np.uint64(1)
_LAST = np.uint64(63)


class Joined:
    """Messages in one buffer. A read that starts inside and takes up to `PADDING` bytes stays inside.

    Args:
        records: the messages.

    Attributes:
        text, bytes: the buffer.
        starts, ends: where each message is. Shape `[messages]`.
    """

    def __init__(self, records: Sequence[bytes]):
        lengths = np.fromiter(map(len, records), np.int64, len(records))
        self.ends = np.cumsum(lengths)
        self.starts = self.ends - lengths
        size = int(self.ends[-1]) if len(records) else 0
        self.text = b"".join([*records, bytes(PADDING + -size % 8)])
        self.bytes = np.frombuffer(self.text, np.uint8)
        self._aligned = self.bytes.view("<u8")

    def words(self, at: np.ndarray, count: int = 1) -> list[np.ndarray]:
        """The `count` words of eight bytes from each place, each word with the shape of `at`, uint64.

        A word is put together from the two aligned ones that it lies in: NumPy gathers aligned words several times faster
        than others.
        """
        first = at >> 3
        shift = (at.view(np.uint64) & _SEVEN) << np.uint64(3)
        rest = _LAST - shift
        out = []
        low = self._aligned.take(first)
        for _ in range(count):
            first += 1
            high = self._aligned.take(first)
            word = low >> shift
            low = high.copy() if count > 1 else high
            high <<= _ONE
            high <<= rest
            word |= high
            out.append(word)
        return out

    def rows(self, at: np.ndarray, width: int) -> np.ndarray:
        """`width` bytes from each place. Shape `[places, width]`."""
        every = np.ndarray((len(self.bytes) - width + 1,), f"V{width}", self.text, strides=(1,))
        return every[at].view(np.uint8).reshape(-1, width)

    def lengths(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of up to four bytes: values, where they end, and which are such numbers."""
        first = self.bytes[at]
        if not (first & 0x80).any():
            return first.astype(np.int64), at + 1, np.ones(len(at), bool)
        word = self.words(at)[0].view(np.int64) & 0xFFFFFFFF
        two, three, four = word & 0x80, word & 0x8000, word & 0x800000
        count = 1 + (two > 0) + ((two > 0) & (three > 0)) + ((two > 0) & (three > 0) & (four > 0))
        word &= (1 << (8 * count)) - 1
        value = (word & 0x7F) | (word & 0x7F00) >> 1 | (word & 0x7F0000) >> 2 | (word & 0x7F000000) >> 3
        return value, at + count, (word < 0x80000000) | (count < 4)


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`concat(arange(s, s + n))` of all pairs."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def within(counts: np.ndarray) -> np.ndarray:
    """0, 1, ... for each count, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
