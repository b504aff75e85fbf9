"""`CsvDataset`, `make_csv_dataset` and `read_csv`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.data.arguments import positive
from estimax.data.csv import CsvColumn, CsvFormat, CsvNode, default_of, infer, read_table
from estimax.data.dataset import Dataset
from estimax.data.errors import InvalidDataError
from estimax.data.files import compression_of, matching, path_of
from estimax.data.prefetch import AUTOTUNE
from estimax.data.table import Table, from_arrow_array
from estimax.data.text import LineReader


def files_matching(file_pattern: Any, what: str) -> list[str]:
    """The files of one or several patterns; raises FileNotFoundError if there is none."""
    patterns = [file_pattern] if isinstance(file_pattern, str | bytes) or hasattr(file_pattern, "__fspath__") else file_pattern
    found = [path for pattern in patterns for path in matching(path_of(pattern))]
    if not found:
        raise FileNotFoundError(f"{what}: no file matches {file_pattern!r}")
    return found


def _columns(
    path: str,
    form: CsvFormat,
    column_defaults: Any,
    select: Sequence[Any] | None,
    rows: int,
) -> tuple[CsvFormat, list[CsvColumn]]:
    """The names of all columns in the file (put into the format) and the columns to read."""
    names = list(form.names) if form.names is not None else [c.name for c in infer(path, form, 1, None)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidDataError(f"{path}: the column name {twice!r} occurs more than once; give other column_names")
    chosen = names if select is None else [names[s] if isinstance(s, int) else s for s in select]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise InvalidDataError(f"{path}: no column {unknown[0]!r}; the file has {names}")
    chosen = [name for name in names if name in set(chosen)]
    if column_defaults is None:
        return form, infer(path, form, rows, chosen)
    if isinstance(column_defaults, dict):
        given = {c.name: c for c in infer(path, form, rows, chosen)}
        given.update({name: default_of(value, name) for name, value in column_defaults.items() if name in given})
        return form, [given[name] for name in chosen]
    if len(column_defaults) != len(chosen):
        raise ValueError(
            f"column_defaults: expected one entry for each of the {len(chosen)} columns {chosen}, given {len(column_defaults)}"
        )
    return form, [default_of(value, name) for name, value in zip(chosen, column_defaults)]


def read_csv(
    path: Any,
    *,
    column_names: Sequence[str] | None = None,
    column_defaults: Any = None,
    select_columns: Sequence[Any] | None = None,
    header: bool = True,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    skip_rows: int = 0,
    trim: bool = False,
    compression_type: str | None = None,
    num_rows_for_inference: int = 1000,
) -> dict[str, np.ndarray]:
    """All columns of a CSV file (or of several that match a pattern) as arrays, text as objects of `str`.

    Args:
        path: a path, URL or glob pattern, or several.
        column_names: names of all columns, if they are not in the file or to be replaced.
        column_defaults: a dtype (the value must be there) or a default for each column, as a list or a dict by name; types
            are found from the first rows for others, which default to 0 and the empty string.
        select_columns: names or numbers of the columns to read.
        header: whether the first line holds names.
        field_delim, use_quote_delim, na_value: separator, whether quotes count, a text that means "missing".
        skip_rows: lines left out at the start.
        trim: whether spaces around text are removed.
        compression_type: None, `"GZIP"` or `"ZLIB"`.
        num_rows_for_inference: rows from which types are found.

    Raises:
        FileNotFoundError: if no file matches.
        InvalidDataError: for unknown columns; DataLossError for rows that can't be read.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a.csv")
        >>> with open(path, "w") as file:
        ...     _ = file.write("age,city\\n31,Rome\\n,Bonn\\n")
        >>> read_csv(path)["age"].tolist()
        [31, 0]
    """
    paths = files_matching(path, "read_csv")
    form = CsvFormat(
        None if column_names is None else tuple(column_names),
        header,
        field_delim,
        use_quote_delim,
        na_value,
        skip_rows,
        trim,
        compression=compression_of(compression_type),
    )
    form, columns = _columns(paths[0], _named(form, header), column_defaults, select_columns, num_rows_for_inference)
    parts = [read_table(p, form, columns) for p in paths]
    import pyarrow as pa

    whole = {c.name: from_arrow_array(pa.concat_arrays([part[c.name] for part in parts]), c.name) for c in columns}
    table = Table(whole)
    return table.gather(np.arange(table.size))


def _named(form: CsvFormat, header: bool) -> CsvFormat:
    if form.names is None and not header:
        raise ValueError("give column_names, or header=True if the file's first line holds them")
    return form


def make_csv_dataset(
    file_pattern: Any,
    batch_size: int,
    column_names: Sequence[str] | None = None,
    column_defaults: Any = None,
    label_name: str | None = None,
    select_columns: Sequence[Any] | None = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int | None = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    num_rows_for_inference: int | None = 100,
    compression_type: str | None = None,
    ignore_errors: bool = False,
    encoding: str = "utf-8",
    *,
    skip_rows: int = 0,
    trim: bool = False,
) -> Dataset:
    """Batches of CSV rows: a dict of columns, or `(features, labels)`.

    Files up to 64 MB together are read once and kept in memory; larger ones stream. Types are found once, from the first rows
    of the first file: the narrowest of int32, int64, float32, float64, string.

    Args:
        file_pattern: a path, URL or glob pattern, or several.
        batch_size: rows a batch.
        column_names, column_defaults, select_columns, field_delim, use_quote_delim, na_value, header, skip_rows, trim,
            compression_type: as in `read_csv`.
        label_name: the column that becomes the labels.
        num_epochs: passes over the files; None for no end.
        shuffle: whether rows are drawn in random order, from `shuffle_buffer_size` (None: all) at a time.
        shuffle_seed: makes the order the same for every run.
        prefetch_buffer_size: batches made ahead by a thread; AUTOTUNE if omitted, 0 for none.
        num_rows_for_inference: rows from which types are found; None for all that fit in 256 KiB.
        ignore_errors: whether lines with a wrong number of fields are left out.
        encoding: of the files.

    Raises:
        FileNotFoundError: if no file matches.
        InvalidDataError: for unknown columns; on use, DataLossError for rows that can't be read.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a.csv")
        >>> with open(path, "w") as file:
        ...     _ = file.write("age,city\\n31,Rome\\n,Bonn\\n")
        >>> for features, labels in make_csv_dataset(path, 2, label_name="age", shuffle=False, num_epochs=1):
        ...     print(features["city"].tolist(), labels.tolist())
        ['Rome', 'Bonn'] [31, 0]

    Reference: https://www.tensorflow.org/api_docs/python/tf/data/experimental/make_csv_dataset
    """
    size = positive(batch_size, "make_csv_dataset: batch_size")
    paths = files_matching(file_pattern, "make_csv_dataset")
    form = CsvFormat(
        None if column_names is None else tuple(column_names),
        header,
        field_delim,
        use_quote_delim,
        na_value,
        skip_rows,
        trim,
        ignore_errors,
        compression_of(compression_type),
        encoding,
    )
    rows = 1 << 30 if num_rows_for_inference is None else num_rows_for_inference
    form, columns = _columns(paths[0], _named(form, header), column_defaults, select_columns, rows)
    if label_name is not None and label_name not in {c.name for c in columns}:
        raise InvalidDataError(
            f"make_csv_dataset: label_name {label_name!r} is no column that is read; there are {[c.name for c in columns]}"
        )

    def make(found: dict[str, Any]) -> Any:
        if label_name is None:
            return found
        return {name: value for name, value in found.items() if name != label_name}, found[label_name]

    dataset = Dataset(CsvNode(paths, form, columns, make))
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, seed=shuffle_seed)
    dataset = dataset.repeat(num_epochs).batch(size)
    ahead = AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size
    return dataset.prefetch(ahead) if ahead else dataset


def CsvDataset(  # noqa: N802 - tf.data's name
    filenames: Any,
    record_defaults: Sequence[Any],
    compression_type: str | None = None,
    buffer_size: int | None = None,
    header: bool = False,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
    exclude_cols: Sequence[int] | None = None,
) -> Dataset:
    """Rows of CSV files as tuples of columns.

    Args:
        filenames: a path or URL, or several.
        record_defaults: for each column that is read a dtype (the value must be there) or a default.
        compression_type: None, `""`, `"GZIP"` or `"ZLIB"`.
        buffer_size: rows made ahead by a thread, if given.
        header: whether the first line is left out.
        field_delim, use_quote_delim, na_value: separator, whether quotes count, a text that means "missing".
        select_cols: numbers of the columns to read, rising; all if omitted.
        exclude_cols: numbers of the columns not to read; instead of select_cols.

    Raises:
        ValueError: if numbers of columns and defaults do not fit.
        DataLossError: on use, for rows that can't be read.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a.csv")
        >>> with open(path, "w") as file:
        ...     _ = file.write("age,city\\n31,Rome\\n,Bonn\\n")
        >>> [(int(age), city) for age, city in CsvDataset(path, [-1, ""], header=True)]
        [(31, 'Rome'), (-1, 'Bonn')]

    Reference: https://www.tensorflow.org/api_docs/python/tf/data/experimental/CsvDataset
    """
    if select_cols is not None and exclude_cols is not None:
        raise ValueError("CsvDataset: give select_cols or exclude_cols, not both")
    paths = files_matching(filenames, "CsvDataset")
    width = _fields(paths[0], field_delim, use_quote_delim, compression_of(compression_type))
    chosen = list(range(width)) if select_cols is None else [int(c) for c in select_cols]
    if exclude_cols is not None:
        chosen = [c for c in chosen if c not in set(exclude_cols)]
    if any(b <= a for a, b in zip(chosen, chosen[1:])) or any(not 0 <= c < width for c in chosen):
        raise ValueError(f"CsvDataset: select_cols must rise and be below {width}, the number of fields; given {chosen}")
    if len(record_defaults) != len(chosen):
        raise ValueError(
            f"CsvDataset: {len(chosen)} columns are read and need as many record_defaults, given {len(record_defaults)}"
        )
    names = tuple(f"field {i}" for i in range(width))
    form = CsvFormat(names, header, field_delim, use_quote_delim, na_value, compression=compression_of(compression_type))
    columns = [default_of(value, names[c]) for c, value in zip(chosen, record_defaults)]
    dataset = Dataset(CsvNode(paths, form, columns, lambda found: tuple(found.values())))
    return dataset if buffer_size is None else dataset.prefetch(positive(buffer_size, "buffer_size"))


def _fields(path: str, delimiter: str, quotes: bool, compression: str) -> int:
    """The number of fields of the first line."""
    reader = LineReader(path, compression)
    lines, _ = reader.read()
    reader.close()
    if not lines:
        raise InvalidDataError(f"{path}: the file is empty")
    style: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    return len(next(csv.reader([lines[0].decode(errors="replace")], delimiter=delimiter, quoting=style)))
