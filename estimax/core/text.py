"""Columns of byte strings as one block of bytes, which whole-column operations can work on."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from estimax.core.errors import InputDataError
from estimax.core.fingerprint import fingerprint64


@dataclasses.dataclass(frozen=True, eq=False)
class Text:
    """Byte strings in one block.

    Attributes:
        data: the bytes. Shape `[bytes]`, uint8.
        starts: where each string begins. Shape `[n]`, int64.
        lengths: bytes of each string. Shape `[n]`, int64.
    """

    data: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: np.ndarray) -> Text:
        """Some of the strings, in the given order; the bytes are shared."""
        return Text(self.data, self.starts[rows], self.lengths[rows])

    @functools.cached_property
    def fingerprints(self) -> np.ndarray:
        """The FarmHash fingerprint of each string, made once for all columns that read it. Shape `[n]`, uint64."""
        return fingerprint64(self.data, self.starts, self.lengths)

    def tolist(self) -> list[bytes]:
        """The strings as Python bytes."""
        block = self.data.tobytes()
        return [block[s : s + n] for s, n in zip(self.starts.tolist(), self.lengths.tolist())]


def text_from_bytes(strings: list[bytes]) -> Text:
    """A column from Python bytes.

    >>> text_from_bytes([b"ab", b"", b"c"]).tolist()
    [b'ab', b'', b'c']
    """
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    return Text(np.frombuffer(b"".join(strings), np.uint8), np.cumsum(lengths) - lengths, lengths)


def text_from_numpy(array: np.ndarray) -> Text:
    """A column from an array of `str` or `bytes` of fixed width (kinds U and S); NumPy drops trailing NULs of these."""
    array = np.ascontiguousarray(array.reshape(-1))
    if array.dtype.itemsize == 0 or not len(array):
        return Text(np.zeros(0, np.uint8), np.zeros(len(array), np.int64), np.zeros(len(array), np.int64))
    if array.dtype.kind == "U":
        points = array.view(array.dtype.newbyteorder("=")).view(np.uint32) if array.dtype.isnative else None
        if points is None or int(points.max()) > 127:
            array = np.char.encode(array, "utf-8")
        else:
            width = array.dtype.itemsize // 4
            array = points.astype(np.uint8).view(f"S{width}")
    width = array.dtype.itemsize
    return Text(array.view(np.uint8), np.arange(len(array)) * width, np.char.str_len(array).astype(np.int64))


def text_from_arrow(array: Any) -> Text:
    """A column from a pyarrow array of strings or bytes; a null becomes an empty string. The bytes are not copied."""
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    kind = array.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        array = array.cast(pa.large_binary())
        kind = array.type
    width = np.int64 if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) else np.int32
    n = len(array)
    if n == 0:
        return Text(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, width)[array.offset : array.offset + n + 1].astype(np.int64)
    lengths = np.diff(bounds)
    if array.null_count:
        lengths[array.is_null().to_numpy(zero_copy_only=False)] = 0
    block = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Text(block, bounds[:-1], lengths)


def text_from_integers(numbers: np.ndarray) -> Text:
    """Integers as their decimal text, as they are hashed.

    >>> import numpy as np
    >>> text_from_integers(np.array([-7, 120])).tolist()
    [b'-7', b'120']
    """
    import pyarrow as pa

    return text_from_arrow(pa.array(np.ascontiguousarray(numbers)).cast(pa.string()))


def text_from_objects(array: np.ndarray) -> Text:
    """A column from Python objects: `str`, `bytes`, or None and NaN, which become empty strings.

    Raises:
        ValueError: if an element is something else.
    """
    import pyarrow as pa

    try:
        return text_from_arrow(pa.array(array.reshape(-1), pa.large_binary(), from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise InputDataError(
            f"given an object array that mixes strings with other types, expected str, bytes or None. {e} "
            "Convert the column to one type."
        ) from e


def edge_words(text: Text) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last 8 bytes of each string, which with its length determine a string of up to 16 bytes.

    Returns:
        Two arrays of shape `[n]`, uint64. Shorter strings give other words of their bytes, also determined and different.
    """
    lengths = text.lengths
    if not len(lengths) or int(lengths.min()) >= 8:
        return _edges(text, 8)
    first, last = np.zeros(len(text), np.uint64), np.zeros(len(text), np.uint64)
    for shortest, longest, width in ((1, 1, 1), (2, 3, 2), (4, 7, 4), (8, None, 8)):
        chosen = lengths >= shortest
        if longest is not None:
            chosen &= lengths <= longest
        rows = np.flatnonzero(chosen)
        if len(rows):
            first[rows], last[rows] = _edges(text[rows], width)
    return first, last


def equal_strings(left: Text, right: Text) -> np.ndarray:
    """Whether the strings of two columns, which have more than 8 bytes, are equal pair by pair. Shape `[n]`, bool."""
    equal = left.lengths == right.lengths
    rows = np.flatnonzero(equal)
    a, b = _words(left.data, 8), _words(right.data, 8)
    for first in range(0, int(left.lengths.max(initial=0)), 8):
        going = rows[left.lengths[rows] > first]
        step = np.minimum(first, left.lengths[going] - 8)
        equal[going] &= a[left.starts[going] + step] == b[right.starts[going] + step]
    return equal


def _edges(text: Text, width: int) -> tuple[np.ndarray, np.ndarray]:
    words = _words(text.data, width)
    return words[text.starts].astype(np.uint64), words[text.starts + (text.lengths - width)].astype(np.uint64)


def _words(data: np.ndarray, width: int) -> np.ndarray:
    """`words[i]` is the little-endian word of `width` bytes that begins at byte i; a view."""
    return np.ndarray((max(data.size - width + 1, 0),), f"<u{width}", buffer=data, strides=(1,))
