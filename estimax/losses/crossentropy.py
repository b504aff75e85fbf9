"""Cross entropies: minus the log probability that a prediction gives to its target, in nats."""

from __future__ import annotations

from typing import Any

import jax

from estimax.core import register
from estimax.core.formulas.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_generalized_cross_entropy,
    check_axis,
    sparse_categorical_crossentropy,
    without_class_axis,
)
from estimax.losses.base import PlainLoss


@register("keras.losses")
class BinaryCrossentropy(PlainLoss):
    """`binary_crossentropy` as a loss.

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: draws targets towards 0.5 by this share.
        axis: the axis of the mean.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> print(round(float(BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]])), 4))
        0.6931

    Reference: `keras.losses.BinaryCrossentropy`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
        }


@register("keras.losses")
class CategoricalCrossentropy(PlainLoss):
    """`categorical_crossentropy` as a loss.

    Args:
        from_logits: whether predictions are logits.
        label_smoothing: draws targets towards equal probabilities by this share.
        axis: the axis of the classes.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> print(round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4))
        0.6931

    Reference: `keras.losses.CategoricalCrossentropy`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        check_axis(axis, "CategoricalCrossentropy")
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
        }


@register("keras.losses")
class SparseCategoricalCrossentropy(PlainLoss):
    """`sparse_categorical_crossentropy` as a loss; positions of an ignored class are not counted.

    Args:
        from_logits: whether predictions are logits.
        ignore_class: a class number whose positions do not count.
        reduction: see `Loss`.
        axis: the axis of the classes.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> print(round(float(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4))
        0.6931

    Reference: `keras.losses.SparseCategoricalCrossentropy`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class, self.axis)

    def valid(self, values: jax.Array, y_true: jax.Array, y_pred: jax.Array) -> jax.Array | None:
        if self.ignore_class is None:
            return None
        return without_class_axis(y_true, y_pred, self.axis) != self.ignore_class

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "from_logits": self.from_logits, "ignore_class": self.ignore_class}
        # Keras 3.15 leaves it out, and with it what was asked for; Keras's own value stays unsaid.
        return config if self.axis == -1 else {**config, "axis": self.axis}


@register("keras.losses")
class CategoricalGeneralizedCrossEntropy(PlainLoss):
    """`categorical_generalized_cross_entropy` as a loss.

    Args:
        q: in `(0, 1)`.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Raises:
        ValueError: if `q` is not in `(0, 1)`.

    Example:
        >>> print(CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]]))
        1.0

    Reference: `keras.losses.CategoricalGeneralizedCrossEntropy`.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        if not 0 < q < 1:
            raise ValueError(
                f"CategoricalGeneralizedCrossEntropy: expected q in (0, 1), given {q}. "
                "Use CategoricalCrossentropy for q = 0, MeanAbsoluteError for q = 1."
            )
        self.q = q

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return categorical_generalized_cross_entropy(y_true, y_pred, self.q)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "q": self.q}
