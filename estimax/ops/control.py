"""Loops, branches, maps, and parts of arrays read and written by index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import Variable
from estimax.core import scan as scan_with_layers
from estimax.layers.operation import OperationFamily, as_array, make_operation
from estimax.layers.symbolic import symbolic_leaves

CONTROL = OperationFamily("keras.src.ops.core")
define = CONTROL.define


def _arrays(tree: Any) -> Any:
    """A tree whose leaves are arrays."""
    return jax.tree.map(as_array, tree, is_leaf=lambda v: isinstance(v, Variable))


define("map(f, xs)", lambda f, xs: jax.lax.map(f, _arrays(xs)), convert=False)
define("vectorized_map(; function, elements*)", lambda elements, function: jax.vmap(function)(_arrays(elements)), convert=False)
define(
    "cond(pred, true_fn, false_fn)",
    lambda pred, true_fn, false_fn: jax.lax.cond(as_array(pred), true_fn, false_fn),
    convert=False,
)


@define("associative_scan(f, elems; reverse=False, axis=0)", convert=False)
def _associative_scan(f: Callable[..., Any], elems: Any, *, reverse: bool, axis: int) -> Any:
    """Running results of an associative function, `jax.lax.associative_scan`.

    Args:
        f: `(a, b) -> a and b together`, of slices.
        elems: tree of arrays.
        reverse: whether to run from the last to the first.
        axis: to run over.

    Example:
        >>> from estimax import ops
        >>> ops.associative_scan(ops.add, ops.arange(1, 5)).tolist()
        [1, 3, 6, 10]

    Reference: keras.ops.associative_scan.
    """
    return jax.lax.associative_scan(f, _arrays(elems), reverse, axis)


@define("scan(f, init, xs=None; length=None, reverse=False, unroll=1)", convert=False)
def _scan(f: Callable[..., Any], init: Any, xs: Any, *, length: int | None, reverse: bool, unroll: int) -> Any:
    """A loop that carries a state and collects results; `f` may call layers with state, as in `ex.scan`.

    Args:
        f: `(carry, x) -> (carry, y)`.
        init: the first carry.
        xs: tree of arrays `[length, ...]`, or None with `length`.
        length: number of steps, if `xs` is None.
        reverse: whether to run from the last to the first.
        unroll: steps a loop iteration.

    Returns:
        `(carry, ys)`.

    Raises:
        ValueError: if `unroll` is neither a positive integer nor a bool.

    Example:
        >>> from estimax import ops
        >>> carry, ys = ops.scan(lambda c, x: (c + x, c), 0, ops.arange(4))
        >>> carry.item(), ys.tolist()
        (6, [0, 0, 1, 3])

    Reference: keras.ops.scan.
    """
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"ops.scan: unroll: given {unroll!r}, expected a positive integer or a bool.")
    return scan_with_layers(f, _arrays(init), _arrays(xs), length, reverse=reverse, unroll=unroll)


@define("fori_loop(; lower, upper, body_fun, init_val*)", convert=False)
def _fori_loop(init_val: Any, *, lower: Any, upper: Any, body_fun: Callable[..., Any]) -> Any:
    """`value = body_fun(i, value)` for `i` from `lower` to `upper - 1`.

    Example:
        >>> from estimax import ops
        >>> ops.fori_loop(0, 4, lambda i, value: value + i, 0).item()
        6

    Reference: keras.ops.fori_loop.
    """
    return jax.lax.fori_loop(as_array(lower), as_array(upper), body_fun, _arrays(init_val))


@define("while_loop(; cond, body, loop_vars*, maximum_iterations=None)", convert=False)
def _while_loop(loop_vars: Any, *, cond: Callable[..., Any], body: Callable[..., Any], maximum_iterations: int | None) -> Any:
    """`loop_vars = body(*loop_vars)` as long as `cond(*loop_vars)` holds.

    Args:
        cond: whether to go on.
        body: gives new variables.
        loop_vars: one array, or a list or tuple of them.
        maximum_iterations: to stop after.

    Example:
        >>> from estimax import ops
        >>> ops.while_loop(lambda i: i < 10, lambda i: i + 4, 0).item()
        12

    Reference: keras.ops.while_loop.
    """
    is_many = isinstance(loop_vars, (tuple, list))
    first = tuple(_arrays(loop_vars)) if is_many else (_arrays(loop_vars),)

    def go_on(state: Any) -> Any:
        values, count = state
        may = jnp.reshape(cond(*values), ())
        return may if maximum_iterations is None else may & (count < maximum_iterations)

    def step(state: Any) -> Any:
        values, count = state
        out = body(*values)
        return tuple(out) if is_many else (out,), count + 1

    values, _ = jax.lax.while_loop(go_on, step, (first, jnp.zeros((), jnp.int32)))
    return values if is_many else values[0]


@define("scatter(indices, values; shape)")
def _scatter(indices: jax.Array, values: jax.Array, *, shape: Any) -> jax.Array:
    """Zeros, with values added at indices.

    Args:
        indices: `[n, axes]`.
        values: `[n, ...]`.
        shape: of the result.

    Example:
        >>> from estimax import ops
        >>> ops.scatter([[1], [1]], [2, 3], (3,)).tolist()
        [0, 5, 0]

    Reference: keras.ops.scatter.
    """
    return jnp.zeros(shape, values.dtype).at[tuple(jnp.moveaxis(indices, -1, 0))].add(values)


@define("scatter_update(inputs, indices, updates; reduction=None)")
def _scatter_update(inputs: jax.Array, indices: jax.Array, updates: jax.Array, *, reduction: str | None) -> jax.Array:
    """`inputs` with other values at indices.

    Args:
        inputs: an array.
        indices: `[n, axes]`.
        updates: `[n, ...]`.
        reduction: how old and new values become one: None for the new one, `"add"`, `"max"`, `"min"` or `"mul"`.

    Raises:
        ValueError: for another reduction.

    Example:
        >>> from estimax import ops
        >>> ops.scatter_update([1, 1, 1], [[0], [2]], [5, 7]).tolist()
        [5, 1, 7]

    Reference: keras.ops.scatter_update.
    """
    methods = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "multiply"}
    if reduction not in methods:
        raise ValueError(f"ops.scatter_update: reduction: given {reduction!r}, expected one of {list(methods)}.")
    return getattr(inputs.at[tuple(indices.T)], methods[reduction])(updates)


@define("slice(inputs, start_indices; shape)", convert=False)
def _slice(inputs: Any, start_indices: Any, *, shape: Sequence[int]) -> jax.Array:
    """A part of an array; the start may be computed, the shape not.

    Args:
        inputs: an array.
        start_indices: one for each axis.
        shape: of the part; -1 for all that is left, where the start is a plain number.

    Example:
        >>> from estimax import ops
        >>> ops.slice([1, 2, 3, 4], (1,), (2,)).tolist()
        [2, 3]

    Reference: keras.ops.slice.
    """
    inputs = as_array(inputs)
    start = list(start_indices) if isinstance(start_indices, (list, tuple)) else as_array(start_indices)
    sizes = [inputs.shape[i] - int(start[i]) if s == -1 else s for i, s in enumerate(shape)]
    return jax.lax.dynamic_slice(inputs, [as_array(s) for s in start], sizes)


@define("slice_update(inputs, start_indices, updates)", convert=False)
def _slice_update(inputs: Any, start_indices: Any, updates: Any) -> jax.Array:
    """`inputs` with other values in a part.

    Args:
        inputs: an array.
        start_indices: where the part begins, one for each axis.
        updates: its new values.

    Example:
        >>> from estimax import ops
        >>> ops.slice_update([1, 2, 3], [1], [7, 8]).tolist()
        [1, 7, 8]

    Reference: keras.ops.slice_update.
    """
    inputs = as_array(inputs)
    return jax.lax.dynamic_update_slice(inputs, as_array(updates).astype(inputs.dtype), [as_array(s) for s in start_indices])


@define("unstack(x; num=None, axis=0)")
def _unstack(x: jax.Array, *, num: int | None, axis: int) -> list[jax.Array]:
    """The slices of an axis, as a list.

    Args:
        x: an array.
        num: the number of slices; only checked, as shapes are known.
        axis: of the slices.

    Raises:
        ValueError: if the axis has another size than `num`.

    Example:
        >>> from estimax import ops
        >>> [a.tolist() for a in ops.unstack([[1, 2], [3, 4]])]
        [[1, 2], [3, 4]]

    Reference: keras.ops.unstack.
    """
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"ops.unstack: num: given {num}, expected {x.shape[axis]}, the size of axis {axis}.")
    return [jax.lax.index_in_dim(x, i, axis, keepdims=False) for i in range(x.shape[axis])]


_SWITCH = make_operation("keras.src.ops.core", "Switch", jax.lax.switch, tensors=None, options={})


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """One of several functions, by a number that may be computed.

    Args:
        index: which one; numbers out of range count as the nearest.
        branches: functions of the operands.
        *operands: arrays.

    Example:
        >>> from estimax import ops
        >>> ops.switch(1, [ops.negative, ops.square], 3).item()
        9

    Reference: keras.ops.switch.
    """
    if symbolic_leaves((index, operands)):
        return _SWITCH()(index, branches, *operands)
    return jax.lax.switch(as_array(index), branches, *map(_arrays, operands))


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient of its own: `f(*args) -> (result, gradient of the result -> gradients of the args)`.

    Example:
        >>> import jax
        >>> from estimax import ops
        >>> double = ops.custom_gradient(lambda x: (x * x, lambda upstream: 10 * upstream))
        >>> jax.grad(double)(3.0).item()
        10.0

    Reference: keras.ops.custom_gradient, jax.custom_gradient.
    """
    wrapped = jax.custom_gradient(f)
    return lambda *args, **kwargs: wrapped(*_arrays(args), **_arrays(kwargs))


CONTROL.functions |= {"switch": switch, "custom_gradient": custom_gradient}
