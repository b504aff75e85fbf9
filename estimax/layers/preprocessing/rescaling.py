"""Rescaling: numbers times a scale plus an offset."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer


@register("keras.layers")
class Rescaling(Layer):
    """`inputs * scale + offset`.

    Args:
        scale: a number, or an array that fits the inputs.
        offset: likewise.

    Example:
        >>> Rescaling(1 / 127.5, offset=-1.0)([[0.0, 255.0]]).tolist()
        [[-1.0, 1.0]]

    Reference: keras.layers.Rescaling.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self.supports_masking = True

    def call(self, inputs: Any) -> jax.Array:
        """The numbers rescaled."""
        scale, offset = (jnp.asarray(v, self.compute_dtype) for v in (self.scale, self.offset))
        return jnp.asarray(inputs).astype(self.compute_dtype) * scale + offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input."""
        return tuple(input_shape)
