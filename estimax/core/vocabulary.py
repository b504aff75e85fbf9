"""Looking up strings and integers in a vocabulary: a hash table in NumPy arrays, built once, searched for a whole column at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from estimax.core.errors import InputDataError
from estimax.core.text import Text, edge_words, equal_strings

_U = np.uint64


class FingerprintTable:
    """From 64-bit fingerprints to their numbers 0, 1, 2, ...: open addressing with linear probing.

    Args:
        fingerprints: all different. Shape `[n]`, uint64.
    """

    def __init__(self, fingerprints: np.ndarray):
        size = 1 << max(int(2 * len(fingerprints) - 1).bit_length(), 4)  # at most half full: chains stay short
        self._mask = size - 1
        # Fingerprint and number side by side: one cache miss a look-up. Fingerprint 0 marks a free slot.
        self._slots = np.zeros((size, 2), np.uint64)
        fingerprints = _not_zero(fingerprints)
        waiting = np.arange(len(fingerprints), dtype=np.uint64)
        at = self._start(fingerprints)
        while len(waiting):
            free = np.flatnonzero(self._slots[at, 0] == 0)
            # Of several that want one slot the last written has it; the others see another number there and move on.
            self._slots[at[free], 1] = waiting[free]
            placed = np.zeros(len(waiting), bool)
            placed[free] = self._slots[at[free], 1] == waiting[free]
            self._slots[at[placed], 0] = fingerprints[waiting[placed]]
            waiting, at = waiting[~placed], (at[~placed] + 1) & self._mask

    def _start(self, fingerprints: np.ndarray) -> np.ndarray:
        return (fingerprints & _U(self._mask)).view(np.int64)

    def find(self, fingerprints: np.ndarray) -> np.ndarray:
        """The number of each fingerprint, -1 if it is not in the table. Shape `[n]`, int64."""
        fingerprints = _not_zero(fingerprints)
        at = self._start(fingerprints)
        found = self._slots.take(at, 0)
        numbers = found[:, 1].astype(np.int64)
        other = found[:, 0] != fingerprints
        if not other.any():
            return numbers
        numbers[other] = -1
        waiting = np.flatnonzero(other & (found[:, 0] != 0))
        at = at[waiting]
        while len(waiting):
            at = (at + 1) & self._mask
            found = self._slots.take(at, 0)
            hit = found[:, 0] == fingerprints[waiting]
            numbers[waiting[hit]] = found[hit, 1].view(np.int64)
            going = ~hit & (found[:, 0] != 0)
            waiting, at = waiting[going], at[going]
        return numbers


class StringVocabulary:
    """A vocabulary of byte strings.

    Args:
        entries: the strings, in the order of their ids.

    Raises:
        ValueError: if an entry is repeated.

    Example:
        >>> from estimax.core.text import text_from_bytes
        >>> vocabulary = StringVocabulary(text_from_bytes([b"pear", b"fig"]))
        >>> vocabulary.find(text_from_bytes([b"fig", b"kiwi"]))[0].tolist()
        [1, -1]
    """

    def __init__(self, entries: Text):
        self._entries = entries
        fingerprints = entries.fingerprints
        repeated = first_repeated(fingerprints)
        if repeated is not None:
            raise InputDataError(
                f"the entry {entries[np.array([repeated])].tolist()[0]!r} is repeated. Remove all but one of them."
            )
        # What settles whether a string equals an entry, in one row: one cache miss instead of four.
        self._edges = np.stack([*edge_words(entries), entries.lengths.view(np.uint64)], 1)
        self._table = FingerprintTable(fingerprints)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, strings: Text) -> tuple[np.ndarray, np.ndarray]:
        """Ids, -1 where unknown, and the fingerprints of the strings. Shapes `[n]`."""
        fingerprints = strings.fingerprints
        ids = self._table.find(fingerprints)
        if not len(ids):
            return ids, fingerprints
        # Unknown ones (-1) are compared with the last entry: cheaper than to pick them out, and they stay -1.
        edges = self._edges.take(ids, 0, mode="wrap")
        first, last = edge_words(strings)
        equal = (edges[:, 0] == first) & (edges[:, 1] == last) & (edges[:, 2] == strings.lengths.view(np.uint64))
        if int(strings.lengths.max()) > 16:
            long = np.flatnonzero(equal & (strings.lengths > 16) & (ids >= 0))
            equal[long] = equal_strings(strings[long], self._entries[ids[long]])
        if not equal.all():
            ids[~equal] = -1
        return ids, fingerprints


class IntegerVocabulary:
    """A vocabulary of integers.

    Args:
        entries: int64, in the order of their ids. Shape `[n]`.

    Raises:
        ValueError: if an entry is repeated.
    """

    def __init__(self, entries: np.ndarray):
        mixed = _mix_integers(entries)
        repeated = first_repeated(mixed)
        if repeated is not None:
            raise InputDataError(f"the entry {int(entries[repeated])} is repeated. Remove all but one of them.")
        self._count = len(entries)
        self._table = FingerprintTable(mixed)
        # _not_zero joins the fingerprints 0 and 1, so the two integers behind them are looked at once more.
        self._entries = np.asarray(entries, np.int64)

    def __len__(self) -> int:
        return self._count

    def find(self, integers: np.ndarray) -> np.ndarray:
        """Ids, -1 where unknown. Shape `[n]`, int64."""
        ids = self._table.find(_mix_integers(integers))
        ids[self._entries[ids] != integers.astype(np.int64)] = -1
        return ids


def first_repeated(values: np.ndarray) -> int | None:
    """The number of an element that occurs again, or None. Shape of `values`: `[n]`."""
    order = np.argsort(values, kind="stable")
    same = np.flatnonzero(values[order[1:]] == values[order[:-1]])
    return int(order[same[0] + 1]) if len(same) else None


def read_vocabulary_file(path: str, size: int | None, *, name: str) -> Text:
    """The lines of a vocabulary file: carriage returns are dropped, spaces kept, a last newline is optional.

    Args:
        path: of a text file, one entry a line.
        size: how many of the first lines to use; all if None.
        name: of the column, for messages.

    Raises:
        ValueError: if the file cannot be read, has fewer lines than `size`, or a blank line.

    Reference: tf.lookup.TextFileInitializer.
    """
    try:
        data = np.fromfile(Path(path), np.uint8)
    except OSError as e:
        raise InputDataError(
            f'column "{name}": vocabulary_file {path!r} cannot be read ({e.strerror}). Give the path of a text file.'
        ) from e
    if (data == 13).any():
        data = data[data != 13]
    ends = np.flatnonzero(data == 10)
    if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
        ends = np.append(ends, len(data))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1]) if len(ends) else np.zeros(0, np.int64)
    if size is not None:
        if len(starts) < size:
            raise InputDataError(
                f'column "{name}": vocabulary_file {path!r} has {len(starts)} lines, expected at least vocabulary_size={size}. '
                "Lower vocabulary_size, or leave it out to use all lines."
            )
        starts, ends = starts[:size], ends[:size]
    lengths = ends - starts
    blank = np.flatnonzero(lengths == 0)
    if len(blank):
        raise InputDataError(f'column "{name}": line {int(blank[0]) + 1} of vocabulary_file {path!r} is blank. Remove it.')
    return Text(data, starts, lengths)


def count_lines(path: str, *, name: str) -> int:
    """The number of lines of a vocabulary file.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        data = np.fromfile(Path(path), np.uint8)
    except OSError as e:
        raise InputDataError(
            f'column "{name}": vocabulary_file {path!r} cannot be read ({e.strerror}), but is needed to count its entries. '
            "Give the path of an existing file, or vocabulary_size."
        ) from e
    return int((data == 10).sum()) + int(len(data) > 0 and data[-1] != 10)


def _not_zero(fingerprints: np.ndarray) -> np.ndarray:
    return np.maximum(fingerprints, _U(1))


def _mix_integers(integers: np.ndarray) -> np.ndarray:
    """A one-to-one scramble, so that runs of integers spread over the table."""
    x = integers.astype(np.int64).view(np.uint64) * _U(0x9E3779B97F4A7C15)
    return x ^ (x >> _U(32))
