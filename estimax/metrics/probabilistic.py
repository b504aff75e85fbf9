"""Metrics of probabilities: cross entropies, divergence, Poisson loss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import formulas, register
from estimax.core.formulas.crossentropy import without_class_axis
from estimax.core.formulas.shapes import from_the_left
from estimax.metrics.reduction import FunctionMetric


class _LossMetric(FunctionMetric):
    direction = "down"


@register("keras.metrics")
class KLDivergence(_LossMetric):
    """The mean Kullback-Leibler divergence of predicted from true distributions.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(round(float(KLDivergence()([[1.0, 0.0]], [[0.5, 0.5]])), 4))
        0.6931

    Reference: `keras.metrics.KLDivergence`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.kl_divergence(y_true, y_pred)


@register("keras.metrics")
class Poisson(_LossMetric):
    """The mean of `y_pred - y_true * log(y_pred)`.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(Poisson()([[0.0]], [[2.0]]))
        2.0

    Reference: `keras.metrics.Poisson`.
    """

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.poisson(y_true, y_pred)


@register("keras.metrics")
class BinaryCrossentropy(_LossMetric):
    """The mean cross entropy of labels 0 and 1.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        from_logits: whether predictions are logits.
        label_smoothing: draws targets towards 0.5 by this share.

    Example:
        >>> print(round(float(BinaryCrossentropy()([[1.0]], [[0.5]])), 4))
        0.6931

    Reference: `keras.metrics.BinaryCrossentropy`.
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
        }


@register("keras.metrics")
class CategoricalCrossentropy(_LossMetric):
    """The mean cross entropy of one-hot targets.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        from_logits: whether predictions are logits.
        label_smoothing: draws targets towards equal probabilities by this share.
        axis: the axis of the classes.

    Example:
        >>> print(round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4))
        0.6931

    Reference: `keras.metrics.CategoricalCrossentropy`.
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
        }


@register("keras.metrics")
class SparseCategoricalCrossentropy(_LossMetric):
    """The mean cross entropy of targets that are class numbers.

    Positions of an ignored class count as 0 without weights, as in Keras, and do not count with weights.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        from_logits: whether predictions are logits.
        ignore_class: a class number whose positions get the value 0.
        axis: the axis of the classes.

    Example:
        >>> print(round(float(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4))
        0.6931

    Reference: `keras.metrics.SparseCategoricalCrossentropy`.
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return formulas.sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class, self.axis)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        if sample_weight is not None and self.ignore_class is not None:
            targets = without_class_axis(jnp.asarray(y_true), jnp.asarray(y_pred), self.axis)
            weight = jnp.asarray(sample_weight, self.dtype)
            weight = weight[..., 0] if weight.ndim == targets.ndim + 1 else from_the_left(weight, targets.ndim)
            sample_weight = jnp.where(targets == self.ignore_class, 0, weight)
        super().update_state(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "axis": self.axis,
        }
