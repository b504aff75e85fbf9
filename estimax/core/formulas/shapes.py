"""Shapes of targets, predictions and weights brought together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from estimax.core import errors

EPSILON = 1e-7  # Keras's fuzz factor (`keras.config.epsilon`), where a probability or a denominator must not be 0.


def same_rank(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two arrays whose ranks differ by an axis of length 1 at the end, with that axis added (to vectors) or dropped.

    Example:
        >>> import jax.numpy as jnp
        >>> [x.shape for x in same_rank(jnp.zeros(3), jnp.zeros((3, 1)))]
        [(3, 1), (3, 1)]
        >>> [x.shape for x in same_rank(jnp.zeros((3, 2)), jnp.zeros((3, 2, 1)))]
        [(3, 2), (3, 2)]
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[..., None]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[..., None], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def from_the_left(x: jax.Array, ndim: int) -> jax.Array:
    """`x` with axes of length 1 added at the end up to `ndim` axes, so that it broadcasts along leading axes."""
    return x.reshape(x.shape + (1,) * (ndim - x.ndim)) if x.ndim < ndim else x


def pair(y_true: ArrayLike, y_pred: ArrayLike, owner: str) -> tuple[jax.Array, jax.Array]:
    """Targets and predictions as arrays of the predictions' dtype and of the same rank.

    Raises:
        ShapeError: if their shapes do not fit.

    Example:
        >>> [x.shape for x in pair([1, 2], [[0.5], [0.5]], "loss")]
        [(2, 1), (2, 1)]
    """
    y_pred = jnp.asarray(y_pred)
    y_true, y_pred = same_rank(jnp.asarray(y_true, y_pred.dtype), y_pred)
    try:
        np.broadcast_shapes(y_true.shape, y_pred.shape)
    except ValueError:
        raise errors.ShapeError(
            f"{owner}: given y_true {y_true.shape} and y_pred {y_pred.shape}, expected the same shape. Give the last layer "
            "as many units as a target has values."
        ) from None
    return y_true, y_pred
