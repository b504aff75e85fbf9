"""Losses of directions: cosine similarity of two vectors, and the circle loss of embeddings."""

from __future__ import annotations

from typing import Any

import jax

from estimax.core import register
from estimax.core.formulas.similarity import circle, cosine_similarity
from estimax.losses.base import PlainLoss, counting_rows


@register("keras.losses")
class CosineSimilarity(PlainLoss):
    """`cosine_similarity` as a loss.

    Args:
        axis: the axis of the vectors' width.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> print(CosineSimilarity()([[2.0, 0.0]], [[3.0, 0.0]]))
        -1.0

    Reference: `keras.losses.CosineSimilarity`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.axis = axis

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return cosine_similarity(y_true, y_pred, self.axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras 3.15 leaves it out, and with it what was asked for; Keras's own value stays unsaid.
        return config if self.axis == -1 else {**config, "axis": self.axis}


@register("keras.losses")
class Circle(PlainLoss):
    """`circle` as a loss over the labels and embeddings of a batch; rows with a loss of 0 are not counted.

    Args:
        gamma: scale of the similarities.
        margin: how far beyond the boundary similarities are pushed.
        remove_diagonal: whether an embedding is not compared with itself.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.

    Example:
        >>> loss = Circle()([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
        >>> loss.shape
        ()

    Reference: `keras.losses.Circle`.
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(reduction, name, dtype)
        self.gamma = gamma
        self.margin = margin
        self.remove_diagonal = remove_diagonal

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return self.values(y_true, y_pred, None)

    def values(self, y_true: jax.Array, y_pred: jax.Array, mask: jax.Array | None) -> jax.Array:
        return circle(
            y_true,
            y_pred,
            remove_diagonal=self.remove_diagonal,
            gamma=self.gamma,
            margin=self.margin,
            row_mask=counting_rows(y_pred.shape[0], mask),
        )

    def valid(self, values: jax.Array, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return values > 0

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "margin": self.margin,
            "remove_diagonal": self.remove_diagonal,
        }
