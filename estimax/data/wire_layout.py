"""What stands around the values in Examples of one writer, so that many entries are checked by comparing a few words each."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence

import numpy as np

from estimax.data.wire_buffer import PADDING, Joined

LENGTH, KEY_TAG, VALUE_TAG = 0x0A, 0x0A, 0x12
LONGEST_KEY = PADDING - 24

_MOST_BITS = 14  # of a table of keys by their hash


def as_words(texts: Sequence[bytes], count: int) -> np.ndarray:
    """Texts as words of eight bytes, zeros after them. Shape `[texts, count]`, uint64."""
    return np.frombuffer(b"".join(text.ljust(8 * count, b"\0") for text in texts), "<u8").reshape(-1, count)


class Layout:
    """What stands around the values of each feature.

    An entry is `0A E 0A K key 12 F tag L 0A P values`, where the single bytes E, K, F, L, P count what follows them: of these
    only E varies, and the others follow from it and the key.

    Args:
        keys: feature names, all different, none longer than LONGEST_KEY.
        kinds: of each, the kind it probably has.

    Attributes:
        size: of each key. Shape `[keys]`.
        head: how many bytes of an entry come before the values. Shape `[keys]`.
    """

    def __init__(self, keys: Sequence[bytes], kinds: Sequence[int]):
        self.size = np.array([len(key) for key in keys], np.int64)
        self.head = self.size + 10
        self.number = {key: i for i, key in enumerate(keys)}
        self.kinds = np.array(kinds, np.int64)
        words = -(-int(self.head.max()) // 8)
        known, growth = np.zeros((2, len(keys), 8 * words), np.int64)
        for i, (key, kind) in enumerate(zip(keys, kinds)):
            n = len(key)
            known[i, : n + 10] = [LENGTH, 0, KEY_TAG, n, *key, VALUE_TAG, -(n + 4), kind << 3 | 2, -(n + 6), LENGTH, -(n + 8)]
            growth[i, [1, n + 5, n + 7, n + 9]] = 1
        # An entry's words less `known`, less E times `growth`, are 0 under `mask`. Shapes `[words, keys]`.
        self._known, self._growth = _as_sums(known), _as_sums(growth)
        self._mask = _ones(self.head, words)
        self._key_words = as_words(list(keys), -(-int(self.size.max()) // 8) or 1).T.copy()
        self._key_masks = _ones(np.arange(LONGEST_KEY + 1), len(self._key_words))

    def fits(self, data: Joined, at: np.ndarray, size: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Which entries are as expected of their keys.

        Args:
            at: where the entries start. Shape `[entries]` or `[keys, messages]`.
            size: the byte E of each.
            keys: the number of each entry's key, or of each row's.
        """
        rows = (len(keys), *(1,) * (at.ndim - 1))
        wrong, grown = np.zeros((), np.uint64), size.astype(np.uint64)
        for word, known, growth, mask in zip(data.words(at, len(self._known)), self._known, self._growth, self._mask):
            word -= known.take(keys).reshape(rows)
            word -= grown * growth.take(keys).reshape(rows)
            word &= mask.take(keys).reshape(rows)
            wrong = wrong | word
        return (wrong == 0) & (size >= (self.size.take(keys) + 8).reshape(rows)) & (size < 0x80)

    def has_key(self, data: Joined, at: np.ndarray, size: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Whether the key at each place is that with a number. All shapes `[entries]`."""
        same = size == self.size.take(keys)
        for words, word in zip(self._key_words, self._key_bytes(data, at, size)):
            same &= word == words.take(keys)
        return same

    def guesses(self, data: Joined, at: np.ndarray, size: np.ndarray) -> np.ndarray:
        """The number of the only key that may be at each place; any number if there is none. All shapes `[entries]`."""
        factors, table = self._table
        return table.take(self._hash(self._key_bytes(data, at, size), size, factors, table))

    def _key_bytes(self, data: Joined, at: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
        inside = np.minimum(size, LONGEST_KEY)
        return [word & mask.take(inside) for word, mask in zip(data.words(at, len(self._key_words)), self._key_masks)]

    @staticmethod
    def _hash(words: Sequence[np.ndarray], size: np.ndarray, factors: list[np.uint64], table: np.ndarray) -> np.ndarray:
        mixed = size.astype(np.uint64) * factors[-1]
        for word, factor in zip(words, factors):
            mixed = (mixed ^ (mixed >> np.uint64(29))) + word * factor
        return (mixed >> np.uint64(64 - (len(table).bit_length() - 1))).astype(np.int64)

    @functools.cached_property
    def _table(self) -> tuple[list[np.uint64], np.ndarray]:
        """Factors of a hash under which most keys (mostly all) have a place of their own, and the key at each place."""
        source, best, most = random.Random(0), None, -1
        bits = min(_MOST_BITS, 2 * len(self.size).bit_length() + 2)
        for _ in range(16):
            table = np.zeros(1 << bits, np.int64)
            factors = [np.uint64(source.getrandbits(64) | 1) for _ in range(len(self._key_words) + 1)]
            place = self._hash(list(self._key_words), self.size, factors, table)
            table[place] = np.arange(len(place))
            apart = len(np.unique(place))
            if apart > most:
                best, most = (factors, table), apart
            if most == len(place):
                break
        assert best is not None
        return best


def _as_sums(digits: np.ndarray) -> np.ndarray:
    """Numbers for each byte, some of them negative, as words that are added at once. Shape `[words, keys]`."""
    places = digits.reshape(len(digits), -1, 8).astype(np.uint64) << (8 * np.arange(8)).astype(np.uint64)
    return places.sum(2, dtype=np.uint64).T.copy()


def _ones(sizes: np.ndarray, words: int) -> np.ndarray:
    """Masks of the first so many bytes. Shape `[words, sizes]`."""
    bytes_ = (np.arange(8 * words) < sizes[:, None]) * np.uint8(0xFF)
    return np.ascontiguousarray(bytes_.astype(np.uint8)).view("<u8").T.copy()


@functools.lru_cache(maxsize=8)
def layout(keys: tuple[bytes, ...], kinds: tuple[int, ...]) -> Layout:
    """`Layout`, kept for the next batch of the same messages."""
    return Layout(keys, kinds)
