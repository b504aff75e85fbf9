"""Rows and batches: stacking elements, and slicing, taking and joining batched leaves whatever their kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.data.encoded import EncodedText, join
from estimax.data.errors import DataLossError, InvalidDataError
from estimax.data.structure import flatten, leaf_names, leaves_like, map_leaves, rebuild
from estimax.data.values import (
    RaggedTensor,
    SparseTensor,
    concat_ragged,
    concat_sparse,
    stack_ragged,
    stack_sparse,
)


def is_arrow(leaf: Any) -> bool:
    """Whether a leaf is an array of pyarrow."""
    return hasattr(leaf, "__arrow_c_array__")


def rows_in(leaf: Any) -> int:
    """The number of rows of a batched leaf."""
    return len(leaf)


def slice_rows(leaf: Any, start: int, stop: int) -> Any:
    """Rows `start` to `stop` of a batched leaf (a view where the kind allows)."""
    if isinstance(leaf, SparseTensor | RaggedTensor):
        return leaf.take(np.arange(start, stop))
    if isinstance(leaf, EncodedText):
        return EncodedText(leaf.codes[start:stop], leaf.vocabulary)
    if is_arrow(leaf):
        return leaf.slice(start, stop - start)
    return leaf[start:stop]


def take_rows(leaf: Any, rows: np.ndarray) -> Any:
    """Rows of a batched leaf in the given order."""
    if isinstance(leaf, np.ndarray):
        return leaf.take(rows, axis=0)
    return leaf.take(rows)


def one_row(leaf: Any, i: int) -> Any:
    """One element of a batched leaf."""
    if isinstance(leaf, SparseTensor | RaggedTensor):
        return leaf.row(i)
    if isinstance(leaf, EncodedText):
        return leaf.vocabulary.values()[leaf.codes[i]]
    if is_arrow(leaf):
        return leaf[i].as_py()
    return leaf[i]


def concat_rows(leaves: Sequence[Any]) -> Any:
    """Batched leaves joined along their first axis."""
    if len(leaves) == 1:
        return leaves[0]
    first = leaves[0]
    if any(isinstance(leaf, EncodedText) for leaf in leaves):
        return join(leaves)
    if isinstance(first, SparseTensor):
        return concat_sparse(leaves)
    if isinstance(first, RaggedTensor):
        return concat_ragged(leaves)
    if is_arrow(first):
        return _concat_arrow(leaves)
    return np.concatenate(leaves)


def _concat_arrow(leaves: Sequence[Any]) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(first := leaves[0].type):
        joined = pa.chunked_array(leaves, type=first).unify_dictionaries()
        return joined.combine_chunks() if joined.num_chunks != 1 else joined.chunk(0)
    return pa.concat_arrays(list(leaves))


def plain_block(block: Any, columns: str) -> Any:
    """A batched element as it is handed out: text that is encoded inside becomes plain (or, if wanted, Arrow's)."""
    if not any(type(leaf) is EncodedText for leaf in flatten(block)):
        return block
    return map_leaves(lambda leaf: leaf.plain(columns) if type(leaf) is EncodedText else leaf, block)


def concat_blocks(blocks: Sequence[Any]) -> Any:
    """Batched elements joined along their first axis, leaf by leaf."""
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0]
    columns = zip(*(flatten(b) for b in blocks))
    return rebuild(first, [concat_rows(parts) for parts in columns])


def slice_block(block: Any, start: int, stop: int) -> Any:
    """Rows of a batched element."""
    return map_leaves(lambda leaf: slice_rows(leaf, start, stop), block)


def take_block(block: Any, rows: np.ndarray) -> Any:
    """Rows of a batched element in the given order."""
    return map_leaves(lambda leaf: take_rows(leaf, rows), block)


def block_rows(block: Any) -> int:
    """The number of rows of a batched element."""
    leaves = flatten(block)
    return rows_in(leaves[0]) if leaves else 0


def rows_of(block: Any) -> list[Any]:
    """A batched element as the list of its elements."""
    leaves = flatten(block)
    n = rows_in(leaves[0])
    if not isinstance(block, dict | tuple):
        return [one_row(block, i) for i in range(n)]
    return [rebuild(block, [one_row(leaf, i) for leaf in leaves]) for i in range(n)]


def stack_leaf(values: Sequence[Any], name: str = "") -> Any:
    """One leaf of several elements as a batched leaf; all must have one shape."""
    first = values[0]
    if isinstance(first, SparseTensor):
        return stack_sparse(values)
    if isinstance(first, RaggedTensor):
        return stack_ragged(values)
    if isinstance(first, np.ndarray):
        shape = first.shape
        for i, value in enumerate(values):
            if getattr(value, "shape", ()) != shape:
                raise InvalidDataError(
                    f"batch: elements of one batch must have one shape; {name or 'the element'} has shape "
                    f"{list(shape)} in the first and {list(getattr(value, 'shape', ()))} in element {i} of the batch. "
                    "Use padded_batch or ragged_batch for elements that differ in length."
                )
        return np.stack(values)
    if isinstance(first, np.str_ | np.bytes_):
        return np.array(values)
    if isinstance(first, np.generic):
        array = np.array(values)
        if array.ndim != 1 or array.dtype == object:
            raise InvalidDataError(
                f"batch: {name or 'the element'} is a scalar in the first element of the batch and not in all others"
            )
        return array
    if hasattr(first, "element_spec"):
        raise InvalidDataError(
            "batch: an element is itself a dataset (as window makes them); flatten first: dataset.flat_map(lambda w: w.batch(n))"
        )
    if any(isinstance(value, np.ndarray) for value in values):
        raise InvalidDataError(f"batch: {name or 'the element'} is a scalar in some elements and an array in others")
    array = np.empty(len(values), object)
    array[:] = values
    return array


def stack(elements: Sequence[Any]) -> Any:
    """Elements as one batched element."""
    first = elements[0]
    if not isinstance(first, dict | tuple):
        return stack_leaf(elements)
    columns = zip(*(_aligned(first, element) for element in elements))
    names = leaf_names(first)
    return rebuild(first, [stack_leaf(column, name) for column, name in zip(columns, names)])


def _aligned(first: Any, element: Any) -> list[Any]:
    try:
        return leaves_like(element, first)
    except KeyError:
        raise InvalidDataError(
            "batch: elements of one batch must have one structure; the first has "
            f"{leaf_names(first)}, a later one {leaf_names(element)}"
        ) from None


def pad_leaf(values: Sequence[Any], shape: Sequence[int | None] | None, fill: Any, name: str = "") -> np.ndarray:
    """One leaf of several elements, each padded at its end, as a batched leaf.

    Args:
        shape: the padded shape of one element; None (or -1) for an axis means the longest of the batch.
        fill: the padding value.
    """
    arrays = [np.asarray(v, object) if isinstance(v, str | bytes) else np.asarray(v) for v in values]
    ranks = {a.ndim for a in arrays}
    if len(ranks) > 1:
        raise InvalidDataError(f"padded_batch: {name or 'the element'} has elements of ranks {sorted(ranks)}; one is needed")
    longest = np.max([a.shape for a in arrays], 0) if arrays[0].ndim else np.zeros(0, int)
    target = (
        [int(n) for n in longest]
        if shape is None
        else [int(longest[i]) if n is None or n == -1 else int(n) for i, n in enumerate(shape)]
    )
    if len(target) != arrays[0].ndim:
        raise InvalidDataError(
            f"padded_batch: padded_shapes gives {name or 'the element'} {len(target)} axes, it has {arrays[0].ndim}"
        )
    for i, array in enumerate(arrays):
        if any(n > m for n, m in zip(array.shape, target)):
            raise DataLossError(
                f"padded_batch: {name or 'the element'} has shape {list(array.shape)} in element {i} of the batch, "
                f"which does not fit the padded shape {target}; give a larger one or None to pad to the longest"
            )
    dtype = arrays[0].dtype if arrays[0].dtype.kind not in "SU" else np.result_type(*arrays)
    if all(list(a.shape) == target for a in arrays):
        return np.stack(arrays).astype(dtype, copy=False)
    out = np.empty((len(arrays), *target), dtype)
    out[...] = default_fill(arrays) if fill is None else fill
    for i, array in enumerate(arrays):
        out[i][tuple(slice(n) for n in array.shape)] = array
    return out


def default_fill(arrays: Sequence[np.ndarray]) -> Any:
    """0, False or the empty string of the kind that the arrays hold."""
    kind = arrays[0].dtype.kind
    if kind == "O":
        first = next((a.flat[0] for a in arrays if a.size), b"")
        return "" if isinstance(first, str) else b""
    return {"U": "", "S": b""}.get(kind, 0)


def stack_ragged_leaf(values: Sequence[Any], row_splits_dtype: Any = np.int64) -> Any:
    """One leaf of several elements as a RaggedTensor; scalars are stacked, as tf.data does."""
    first = values[0]
    if isinstance(first, RaggedTensor):
        return stack_ragged(values)
    if isinstance(first, np.ndarray) and first.ndim:
        return stack_ragged(values, row_splits_dtype)
    return stack_leaf(values)
