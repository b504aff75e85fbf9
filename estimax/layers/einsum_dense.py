"""EinsumDense: a product with a kernel along axes that an equation names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax import activations, initializers
from estimax.core import Variable, register
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, refuse_quantization, regularizer_of
from estimax.layers.input_spec import shape_error
from estimax.layers.lora import LowRank
from estimax.layers.symbolic import KerasTensor

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


@register("keras.layers")
class EinsumDense(LowRank, Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: as `"abc,cd->abd"`: axes of input, kernel and output; `...` stands for any axes before or after.
        output_shape: sizes of the output's axes without the batch (and without those of `...`); None where an axis is the input's.
        activation: name or function; none by default.
        bias_axes: the output's axes along which the bias varies, as `"d"`; no bias by default.
        kernel_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, bias_constraint: applied to the weights after each update.
        lora_rank: if given, the kernel is frozen and a product of two thin arrays of this rank is trained instead.
        lora_alpha: the product is scaled by `lora_alpha / lora_rank`.
        quantization_config: only None; Keras's configs have it.

    Raises:
        ValueError: if the equation is not of this form, or does not fit input and `output_shape`.

    Example:
        >>> import jax.numpy as jnp
        >>> EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")(jnp.ones((2, 3, 4))).shape
        (2, 3, 5)

    Reference: keras.layers.EinsumDense.
    """

    config_if_set = ("lora_rank", "lora_alpha")
    config_has_activity_regularizer = True

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        refuse_quantization(self, quantization_config)
        match = _EQUATION.fullmatch(equation.replace(" ", ""))
        if match is None:
            raise ValueError(f"EinsumDense: equation: given {equation!r}, expected a form as 'ab,bc->ac' or '...b,bc->...c'.")
        self.equation = equation
        self.output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.set_lora(lora_rank, lora_alpha)
        self.quantization_config = None
        self.bias: Variable | None = None

    def build(self, input_shape: Any) -> None:
        """Creates `kernel` and `bias`, of the shapes that the equation says."""
        kernel_shape, bias_shape, _ = self._shapes(input_shape)
        self.kernel = self.add_weight(
            kernel_shape,
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if bias_shape is not None:
            self.bias = self.add_weight(
                bias_shape,
                self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def call(self, inputs: jax.Array, training: bool | None = None) -> jax.Array:
        """Computes the output."""
        y = jnp.einsum(self.equation, inputs, self.corrected_kernel())
        if self.bias is not None:
            y = y + self.bias.value
        return self.activation(y)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """As the equation says; axes that are None in `output_shape` are unknown, as in Keras."""
        found = super().compute_output_spec(*args, **kwargs)
        return KerasTensor(self._shapes(args[0].shape)[2], found.dtype)

    def _shapes(self, input_shape: Any) -> Any:
        return equation_shapes(self, self.equation, self.bias_axes, tuple(input_shape), self.output_shape)


def equation_shapes(
    layer: Layer,
    equation: str,
    bias_axes: str | None,
    input_shape: tuple[int | None, ...],
    output_shape: tuple[int | None, ...],
) -> tuple[tuple[int, ...], tuple[int, ...] | None, tuple[int | None, ...]]:
    """Shapes of kernel and bias, and of the whole output.

    Raises:
        ValueError: if the equation, the input's shape and `output_shape` contradict each other.
    """
    match = _EQUATION.fullmatch(equation.replace(" ", ""))
    if match is None:
        raise ValueError(f"EinsumDense: equation: given {equation!r}, expected a form as 'ab,bc->ac' or '...b,bc->...c'.")
    before, inputs, after, kernel, _, outputs, _ = match.groups()
    extra = len(input_shape) - len(inputs)
    if extra < 0 or (extra and not (before or after)):
        raise shape_error(layer, f"{len(inputs)} axes, as the equation {equation!r} says", input_shape)
    named = input_shape[extra:] if before else input_shape[: len(inputs)]
    sizes = dict(zip(inputs, named))
    # Sizes of the output's letters: the batch axis (or the axes of "...") comes from the input.
    given = output_shape if before else (None, *output_shape)
    if after and len(given) == len(outputs) + extra:
        given = given[: len(outputs)]  # sizes of a trailing "..." may be given too; they are the input's
    if len(given) != len(outputs):
        wanted = len(outputs) - (0 if before else 1)
        raise ValueError(
            f"EinsumDense: output_shape: given {output_shape}, expected {wanted} sizes for the axes {outputs!r} of {equation!r}"
            f"{'' if before else ', without the batch'}."
        )
    out_sizes = dict(zip(outputs, given))
    for letter, size in out_sizes.items():
        if size is not None and sizes.get(letter) not in (None, size):
            raise ValueError(
                f"EinsumDense: axis {letter!r} has size {sizes[letter]} in the input {input_shape}, and {size} in output_shape "
                f"{output_shape}. Give None there, or equal sizes."
            )
    kernel_shape = []
    for letter in kernel:
        size = sizes.get(letter)
        size = out_sizes.get(letter) if size is None else size
        if size is None:
            raise ValueError(
                f"EinsumDense: the size of the kernel's axis {letter!r} is neither in the input nor in output_shape."
            )
        kernel_shape.append(size)
    bias_shape = None
    if bias_axes is not None:
        missing = set(bias_axes) - set(outputs)
        if missing:
            raise ValueError(f"EinsumDense: bias_axes: given {bias_axes!r}, expected letters of the output {outputs!r}.")
        first = min(outputs.index(a) for a in bias_axes)
        at: list[Any] = [
            (out_sizes[a] if out_sizes[a] is not None else sizes.get(a)) if a in bias_axes else 1 for a in outputs[first:]
        ]
        # Axes of a trailing "..." come after the letters and share the bias.
        bias_shape = tuple(at) + (1,) * (extra if after else 0)
    free = input_shape[:extra] if before else ()
    full = (*free, *given) if before else (input_shape[0], *given[1:], *(input_shape[len(inputs) :] if after else ()))
    return tuple(kernel_shape), bias_shape, full
