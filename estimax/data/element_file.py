"""Elements in a TFRecord file, for `cache(filename)` and `snapshot`: arrays as their bytes, structure as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from estimax.data.errors import DataLossError, InvalidDataError
from estimax.data.values import RaggedTensor, SparseTensor


def encode(element: Any) -> bytes:
    """One element as bytes.

    Raises:
        InvalidDataError: if a leaf is neither an array, text, nor a sparse or ragged value.
    """
    parts: list[bytes] = []
    head = json.dumps(_head(element, parts)).encode()
    return b"".join([len(head).to_bytes(4, "little"), head, *parts])


def _head(tree: Any, parts: list[bytes]) -> Any:
    if isinstance(tree, dict):
        return {"dict": {key: _head(value, parts) for key, value in tree.items()}}
    if isinstance(tree, tuple):
        return {"tuple": [_head(value, parts) for value in tree]}
    if isinstance(tree, SparseTensor):
        return {"sparse": [_head(part, parts) for part in (tree.indices, tree.values, tree.dense_shape)]}
    if isinstance(tree, RaggedTensor):
        return {"ragged": [_head(part, parts) for part in (tree.flat_values, *tree.nested_row_splits)]}
    if isinstance(tree, str | bytes) and not isinstance(tree, np.generic):
        data = tree.encode() if isinstance(tree, str) else tree
        parts.append(data)
        return {"text" if isinstance(tree, str) else "bytes": len(data)}
    if isinstance(tree, np.ndarray | np.generic):
        return _array(np.asarray(tree), parts)
    raise InvalidDataError(
        f"only arrays, text, sparse and ragged values can be kept in a file; the element holds a {type(tree).__name__}"
    )


def _array(array: np.ndarray, parts: list[bytes]) -> Any:
    if array.dtype != object:
        parts.append(np.ascontiguousarray(array).tobytes())
        return {"array": [array.dtype.str if array.dtype.kind != "V" else array.dtype.name, list(array.shape)]}
    items = array.ravel().tolist()
    kinds = {type(item) for item in items}
    if not kinds <= {str} and not kinds <= {bytes}:
        raise InvalidDataError(
            f"an array of objects can be kept in a file if it holds text or bytes, it holds {sorted(map(str, kinds))}"
        )
    encoded = [item.encode() for item in items] if kinds == {str} else items
    parts.extend(encoded)
    return {"objects": ["str" if kinds == {str} else "bytes", list(array.shape), [len(item) for item in encoded]]}


def decode(data: bytes) -> Any:
    """The element of some bytes; raises DataLossError if they are not one."""
    try:
        size = int.from_bytes(data[:4], "little")
        element, at = _tree(json.loads(data[4 : 4 + size]), data, 4 + size)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataLossError(f"not an element that a cache wrote: {error}") from None
    if at != len(data):
        raise DataLossError("not an element that a cache wrote: its length does not fit")
    return element


def _tree(head: Any, data: bytes, at: int) -> tuple[Any, int]:
    ((kind, value),) = head.items()
    if kind == "dict":
        out: Any = {}
        for key, part in value.items():
            out[key], at = _tree(part, data, at)
        return out, at
    if kind in ("tuple", "sparse", "ragged"):
        parts = []
        for part in value:
            found, at = _tree(part, data, at)
            parts.append(found)
        if kind == "tuple":
            return tuple(parts), at
        return (SparseTensor(*parts) if kind == "sparse" else RaggedTensor(parts[1:], parts[0])), at
    if kind in ("text", "bytes"):
        part = data[at : at + value]
        return (part.decode() if kind == "text" else part), at + value
    if kind == "array":
        dtype, shape = np.dtype(value[0]), value[1]
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(data, dtype, count, at).reshape(shape).copy()
        return (array if shape else array[()]), at + count * dtype.itemsize
    items = []
    for size in value[2]:
        part = data[at : at + size]
        items.append(part.decode() if value[0] == "str" else part)
        at += size
    objects = np.empty(len(items), object)
    objects[:] = items
    return objects.reshape(value[1]), at
