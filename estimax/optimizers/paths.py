"""Trees of arrays as flat dictionaries path -> array, and back."""

from __future__ import annotations

from typing import Any

import jax

from estimax.core.gradients import RowGradient


def _is_leaf(x: Any) -> bool:
    return isinstance(x, RowGradient) or x is None


def flatten(tree: Any) -> dict[str, Any]:
    """A tree of arrays as `{"a/0/b": array}`; a flat dictionary of them stays as it is."""
    if isinstance(tree, dict) and all(isinstance(k, str) and (hasattr(v, "shape") or v is None) for k, v in tree.items()):
        return dict(tree)
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_leaf)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def unflatten(flat: dict[str, Any], like: Any) -> Any:
    """The arrays of a flat dictionary in the form of the tree `like`."""
    return jax.tree.unflatten(jax.tree.structure(like), [flat[p] for p in flatten(like)])
