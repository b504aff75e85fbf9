"""Nested elements: dicts and tuples (also named ones) are the structure, everything else is a leaf.

A list is a leaf, as in tf.data: it is turned into one array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def is_namedtuple(value: Any) -> bool:
    """Whether a value is a named tuple, which is rebuilt from separate arguments."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def flatten(tree: Any) -> list[Any]:
    """The leaves of a nested element, in order.

    >>> flatten({"a": 1, "b": (2, 3)})
    [1, 2, 3]
    """
    leaves: list[Any] = []
    _flatten(tree, leaves)
    return leaves


def _flatten(tree: Any, leaves: list[Any]) -> None:
    # Runs once for every element of every chain: exact types first, as the check against Mapping is slow.
    kind = type(tree)
    if kind is dict:
        parts = tree.values()
    elif kind is tuple:
        parts = tree
    elif kind is np.ndarray:
        leaves.append(tree)
        return
    elif isinstance(tree, tuple):
        parts = tree
    elif isinstance(tree, Mapping):
        parts = tree.values()
    else:
        leaves.append(tree)
        return
    for part in parts:
        if type(part) is np.ndarray:
            leaves.append(part)
        else:
            _flatten(part, leaves)


def rebuild(tree: Any, leaves: list[Any]) -> Any:
    """The structure of `tree` with other leaves, in the order of `flatten`."""
    return _rebuild(tree, iter(leaves))


def _rebuild(tree: Any, leaves: Any) -> Any:
    kind = type(tree)
    if kind is dict:
        return {key: _rebuild(value, leaves) for key, value in tree.items()}
    if kind is tuple:
        return tuple([_rebuild(value, leaves) for value in tree])
    if isinstance(tree, tuple):
        values = [_rebuild(value, leaves) for value in tree]
        return kind(*values) if is_namedtuple(tree) else tuple(values)
    if tree is not None and kind is not np.ndarray and isinstance(tree, Mapping):
        return {key: _rebuild(value, leaves) for key, value in tree.items()}
    return next(leaves)


def map_leaves(fn: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Applies `fn` to every leaf (and to the same leaf of the other trees), keeping the structure."""
    if isinstance(tree, Mapping):
        return {key: map_leaves(fn, value, *(other[key] for other in others)) for key, value in tree.items()}
    if isinstance(tree, tuple):
        values = [map_leaves(fn, value, *(other[i] for other in others)) for i, value in enumerate(tree)]
        return type(tree)(*values) if is_namedtuple(tree) else tuple(values)
    return fn(tree, *others)


def fresh(tree: Any) -> Any:
    """The same leaves in new dicts and tuples, so that a user's `features.pop("label")` does not change what is kept."""
    return rebuild(tree, flatten(tree)) if isinstance(tree, Mapping | tuple) else tree


def frozen(tree: Any) -> Any:
    """The same leaves in new dicts and tuples, their arrays made read-only: for what is kept and handed out again."""
    for leaf in flatten(tree):
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable = False
    return fresh(tree)


def leaf_names(tree: Any, prefix: str = "") -> list[str]:
    """The path of each leaf, for messages: `[0]["age"]` style, empty for a single leaf.

    >>> leaf_names(({"age": 1}, 2))
    ['[0]["age"]', '[1]']
    """
    if isinstance(tree, Mapping):
        return [name for key, value in tree.items() for name in leaf_names(value, f'{prefix}["{key}"]')]
    if isinstance(tree, tuple):
        return [name for i, value in enumerate(tree) for name in leaf_names(value, f"{prefix}[{i}]")]
    return [prefix]


def same_structure(a: Any, b: Any) -> bool:
    """Whether two elements have the same dict keys and tuple lengths all the way down."""
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and set(a) == set(b) and all(same_structure(a[k], b[k]) for k in a)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same_structure, a, b))
    return not isinstance(b, Mapping | tuple)


def leaves_like(tree: Any, like: Any) -> list[Any]:
    """The leaves of `tree` in the order of those of `like`; raises KeyError if the structures differ."""
    leaves: list[Any] = []
    _leaves_like(tree, like, leaves)
    return leaves


def _leaves_like(tree: Any, like: Any, leaves: list[Any]) -> None:
    if isinstance(like, tuple):
        if not isinstance(tree, tuple) or len(tree) != len(like):
            raise KeyError("tuple")
        for part, part_like in zip(tree, like):
            _leaves_like(part, part_like, leaves)
    elif type(like) is dict or isinstance(like, Mapping):
        if not isinstance(tree, dict | Mapping) or len(tree) != len(like):
            raise KeyError("dict")
        for key, part_like in like.items():
            _leaves_like(tree[key], part_like, leaves)
    elif isinstance(tree, tuple | dict):
        raise KeyError("leaf")
    else:
        leaves.append(tree)


def reordered(tree: Any, like: Any) -> Any:
    """`tree` with its dicts in the key order of `like`, so that leaves line up when flattened."""
    if isinstance(like, Mapping):
        return {key: reordered(tree[key], value) for key, value in like.items()}
    if isinstance(like, tuple):
        values = [reordered(a, b) for a, b in zip(tree, like)]
        return type(tree)(*values) if is_namedtuple(tree) else tuple(values)
    return tree


def as_element(value: Any) -> Any:
    """What a user gave as an element in the form used inside: see `as_leaf` for its leaves."""
    kind = type(value)
    if kind is np.ndarray:
        return value if value.ndim else value[()]
    if kind is tuple:
        return tuple([as_element(part) for part in value])
    if kind is dict:
        return {key: as_element(part) for key, part in value.items()}
    if isinstance(value, np.generic | str | bytes):
        return value
    if isinstance(value, np.ndarray):
        return value if value.ndim else value[()]
    if isinstance(value, Mapping):
        return {key: as_element(part) for key, part in value.items()}
    if isinstance(value, tuple):
        parts = [as_element(part) for part in value]
        return type(value)(*parts) if is_namedtuple(value) else tuple(parts)
    return as_leaf(value)


def as_leaf(value: Any) -> Any:
    """One value as it travels: NumPy scalars and arrays, `str`, `bytes`, or a container of this package.

    Python integers become int64 and Python floats float32 (tf.data: int32 and float32); a list becomes one array,
    of strings an object array; arrays of other libraries become NumPy arrays without a copy where they can.
    """
    if isinstance(value, np.generic | str | bytes) or value is None:
        return value
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int64(value) if -(2**63) <= value < 2**63 else np.uint64(value)
    if isinstance(value, float):
        return np.float32(value)
    if isinstance(value, list):
        return list_to_array(value)
    if hasattr(value, "__array__") and not hasattr(value, "__arrow_c_array__") and not is_container(value):
        array = np.asarray(value)
        return array if array.ndim else array[()]
    return value


def is_container(value: Any) -> bool:
    """Whether a leaf is one of the containers that batch in their own way (sparse, ragged, a nested dataset)."""
    return hasattr(value, "is_estimax_value")


def list_to_array(values: list[Any]) -> np.ndarray:
    """A (nested) list as one array, with the default types of `as_leaf`."""
    first: Any = values
    while isinstance(first, list) and first:
        first = first[0]
    if isinstance(first, str | bytes) and not isinstance(first, np.generic):
        shape: list[int] = []
        level: Any = values
        while isinstance(level, list):
            shape.append(len(level))
            level = level[0] if level else None
        out = np.empty(shape, object)
        flat = values
        for _ in shape[1:]:
            flat = [v for part in flat for v in part]
        if len(flat) != out.size:
            raise ValueError(f"a list of strings must be rectangular to become one array; its first row gives {shape}")
        out.reshape(-1)[:] = flat
        return out
    array = np.asarray(values)
    if array.dtype == np.float64 and isinstance(first, int | float) and not isinstance(first, np.generic):
        return array.astype(np.float32)
    if array.size == 0 and isinstance(first, list):
        return array.astype(np.float32)
    return array
