"""The losses of `tf.compat.v1.losses`: functions that weigh every element and give one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import row_mask
from estimax.losses.reduction import reduce_weighted, rows_of


class Reduction:
    """How weighted losses become one number.

    Attributes:
        SUM_BY_NONZERO_WEIGHTS: the sum, divided by the number of elements with a weight other than 0; the default.
        SUM_OVER_BATCH_SIZE: the sum, divided by the number of elements.
        MEAN: the sum, divided by the sum of weights.
        SUM: the sum.
        NONE: the losses themselves.

    Reference: tf.compat.v1.losses.Reduction.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS


_OURS = {
    Reduction.NONE: "none",
    Reduction.SUM: "sum",
    Reduction.SUM_OVER_BATCH_SIZE: "mean",
    Reduction.MEAN: "mean_with_sample_weight",
    Reduction.SUM_BY_NONZERO_WEIGHTS: "mean",
}


def compute_weighted_loss(
    losses: ArrayLike, weights: ArrayLike = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> jax.Array:
    """Weighted losses as one number; rows that only pad a batch do not count.

    Args:
        losses: `[batch, ...]`.
        weights: a number, or an array of the losses' rank whose axes are 1 or theirs.
        reduction: a value of `Reduction`.

    Returns:
        A scalar; `[batch, ...]` without a reduction.

    Raises:
        ValueError: if the reduction is unknown, or the weights do not fit.

    Example:
        >>> print(compute_weighted_loss(jnp.array([1.0, 2.0, 6.0]), jnp.array([1.0, 2.0, 0.0])))
        2.5

    Reference: tf.compat.v1.losses.compute_weighted_loss.
    """
    if reduction not in _OURS:
        raise ValueError(f"reduction: given {reduction!r}, expected a value of losses.legacy.Reduction: {sorted(_OURS)}.")
    losses, weight = jnp.asarray(losses), jnp.asarray(weights)
    if weight.ndim == losses.ndim + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    if weight.ndim and (weight.ndim != losses.ndim or any(w not in (1, n) for w, n in zip(weight.shape, losses.shape))):
        raise ValueError(f"weights: given shape {weight.shape}, expected a number or a shape that fits losses {losses.shape}.")
    weight = jnp.broadcast_to(weight, losses.shape).astype(losses.dtype)
    mask = jnp.ones(losses.shape, bool)
    rows = row_mask(is_loss=True) if losses.ndim else None
    if rows is not None:
        mask &= rows_of(losses, rows).reshape(-1, *[1] * (losses.ndim - 1))
    if reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
        mask &= weight != 0
    return reduce_weighted(losses, sample_weight=weight, mask=mask, reduction=_OURS[reduction])


def sparse_softmax_cross_entropy(
    labels: ArrayLike, logits: ArrayLike, weights: ArrayLike = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> jax.Array:
    """Cross-entropy of class numbers.

    Args:
        labels: class numbers, `[batch, ...]`, or with a last axis of 1.
        logits: `[batch, ..., classes]`.
        weights, reduction: see `compute_weighted_loss`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> print(sparse_softmax_cross_entropy(jnp.array([0]), jnp.zeros((1, 4))).round(4))
        1.3863

    Reference: tf.compat.v1.losses.sparse_softmax_cross_entropy.
    """
    labels, logits = jnp.asarray(labels), _float(logits)
    if labels.ndim == logits.ndim and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"sparse_softmax_cross_entropy: given labels {labels.shape} and logits {logits.shape}, expected class numbers "
            f"{logits.shape[:-1]}. For one-hot labels use softmax_cross_entropy."
        )
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels.astype(jnp.int32)[..., None], axis=-1)[..., 0]
    return compute_weighted_loss(-chosen, weights, reduction=reduction)


def softmax_cross_entropy(
    onehot_labels: ArrayLike,
    logits: ArrayLike,
    weights: ArrayLike = 1.0,
    label_smoothing: float = 0,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> jax.Array:
    """Cross-entropy of class probabilities.

    Args:
        onehot_labels: `[batch, classes]`.
        logits: `[batch, classes]`.
        weights, reduction: see `compute_weighted_loss`.
        label_smoothing: share of the labels that is spread over all classes.

    Raises:
        ValueError: if the shapes differ.

    Reference: tf.compat.v1.losses.softmax_cross_entropy.
    """
    labels, logits = _pair("softmax_cross_entropy", onehot_labels, logits)
    labels = labels * (1 - label_smoothing) + label_smoothing / labels.shape[-1]
    return compute_weighted_loss(-jnp.sum(labels * jax.nn.log_softmax(logits), axis=-1), weights, reduction=reduction)


def sigmoid_cross_entropy(
    multi_class_labels: ArrayLike,
    logits: ArrayLike,
    weights: ArrayLike = 1.0,
    label_smoothing: float = 0,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> jax.Array:
    """Cross-entropy of labels 0 and 1, each by itself.

    Args:
        multi_class_labels: `[batch, ...]`.
        logits: `[batch, ...]`.
        weights, reduction: see `compute_weighted_loss`.
        label_smoothing: how far labels move towards 1/2.

    Raises:
        ValueError: if the shapes differ.

    Reference: tf.compat.v1.losses.sigmoid_cross_entropy.
    """
    labels, logits = _pair("sigmoid_cross_entropy", multi_class_labels, logits)
    labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
    return compute_weighted_loss(jax.nn.softplus(logits) - labels * logits, weights, reduction=reduction)


def mean_squared_error(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> jax.Array:
    """The mean of squared differences of arrays of one shape; arguments as in `sigmoid_cross_entropy`.

    Example:
        >>> print(mean_squared_error(jnp.zeros(2), jnp.array([1.0, 3.0])))
        5.0

    Reference: tf.compat.v1.losses.mean_squared_error.
    """
    return _elementwise("mean_squared_error", labels, predictions, weights, reduction, lambda y, p: (p - y) ** 2)


def absolute_difference(
    labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> jax.Array:
    """The mean of absolute differences of arrays of one shape.

    Reference: tf.compat.v1.losses.absolute_difference.
    """
    return _elementwise("absolute_difference", labels, predictions, weights, reduction, lambda y, p: jnp.abs(p - y))


def huber_loss(
    labels: ArrayLike,
    predictions: ArrayLike,
    weights: ArrayLike = 1.0,
    delta: float = 1.0,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> jax.Array:
    """Half the squared difference up to `delta`, linear beyond.

    Reference: tf.compat.v1.losses.huber_loss.
    """

    def formula(y: jax.Array, p: jax.Array) -> jax.Array:
        error = jnp.abs(p - y)
        near = jnp.minimum(error, delta)
        return 0.5 * near**2 + delta * (error - near)

    return _elementwise("huber_loss", labels, predictions, weights, reduction, formula)


def log_loss(
    labels: ArrayLike,
    predictions: ArrayLike,
    weights: ArrayLike = 1.0,
    epsilon: float = 1e-7,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> jax.Array:
    """Cross-entropy of labels 0 and 1 given probabilities.

    Reference: tf.compat.v1.losses.log_loss.
    """
    return _elementwise(
        "log_loss", labels, predictions, weights, reduction,
        lambda y, p: -y * jnp.log(p + epsilon) - (1 - y) * jnp.log(1 - p + epsilon),
    )  # fmt: skip


def hinge_loss(
    labels: ArrayLike, logits: ArrayLike, weights: ArrayLike = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> jax.Array:
    """The hinge loss of labels 0 and 1.

    Reference: tf.compat.v1.losses.hinge_loss.
    """
    return _elementwise("hinge_loss", labels, logits, weights, reduction, lambda y, p: jax.nn.relu(1 - (2 * y - 1) * p))


def _elementwise(what: str, labels: Any, predictions: Any, weights: Any, reduction: str, formula: Callable) -> jax.Array:
    return compute_weighted_loss(formula(*_pair(what, labels, predictions)), weights, reduction=reduction)


def _float(x: Any) -> jax.Array:
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _pair(what: str, labels: Any, predictions: Any) -> tuple[jax.Array, jax.Array]:
    labels, predictions = _float(labels), _float(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"{what}: given labels {labels.shape} and predictions {predictions.shape}, expected one shape. Reshape one of them."
        )
    return labels, predictions
