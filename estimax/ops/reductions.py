"""Over axes: sums, means, extremes, quantiles; cumulated, sorted, counted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import errors
from estimax.layers.operation import OperationFamily

REDUCTIONS = OperationFamily("keras.src.ops.numpy")
define = REDUCTIONS.define

# Functions of `jax.numpy` with the same name, arguments and numbers.
for _name in (
    "all", "amax", "amin", "any", "median", "nanmax", "nanmean", "nanmedian", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "ptp", "std", "sum",
    "argmax", "argmin", "nanargmax", "nanargmin",
):  # fmt: skip
    define(f"{_name}(x; axis=None, keepdims=False)", getattr(jnp, _name))
for _name in ("max", "min"):
    define(f"{_name}(x; axis=None, keepdims=False, initial=None)", getattr(jnp, _name))
for _name in ("cumprod", "cumsum", "nancumprod", "nancumsum"):
    define(f"{_name}(x; axis=None, dtype=None)", getattr(jnp, _name))
for _name in ("quantile", "percentile", "nanquantile", "nanpercentile"):
    define(f"{_name}(x, q; axis=None, method='linear', keepdims=False)", getattr(jnp, _name))
define("prod(x; axis=None, keepdims=False, dtype=None)", jnp.prod)
define("sort(x; axis=-1)", jnp.sort)
define("argsort(x; axis=-1)", lambda x, axis: jnp.argsort(x, axis=axis if x.ndim else None))
define("corrcoef(x)", jnp.corrcoef)
define("diff(a; n=1, axis=-1)", jnp.diff)
define("trace(x; offset=0, axis1=0, axis2=1)", jnp.trace)
define("correlate(x1, x2; mode='valid')", jnp.correlate)
define("count_nonzero(x; axis=None)", lambda x, axis: jnp.count_nonzero(x, axis=axis).astype(jnp.int32))
define("trapezoid(y; x=None, dx=1.0, axis=-1)", jnp.trapezoid)


def _wide(x: jax.Array) -> Any:
    """The type in which sums of `x` are exact enough: at least 32 bits."""
    return jnp.promote_types(x.dtype, jnp.float32)


@define("mean(x; axis=None, keepdims=False)")
def _mean(x: jax.Array, *, axis: Any, keepdims: bool) -> jax.Array:
    """The mean over axes, of 16-bit types computed in float32; of integers as float32.

    Args:
        x: an array.
        axis: one axis, several, or None for all.
        keepdims: whether the axes stay, with size 1.

    Example:
        >>> from estimax import ops
        >>> ops.mean([[1.0, 3.0], [5.0, 7.0]], axis=1).tolist()
        [2.0, 6.0]

    Reference: keras.ops.mean.
    """
    found = jnp.mean(x, axis=axis, keepdims=keepdims, dtype=_wide(x))
    return found.astype(x.dtype) if jnp.issubdtype(x.dtype, jnp.inexact) else found


@define("var(x; axis=None, keepdims=False)")
def _var(x: jax.Array, *, axis: Any, keepdims: bool) -> jax.Array:
    """The variance over axes, divided by the number of elements; of 16-bit types computed in float32.

    Args:
        x: an array.
        axis: one axis, several, or None for all.
        keepdims: whether the axes stay, with size 1.

    Example:
        >>> from estimax import ops
        >>> ops.var([1.0, 3.0]).item()
        1.0

    Reference: keras.ops.var.
    """
    found = jnp.var(x, axis=axis, keepdims=keepdims, dtype=_wide(x))
    return found.astype(x.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else found


@define("average(x; axis=None, weights*=None)")
def _average(x: jax.Array, weights: jax.Array | None, *, axis: Any) -> jax.Array:
    """The mean over axes, with weights.

    Args:
        x: an array.
        weights: of the shape of `x`, or of one axis; all 1 if omitted.
        axis: one axis, several, or None for all.

    Example:
        >>> from estimax import ops
        >>> ops.average([1.0, 4.0], weights=[1.0, 2.0]).item()
        3.0

    Reference: keras.ops.average.
    """
    dtype = jnp.result_type(x, float) if weights is None else jnp.result_type(x, weights, float)
    return jnp.average(x.astype(dtype), axis=axis, weights=None if weights is None else weights.astype(dtype))


@define("searchsorted(sorted_sequence, values; side='left')", name="SearchSorted")
def _searchsorted(sorted_sequence: jax.Array, values: jax.Array, *, side: str) -> jax.Array:
    """Where values belong in a sorted sequence.

    Args:
        sorted_sequence: `[n]`.
        values: of any shape.
        side: `"left"` or `"right"` of equal elements.

    Raises:
        ValueError: if the sequence is not of rank 1.

    Example:
        >>> from estimax import ops
        >>> ops.searchsorted([1, 3, 5], [3, 4]).tolist()
        [1, 2]

    Reference: keras.ops.searchsorted.
    """
    if sorted_sequence.ndim != 1:
        raise errors.ShapeError(
            f"ops.searchsorted: sorted_sequence: given shape {sorted_sequence.shape}, expected [n]. Use ops.vectorized_map for several."
        )
    return jnp.searchsorted(sorted_sequence, values, side=side)


@define("argpartition(x; kth, axis=-1)")
def _argpartition(x: jax.Array, *, kth: int, axis: int | None) -> jax.Array:
    """Indices that put the `kth` smallest at its place, smaller ones before it; of the flat array if `axis` is None.

    Example:
        >>> from estimax import ops
        >>> ops.argpartition([3, 1, 2], 0)[0].item()
        1

    Reference: keras.ops.argpartition.
    """
    return jnp.argpartition(x.reshape(-1), kth, axis=0) if axis is None else jnp.argpartition(x, kth, axis=axis)


@define("bincount(x; weights=None, minlength=0, sparse=False)")
def _bincount(x: jax.Array, *, weights: Any, minlength: int, sparse: bool) -> jax.Array:
    """How often each integer occurs. Shape `[largest + 1]`, or `[batch, largest + 1]` for `x` of rank 2.

    Its shape depends on the values: under `jax.jit`, and on symbolic tensors, give `minlength` by `ops.one_hot` and a sum instead.

    Args:
        x: integers from 0 on. Shape `[n]` or `[batch, n]`.
        weights: of each, 1 if omitted.
        minlength: the least number of counts.
        sparse: only False: there are no sparse tensors.

    Raises:
        ValueError: for `sparse=True`.

    Example:
        >>> from estimax import ops
        >>> ops.bincount([1, 1, 3]).tolist()
        [0, 2, 0, 1]

    Reference: keras.ops.bincount.
    """
    refuse_sparse("bincount", sparse)
    if x.ndim != 2:
        return jnp.bincount(x, weights=None if weights is None else jnp.asarray(weights), minlength=minlength)
    size = max(minlength, int(jnp.max(x)) + 1)
    rows = jnp.ones(x.shape, jnp.int32) if weights is None else jnp.asarray(weights)
    return jax.vmap(lambda row, w: jnp.zeros(size, w.dtype).at[row].add(w))(x, rows)


@define("histogram(x; bins=10, range=None)")
def _histogram(x: jax.Array, *, bins: int, range: tuple[float, float] | None) -> tuple[jax.Array, jax.Array]:
    """How many elements lie in each of equal intervals, and the intervals' edges.

    Args:
        x: `[n]`.
        bins: the number of intervals.
        range: the first and last edge; the least and largest element if omitted.

    Returns:
        Counts `[bins]` and edges `[bins + 1]`.

    Raises:
        ValueError: if `x` is not of rank 1, or an argument makes no sense.

    Example:
        >>> from estimax import ops
        >>> ops.histogram([1.0, 2.0, 2.0, 4.0], bins=3)[0].tolist()
        [1.0, 2.0, 1.0]

    Reference: keras.ops.histogram.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 0:
        raise ValueError(f"ops.histogram: bins: given {bins!r}, expected a number of intervals.")
    if range and (len(range) != 2 or range[1] < range[0]):
        raise ValueError(f"ops.histogram: range: given {range!r}, expected (first edge, last edge).")
    if x.ndim > 1:
        raise errors.ShapeError(f"ops.histogram: given shape {x.shape}, expected [n]. Flatten it: ops.ravel(x).")
    return jnp.histogram(x, bins=bins, range=range)


def refuse_sparse(function: str, sparse: bool | None) -> None:
    """There are no sparse tensors."""
    if sparse:
        raise ValueError(
            f"ops.{function}: sparse: given True, expected False: there are no sparse tensors. For wide one-hot features use "
            "layers.Embedding or feature columns."
        )
