"""Another form of the same elements: reshaped, joined, split, taken, padded, put in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import errors
from estimax.layers.operation import OperationFamily

SHAPING = OperationFamily("keras.src.ops.numpy")
define = SHAPING.define

# Functions of `jax.numpy` with the same name, arguments and numbers.
for _text in (
    "append(x1, x2; axis=None)", "array_split(x; indices_or_sections, axis=0)", "broadcast_to(x; shape)", "concatenate([xs]; axis=0)", "diag(x; k=0)",
    "diagflat(x; k=0)", "diagonal(x; offset=0, axis1=0, axis2=1)", "dsplit(x; indices_or_sections)", "dstack([xs])", "expand_dims(x; axis)",
    "flip(x; axis=None)", "fliplr(x)", "flipud(x)", "hsplit(x; indices_or_sections)", "hstack([xs])", "moveaxis(x; source, destination)", "ravel(x)",
    "repeat(x; repeats, axis=None)", "roll(x; shift, axis=None)", "rot90(array; k=1, axes=(0, 1))", "split(x; indices_or_sections, axis=0)",
    "squeeze(x; axis=None)", "stack([x]; axis=0)", "swapaxes(x; axis1, axis2)", "take_along_axis(x, indices; axis=None)",
    "transpose(x; axes=None)", "tril(x; k=0)", "triu(x; k=0)", "unravel_index(indices; shape)", "vander(x; N=None, increasing=False)",
    "vsplit(x; indices_or_sections)", "vstack([xs])",
):  # fmt: skip
    define(_text, getattr(jnp, _text.partition("(")[0]))
define("tile(x; repeats)", lambda x, repeats: jnp.tile(x, repeats))
define("take(x, indices; axis=None)", jnp.take)
define("select([condlist], [choicelist], default=0)", jnp.select)
define("view(x; dtype=None)", lambda x, dtype: x.view(dtype=dtype))
define("array(x; dtype=None)", lambda x, dtype: jnp.array(x, dtype=dtype))


@define("reshape(x; newshape)")
def _reshape(x: jax.Array, *, newshape: Any) -> jax.Array:
    """The elements in another shape.

    Args:
        x: an array.
        newshape: sizes; one may be -1, for what is left. None, as `ops.shape` gives for unknown sizes of symbolic tensors, is what
            is left too, or the size that `x` has on that axis if there is a -1 already.

    Example:
        >>> from estimax import ops
        >>> ops.reshape([1, 2, 3, 4], (2, -1)).shape
        (2, 2)

    Reference: keras.ops.reshape.
    """
    sizes: list[Any] = list(newshape) if isinstance(newshape, Sequence) else [newshape]
    for i, size in enumerate(sizes):
        if size is None:
            sizes[i] = x.shape[i] if -1 in sizes or sizes.count(None) > 1 else -1
    return jnp.reshape(x, sizes)


@define("where(condition, x1=None, x2=None)")
def _where(condition: jax.Array, x1: Any, x2: Any) -> Any:
    """`x1` where the condition holds, else `x2`; without them the indices where it holds, as `ops.nonzero`.

    Raises:
        ValueError: if only one of `x1` and `x2` is given.

    Example:
        >>> from estimax import ops
        >>> ops.where([True, False], [1, 2], 0).tolist()
        [1, 0]

    Reference: keras.ops.where.
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("ops.where: given only one of x1 and x2, expected both or neither.")
    return jnp.where(condition, x1, x2)


@define("pad(x; pad_width, mode='constant', constant_values*=None)")
def _pad(x: jax.Array, constant_values: Any, *, pad_width: Any, mode: str) -> jax.Array:
    """`x` with more elements at its ends.

    Args:
        x: an array.
        pad_width: one number, `(before, after)`, or one such pair for each axis.
        mode: `"constant"`, `"reflect"`, `"symmetric"`, `"edge"` or another one of `jax.numpy.pad`.
        constant_values: what is added; 0 if omitted.

    Raises:
        ValueError: if `constant_values` is given for another mode.

    Example:
        >>> from estimax import ops
        >>> ops.pad([1, 2], (1, 0)).tolist()
        [0, 1, 2]

    Reference: keras.ops.pad.
    """
    if constant_values is None:
        return jnp.pad(x, pad_width, mode=mode)
    if mode != "constant":
        raise ValueError(f"ops.pad: constant_values: given with mode {mode!r}, expected mode='constant'.")
    return jnp.pad(x, pad_width, mode=mode, constant_values=constant_values)


@define("nonzero(x)")
def _nonzero(x: jax.Array) -> tuple[jax.Array, ...]:
    """Indices of elements that are not 0, one array for each axis. Their number depends on the values: not under `jax.jit`.

    Example:
        >>> from estimax import ops
        >>> ops.nonzero([0, 3, 4])[0].tolist()
        [1, 2]

    Reference: keras.ops.nonzero.
    """
    _needs_values("nonzero", x, "Multiply by a mask instead, or use jax.numpy.nonzero(x, size=...).")
    return jnp.nonzero(x)


@define(
    "unique(x; sorted=True, return_index=False, return_inverse=False, return_counts=False, axis=None, size=None, fill_value=None)"
)
def _unique(x: jax.Array, *, size: int | None, **options: Any) -> Any:
    """The different elements.

    Args:
        x: an array.
        sorted: whether in order.
        return_index: whether to give also where each is first found.
        return_inverse: whether to give also which one each element is.
        return_counts: whether to give also how often each is found.
        axis: of slices to compare; elements if None.
        size: how many to give; needed under `jax.jit` and on symbolic tensors.
        fill_value: for those that lack.

    Example:
        >>> from estimax import ops
        >>> ops.unique([3, 1, 3]).tolist()
        [1, 3]

    Reference: keras.ops.unique.
    """
    if size is None:
        _needs_values("unique", x, "Pass size=.")
    return jnp.unique(x, size=size, equal_nan=False, **options)


def _needs_values(function: str, x: Any, repair: str) -> None:
    if isinstance(x, jax.core.Tracer):
        raise errors.ShapeError(
            f"ops.{function}: given a traced or symbolic array, expected one with values: the shape of the result depends on them. {repair}"
        )
