"""Elements kept in files: `cache(filename)` and `snapshot(path)`."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from typing import Any

from estimax.data import element_file
from estimax.data.cache import first_pass
from estimax.data.errors import InvalidDataError
from estimax.data.mapping import call, elements_of
from estimax.data.node import UNKNOWN, Context, Cursor, Node
from estimax.data.order import SameElementsNode
from estimax.data.records import FilesNode, RecordReader, TFRecordWriter
from estimax.data.specs import merge, spec_of


class KeptNode(SameElementsNode):
    """Elements written to a directory by the first use, read from there by all others, in this process and in later ones.

    They are complete or absent: a pass that is not finished leaves nothing. The directory holds one TFRecord file for each
    shard and, last, a marker.
    """

    def __init__(
        self,
        source: Node,
        path: str,
        name: str,
        compression: str = "",
        shard_func: Callable[..., Any] | None = None,
        arrange: Callable[[list[str]], Node] | None = None,
    ):
        super().__init__(source)
        self.path, self.name, self.compression = path, name, compression
        self.shard_func, self.arrange = shard_func, arrange

    def shards(self) -> list[str] | None:
        """The files, or None if they are not there yet."""
        marker = os.path.join(self.path, "complete")
        if not os.path.exists(marker):
            return None
        with open(marker, encoding="utf8") as file:
            return [os.path.join(self.path, line) for line in file.read().split("\n") if line]

    def open(self, context: Context) -> Cursor:
        if self.shards() is None:
            self.write(context)
        paths = self.shards()
        if paths is None:
            raise InvalidDataError(f"{self.name}: {self.path} could not be written")
        node = self.arrange(paths) if self.arrange is not None else files_node(paths, self.compression)
        return DecodedCursor(node.open(context.for_functions().child()))

    def write(self, context: Context) -> None:
        """Writes all elements, complete or not at all."""
        os.makedirs(self.path, exist_ok=True)
        run = uuid.uuid4().hex[:12]  # two processes that start together write different files; one marker stays
        cursor = self.source.open(first_pass(context.for_functions()).child())
        writers: dict[int, TFRecordWriter] = {}
        try:
            for element in elements_of(cursor):
                shard = 0 if self.shard_func is None else int(call(self.shard_func, element))
                if shard not in writers:
                    writers[shard] = TFRecordWriter(os.path.join(self.path, f"{run}-{shard}.tfrecord"), self.compression)
                writers[shard].write(element_file.encode(element))
        except BaseException:
            for shard, writer in writers.items():
                writer.close()
                with contextlib.suppress(OSError):
                    os.remove(os.path.join(self.path, f"{run}-{shard}.tfrecord"))
            raise
        finally:
            cursor.close()
        for writer in writers.values():
            writer.close()
        temporary = os.path.join(self.path, f"{run}.tmp")
        with open(temporary, "w", encoding="utf8") as file:
            file.write("\n".join(f"{run}-{shard}.tfrecord" for shard in sorted(writers)))
        os.replace(temporary, os.path.join(self.path, "complete"))


class LoadedNode(Node):
    """Elements kept in a directory; their spec is that of the first ones."""

    name = "load"

    def __init__(self, kept: KeptNode):
        self.kept = kept

    def open(self, context: Context) -> Cursor:
        return self.kept.open(context)

    def spec(self) -> Any:
        found = None
        for element in self.probes(2):
            spec = spec_of(element)
            found = spec if found is None else merge(found, spec)
        if found is None:
            raise InvalidDataError(f"load: {self.kept.path} holds no element, so what they look like is not known")
        return found

    def cardinality(self) -> int:
        return UNKNOWN


def files_node(paths: list[str], compression: str) -> Node:
    """The encoded elements of files, one file after the other."""
    return FilesNode("elements", lambda: paths, lambda path: RecordReader(path, compression))


class DecodedCursor(Cursor):
    """Decodes elements."""

    def __init__(self, below: Cursor):
        self._below = below

    def next(self) -> Any:
        return element_file.decode(self._below.next())

    def state(self) -> Any:
        return self._below.state()

    def restore(self, state: Any) -> None:
        self._below.restore(state)

    def close(self) -> None:
        self._below.close()
