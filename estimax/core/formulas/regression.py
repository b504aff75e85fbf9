"""Losses of numbers: how far a prediction is from its target.

Each function gives a loss for each row: the mean over the last axis of targets and predictions.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core.formulas.shapes import EPSILON, pair


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `(y_true - y_pred)^2` over the last axis.

    Args:
        y_true: targets. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> mean_squared_error([[0.0, 1.0]], [[2.0, 1.0]]).tolist()
        [2.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_error")
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `|y_true - y_pred|` over the last axis.

    Args:
        y_true: targets. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> mean_absolute_error([[0.0, 1.0]], [[2.0, 1.0]]).tolist()
        [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_error")
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `100 * |y_true - y_pred| / |y_true|` over the last axis; a target of 0 counts as 1e-7.

    Args:
        y_true: targets. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]]).tolist()
        [25.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_percentage_error")
    return 100.0 * jnp.mean(jnp.abs((y_true - y_pred) / jnp.maximum(jnp.abs(y_true), EPSILON)), axis=-1)


def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `(log(1 + y_true) - log(1 + y_pred))^2` over the last axis; values below 1e-7 count as that.

    Args:
        y_true: targets, not negative. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> mean_squared_logarithmic_error([[3.0]], [[3.0]]).tolist()
        [0.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_logarithmic_error")
    log_pred = jnp.log(jnp.maximum(y_pred, EPSILON) + 1.0)
    log_true = jnp.log(jnp.maximum(y_true, EPSILON) + 1.0)
    return jnp.mean(jnp.square(log_pred - log_true), axis=-1)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> jax.Array:
    """Mean over the last axis of half the squared error up to an error of `delta`, and of a straight line beyond.

    Args:
        y_true: targets. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.
        delta: the error at which the parabola becomes a line.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> huber([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
        [1.5]

    Reference: Huber, "Robust estimation of a location parameter", 1964.
    """
    y_true, y_pred = pair(y_true, y_pred, "huber")
    error = y_pred - y_true
    size = jnp.abs(error)
    return jnp.mean(jnp.where(size <= delta, 0.5 * jnp.square(error), delta * size - 0.5 * delta**2), axis=-1)


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Mean of `log(cosh(y_pred - y_true))` over the last axis: like half the squared error for small errors.

    Args:
        y_true: targets. Shape `[batch, ..., values]`.
        y_pred: predictions. Shape `[batch, ..., values]`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> print(round(float(log_cosh([[0.0]], [[1000.0]])[0]), 2))
        999.31
    """
    y_true, y_pred = pair(y_true, y_pred, "log_cosh")
    error = y_pred - y_true
    # cosh would overflow: log(cosh(e)) = e + log(1 + exp(-2 e)) - log(2).
    return jnp.mean(error + jax.nn.softplus(-2.0 * error) - math.log(2.0), axis=-1)
