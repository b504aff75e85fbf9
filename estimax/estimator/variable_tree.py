"""Weights of other libraries' modules (Flax, Haiku, Equinox, plain JAX) as variables of a model_fn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from estimax.core import Variable, name_scope, next_key


class VariableTree:
    """A tree of arrays that a function of a random key makes, kept as variables: trained, saved and restored with the model.

    Args:
        name: the first part of the variables' paths; the rest are the tree's keys.
        init: `key -> tree of arrays`, as `lambda key: module.init(key, x)["params"]`.
        trainable: whether training changes them.

    Raises:
        ValueError: if the tree has no arrays.

    Example:
        >>> import jax.numpy as jnp
        >>> tree = VariableTree("net", lambda key: {"dense": {"kernel": jax.random.normal(key, (2, 1))}})
        >>> tree.value["dense"]["kernel"].shape, [v.path for v in tree.variables]
        ((2, 1), ['net/dense/kernel'])

    Reference: flax.linen.Module.init, haiku.transform.
    """

    def __init__(self, name: str, init: Callable[[jax.Array], Any], *, trainable: bool = True):
        shapes = jax.eval_shape(init, jax.random.key(0))
        leaves, self._structure = jax.tree_util.tree_flatten_with_path(shapes)
        if not leaves:
            raise ValueError(f"VariableTree {name!r}: init gave no arrays. Return the module's parameters from it.")
        made: list[list[Any]] = []

        def leaf(i: int) -> Any:
            if not made:
                made.append(jax.tree.leaves(init(next_key())))
            return made[0][i]

        self.variables: list[Variable] = []
        for i, (path, shape) in enumerate(leaves):
            *scopes, last = [name, *jax.tree_util.keystr(path, simple=True, separator="/").split("/")]
            with name_scope("/".join(scopes)) if scopes else name_scope(name):
                self.variables.append(Variable(lambda _s, _d, i=i: leaf(i), shape.shape, shape.dtype, trainable, last or "value"))

    @property
    def value(self) -> Any:
        """The tree of arrays now."""
        return jax.tree_util.tree_unflatten(self._structure, [v.value for v in self.variables])

    def assign(self, tree: Any) -> None:
        """Sets all variables, as after a call that updates moving averages.

        Raises:
            ValueError: if the tree has another structure or shape.
        """
        given: Any = jax.tree.structure(tree)
        if given != self._structure:
            raise ValueError(f"VariableTree: given a tree of structure {given}, expected {self._structure}.")
        for variable, value in zip(self.variables, jax.tree.leaves(tree)):
            variable.assign(value)
