"""Focal cross entropies: what is already predicted well weighs little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from estimax.core import register
from estimax.core.formulas.crossentropy import check_axis
from estimax.core.formulas.focal import binary_focal_crossentropy, categorical_focal_crossentropy
from estimax.losses.base import PlainLoss


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
