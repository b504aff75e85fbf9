"""Parquet files as columns: small ones whole, others one row group after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.data.collate import slice_rows
from estimax.data.encoded import Vocabulary, encode
from estimax.data.files import is_remote, open_file
from estimax.data.node import BlockCursor, Context, Cursor, Node
from estimax.data.rows import Indexed, IndexedCursor, Span
from estimax.data.specs import TensorSpec
from estimax.data.table import Table, from_arrow_array

IN_MEMORY_BYTES = 64 << 20
BATCH_ROWS = 1 << 15


def _file(path: str) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(open_file(path) if is_remote(path) else path)


class ParquetNode(Node):
    """The rows of Parquet files as dicts of columns."""

    name = "parquet"

    def __init__(self, paths: list[str], columns: Sequence[str] | None):
        self.paths = paths
        first = _file(paths[0])
        names = first.schema_arrow.names
        unknown = [name for name in columns or () if name not in names]
        if unknown:
            raise ValueError(f"{paths[0]}: no column {unknown[0]!r}; the file has {names}")
        self.columns = list(columns) if columns is not None else names
        # The spec comes from a table without rows, so that dtypes are those of the columns handed out.
        empty = first.schema_arrow.empty_table().select(self.columns)
        self._spec = Table({name: from_arrow_array(_whole(empty.column(name)), name) for name in self.columns}).spec()
        metadata = [first.metadata, *(_file(path).metadata for path in paths[1:])]
        self._rows = sum(m.num_rows for m in metadata)
        self._bytes = sum(m.row_group(i).total_byte_size for m in metadata for i in range(m.num_row_groups))
        self._table: Table | None = None

    def indexed(self, context: Context) -> Indexed | None:
        if self._bytes > IN_MEMORY_BYTES:
            return None
        if self._table is None:
            import pyarrow as pa

            whole = pa.concat_tables([_file(path).read(columns=self.columns) for path in self.paths])
            self._table = Table({name: from_arrow_array(_whole(whole.column(name)), name) for name in self.columns})
        return Indexed(self._table, Span(self._table.size))

    def open(self, context: Context) -> Cursor:
        indexed = self.indexed(context)
        return ParquetCursor(self) if indexed is None else IndexedCursor(indexed, context.passes, context.columns)

    def spec(self) -> Any:
        return self._spec

    def cardinality(self) -> int:
        return self._rows

    def describe(self) -> str:
        how = "streamed by row groups" if self._bytes > IN_MEMORY_BYTES else "in memory"
        return f"parquet: {len(self.paths)} files, {self._rows} rows, {how}"


def _whole(array: Any) -> Any:
    """A chunked array in one piece."""
    import pyarrow as pa

    array = array.unify_dictionaries() if pa.types.is_dictionary(array.type) else array
    return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)


class ParquetCursor(BlockCursor):
    """Streams batches of rows; its state is file, row group and the row in it."""

    def __init__(self, node: ParquetNode):
        super().__init__()
        self._node, self._file, self._group, self._rows = node, 0, 0, 0
        self._open: Any = None
        self._batches: Any = None
        self._batch: Any = None
        self._row = self._have = self._skip = 0
        self._vocabularies: dict[str, Vocabulary] = {}

    def _next_batch(self) -> None:
        while True:
            if self._open is None:
                if self._file >= len(self._node.paths):
                    raise StopIteration
                self._open = _file(self._node.paths[self._file])
            if self._batches is None:
                if self._group >= self._open.num_row_groups:
                    self._open.close()
                    self._open, self._file, self._group = None, self._file + 1, 0
                    continue
                self._batches = self._open.iter_batches(BATCH_ROWS, row_groups=[self._group], columns=self._node.columns)
            batch = next(self._batches, None)
            if batch is None:
                self._batches, self._group, self._rows = None, self._group + 1, 0
                continue
            if self._skip >= batch.num_rows:
                self._skip -= batch.num_rows
                continue
            batch, self._skip = batch.slice(self._skip), 0
            self._batch = {name: self._column(name, batch.column(name)) for name in self._node.columns}
            self._row, self._have = 0, batch.num_rows
            return

    def _column(self, name: str, array: Any) -> Any:
        import pyarrow as pa

        spec = self._node.spec()[name]
        if isinstance(spec, TensorSpec) and spec.dtype == "string" and spec.shape == ():
            if pa.types.is_dictionary(array.type):
                array = array.dictionary_decode()
            blank = b"" if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type) else ""
            array = array.fill_null(blank) if array.null_count else array
            return encode(array, self._vocabularies.setdefault(name, Vocabulary()))
        return from_arrow_array(array, name).gather(np.arange(len(array)), "numpy")

    def _block(self, limit: int) -> Any:
        if self._row >= self._have:
            self._next_batch()
        start, self._row = self._row, min(self._have, self._row + limit)
        self._rows += self._row - start
        return {name: slice_rows(leaf, start, self._row) for name, leaf in self._batch.items()}

    def _state(self) -> Any:
        return [self._file, self._group, self._rows]

    def _restore(self, state: Any) -> None:
        self._file, self._group, self._rows = state
        self._skip = self._rows

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
