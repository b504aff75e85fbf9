"""Datasets of the lines or records of files, under tf.data's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from estimax.data.arguments import positive
from estimax.data.dataset import Dataset
from estimax.data.files import compression_of, paths_of
from estimax.data.prefetch import worker_count
from estimax.data.records import FilesNode, OnCorrupt, RecordReader
from estimax.data.text import FixedLengthReader, LineReader


def _files(name: str, filenames: Any, open_one: Callable[[str], Any], num_parallel_reads: int | None) -> Dataset:
    if isinstance(filenames, Dataset):
        files = filenames
        if num_parallel_reads is None:
            return Dataset(FilesNode(name, lambda: paths_of(files), open_one))
    else:
        paths = paths_of(filenames)
        if num_parallel_reads is None:
            return Dataset(FilesNode(name, lambda: paths, open_one))
        files = Dataset.from_tensor_slices(np.array(paths, object))
    cycle = worker_count(num_parallel_reads)
    return files.interleave(
        lambda path: Dataset(FilesNode(name, lambda: paths_of(path), open_one)),
        cycle_length=cycle,
        num_parallel_calls=cycle,
    )


def TFRecordDataset(  # noqa: N802 - tf.data's name
    filenames: Any,
    compression_type: str | None = None,
    buffer_size: int | None = None,
    num_parallel_reads: int | None = None,
    *,
    on_corrupt: OnCorrupt | None = None,
) -> Dataset:
    """The records of TFRecord files, each as bytes.

    Args:
        filenames: a path or URL, several, or a dataset of them.
        compression_type: None, `""`, `"GZIP"` or `"ZLIB"`.
        buffer_size: records made ahead by a thread, if given.
        num_parallel_reads: files read at a time, their records taken in turn; one file after the other if omitted.
        on_corrupt: called with the error for damaged data, instead of raising it; for example `errors.append`. A record
            whose bytes are damaged is then left out, after a damaged length the rest of the file is.

    Raises:
        ValueError: if the compression is not known.
        DataLossError: on use, for damaged or truncated files, with file and offset; FileNotFoundError.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a")
        >>> from estimax.data import TFRecordWriter
        >>> with TFRecordWriter(path) as writer:
        ...     writer.write(b"first")
        >>> list(TFRecordDataset(path))
        [b'first']

    Reference: https://www.tensorflow.org/api_docs/python/tf/data/TFRecordDataset
    """
    compression = compression_of(compression_type)
    dataset = _files("TFRecordDataset", filenames, lambda path: RecordReader(path, compression, on_corrupt), num_parallel_reads)
    return dataset if buffer_size is None else dataset.prefetch(positive(buffer_size, "buffer_size"))


def TextLineDataset(  # noqa: N802 - tf.data's name
    filenames: Any,
    compression_type: str | None = None,
    buffer_size: int | None = None,
    num_parallel_reads: int | None = None,
    *,
    skip_lines: int = 0,
) -> Dataset:
    """The lines of text files, each as bytes without the line's end.

    Args:
        filenames: a path or URL, several, or a dataset of them.
        compression_type: None, `""`, `"GZIP"` or `"ZLIB"`.
        buffer_size: lines made ahead by a thread, if given.
        num_parallel_reads: files read at a time, their lines taken in turn; one file after the other if omitted.
        skip_lines: lines left out at the start of every file, such as a header.

    Raises:
        ValueError: if the compression is not known.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a")
        >>> with open(path, "wb") as file:
        ...     _ = file.write(b"aa\\nbb\\n")
        >>> list(TextLineDataset(path))
        [b'aa', b'bb']

    Reference: https://www.tensorflow.org/api_docs/python/tf/data/TextLineDataset
    """
    compression = compression_of(compression_type)
    dataset = _files("TextLineDataset", filenames, lambda path: LineReader(path, compression, skip_lines), num_parallel_reads)
    return dataset if buffer_size is None else dataset.prefetch(positive(buffer_size, "buffer_size"))


def FixedLengthRecordDataset(  # noqa: N802 - tf.data's name
    filenames: Any,
    record_bytes: int,
    header_bytes: int = 0,
    footer_bytes: int = 0,
    buffer_size: int | None = None,
    compression_type: str | None = None,
    num_parallel_reads: int | None = None,
) -> Dataset:
    """Records of a fixed length, each as bytes.

    Args:
        filenames: a path or URL, several, or a dataset of them.
        record_bytes: bytes a record.
        header_bytes, footer_bytes: bytes left out at the start and the end of every file.
        buffer_size: records made ahead by a thread, if given.
        compression_type: None, `""`, `"GZIP"` or `"ZLIB"`.
        num_parallel_reads: files read at a time, their records taken in turn; one file after the other if omitted.

    Raises:
        ValueError: if a size is negative, or `record_bytes` is 0.
        DataLossError: on use, if a file is no whole number of records long.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a")
        >>> with open(path, "wb") as file:
        ...     _ = file.write(b"aa\\nbb\\n")
        >>> list(FixedLengthRecordDataset(path, 3))
        [b'aa\\n', b'bb\\n']

    Reference: https://www.tensorflow.org/api_docs/python/tf/data/FixedLengthRecordDataset
    """
    size, compression = positive(record_bytes, "record_bytes"), compression_of(compression_type)
    if header_bytes < 0 or footer_bytes < 0:
        raise ValueError(f"header_bytes and footer_bytes must be at least 0, given {header_bytes} and {footer_bytes}")
    dataset = _files(
        "FixedLengthRecordDataset",
        filenames,
        lambda path: FixedLengthReader(path, size, header_bytes, footer_bytes, compression),
        num_parallel_reads,
    )
    return dataset if buffer_size is None else dataset.prefetch(positive(buffer_size, "buffer_size"))
