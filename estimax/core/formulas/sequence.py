"""Losses of sequences without alignment."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import errors


def ctc(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Connectionist temporal classification: minus the log probability of the labels over all alignments with the steps.

    Args:
        y_true: labels from 1 on, padded with 0. Shape `[batch, labels]`.
        y_pred: logits of the labels and, as class 0, of the blank. Shape `[batch, steps, classes]`.

    Returns:
        Shape `[batch]`.

    Raises:
        ShapeError: if the ranks are others.

    Example:
        >>> import numpy as np
        >>> print(round(float(ctc([[1]], np.zeros((1, 1, 2), np.float32))[0]), 4))
        0.6931

    Reference: Graves et al., "Connectionist temporal classification", 2006; computed by `optax.ctc_loss`.
    """
    import optax

    y_true = jnp.asarray(y_true).astype(jnp.int32)
    y_pred = jnp.asarray(y_pred)
    if y_true.ndim != 2 or y_pred.ndim != 3:
        raise errors.ShapeError(
            f"ctc: given y_true {y_true.shape} and y_pred {y_pred.shape}, expected labels [batch, labels] and logits "
            "[batch, steps, classes]."
        )
    y_pred = y_pred.astype(jnp.promote_types(y_pred.dtype, jnp.float32))
    lengths = jnp.sum(y_true != 0, axis=-1, keepdims=True)
    label_paddings = (jnp.arange(y_true.shape[1]) >= lengths).astype(y_pred.dtype)
    return optax.ctc_loss(y_pred, jnp.zeros(y_pred.shape[:2], y_pred.dtype), y_true, label_paddings)
