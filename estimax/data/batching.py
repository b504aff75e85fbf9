"""Steps that join elements to batches and take batches apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.data.collate import (
    block_rows,
    is_arrow,
    pad_leaf,
    plain_block,
    slice_block,
    stack,
    stack_leaf,
    stack_ragged_leaf,
)
from estimax.data.errors import InvalidDataError
from estimax.data.node import UNKNOWN, BlockCursor, Context, Cursor, Node
from estimax.data.specs import (
    RaggedTensorSpec,
    TensorSpec,
    dtype_name,
    first_size,
    with_batch,
    without_batch,
)
from estimax.data.structure import flatten, leaf_names, map_leaves, rebuild, reordered, same_structure


def batches_of(n: int, size: int, drop_remainder: bool) -> int:
    """The number of batches that n elements (or INFINITE, UNKNOWN) give."""
    if n < 0:
        return n
    return n // size if drop_remainder else -(-n // size)


class BatchNode(Node):
    """Consecutive elements stacked to one."""

    name = "batch"

    def __init__(self, source: Node, size: int, drop_remainder: bool):
        self.inputs, self.source, self.size, self.drop_remainder = (source,), source, size, drop_remainder
        self._rows_of_ragged: bool | None = None

    def spec(self) -> Any:
        size = self.size if self.drop_remainder else None
        return map_leaves(lambda leaf: with_batch(leaf, size), self.source.spec())

    def cardinality(self) -> int:
        return batches_of(self.source.cardinality(), self.size, self.drop_remainder)

    def probes(self, count: int) -> list[Any]:
        if self.drop_remainder:
            return super().probes(min(count, 1))
        rows = self.source.probes(2)  # batches of two sizes show that the size is not fixed, and are soon made
        return [stack(rows[:n]) for n in (2, 1)[2 - len(rows) :]][:count]

    def open(self, context: Context) -> Cursor:
        return BatchCursor(self, self.source.open(context.child()), context.columns)

    def stacked(self, elements: list[Any]) -> Any:
        """Elements as one batch: rows of a RaggedTensor become one again."""
        if self._rows_of_ragged is None:
            specs = flatten(self.source.spec()) if self.source.has_static_spec() else []
            self._rows_of_ragged = any(isinstance(spec, RaggedTensorSpec) for spec in specs)
        if not self._rows_of_ragged:
            return stack(elements)
        specs = flatten(self.source.spec())
        columns = zip(*(flatten(element) for element in elements))
        leaves = [
            stack_ragged_leaf(column) if isinstance(spec, RaggedTensorSpec) else stack_leaf(column)
            for column, spec in zip(columns, specs)
        ]
        return rebuild(elements[0], leaves)

    def describe(self) -> str:
        return f"batch({self.size}{', drop_remainder' if self.drop_remainder else ''})"


class BatchCursor(Cursor):
    """Takes as many rows as a batch has at once where they lie in columns, else stacks elements."""

    def __init__(self, node: BatchNode, below: Cursor, columns: str):
        self._node, self._below, self._columns = node, below, columns

    def next(self) -> Any:
        size = self._node.size
        if self._below.columnar:
            batch = self._below.full_block(size)  # type: ignore[attr-defined]
            if self._node.drop_remainder and block_rows(batch) < size:
                raise StopIteration
            return plain_block(batch, self._columns)
        return self._node.stacked(draw(self._below, size, self._node.drop_remainder))

    def state(self) -> Any:
        return self._below.state()

    def restore(self, state: Any) -> None:
        self._below.restore(state)

    def skip(self, count: int) -> int:
        if not isinstance(self._below, BlockCursor):
            return super().skip(count)
        return batches_of(self._below.skip(count * self._node.size), self._node.size, self._node.drop_remainder)

    def close(self) -> None:
        self._below.close()


def draw(below: Cursor, size: int, drop_remainder: bool) -> list[Any]:
    """The elements of the next batch; raises StopIteration at the end."""
    elements: list[Any] = []
    try:
        while len(elements) < size:
            elements.append(below.next())
    except StopIteration:
        if not elements or drop_remainder:
            raise StopIteration from None
    return elements


class PaddedBatchNode(Node):
    """Consecutive elements padded at their ends and stacked."""

    name = "padded_batch"

    def __init__(self, source: Node, size: int, padded_shapes: Any, padding_values: Any, drop_remainder: bool):
        self.inputs, self.source, self.size, self.drop_remainder = (source,), source, size, drop_remainder
        self.padded_shapes, self.padding_values = padded_shapes, padding_values

    def spec(self) -> Any:
        size = self.size if self.drop_remainder else None
        return self.padded_spec(size)

    def padded_spec(self, size: int | None) -> Any:
        """The spec of a batch of `size` elements."""
        below = self.source.spec()
        shapes = leaf_shapes(self.padded_shapes, below)
        for spec, fill, name in zip(flatten(below), leaf_fills(self.padding_values, below), leaf_names(below)):
            _check_fill(spec, fill, name)
        return rebuild(below, [self._leaf(leaf, shape, size) for leaf, shape in zip(flatten(below), shapes)])

    def _leaf(self, leaf: Any, shape: Any, size: int | None) -> Any:
        if not isinstance(leaf, TensorSpec):
            raise TypeError(f"padded_batch takes elements of plain arrays; this dataset has {leaf}")
        if shape is None:
            shape = leaf.shape
        return TensorSpec(None if shape is None else (size, *(None if n in (None, -1) else n for n in shape)), leaf.dtype)

    def cardinality(self) -> int:
        return batches_of(self.source.cardinality(), self.size, self.drop_remainder)

    def open(self, context: Context) -> Cursor:
        self.check()
        return PaddedBatchCursor(self, self.source.open(context.for_functions().child()))

    def describe(self) -> str:
        return f"padded_batch({self.size})"


def leaf_shapes(padded_shapes: Any, like: Any) -> list[Any]:
    """One shape (or None) per leaf from a `padded_shapes` argument, whose leaves are lists, tuples of sizes or None."""
    if padded_shapes is None:
        return [None] * len(flatten(like))
    if isinstance(like, dict):
        if not isinstance(padded_shapes, dict) or set(padded_shapes) != set(like):
            raise ValueError(f"padded_shapes must have the keys {sorted(like)} of the element, given {padded_shapes!r}")
        return [shape for key in like for shape in leaf_shapes(padded_shapes[key], like[key])]
    if isinstance(like, tuple):
        if not isinstance(padded_shapes, tuple) or len(padded_shapes) != len(like):
            raise ValueError(f"padded_shapes must be a tuple of {len(like)} parts as the element, given {padded_shapes!r}")
        return [shape for part, sub in zip(padded_shapes, like) for shape in leaf_shapes(part, sub)]
    if isinstance(padded_shapes, int):
        return [[padded_shapes]]
    if not isinstance(padded_shapes, list | tuple | np.ndarray):
        raise ValueError(f"padded_shapes: expected a list of sizes, given {padded_shapes!r}")
    return [[None if n is None else int(n) for n in padded_shapes]]


def leaf_fills(padding_values: Any, like: Any) -> list[Any]:
    """One padding value (or None) per leaf; a single value counts for all leaves."""
    n = len(flatten(like))
    if not isinstance(padding_values, dict | tuple):
        return [padding_values] * n
    if not same_structure(like, padding_values):
        raise ValueError(
            f"padding_values must be one value or have the element's structure {leaf_names(like)}, given {padding_values!r}"
        )
    return flatten(reordered(padding_values, like))


def _check_fill(spec: Any, fill: Any, name: str) -> None:
    """Raises TypeError for a padding value of another dtype; Python numbers count as any dtype that can hold them."""
    if fill is None or not isinstance(spec, TensorSpec):
        return
    if isinstance(fill, np.generic | np.ndarray):
        fits = dtype_name(fill.dtype) == spec.dtype
    elif isinstance(fill, str | bytes):
        fits = spec.dtype == "string"
    else:
        fits = spec.dtype != "string" and (isinstance(fill, int) or np.dtype(spec.dtype).kind == "f")
    if not fits:
        raise TypeError(
            f"padded_batch: the padding value {fill!r} does not have the dtype of {name or 'the element'}, {spec.dtype}"
        )


class PaddedBatchCursor(Cursor):
    """Pads and stacks."""

    def __init__(self, node: PaddedBatchNode, below: Cursor):
        self._node, self._below = node, below

    def next(self) -> Any:
        elements = draw(self._below, self._node.size, self._node.drop_remainder)
        return pad(elements, self._node.padded_shapes, self._node.padding_values)

    def state(self) -> Any:
        return self._below.state()

    def restore(self, state: Any) -> None:
        self._below.restore(state)

    def close(self) -> None:
        self._below.close()


def pad(elements: Sequence[Any], padded_shapes: Any = None, padding_values: Any = None) -> Any:
    """Elements padded and stacked to one batch."""
    first = elements[0]
    shapes, fills = leaf_shapes(padded_shapes, first), leaf_fills(padding_values, first)
    columns = zip(*(flatten(reordered(element, first)) for element in elements))
    names = leaf_names(first)
    parts = [pad_leaf(column, *given) for column, *given in zip(columns, shapes, fills, names)]
    return rebuild(first, parts)


class RaggedBatchNode(Node):
    """Consecutive elements of differing length joined to ragged batches."""

    name = "ragged_batch"

    def __init__(self, source: Node, size: int, drop_remainder: bool, row_splits_dtype: Any):
        self.inputs, self.source, self.size, self.drop_remainder = (source,), source, size, drop_remainder
        self.row_splits_dtype = row_splits_dtype

    def spec(self) -> Any:
        size = self.size if self.drop_remainder else None

        def leaf(spec: Any) -> Any:
            if is_ragged(spec) and isinstance(spec, TensorSpec):
                return RaggedTensorSpec(None if spec.shape is None else (size, *spec.shape), spec.dtype, 1)
            return with_batch(spec, size)

        return map_leaves(leaf, self.source.spec())

    def cardinality(self) -> int:
        return batches_of(self.source.cardinality(), self.size, self.drop_remainder)

    def open(self, context: Context) -> Cursor:
        try:
            ragged = [is_ragged(leaf) for leaf in flatten(self.source.spec())]
        except Exception:  # raised again, in its place, when elements are drawn
            ragged = []
        return RaggedBatchCursor(self, self.source.open(context.for_functions().child()), ragged)


def is_ragged(spec: Any) -> bool:
    """Whether elements of a spec may differ in shape."""
    return not isinstance(spec, TensorSpec) or spec.shape is None or None in spec.shape


class RaggedBatchCursor(Cursor):
    """Joins elements to ragged batches; components of one shape to arrays."""

    def __init__(self, node: RaggedBatchNode, below: Cursor, ragged: list[bool]):
        self._node, self._below, self._ragged = node, below, ragged

    def next(self) -> Any:
        elements = draw(self._below, self._node.size, self._node.drop_remainder)
        columns = list(zip(*(flatten(e) for e in elements)))
        leaves = [
            stack_ragged_leaf(column, self._node.row_splits_dtype) if ragged else stack_leaf(column)
            for column, ragged in zip(columns, self._ragged or [True] * len(columns))
        ]
        return rebuild(elements[0], leaves)

    def state(self) -> Any:
        return self._below.state()

    def restore(self, state: Any) -> None:
        self._below.restore(state)

    def close(self) -> None:
        self._below.close()


class UnbatchNode(Node):
    """The rows of batches as elements."""

    name = "unbatch"

    def __init__(self, source: Node):
        self.inputs, self.source = (source,), source
        if self.has_static_spec():
            self.spec()

    def spec(self) -> Any:
        below = self.source.spec()
        names = iter(leaf_names(below))
        return map_leaves(lambda leaf: without_batch(leaf, next(names)), below)

    def cardinality(self) -> int:
        n = self.source.cardinality()
        if n < 0:
            return n
        size = first_size(self.source.spec()) if self.source.has_static_spec() else None
        return UNKNOWN if size is None else n * size

    def open(self, context: Context) -> Cursor:
        self.check()
        return UnbatchCursor(self.source.open(context.child()))


class UnbatchCursor(BlockCursor):
    """Hands out the rows of batches in blocks."""

    def __init__(self, below: Cursor):
        super().__init__()
        self._below, self._batch, self._row, self._rows = below, None, 0, 0
        self._earlier: Any = None

    def _block(self, limit: int) -> Any:
        while self._row >= self._rows:
            before = self._below.state()
            batch = self._below.next()
            sizes = {leaf_rows(leaf, name) for leaf, name in zip(flatten(batch), leaf_names(batch))}
            if len(sizes) > 1:
                raise InvalidDataError(f"unbatch: the components of a batch must have as many rows; found {sorted(sizes)}")
            self._earlier, self._batch, self._row, self._rows = before, batch, 0, sizes.pop()
        start, self._row = self._row, min(self._rows, self._row + limit)
        return slice_block(self._batch, start, self._row)

    def no_rows(self) -> Any:
        """A batch without rows; raises StopIteration if the input is empty."""
        if self._batch is None:
            self._block(0)
        return slice_block(self._batch, 0, 0)

    def _state(self) -> Any:
        return [self._below.state()] if self._row >= self._rows else [self._earlier, self._row]

    def _restore(self, state: Any) -> None:
        self._below.restore(state[0])
        if len(state) > 1:
            self._block(state[1])

    def close(self) -> None:
        self._below.close()


def leaf_rows(leaf: Any, name: str) -> int:
    """The rows of a batched leaf; raises InvalidDataError for a scalar."""
    if isinstance(leaf, np.ndarray) and leaf.ndim or hasattr(leaf, "is_estimax_value") or is_arrow(leaf):
        return len(leaf)
    raise InvalidDataError(f"unbatch: {name or 'the element'} is a scalar ({leaf!r}); a batch has rows on its first axis")


class RebatchNode(Node):
    """Batches of another size over the same rows; a list of sizes is used in turn."""

    name = "rebatch"

    def __init__(self, source: Node, sizes: list[int], drop_remainder: bool):
        self.inputs, self.source, self.sizes, self.drop_remainder = (source,), source, sizes, drop_remainder
        if self.has_static_spec():
            self.spec()

    def spec(self) -> Any:
        size = self.sizes[0] if len(set(self.sizes)) == 1 else None

        def leaf(spec: Any) -> Any:
            row = without_batch(spec)
            whole = size is not None and (self.drop_remainder or bool(spec.shape and spec.shape[0] and spec.shape[0] % size == 0))
            return with_batch(row, size if whole else None)

        return map_leaves(leaf, self.source.spec())

    def cardinality(self) -> int:
        return UNKNOWN

    def open(self, context: Context) -> Cursor:
        self.check()
        return RebatchCursor(self, UnbatchCursor(self.source.open(context.child())))


class RebatchCursor(Cursor):
    """Cuts rows into batches of the wanted sizes."""

    def __init__(self, node: RebatchNode, rows: UnbatchCursor):
        self._node, self._rows, self._count = node, rows, 0

    def next(self) -> Any:
        size = self._node.sizes[self._count % len(self._node.sizes)]
        if size == 0:
            batch = self._rows.no_rows()
            self._count += 1
            return batch
        batch = self._rows.full_block(size)
        if self._node.drop_remainder and block_rows(batch) < size:
            raise StopIteration
        self._count += 1
        return batch

    def state(self) -> Any:
        return [self._count, self._rows.state()]

    def restore(self, state: Any) -> None:
        self._count = state[0]
        self._rows.restore(state[1])

    def close(self) -> None:
        self._rows.close()
