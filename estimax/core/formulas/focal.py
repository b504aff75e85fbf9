"""Focal cross entropies: what is already predicted well weighs little."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core.formulas.crossentropy import (
    binary_terms,
    check_axis,
    clipped_probabilities,
    smooth_binary,
    smooth_categorical,
)
from estimax.core.formulas.shapes import same_rank


def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Binary cross entropy times `(1 - p)^gamma` for the probability `p` of the target, averaged over an axis.

    Args:
        y_true: 0 or 1. Shape `[batch, ..., labels]`.
        y_pred: probabilities of 1, or logits. Shape `[batch, ..., labels]`.
        apply_class_balancing: whether `alpha` weighs the classes.
        alpha: weight of class 1; class 0 weighs `1 - alpha`.
        gamma: how fast the weight of what is predicted well falls.
        from_logits: whether `y_pred` are logits.
        label_smoothing: draws targets towards 0.5 by this share.
        axis: the axis of the mean.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> print(round(float(binary_focal_crossentropy([[1.0]], [[0.5]])[0]), 4))
        0.1733

    Reference: Lin et al., "Focal loss for dense object detection", 2017.
    """
    y_pred = jnp.asarray(y_pred)
    y_true, y_pred = same_rank(jnp.asarray(y_true, y_pred.dtype), y_pred)
    y_true = smooth_binary(y_true, label_smoothing)
    if from_logits:
        y_pred = jax.nn.sigmoid(y_pred)
    p_target = y_true * y_pred + (1 - y_true) * (1 - y_pred)
    terms = (1.0 - p_target) ** gamma * binary_terms(y_true, y_pred, from_logits=False)
    if apply_class_balancing:
        terms = (y_true * alpha + (1 - y_true) * (1 - alpha)) * terms
    return jnp.mean(terms, axis=axis)


def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float | Sequence[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Cross entropy of one-hot targets times `alpha * (1 - p)^gamma` for the probability `p` of each class.

    Args:
        y_true: one-hot. Shape `[batch, ..., classes]`.
        y_pred: probabilities, or logits. Shape `[batch, ..., classes]`.
        alpha: weight of all classes, or of each.
        gamma: how fast the weight of what is predicted well falls.
        from_logits: whether `y_pred` are logits.
        label_smoothing: draws targets towards equal probabilities by this share.
        axis: the axis of the classes.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> print(round(float(categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])[0]), 4))
        0.0433

    Reference: Lin et al., "Focal loss for dense object detection", 2017.
    """
    check_axis(axis, "categorical_focal_crossentropy")
    y_pred = jnp.asarray(y_pred)
    y_true = smooth_categorical(jnp.asarray(y_true, y_pred.dtype), label_smoothing, axis)
    if from_logits:
        y_pred = jax.nn.softmax(y_pred, axis=axis)
    p = clipped_probabilities(y_pred, axis)
    weight = (1.0 - p) ** gamma * jnp.asarray(alpha, p.dtype)
    return jnp.sum(weight * -y_true * jnp.log(p), axis=axis)
