"""Losses of directions: cosine similarity of two vectors, and the circle loss of embeddings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core.formulas.shapes import pair


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> jax.Array:
    """Minus the cosine of the angle between two vectors: -1 if they point the same way, 0 if one of them is zero.

    Args:
        y_true: vectors. Shape `[batch, ..., width]`.
        y_pred: vectors. Shape `[batch, ..., width]`.
        axis: the axis of the width.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> cosine_similarity([[2.0, 0.0]], [[3.0, 0.0]]).tolist()
        [-1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "cosine_similarity")
    return -jnp.sum(_unit(y_true, axis) * _unit(y_pred, axis), axis=axis)


def circle(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    ref_labels: ArrayLike | None = None,
    ref_embeddings: ArrayLike | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
    row_mask: ArrayLike | None = None,
) -> jax.Array:
    """Circle loss: draws embeddings of one label together and pushes the others apart, harder where they are far off.

    Args:
        y_true: labels, integers. Shape `[batch]`.
        y_pred: embeddings of norm 1. Shape `[batch, width]`.
        ref_labels: labels to compare with; `y_true` if omitted. Shape `[references]`.
        ref_embeddings: embeddings to compare with; `y_pred` if omitted. Shape `[references, width]`.
        remove_diagonal: whether an embedding is not compared with itself.
        gamma: scale of the similarities.
        margin: how far beyond the boundary similarities are pushed.
        row_mask: True for references that count; all if omitted. Shape `[references]`.

    Returns:
        Shape `[batch]`; 0 for an embedding without a partner or without an opponent.

    Example:
        >>> circle([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]).shape
        (3,)

    Reference: Sun et al., "Circle loss: a unified perspective of pair similarity optimization", 2020.
    """
    y_pred = jnp.asarray(y_pred)
    labels = jnp.asarray(y_true).astype(jnp.int32).reshape(-1, 1)
    references = y_pred if ref_embeddings is None else jnp.asarray(ref_embeddings)
    ref_labels = labels if ref_labels is None else jnp.asarray(ref_labels).astype(jnp.int32).reshape(-1, 1)

    distances = jnp.maximum(1 - y_pred @ references.T, 0.0)
    same_label = labels == ref_labels.T
    positive, negative = same_label, ~same_label
    if remove_diagonal:
        positive &= ~jnp.eye(positive.shape[0], positive.shape[1], dtype=bool)
    if row_mask is not None:
        positive &= jnp.asarray(row_mask)
        negative &= jnp.asarray(row_mask)

    positive_weight = jnp.maximum((margin + distances) * positive, 0.0)
    negative_weight = jnp.maximum((1 + margin - distances) * negative, 0.0)
    positive_logits = -gamma * positive_weight * (margin - distances)
    negative_logits = gamma * negative_weight * (1 - margin - distances)
    return jax.nn.softplus(
        jax.nn.logsumexp(jnp.where(positive, positive_logits, -jnp.inf), axis=1)
        + jax.nn.logsumexp(jnp.where(negative, negative_logits, -jnp.inf), axis=1)
    )


def _unit(x: jax.Array, axis: int) -> jax.Array:
    """`x` scaled to norm 1; a zero vector stays zero, with gradient 0 in it."""
    square = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
    is_zero = square == 0
    return x * jnp.where(is_zero, 0.0, jnp.minimum(jax.lax.rsqrt(jnp.where(is_zero, 1.0, square)), 1e12))
