"""Opening files by path or URL, globs, and streams that may be compressed."""

from __future__ import annotations

import glob
import os
import re
import zlib
from typing import Any, BinaryIO

from estimax.data.errors import DataLossError

CHUNK = 1 << 18  # compressed bytes inflated at a time


def is_remote(path: str) -> bool:
    """Whether a path is a URL such as `gs://bucket/file`.

    >>> is_remote("s3://bucket/x"), is_remote("C:/x")
    (True, False)
    """
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", path) is not None


def _fsspec(path: str) -> Any:
    try:
        import fsspec
    except ImportError:
        raise ImportError(f"reading {path} needs fsspec: pip install 'estimax[remote]'") from None
    return fsspec


def path_of(path: Any) -> str:
    """A path as text, from str, bytes or os.PathLike (and from the elements of `list_files`)."""
    if isinstance(path, bytes):
        return path.decode()
    return str(os.fspath(path)) if isinstance(path, os.PathLike) else str(path)


def paths_of(filenames: Any) -> list[str]:
    """One or several paths as a list of text."""
    if isinstance(filenames, str | bytes | os.PathLike):
        return [path_of(filenames)]
    if hasattr(filenames, "node") or hasattr(filenames, "__iter__"):
        return [path_of(path) for path in (filenames.ravel() if hasattr(filenames, "ravel") else filenames)]
    raise TypeError(f"expected a path or several, given {type(filenames).__name__}")


def open_file(path: str, mode: str = "rb") -> BinaryIO:
    """Opens a local path or, by fsspec, a URL."""
    if is_remote(path):
        return _fsspec(path).open(path, mode).open()
    return open(path, mode)  # type: ignore[return-value]


def matching(pattern: str) -> list[str]:
    """The files that a glob pattern (or a plain path) names, sorted."""
    if is_remote(pattern):
        fsspec = _fsspec(pattern)
        fs, _ = fsspec.core.url_to_fs(pattern)
        return sorted(fs.unstrip_protocol(path) for path in fs.glob(pattern))
    return sorted(p for p in glob.glob(pattern, recursive="**" in pattern) if os.path.isfile(p))


def compression_of(name: str | None) -> str:
    """`""`, `"GZIP"` or `"ZLIB"`; raises ValueError for anything else."""
    if name is None or name in ("", "NONE"):
        return ""
    if name in ("GZIP", "ZLIB"):
        return name
    raise ValueError(f"compression_type must be None, '', 'GZIP' or 'ZLIB', given {name!r}")


class Stream:
    """The bytes of a file from its start, inflated if it is compressed.

    `read(n)` gives up to n bytes, fewer only where the file ends; a compressed stream that is cut off just ends.

    Raises:
        FileNotFoundError: if there is no such file.
        DataLossError: on reading, if a compressed stream is damaged.
    """

    def __init__(self, path: str, compression: str = ""):
        self.path, self.compression = path, compression
        self._file = open_file(path)
        self._inflate: Any = None
        self._ready = b""
        self.size = None
        if not compression and not is_remote(path):
            self.size = os.fstat(self._file.fileno()).st_size

    def seek(self, offset: int) -> None:
        """Goes forward to an offset of the (inflated) bytes."""
        if not self.compression:
            self._file.seek(offset)
            return
        while offset > 0:
            part = self.read(min(offset, 1 << 20))
            if not part:
                return
            offset -= len(part)

    def read(self, n: int) -> bytes:
        """The next bytes."""
        if not self.compression:
            return self._file.read(n)
        parts, have = [self._ready], len(self._ready)
        while have < n:
            part = self._more(n - have)
            if part is None:
                break
            parts.append(part)
            have += len(part)
        joined = b"".join(parts)
        self._ready = joined[n:]
        return joined[:n]

    def _more(self, wanted: int) -> bytes | None:
        if self._inflate is not None and self._inflate.unconsumed_tail:
            data = self._inflate.unconsumed_tail
        elif self._inflate is not None and self._inflate.eof and self._inflate.unused_data:
            data, self._inflate = self._inflate.unused_data, None  # a further member of a GZIP file
        else:
            data = self._file.read(CHUNK)
            if not data:
                return None
            if self._inflate is not None and self._inflate.eof:
                self._inflate = None
        if self._inflate is None:
            self._inflate = zlib.decompressobj(31 if self.compression == "GZIP" else 15)
        try:
            # At most this much at a time, however well the stream is compressed.
            return self._inflate.decompress(data, max(wanted, 1 << 20))
        except zlib.error as error:
            raise DataLossError(
                f"{self.path}: not a {self.compression} stream, or damaged, before byte {self._file.tell()} ({error})"
            ) from None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
