"""TFRecord files: each record is its length, a checksum of the length, the bytes, a checksum of the bytes.

Reference: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from estimax.data.crc32c import crc32c_many, crc32c_of_uint64, masked
from estimax.data.errors import DataLossError
from estimax.data.files import Stream, compression_of, open_file
from estimax.data.node import UNKNOWN, BlockCursor, Context, Cursor, Node
from estimax.data.specs import TensorSpec

HEADER = struct.Struct("<QI")
READ = 1 << 20  # bytes read and checked at a time

OnCorrupt = Callable[[DataLossError], None]


class RecordReader:
    """The records of one file, many at a time.

    Args:
        path: a local path or URL.
        compression: `""`, `"GZIP"` or `"ZLIB"`.
        on_corrupt: called with the error for damaged data, instead of raising it. A record whose bytes are damaged is
            then left out; after a damaged length nothing more can be found in the file.

    Raises:
        FileNotFoundError: if there is no such file.
        DataLossError: on reading, for damaged or truncated data, after all records before it have been given. A file that
            ends inside the 12 bytes before a record ends there silently, as in TensorFlow.
    """

    def __init__(self, path: str, compression: str = "", on_corrupt: OnCorrupt | None = None):
        self.path, self.offset = path, 0
        self._stream = Stream(path, compression)
        self._on_corrupt = on_corrupt
        self._data = b""
        self._error: DataLossError | None = None
        self._ended = False

    def seek(self, offset: int) -> None:
        """Goes to the record that starts at an offset of the (inflated) bytes; only before the first read."""
        self._stream.seek(offset)
        self.offset = offset

    def read(self) -> tuple[list[bytes], np.ndarray]:
        """The next records, and the offset of each and of what follows; no records at the end. Shape `[records + 1]`."""
        while True:
            if self._error is not None:
                error, self._error, self._ended = self._error, None, True
                if self._on_corrupt is None:
                    raise error
                self._on_corrupt(error)
            if self._ended:
                return [], np.array([self.offset])
            records, offsets = self._next()
            if records:
                return records, offsets

    def _fill(self, wanted: int) -> None:
        """Reads on until `wanted` bytes are there or the file ends, never much more than there is."""
        parts, have = [self._data], len(self._data)
        while have < wanted:
            try:
                part = self._stream.read(max(READ, min(wanted - have, 16 * READ)))
            except DataLossError as error:
                self._error = error
                break
            if not part:
                break
            parts.append(part)
            have += len(part)
        self._data = b"".join(parts)

    def _next(self) -> tuple[list[bytes], np.ndarray]:
        if len(self._data) < READ:
            self._fill(READ)
        data, base = self._data, self.offset
        starts, lengths = _boundaries(data)
        if not starts:
            return self._one(data, base)
        at = np.asarray(starts, np.int64)
        sizes = np.asarray(lengths, np.int64)
        view = np.frombuffer(data, np.uint8)
        stated = _uint32(view, at + 8)
        good = stated == masked(crc32c_of_uint64(sizes))
        bad = np.flatnonzero(~good)
        n = int(bad[0]) if len(bad) else len(starts)  # what follows a wrong length is not a record
        records = [data[s + 12 : s + 12 + size] for s, size in zip(starts[:n], lengths[:n])]
        right = _uint32(view, at[:n] + 12 + sizes[:n]) == masked(crc32c_many(records)) if n else np.zeros(0, bool)
        ends = at[:n] + 16 + sizes[:n]
        if not right.all():
            return self._with_damage(records, right, at + base, ends + base, data)
        stop = int(ends[-1]) if n else 0
        self.offset, self._data = base + stop, data[stop:]
        if n < len(starts):
            self._damaged("the checksum of a record's length does not fit", base + starts[n])
        return records, np.append(at[:n] + base, self.offset)

    def _with_damage(
        self, records: list[bytes], right: np.ndarray, at: np.ndarray, ends: np.ndarray, data: bytes
    ) -> tuple[list[bytes], np.ndarray]:
        first = int(np.flatnonzero(~right)[0])
        base, self.offset = self.offset, int(ends[first])
        self._data = data[self.offset - base :]
        error = DataLossError(f"{self.path}: the checksum of the record at byte {at[first]} does not fit; the data is damaged")
        if self._on_corrupt is None:
            self._error, self._data = error, b""
        else:
            self._on_corrupt(error)
        return records[:first], np.append(at[:first], self.offset if self._on_corrupt else at[first])

    def _one(self, data: bytes, base: int) -> tuple[list[bytes], np.ndarray]:
        """No whole record is in what was read: the end of the file, a damaged length, or a large record."""
        if len(data) < HEADER.size:
            self._ended = self._error is None
            return [], np.array([base])
        length, crc = HEADER.unpack_from(data)
        if crc != int(masked(crc32c_of_uint64(np.array([length], np.uint64)))[0]):
            self._damaged("the checksum of a record's length does not fit", base)
            return [], np.array([base])
        need = 16 + length
        if self._stream.size is not None and base + need > self._stream.size:
            self._damaged(f"the file ends inside a record of {length} bytes", base)
            return [], np.array([base])
        before = len(data)
        self._fill(need)
        if len(self._data) < need:
            if self._error is None:
                self._damaged(f"the data ends inside a record of {length} bytes", base)
        elif len(self._data) == before:
            raise AssertionError("a whole record was overlooked")
        return [], np.array([base])

    def _damaged(self, what: str, offset: int) -> None:
        self._error = DataLossError(
            f"{self.path}: {what}, at byte {offset}; the data is damaged or cut off, or compressed otherwise than said"
        )
        self._data = b""

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


def _boundaries(data: bytes) -> tuple[list[int], list[int]]:
    """Where the whole records in some bytes start and how long they are, going by the stated lengths."""
    starts, lengths = [], []
    at, end, unpack = 0, len(data) - 16, struct.Struct("<Q").unpack_from
    while at <= end:
        (length,) = unpack(data, at)
        if at + length > end:
            break
        starts.append(at)
        lengths.append(length)
        at += 16 + length
    return starts, lengths


def _uint32(view: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Little-endian numbers at any byte offsets. Shape `[n]`."""
    return np.ascontiguousarray(view[at[:, None] + np.arange(4)]).view("<u4").ravel()


def tf_record_iterator(path: str, compression_type: str | None = None) -> Iterator[bytes]:
    """The records of one TFRecord file, one by one.

    Raises:
        FileNotFoundError: if there is no such file.
        DataLossError: for damaged or truncated data, after the records before it.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a")
        >>> with TFRecordWriter(path, "GZIP") as writer:
        ...     writer.write(b"first")
        >>> list(tf_record_iterator(path, "GZIP"))
        [b'first']
    """
    reader = RecordReader(path, compression_of(compression_type))
    try:
        while True:
            records, _ = reader.read()
            if not records:
                return
            yield from records
    finally:
        reader.close()


class TFRecordWriter:
    """Writes a TFRecord file; a context manager.

    Args:
        path: a local path or URL.
        options: None, `""`, `"GZIP"` or `"ZLIB"`.

    Raises:
        ValueError: if the compression is not known.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "x.tfrecord")
        >>> with TFRecordWriter(path) as writer:
        ...     writer.write(b"first")
        >>> list(tf_record_iterator(path))
        [b'first']

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/TFRecordWriter
    """

    def __init__(self, path: str, options: str | None = None):
        import zlib

        compression = compression_of(options)
        self._file = open_file(str(path), "wb")
        self._compress = zlib.compressobj(wbits=31 if compression == "GZIP" else 15) if compression else None
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, record: bytes) -> None:
        """Adds one record."""
        if not isinstance(record, bytes | bytearray | memoryview):
            raise TypeError(f"a record must be bytes, given {type(record).__name__}; serialize it first")
        self._waiting.append(bytes(record))
        self._size += len(record)
        if self._size > READ:
            self._write()

    def _write(self) -> None:
        if not self._waiting:
            return
        lengths = np.fromiter(map(len, self._waiting), np.uint64, len(self._waiting))
        heads = masked(crc32c_of_uint64(lengths)).tolist()
        tails = masked(crc32c_many(self._waiting)).tolist()
        parts: list[bytes] = []
        for record, head, tail in zip(self._waiting, heads, tails):
            parts += (HEADER.pack(len(record), head), record, tail.to_bytes(4, "little"))
        data = b"".join(parts)
        self._file.write(data if self._compress is None else self._compress.compress(data))
        self._waiting, self._size = [], 0

    def flush(self) -> None:
        """Hands all records so far to the file system."""
        self._write()
        if self._compress is not None:
            import zlib

            self._file.write(self._compress.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()

    def close(self) -> None:
        """Writes what is left and closes the file."""
        if self._file.closed:
            return
        self._write()
        if self._compress is not None:
            self._file.write(self._compress.flush())
        self._file.close()

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


class FilesNode(Node):
    """A source that reads one file after the other; `open_one` gives a reader with `read`, `seek`, `close`."""

    def __init__(self, name: str, paths: Callable[[], list[str]], open_one: Callable[[str], Any]):
        self.name, self.paths, self.open_one = name, paths, open_one

    def open(self, context: Context) -> Cursor:
        return FilesCursor(self)

    def spec(self) -> Any:
        return TensorSpec((), "string")

    def cardinality(self) -> int:
        return UNKNOWN

    def describe(self) -> str:
        return f"{self.name}: files"


class FilesCursor(BlockCursor):
    """Hands out the records of files in blocks; its state is the file's number and the offset of the next record."""

    def __init__(self, node: FilesNode):
        super().__init__()
        self._node, self._paths, self._file = node, node.paths(), 0
        self._reader: Any = None
        self._offset: int | None = 0
        self._records: list[Any] = []
        self._offsets: np.ndarray = np.zeros(1, np.int64)
        self._row = 0

    def _block(self, limit: int) -> Any:
        while self._row >= len(self._records):
            if self._reader is None:
                if self._file >= len(self._paths):
                    raise StopIteration
                self._reader = self._node.open_one(self._paths[self._file])
                if self._offset:
                    self._reader.seek(self._offset)
            self._records, self._offsets = self._reader.read()
            self._row, self._offset = 0, None
            if not self._records:
                self._reader.close()
                self._reader, self._file, self._offset = None, self._file + 1, 0
        rows = self._records[self._row : self._row + limit]
        self._row += len(rows)
        block = np.empty(len(rows), object)
        block[:] = rows
        return block

    def _state(self) -> Any:
        if self._offset is not None:
            return [self._file, self._offset]
        return [self._file, int(self._offsets[self._row])]

    def _restore(self, state: Any) -> None:
        self._file, self._offset = state

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
