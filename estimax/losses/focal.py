"""Focal cross entropies: what is already predicted well weighs little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import register
from estimax.losses.base import PlainLoss
from estimax.losses.crossentropy import (
    binary_terms,
    check_axis,
    clipped_probabilities,
    smooth_binary,
    smooth_categorical,
)
from estimax.losses.reduction import same_rank


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


@register("keras.losses")
class BinaryFocalCrossentropy(PlainLoss):
    """`binary_focal_crossentropy` as a loss.

    Args:
        apply_class_balancing: whether `alpha` weighs the classes.
        alpha: weight of class 1; class 0 weighs `1 - alpha`.
        gamma: how fast the weight of what is predicted well falls.
        from_logits: whether predictions are logits.
        label_smoothing: draws targets towards 0.5 by this share.
        axis: the axis of the mean.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> print(round(float(BinaryFocalCrossentropy()([[1.0]], [[0.5]])), 4))
        0.1733

    Reference: `keras.losses.BinaryFocalCrossentropy`.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return binary_focal_crossentropy(
            y_true,
            y_pred,
            self.apply_class_balancing,
            self.alpha,
            self.gamma,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
            "apply_class_balancing": self.apply_class_balancing,
            "alpha": self.alpha,
            "gamma": self.gamma,
        }


@register("keras.losses")
class CategoricalFocalCrossentropy(PlainLoss):
    """`categorical_focal_crossentropy` as a loss.

    Args:
        alpha: weight of all classes, or of each.
        gamma: how fast the weight of what is predicted well falls.
        from_logits: whether predictions are logits.
        label_smoothing: draws targets towards equal probabilities by this share.
        axis: the axis of the classes.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> print(round(float(CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4))
        0.0433

    Reference: `keras.losses.CategoricalFocalCrossentropy`.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        check_axis(axis, "CategoricalFocalCrossentropy")
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return categorical_focal_crossentropy(
            y_true, y_pred, self.alpha, self.gamma, self.from_logits, self.label_smoothing, self.axis
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
            "alpha": self.alpha,
            "gamma": self.gamma,
        }
