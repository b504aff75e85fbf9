"""Losses of sequences without alignment."""

from __future__ import annotations

import jax

from estimax.core import register
from estimax.core.formulas.sequence import ctc
from estimax.losses.base import PlainLoss


@register("keras.losses")
class CTC(PlainLoss):
    """`ctc` as a loss.

    Example:
        >>> import numpy as np
        >>> print(round(float(CTC()([[1]], np.zeros((1, 1, 2), np.float32))), 4))
        0.6931

    Reference: `keras.losses.CTC`.
    """

    def call(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        return ctc(y_true, y_pred)
