"""Writing a file so that its name always has a whole file behind it: the old one or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator


@contextlib.contextmanager
def replaced(path: str | os.PathLike, *, overwrite: bool = True) -> Iterator[str]:
    """A name beside `path` to write to; it takes the place of `path` when the block has ended well, and is removed otherwise.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is False.

    Example:
        >>> import pathlib, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with replaced(folder + "/a.txt") as name:
        ...     _ = pathlib.Path(name).write_text("whole")
        >>> os.listdir(folder)
        ['a.txt']
    """
    path = os.fspath(path)
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path!r} exists. Pass overwrite=True to replace it, or another name.")
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"The folder {folder!r} of {path!r} does not exist. Make it first.")
    temporary = os.path.join(folder, f".{secrets.token_hex(6)}-{name}")
    try:
        yield temporary
        with open(temporary, "rb") as f:
            os.fsync(f.fileno())
        os.replace(temporary, path)
        with contextlib.suppress(OSError):  # not every system lets a folder be synchronised
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
