"""Readers of lines and of records of a fixed length, in the form that `FilesNode` takes."""

from __future__ import annotations

import numpy as np

from estimax.data.errors import DataLossError
from estimax.data.files import Stream

READ = 1 << 20


class LineReader:
    """The lines of a file, without their ends (LF or CR LF)."""

    def __init__(self, path: str, compression: str = "", skip_lines: int = 0):
        self.path, self._stream, self._skip = path, Stream(path, compression), skip_lines
        self._rest, self._offset, self._ended = b"", 0, False

    def seek(self, offset: int) -> None:
        """Goes to the line that starts at an offset of the (inflated) bytes."""
        self._stream.seek(offset)
        self._offset, self._skip = offset, 0

    def read(self) -> tuple[list[bytes], np.ndarray]:
        """The next lines, and the offset of each and of what follows; no lines at the end."""
        while not self._ended:
            data = self._stream.read(READ)
            if not data:
                self._ended = True
            text = self._rest + data
            lines = text.split(b"\n")
            self._rest = lines.pop() if data else b""
            if not data and lines[-1] == b"":
                lines.pop()
            lengths = np.fromiter((len(line) + 1 for line in lines), np.int64, len(lines))
            offsets = np.concatenate([[self._offset], self._offset + np.cumsum(lengths)])
            self._offset = int(offsets[-1])
            if self._skip:
                dropped = min(self._skip, len(lines))
                self._skip -= dropped
                lines, offsets = lines[dropped:], offsets[dropped:]
            if lines:
                return [line[:-1] if line.endswith(b"\r") else line for line in lines], offsets
        return [], np.array([self._offset])

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()


class FixedLengthReader:
    """Records of `record_bytes` each, between a header and a footer."""

    def __init__(self, path: str, record_bytes: int, header_bytes: int, footer_bytes: int, compression: str = ""):
        self.path, self._size, self._footer = path, record_bytes, footer_bytes
        self._stream = Stream(path, compression)
        self._header, self._offset, self._rest, self._ended = header_bytes, 0, b"", False

    def seek(self, offset: int) -> None:
        """Goes to the record at an offset of the (inflated) bytes."""
        self._stream.seek(offset)
        self._offset, self._header = offset, 0

    def read(self) -> tuple[list[bytes], np.ndarray]:
        """The next records, and the offset of each and of what follows; no records at the end."""
        if self._header:
            self._offset += len(self._stream.read(self._header))
            self._header = 0
        while not self._ended:
            data = self._stream.read(max(READ, self._size))
            self._ended = not data
            held = self._rest + data
            count = max(0, len(held) - self._footer) // self._size
            self._rest = held[count * self._size :]
            if self._ended and len(self._rest) != self._footer:
                raise DataLossError(
                    f"{self.path}: {len(self._rest)} bytes are left after the last whole record of {self._size} bytes, the "
                    f"footer has {self._footer}; the file is cut off or the sizes are wrong"
                )
            if count:
                records = [held[i * self._size : (i + 1) * self._size] for i in range(count)]
                offsets = self._offset + np.arange(count + 1) * self._size
                self._offset = int(offsets[-1])
                return records, offsets
        return [], np.array([self._offset])

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()
