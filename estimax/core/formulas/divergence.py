"""Losses of distributions and of counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core.formulas.shapes import EPSILON, pair


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Sum of `y_true * log(y_true / y_pred)` over the last axis, both clipped to `[1e-7, 1]`.

    Args:
        y_true: probabilities. Shape `[batch, ..., classes]`.
        y_pred: probabilities. Shape `[batch, ..., classes]`.

    Returns:
        Shape `[batch, ...]`, in nats.

    Example:
        >>> print(round(float(kl_divergence([[1.0, 0.0]], [[0.5, 0.5]])[0]), 4))
        0.6931

    Reference: Kullback and Leibler, "On information and sufficiency", 1951.
    """
    y_true, y_pred = pair(y_true, y_pred, "kl_divergence")
    y_true, y_pred = jnp.clip(y_true, EPSILON, 1), jnp.clip(y_pred, EPSILON, 1)
    return jnp.sum(y_true * jnp.log(y_true / y_pred), axis=-1)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `y_pred - y_true * log(y_pred + 1e-7)` over the last axis.

    Args:
        y_true: counts. Shape `[batch, ..., values]`.
        y_pred: expected counts, not negative. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> poisson([[0.0]], [[2.0]]).tolist()
        [2.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "poisson")
    return jnp.mean(y_pred - y_true * jnp.log(y_pred + EPSILON), axis=-1)
