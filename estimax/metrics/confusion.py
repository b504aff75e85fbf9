"""True and false positives and negatives over thresholds, which many metrics are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from estimax.core import errors
from estimax.core.formulas.shapes import EPSILON, from_the_left, same_rank
from estimax.metrics.reduction import weighted

BELOW_ALL = -1e10  # Keras's stand-in for the predictions that are not among the k largest.


class Counts(NamedTuple):
    """Weighted counts, each of shape `[thresholds]`, or `[thresholds, labels]` label by label."""

    true_positives: jax.Array
    false_positives: jax.Array
    true_negatives: jax.Array
    false_negatives: jax.Array


def check_thresholds(thresholds: Any, default: float, owner: str) -> list[float]:
    """One or several thresholds as a list.

    Raises:
        ValueError: if one of those given lies outside `[0, 1]`.
    """
    if thresholds is None:
        return [default]
    listed = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    wrong = [t for t in listed if t is None or not 0 <= t <= 1]
    if wrong:
        raise ValueError(
            f"{owner}: given thresholds {wrong}, expected numbers in [0, 1]. Predictions are probabilities here; apply "
            "sigmoid to logits first."
        )
    return listed


def are_even(thresholds: Sequence[float]) -> bool:
    """Whether at least three thresholds divide `[0, 1]` evenly, so that a prediction's place follows from a product."""
    n = len(thresholds)
    return n >= 3 and np.allclose(thresholds, np.arange(n, dtype=np.float32) / (n - 1), atol=EPSILON)


def count(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    thresholds: Sequence[float],
    *,
    even: bool,
    sample_weight: ArrayLike | None = None,
    label_weights: ArrayLike | None = None,
    top_k: int | None = None,
    class_id: int | None = None,
    multi_label: bool = False,
    dtype: str = "float32",
) -> Counts:
    """The weighted counts of a batch; a prediction is positive if it exceeds the threshold.

    Args:
        y_true: 0 or 1. Shape `[batch, ...]`.
        y_pred: probabilities. Shape `[batch, ...]`.
        thresholds: in ascending order if even.
        even: whether they divide `[0, 1]` evenly, see `are_even`; then counts cost no more for many thresholds.
        sample_weight: a shape that broadcasts to that of predictions along the leading axes.
        label_weights: weight of each label, the last axis of predictions. Not with `multi_label`.
        top_k: if given, only the `k` largest predictions of a row can be positive.
        class_id: if given, only this label counts.
        multi_label: whether labels, the second axis of predictions, are counted apart.
        dtype: to count in.

    Raises:
        ShapeError: if shapes do not fit.
    """
    y_pred, y_true = same_rank(jnp.asarray(y_pred, dtype), jnp.asarray(y_true, dtype))
    if y_pred.shape != y_true.shape:
        raise errors.ShapeError(
            f"confusion counts: given y_true {y_true.shape} and y_pred {y_pred.shape}, expected the same shape. "
            "One-hot encode class numbers first."
        )
    if top_k is not None:
        _, best = jax.lax.top_k(y_pred, top_k)
        is_best = jnp.any(jax.nn.one_hot(best, y_pred.shape[-1], dtype=bool), axis=-2)
        y_pred = jnp.where(is_best, y_pred, BELOW_ALL)
    if class_id is not None:
        if y_pred.ndim == 1:
            raise errors.ShapeError(
                f"confusion counts: given y_pred {y_pred.shape} with class_id={class_id}, expected [batch, classes]."
            )
        y_true, y_pred = y_true[..., class_id, None], y_pred[..., class_id, None]
    weight = jnp.ones((), dtype)
    if sample_weight is not None:
        weight = jnp.asarray(sample_weight, dtype)
        weight = weight[..., 0] if weight.ndim == y_pred.ndim + 1 else from_the_left(weight, y_pred.ndim)
    if label_weights is not None:
        weight = weight * jnp.asarray(label_weights, dtype)
    weight = jnp.broadcast_to(weight, y_pred.shape)
    # A row of weight 0 may hold anything, NaN too.
    y_pred = jnp.where(weight == 0, 0, y_pred)
    positive = weighted((y_true != 0).astype(dtype), weight)
    negative = weighted((y_true == 0).astype(dtype), weight)
    if not multi_label:
        y_pred, positive, negative = (x.reshape(-1, 1) for x in (y_pred, positive, negative))
    by_threshold = _count_even if even else _count_each
    true_positives, false_positives = by_threshold(positive, negative, y_pred, thresholds)
    counts = Counts(
        true_positives,
        false_positives,
        jnp.sum(negative, axis=0) - false_positives,
        jnp.sum(positive, axis=0) - true_positives,
    )
    return counts if multi_label else Counts(*(x[:, 0] for x in counts))


def _count_each(
    positive: jax.Array, negative: jax.Array, y_pred: jax.Array, thresholds: Sequence[float]
) -> tuple[jax.Array, jax.Array]:
    exceeds = y_pred > jnp.asarray(thresholds, y_pred.dtype)[:, None, None]
    return jnp.sum(jnp.where(exceeds, positive, 0), axis=1), jnp.sum(jnp.where(exceeds, negative, 0), axis=1)


def _count_even(
    positive: jax.Array, negative: jax.Array, y_pred: jax.Array, thresholds: Sequence[float]
) -> tuple[jax.Array, jax.Array]:
    n = len(thresholds)
    # The last threshold that a prediction exceeds; -1 for a prediction of 0, which exceeds none but one below 0.
    last = jnp.ceil(jnp.clip(y_pred, 0, 1) * (n - 1)) - 1
    if thresholds[0] < 0 or thresholds[-1] > 1:
        last = jnp.maximum(last, 0)
    last = last.astype(jnp.int32)
    labels = y_pred.shape[1]
    segments = jnp.where(last < 0, n * labels, last * labels + jnp.arange(labels))
    sums = jax.ops.segment_sum(
        jnp.stack([positive.reshape(-1), negative.reshape(-1)], axis=1), segments.reshape(-1), n * labels + 1
    )
    totals = jnp.cumsum(sums[:-1].reshape(n, labels, 2)[::-1], axis=0)[::-1]
    return totals[..., 0], totals[..., 1]
