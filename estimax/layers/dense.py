"""Dense: a matrix product over the last axis."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax import activations, initializers
from estimax.core import Variable, register
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, refuse_quantization, regularizer_of
from estimax.layers.input_spec import InputSpec, shape_error
from estimax.layers.lora import LowRank


@register("keras.layers")
class Dense(LowRank, Layer):
    """`activation(inputs @ kernel + bias)`.

    Args:
        units: size of the output's last axis.
        activation: name or function; none by default.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        kernel_constraint, bias_constraint: applied to the weights after each update.
        lora_rank: if given, the kernel is frozen and a product of two thin matrices of this rank is trained instead.
        lora_alpha: the product is scaled by `lora_alpha / lora_rank`; equal to the rank by default.
        quantization_config: only None; Keras's configs have it.

    Inputs `[batch, ..., features]`, output `[batch, ..., units]`.

    Raises:
        ValueError: if `units` is not positive, or the input has fewer than 2 axes or another number of features than before.

    Example:
        >>> import jax.numpy as jnp
        >>> Dense(2, kernel_initializer="ones")(jnp.ones((1, 3))).tolist()
        [[3.0, 3.0]]

    Reference: keras.layers.Dense; LoRA: Hu et al., arXiv:2106.09685.
    """

    config_if_set = ("lora_rank", "lora_alpha")

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: None = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if not isinstance(units, int) or units <= 0:
            raise ValueError(f"Dense: units: given {units!r}, expected a positive integer.")
        refuse_quantization(self, quantization_config)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.set_lora(lora_rank, lora_alpha)
        self.quantization_config = None
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True
        self.bias: Variable | None = None

    def build(self, input_shape: Any) -> None:
        """Creates `kernel` `[features, units]` and `bias` `[units]`."""
        features = input_shape[-1]
        if features is None:
            raise shape_error(self, "a known size on the last axis", tuple(input_shape))
        self.kernel = self.add_weight(
            (features, self.units),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def call(self, inputs: jax.Array, training: bool | None = None) -> jax.Array:
        """Computes the output."""
        y = jnp.matmul(inputs, self.corrected_kernel())
        if self.bias is not None:
            y = y + self.bias.value
        return self.activation(y)
