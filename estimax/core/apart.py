"""Keeping parts of a computation apart that XLA would fuse to the worse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def apart(is_needed: jax.Array, function: Callable[..., Any], *operands: Any) -> Any:
    """`function(*operands)`, on a CPU compiled apart from what is around it.

    XLA fuses a gather of rows with what makes its ids and with what uses the rows, into a loop over single elements that works all of it
    out anew for each one and is not vectorized: several times slower than one after the other (`benchmarks/large_tables.py`). It drops
    `optimization_barrier` before it fuses, but does not fuse across the borders of a branch. Elsewhere a branch costs more than it saves.

    Args:
        is_needed: a boolean scalar that XLA can't work out beforehand; where it is False the result is zeros.
        function: of arrays.
        *operands: its arguments, trees of arrays.

    Example:
        >>> ids = jnp.array([1, 0])
        >>> apart(ids[0] >= 0, lambda table, ids: table[ids], jnp.array([5.0, 6.0]), ids).tolist()
        [6.0, 5.0]
    """
    if jax.default_backend() != "cpu":
        return function(*operands)
    shapes = jax.eval_shape(function, *operands)

    def nothing(*_: Any) -> Any:
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    return jax.lax.cond(is_needed, function, nothing, *operands)
