"""Transposed convolution over 1, 2 or 3 axes: from small to large, as the gradient of a convolution goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax import activations, initializers
from estimax.core import Variable, register
from estimax.layers.base import Layer
from estimax.layers.convolution import finish
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import InputSpec
from estimax.layers.shapes import channel_axis, channels_of, data_format_of, dimension_numbers, padding_of, positive, sizes_of


def transposed_padding(extent: int, stride: int, padding: str, output_padding: int | None) -> tuple[int, int]:
    """Zeros to put before and after an axis that was spread out by the stride, for a kernel of this extent."""
    if padding == "valid":
        more = max(stride - extent, 0) if output_padding is None else output_padding
        return extent - 1, extent - 1 + more
    total = stride + extent - 2 if output_padding is None else extent + extent % 2 - 2 + output_padding
    before = min(math.ceil(total / 2), extent - 1)
    return before, total - before


class _ConvolutionTranspose(Layer):
    """What the classes of all ranks share; `rank` is the number of axes that the kernel moves along."""

    rank: int
    config_has_activity_regularizer = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self.kernel_size = sizes_of(self, "kernel_size", kernel_size, self.rank)
        self.strides = sizes_of(self, "strides", strides, self.rank)
        self.dilation_rate = sizes_of(self, "dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{type(self).__name__}: strides {self.strides} and dilation_rate {self.dilation_rate}: expected at most one above 1."
            )
        self.output_padding = (
            None if output_padding is None else sizes_of(self, "output_padding", output_padding, self.rank, at_least=0)
        )
        if self.output_padding is not None and any(o >= s for o, s in zip(self.output_padding, self.strides)):
            raise ValueError(
                f"{type(self).__name__}: output_padding: given {output_padding}, expected less than the strides {self.strides}."
            )
        self.padding = padding_of(self, padding)
        self.data_format = data_format_of(self, data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.bias: Variable | None = None

    def build(self, input_shape: Any) -> None:
        """Creates `kernel` `[*kernel_size, filters, channels]` and `bias` `[filters]`."""
        channels = channels_of(self, input_shape, self.data_format)
        self.kernel = self.add_weight(
            (*self.kernel_size, self.filters, channels),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.filters,),
                self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})

    def call(self, inputs: jax.Array) -> jax.Array:
        """Spreads the input out by the strides and convolves."""
        extents = [(k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate)]
        more = self.output_padding or (None,) * self.rank
        y = jax.lax.conv_general_dilated(
            inputs,
            jnp.flip(self.kernel.value, tuple(range(self.rank))),
            (1,) * self.rank,
            [transposed_padding(e, s, self.padding, o) for e, s, o in zip(extents, self.strides, more)],
            lhs_dilation=self.strides,
            rhs_dilation=self.dilation_rate,
            dimension_numbers=dimension_numbers(self.data_format, self.rank, transposed=True),
        )
        return finish(y, self.bias, self.activation, self.data_format)


@register("keras.layers")
class Conv1DTranspose(_ConvolutionTranspose):
    """Transposed convolution over the steps of a sequence: from short to long.

    Args:
        filters: number of output channels.
        kernel_size: steps over which an input step spreads.
        strides: output steps for each input step.
        padding: `"valid"` or `"same"` (exactly `strides` output steps for each input step).
        output_padding: further output steps, fewer than the stride; by default those of the padding.
        data_format: `"channels_last"` (default) or `"channels_first"`.
        dilation_rate: distance between the kernel's elements; above 1 only with stride 1.
        activation: name or function; none by default.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        kernel_constraint, bias_constraint: applied to the weights after each update.

    Inputs `[batch, steps, channels]`, output `[batch, new_steps, filters]`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> Conv1DTranspose(4, 3, strides=2, padding="same")(jnp.ones((2, 5, 8))).shape
        (2, 10, 4)

    Reference: keras.layers.Conv1DTranspose; Dumoulin and Visin, arXiv:1603.07285, chapter 4.
    """

    rank = 1


@register("keras.layers")
class Conv2DTranspose(_ConvolutionTranspose):
    """Transposed convolution over the positions of an image: from small to large.

    Arguments are those of `Conv1DTranspose`, with one integer or a pair for sizes, strides, dilation and output padding.

    Inputs `[batch, height, width, channels]`, output `[batch, new_height, new_width, filters]`; channels second with
    `data_format="channels_first"`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> Conv2DTranspose(4, 3, strides=2)(jnp.ones((1, 4, 4, 2))).shape
        (1, 9, 9, 4)

    Reference: keras.layers.Conv2DTranspose; Dumoulin and Visin, arXiv:1603.07285, chapter 4.
    """

    rank = 2


@register("keras.layers")
class Conv3DTranspose(_ConvolutionTranspose):
    """Transposed convolution over the positions of a volume: from small to large.

    Arguments are those of `Conv1DTranspose`, with one integer or three for sizes, strides, dilation and output padding.

    Inputs `[batch, depth, height, width, channels]`, output `[batch, new_depth, new_height, new_width, filters]`; channels second
    with `data_format="channels_first"`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> Conv3DTranspose(2, 2, strides=2)(jnp.ones((1, 2, 2, 2, 3))).shape
        (1, 4, 4, 4, 2)

    Reference: keras.layers.Conv3DTranspose; Dumoulin and Visin, arXiv:1603.07285, chapter 4.
    """

    rank = 3


# Keras's longer names.
Convolution1DTranspose, Convolution2DTranspose, Convolution3DTranspose = Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
