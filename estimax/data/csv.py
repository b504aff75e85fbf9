"""CSV files as columns: read whole, or block by block, by pyarrow, with types found once."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.data.collate import slice_rows
from estimax.data.encoded import Vocabulary, encode
from estimax.data.errors import DataLossError, InvalidDataError
from estimax.data.files import Stream, is_remote
from estimax.data.node import UNKNOWN, BlockCursor, Context, Cursor, Node
from estimax.data.rows import Indexed, IndexedCursor, Span
from estimax.data.specs import TensorSpec, dtype_name
from estimax.data.table import Table, from_arrow_array

IN_MEMORY_BYTES = 64 << 20  # files up to this size together are read once and kept as a table
BLOCK_BYTES = 1 << 22
TYPES = ("int32", "int64", "float32", "float64", "string")
OTHER_TYPES = ("bool", "int8", "int16", "uint8", "uint16", "uint32", "uint64", "float16")  # names that are no default text


@dataclasses.dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written.

    Args:
        names: all columns of the file, in order; None to take them from the header line.
        header: whether the first line holds names.
        delimiter: between fields.
        quotes: whether fields may stand in double quotes.
        missing: a text that means "no value", besides the empty one.
        skip_rows: lines left out before the header.
        trim: whether spaces around text are removed (numbers never mind them).
        skip_errors: whether lines that can't be read are left out.
        compression: `""`, `"GZIP"` or `"ZLIB"`.
        encoding: of the text.
    """

    names: tuple[str, ...] | None = None
    header: bool = True
    delimiter: str = ","
    quotes: bool = True
    missing: str = ""
    skip_rows: int = 0
    trim: bool = False
    skip_errors: bool = False
    compression: str = ""
    encoding: str = "utf8"


@dataclasses.dataclass(frozen=True)
class CsvColumn:
    """One column that is read: its name, dtype and what stands for a missing value (None: it must be there)."""

    name: str
    dtype: str
    default: Any = None


class _File:
    """A `Stream` as pyarrow reads it."""

    closed = False

    def __init__(self, stream: Stream):
        self._stream = stream

    def read(self, n: int = -1) -> bytes:
        return self._stream.read(n if n >= 0 else 1 << 62)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
        self._stream.close()


def options_of(
    form: CsvFormat, columns: Sequence[CsvColumn] | None, block_bytes: int, *, threads: bool = False
) -> dict[str, Any]:
    """The options of pyarrow's readers."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    names = None if form.names is None else list(form.names)
    read = pacsv.ReadOptions(
        column_names=names,
        skip_rows=form.skip_rows + (1 if names is not None and form.header else 0),
        autogenerate_column_names=False,
        block_size=block_bytes,
        encoding=form.encoding,
        use_threads=threads,
    )
    parse = pacsv.ParseOptions(
        delimiter=form.delimiter,
        quote_char='"' if form.quotes else False,
        newlines_in_values=form.quotes,
        invalid_row_handler=(lambda row: "skip") if form.skip_errors else None,
    )
    convert = pacsv.ConvertOptions(
        null_values=list({"", form.missing}), strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    if columns is not None:
        convert.column_types = {c.name: pa.string() if c.dtype == "string" else pa.type_for_alias(c.dtype) for c in columns}
        convert.include_columns = [c.name for c in columns]
    return {"read_options": read, "parse_options": parse, "convert_options": convert}


def _source(path: str, form: CsvFormat) -> Any:
    """A file as pyarrow reads it."""
    import pyarrow as pa

    if form.compression or is_remote(path):
        return pa.PythonFile(_File(Stream(path, form.compression)), mode="r")
    return pa.OSFile(path)


def _open(path: str, form: CsvFormat, columns: Sequence[CsvColumn] | None, block_bytes: int = BLOCK_BYTES) -> tuple[Any, Any]:
    """A reader of blocks, and the open file to close after it."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    source = _source(path, form)
    try:
        return pacsv.open_csv(source, **options_of(form, columns, block_bytes)), source
    except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
        source.close()
        raise _problem(path, error) from None


def _problem(path: str, error: Exception) -> Exception:
    text = str(error).split("\n")[0].strip("'\"")
    if "Empty CSV file" in text:
        return InvalidDataError(f"{path}: the file is empty")
    if "not exist" in text or "not found" in text:
        return InvalidDataError(f"{path}: {text}. Check column names against the file's header")
    return DataLossError(
        f"{path}: {text}. If a column's type was found from the first rows and does not fit later ones, give column_defaults; "
        "broken lines can be left out with ignore_errors=True"
    )


def infer(path: str, form: CsvFormat, rows: int, select: Sequence[str] | None) -> list[CsvColumn]:
    """The columns of a file with types found from its first rows: the narrowest of int32, int64, float32, float64, string.

    A missing value becomes 0 or the empty string in them, as in TensorFlow.
    """
    import pyarrow as pa
    from pyarrow import csv as pacsv

    options = options_of(form, None, 1 << 16)
    options["convert_options"] = pacsv.ConvertOptions(strings_can_be_null=False, null_values=[])
    stream = Stream(path, form.compression)
    head = stream.read(1 << 18)
    stream.close()
    cut = head.rfind(b"\n") + 1
    head = head[:cut] if cut and len(head) == 1 << 18 else head
    if not head.strip():
        raise InvalidDataError(f"{path}: the file is empty")
    try:
        names = pacsv.read_csv(pa.BufferReader(head), **options).column_names
        options["convert_options"] = pacsv.ConvertOptions(
            column_types={name: pa.string() for name in names}, null_values=[], strings_can_be_null=False
        )
        table = pacsv.read_csv(pa.BufferReader(head), **options).slice(0, rows)
    except pa.ArrowInvalid as error:
        raise _problem(path, error) from None
    wanted = list(names) if select is None else list(select)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise InvalidDataError(f"{path}: no column {unknown[0]!r}; the file has {names}")
    out = []
    for name in names:
        if name in wanted:
            dtype = _type_of(table.column(name).to_pylist(), {"", form.missing})
            out.append(CsvColumn(name, dtype, "" if dtype == "string" else 0))
    return out


def _type_of(values: list[str], missing: set[str]) -> str:
    found = 0
    for value in values:
        if value in missing:
            continue
        while found < 4 and not _fits(value, TYPES[found]):
            found += 1
    return TYPES[found] if any(value not in missing for value in values) else "string"


def _fits(value: str, dtype: str) -> bool:
    try:
        if dtype in ("int32", "int64"):
            bits = 31 if dtype == "int32" else 63
            return "_" not in value and -(2**bits) <= int(value) < 2**bits
        number = float(value)
        in_range = dtype == "float64" or not math.isfinite(number) or abs(number) <= float(np.finfo(np.float32).max)
        return "_" not in value and in_range
    except ValueError:
        return False


def column_of(array: Any, column: CsvColumn, form: CsvFormat, path: str) -> Any:
    """An Arrow array of a column with its missing values filled."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.dtype == "string" and form.trim:
        array = pc.utf8_trim_whitespace(array)
    if array.null_count:
        if column.default is None:
            row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
            raise DataLossError(
                f'{path}: column "{column.name}" has no value in row {row} of a block, and no default; give one in column_defaults'
            )
        default = column.default.decode() if isinstance(column.default, bytes) else column.default
        array = array.fill_null(pa.scalar(default, array.type))
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def read_table(path: str, form: CsvFormat, columns: Sequence[CsvColumn]) -> dict[str, Any]:
    """All columns of a file as Arrow arrays without nulls."""
    import pyarrow as pa
    from pyarrow import csv as pacsv

    source = _source(path, form)
    try:
        table = pacsv.read_csv(source, **options_of(form, columns, BLOCK_BYTES, threads=True))
    except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
        raise _problem(path, error) from None
    finally:
        source.close()
    out = {}
    for c in columns:
        array = column_of(table.column(c.name), c, form, path)
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        out[c.name] = array
    return out


class CsvNode(Node):
    """The rows of CSV files; `make` arranges a dict of columns into the element.

    Files that are small together are read once, into a table, on which shuffles and batches are index arithmetic. Others are
    streamed block by block; a stream goes back to a place by reading its file again up to there.
    """

    name = "csv"

    def __init__(self, paths: list[str], form: CsvFormat, columns: list[CsvColumn], make: Any):
        self.paths, self.form, self.columns, self.make = paths, form, columns, make
        self._table: Table | None = None

    def is_small(self) -> bool:
        """Whether the files are kept in memory."""
        if self.form.compression or any(is_remote(path) for path in self.paths):
            return False
        return sum(os.path.getsize(path) for path in self.paths) <= IN_MEMORY_BYTES

    def table(self) -> Table:
        """All rows, read on first use."""
        if self._table is None:
            import pyarrow as pa

            parts = [read_table(path, self.form, self.columns) for path in self.paths]
            whole = {c.name: pa.concat_arrays([part[c.name] for part in parts]) for c in self.columns}
            self._table = Table(self.make({name: from_arrow_array(array, name) for name, array in whole.items()}))
        return self._table

    def indexed(self, context: Context) -> Indexed | None:
        return Indexed(self.table(), Span(self.table().size)) if self.is_small() else None

    def open(self, context: Context) -> Cursor:
        indexed = self.indexed(context)
        return CsvCursor(self) if indexed is None else IndexedCursor(indexed, context.passes, context.columns)

    def spec(self) -> Any:
        return self.make({c.name: TensorSpec((), c.dtype) for c in self.columns})

    def cardinality(self) -> int:
        return UNKNOWN if self._table is None else self._table.size

    def describe(self) -> str:
        return f"csv: {len(self.paths)} files, {'in memory' if self.is_small() else 'streamed'}"


class CsvCursor(BlockCursor):
    """Streams blocks; its state is the file's number and the number of rows handed out of it."""

    def __init__(self, node: CsvNode):
        super().__init__()
        self._node, self._file, self._rows = node, 0, 0
        self._reader: Any = None
        self._source: Any = None
        self._batch: Any = None
        self._row = self._skip = self._size_of_batch = 0
        self._vocabularies = {c.name: Vocabulary() for c in node.columns if c.dtype == "string"}

    def _next_batch(self) -> None:
        import pyarrow as pa

        while True:
            if self._reader is None:
                if self._file >= len(self._node.paths):
                    raise StopIteration
                path = self._node.paths[self._file]
                self._reader, self._source = _open(path, self._node.form, self._node.columns)
            path = self._node.paths[self._file]
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                self.close()
                self._file, self._rows = self._file + 1, 0
                continue
            except pa.ArrowInvalid as error:
                raise _problem(path, error) from None
            if self._skip >= batch.num_rows:
                self._skip -= batch.num_rows
                continue
            batch = batch.slice(self._skip)
            self._skip = 0
            found = {c.name: self._column(batch.column(i), c, path) for i, c in enumerate(self._node.columns)}
            self._batch, self._row, self._size_of_batch = found, 0, batch.num_rows
            return

    def _column(self, array: Any, column: CsvColumn, path: str) -> Any:
        array = column_of(array, column, self._node.form, path)
        if column.dtype == "string":
            return encode(array, self._vocabularies[column.name])
        return array.to_numpy(zero_copy_only=False)

    def _block(self, limit: int) -> Any:
        if self._row >= self._size_of_batch:
            self._next_batch()
        start, self._row = self._row, min(self._size_of_batch, self._row + limit)
        self._rows += self._row - start
        return self._node.make({name: slice_rows(leaf, start, self._row) for name, leaf in self._batch.items()})

    def _state(self) -> Any:
        return [self._file, self._rows]

    def _restore(self, state: Any) -> None:
        self._file, self._rows = state
        self._skip = self._rows

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._source.close()
        self._reader = None


def default_of(value: Any, name: str) -> CsvColumn:
    """A column from an entry of `column_defaults`: a dtype (the value must be there) or a default value."""
    if isinstance(value, type | np.dtype) or isinstance(value, str) and value in (*TYPES, *OTHER_TYPES):
        return CsvColumn(name, _readable(dtype_name(value), name))
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, np.ndarray):
        if value.size == 0:
            return CsvColumn(name, _readable(dtype_name(value.dtype), name))
        value = value.ravel()[0]
    if isinstance(value, str | bytes):
        return CsvColumn(name, "string", value)
    if isinstance(value, np.generic):
        return CsvColumn(name, _readable(value.dtype.name, name), value.item())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f'column "{name}": expected a dtype or a default value (a number or text), given {value!r}')
    return CsvColumn(name, "int32" if isinstance(value, int) else "float32", value)


def _readable(dtype: str, name: str) -> str:
    if dtype not in TYPES:
        raise ValueError(f'column "{name}": CSV columns are read as {", ".join(TYPES)}; given {dtype}')
    return dtype
