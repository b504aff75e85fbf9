"""From a loss per position to one number: weights, masks, padding rows and reductions."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from estimax.core import errors
from estimax.core.formulas.shapes import from_the_left, same_rank

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def check_reduction(reduction: str | None, owner: str) -> str | None:
    """The reduction itself.

    Raises:
        ValueError: if it is unknown.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"{owner}: given reduction={reduction!r}, expected one of {', '.join(map(repr, REDUCTIONS))}.")
    return reduction


def rows_of(values: jax.Array, row_mask: jax.Array) -> jax.Array:
    """The row mask, repeated where the rows of the batch were flattened with further axes.

    Args:
        values: losses. Shape `[batch * repeats, ...]`.
        row_mask: bool. Shape `[batch]`.

    Raises:
        ShapeError: if the number of losses is not a multiple of the batch.
    """
    if values.shape[0] % row_mask.shape[0]:
        raise errors.ShapeError(
            f"loss: given losses of shape {values.shape} for a batch of {row_mask.shape[0]} rows, some of which only pad "
            "it; expected a loss for each row, so that those can be left out. Return losses [batch, ...], or use "
            "batch(..., drop_remainder=True)."
        )
    return jnp.repeat(row_mask, values.shape[0] // row_mask.shape[0])


def reduce_weighted(
    values: jax.Array,
    *,
    sample_weight: jax.Array | None = None,
    mask: jax.Array | None = None,
    reduction: str | None = "sum_over_batch_size",
) -> jax.Array:
    """Weighted losses reduced to one number, or as they are.

    Args:
        values: losses. Shape `[batch, ...]`, or a scalar.
        sample_weight: factors. A shape that broadcasts to that of `values` along the leading axes.
        mask: True for positions that count. A shape that broadcasts like that of `sample_weight`.
        reduction: `"sum_over_batch_size"` or `"mean"` divide the sum by the number of positions that count,
            `"mean_with_sample_weight"` by the sum of weights, `"sum"` by nothing; `"none"` and None do not sum.

    Returns:
        A scalar, or the shape of `values` without a reduction; 0 where nothing counts.

    Example:
        >>> import jax.numpy as jnp
        >>> print(reduce_weighted(jnp.array([1.0, 2.0, 9.0]), mask=jnp.array([True, True, False])))
        1.5
    """
    weight = sample_weight
    valid_share: jax.Array | float = 1.0
    if weight is not None:
        weight = weight.astype(values.dtype)
    if mask is not None:
        factor = mask.astype(values.dtype)
        valid_share = jnp.mean(factor)
        if weight is None:
            _, weight = _aligned(values, factor)
            weight = jnp.broadcast_to(weight, jnp.broadcast_shapes(weight.shape, values.shape))
        else:
            factor, weight = _aligned(factor, weight)
            weight = weight * from_the_left(factor, weight.ndim)
    if weight is not None:
        values, weight = _aligned(values, weight)
        # A position without weight counts nothing, also if its loss is infinite or undefined: padding may hold anything.
        values = jnp.where(weight == 0, 0, values) * weight
    if reduction in (None, "none"):
        return values
    total = jnp.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        return _ratio(total, jnp.sum(weight))
    return _ratio(total, math.prod(values.shape) * valid_share)


def _aligned(values: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    values, weight = same_rank(values, weight)
    return values, from_the_left(weight, values.ndim)


def _ratio(total: jax.Array, count: jax.Array | float) -> jax.Array:
    count = jnp.asarray(count, total.dtype)
    return jnp.where(count == 0, 0, total / jnp.where(count == 0, 1, count))
