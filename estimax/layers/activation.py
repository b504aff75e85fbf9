"""Activation: an activation function as a layer."""

from __future__ import annotations

from typing import Any

import jax

from estimax import activations
from estimax.core import register
from estimax.layers.base import Layer


@register("keras.layers")
class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: name or function.

    Raises:
        ValueError: if there is no activation of this name.

    Example:
        >>> import jax.numpy as jnp
        >>> Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]

    Reference: keras.layers.Activation.
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.supports_masking = True

    def call(self, inputs: Any) -> jax.Array:
        """Computes the output."""
        return self.activation(inputs)
