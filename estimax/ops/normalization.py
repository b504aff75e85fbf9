"""Mean and variance, and arrays scaled by them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core.formulas.shapes import EPSILON
from estimax.layers.operation import OperationFamily

NORMALIZATION = OperationFamily("keras.src.ops.nn")
define = NORMALIZATION.define


@define("moments(x; axes, keepdims=False, synchronized=False)")
def _moments(x: jax.Array, *, axes: Any, keepdims: bool, synchronized: bool) -> tuple[jax.Array, jax.Array]:
    """Mean and variance over axes; of 16-bit types computed in float32.

    Args:
        x: an array.
        axes: one axis or several.
        keepdims: whether they stay, with size 1.
        synchronized: only False. Under `ex.distribution.DataParallel` statistics are those of the whole batch anyway.

    Raises:
        ValueError: for `synchronized=True`.

    Example:
        >>> from estimax import ops
        >>> [float(m) for m in ops.moments([1.0, 3.0], axes=[0])]
        [2.0, 1.0]

    Reference: keras.ops.moments.
    """
    if synchronized:
        raise ValueError(
            "ops.moments: synchronized: given True, expected False: over several devices statistics are global anyway."
        )
    wide = x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x
    found = jnp.mean(wide, axis=axes, keepdims=keepdims), jnp.var(wide, axis=axes, keepdims=keepdims)
    if wide is x:
        return found
    limits = jnp.finfo(jnp.float16)
    mean, variance = (jnp.clip(m, float(limits.min), float(limits.max)).astype(x.dtype) for m in found)
    return mean, variance


@define("batch_normalization(x, mean, variance; axis, offset*=None, scale*=None, epsilon=0.001)", name="BatchNorm")
def _batch_normalization(x: Any, mean: Any, variance: Any, offset: Any, scale: Any, *, axis: int, epsilon: float) -> jax.Array:
    """`x` less a mean, divided by the root of a variance, scaled and moved.

    Args:
        x: an array.
        mean, variance, offset, scale: of each channel. Shape `[channels]`.
        axis: of the channels.
        epsilon: added to the variance.

    Example:
        >>> from estimax import ops
        >>> ops.batch_normalization([[3.0]], mean=[1.0], variance=[4.0], axis=-1, epsilon=0).tolist()
        [[1.0]]

    Reference: keras.ops.batch_normalization.
    """
    shape = [1] * x.ndim
    shape[axis] = mean.shape[0]
    factor = jax.lax.rsqrt(variance.reshape(shape) + epsilon)
    factor = factor if scale is None else factor * scale.reshape(shape)
    moved = -mean.reshape(shape) * factor
    return x * factor + (moved if offset is None else moved + offset.reshape(shape))


@define("layer_normalization(x, gamma=None, beta=None; axis=-1, epsilon=None)", name="LayerNorm", only={"rms_scaling": False})
def _layer_normalization(x: Any, gamma: Any, beta: Any, *, axis: Any, epsilon: float | None) -> jax.Array:
    """`x` with mean 0 and variance 1 over axes, scaled and moved; computed in float32 at least.

    Args:
        x: an array.
        gamma, beta: factor and summand, of the shape of the axes.
        axis: one axis or several.
        epsilon: added to the variance; 1e-7 if omitted.

    Example:
        >>> from estimax import ops
        >>> ops.layer_normalization([[1.0, 3.0]], epsilon=0.0).tolist()
        [[-1.0, 1.0]]

    Reference: keras.ops.layer_normalization.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    axes = sorted(axis) if isinstance(axis, (list, tuple)) else [axis]
    shape = [1] * x.ndim
    for a in axes:
        shape[a] = x.shape[a]

    def spread(v: Any) -> Any:
        v = v.astype(wide.dtype)
        return v if v.ndim == x.ndim or axes == [x.ndim - 1] else v.reshape(shape)

    mean, variance = jnp.mean(wide, axis=axes, keepdims=True), jnp.var(wide, axis=axes, keepdims=True)
    factor = jax.lax.rsqrt(variance + (EPSILON if epsilon is None else epsilon))
    factor = factor if gamma is None else factor * spread(gamma)
    moved = -mean * factor
    return (wide * factor + (moved if beta is None else moved + spread(beta))).astype(x.dtype)


@define("rms_normalization(x, scale=None; axis=-1, epsilon=None)", name="RMSNorm")
def _rms_normalization(x: Any, scale: Any, *, axis: Any, epsilon: float | None) -> jax.Array:
    """`x` divided by its root mean square over axes, scaled; computed in float32 at least.

    Args:
        x: an array.
        scale: a factor.
        axis: one axis or several.
        epsilon: added to the mean square; 1e-7 if omitted.

    Example:
        >>> from estimax import ops
        >>> ops.rms_normalization([3.0, 3.0], epsilon=0.0).tolist()
        [1.0, 1.0]

    Reference: keras.ops.rms_normalization.
    """
    wide = jnp.atleast_1d(x.astype(jnp.promote_types(x.dtype, jnp.float32)))
    found = wide * jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=axis, keepdims=True) + (EPSILON if epsilon is None else epsilon))
    return (found if scale is None else found * scale.astype(wide.dtype)).astype(x.dtype)


@define("normalize(x; axis=-1, order=2, epsilon=None)")
def _normalize(x: jax.Array, *, axis: Any, order: int, epsilon: float | None) -> jax.Array:
    """`x` divided by its norm over an axis.

    Args:
        x: an array.
        axis: of the vectors.
        order: of the norm, an integer from 1 on.
        epsilon: the least norm to divide by; 1e-7 if omitted.

    Raises:
        ValueError: if the order is not an integer from 1 on.

    Example:
        >>> from estimax import ops
        >>> print(round(float(ops.normalize([3.0, 4.0])[0]), 4))
        0.6

    Reference: keras.ops.normalize.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"ops.normalize: order: given {order!r}, expected an integer from 1 on.")
    x, epsilon = jnp.atleast_1d(x), EPSILON if epsilon is None else epsilon
    if order == 2:
        return x * jnp.minimum(jax.lax.rsqrt(jnp.sum(jnp.square(x), axis=axis, keepdims=True)), 1 / epsilon)
    return x / jnp.maximum(jnp.linalg.norm(x, ord=order, axis=axis, keepdims=True), epsilon)
