"""Convolution over 1, 2 or 3 axes: one implementation, which the classes name by rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from estimax import activations, initializers
from estimax.core import Variable, register
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import InputSpec, shape_error
from estimax.layers.lora import LowRank
from estimax.layers.shapes import channel_axis, channels_of, data_format_of, dimension_numbers, padding_of, positive, sizes_of


def convolve(
    layer: Layer,
    x: jax.Array,
    kernel: jax.Array,
    *,
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    data_format: str,
    groups: int = 1,
) -> jax.Array:
    """`x` `[batch, ..., channels]` (or channels first) with a kernel `[..., channels / groups, filters]`.

    Raises:
        ValueError: if the kernel is larger than the input.
    """
    rank = x.ndim - 2
    extents = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation)]
    pads: Any = padding.upper()
    if padding == "causal":
        pads = [(extents[0] - 1, 0)]
    elif padding == "valid":
        sizes = x.shape[1:-1] if data_format == "channels_last" else x.shape[2:]
        if any(size < extent for size, extent in zip(sizes, extents)):
            raise shape_error(
                layer, f"at least {tuple(extents)} positions, the extent of the kernel", x.shape, "Pass padding='same'."
            )
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        tuple(strides),
        pads,
        rhs_dilation=tuple(dilation),
        dimension_numbers=dimension_numbers(data_format, rank),
        feature_group_count=groups,
    )


class _Convolution(LowRank, Layer):
    """What the classes of all ranks share; `rank` is the number of axes that the kernel moves along."""

    rank: int
    config_if_set = ("lora_rank", "lora_alpha")
    config_has_activity_regularizer = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
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
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self.groups = positive(self, "groups", groups)
        if filters % groups:
            raise ValueError(f"{type(self).__name__}: filters: given {filters}, expected a multiple of groups, {groups}.")
        self.kernel_size = sizes_of(self, "kernel_size", kernel_size, self.rank)
        self.strides = sizes_of(self, "strides", strides, self.rank)
        self.dilation_rate = sizes_of(self, "dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{type(self).__name__}: strides {self.strides} and dilation_rate {self.dilation_rate}: expected at most one above 1."
            )
        self.padding = padding_of(self, padding, causal=self.rank == 1)
        self.data_format = data_format_of(self, data_format)
        if self.padding == "causal" and self.data_format == "channels_first":
            raise ValueError(f"{type(self).__name__}: padding='causal' expects data_format='channels_last'.")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.set_lora(lora_rank, lora_alpha)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.bias: Variable | None = None

    def build(self, input_shape: Any) -> None:
        """Creates `kernel` `[*kernel_size, channels / groups, filters]` and `bias` `[filters]`."""
        axis = channel_axis(self.data_format)
        channels = channels_of(self, input_shape, self.data_format)
        if channels % self.groups:
            raise shape_error(self, f"a multiple of {self.groups} (groups) on axis {axis}", tuple(input_shape))
        self.kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters),
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
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolves."""
        y = convolve(
            self,
            inputs,
            self.corrected_kernel(),
            strides=self.strides,
            padding=self.padding,
            dilation=self.dilation_rate,
            data_format=self.data_format,
            groups=self.groups,
        )
        return finish(y, self.bias, self.activation, self.data_format)


def finish(y: jax.Array, bias: Variable | None, activation: Any, data_format: str) -> jax.Array:
    """Adds the bias, if there is one, and applies the activation."""
    if bias is not None:
        shape = [1] * y.ndim
        shape[channel_axis(data_format)] = -1
        y = y + bias.value.reshape(shape)
    return activation(y)


@register("keras.layers")
class Conv1D(_Convolution):
    """Convolution over the steps of a sequence.

    Args:
        filters: number of output channels.
        kernel_size: steps that a filter sees.
        strides: distance between outputs.
        padding: `"valid"` (none), `"same"` (as many outputs as inputs, at stride 1), or `"causal"` (no output sees later steps).
        data_format: `"channels_last"` (default) or `"channels_first"`.
        dilation_rate: distance between the steps that a filter sees; above 1 only with stride 1.
        groups: channels are split into so many groups, convolved apart.
        activation: name or function; none by default.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        kernel_constraint, bias_constraint: applied to the weights after each update.
        lora_rank, lora_alpha: low-rank adaptation, see `Dense`.

    Inputs `[batch, steps, channels]`, output `[batch, new_steps, filters]`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> Conv1D(4, 3)(jnp.ones((2, 10, 8))).shape
        (2, 8, 4)

    Reference: keras.layers.Conv1D.
    """

    rank = 1


@register("keras.layers")
class Conv2D(_Convolution):
    """Convolution over the positions of an image.

    Arguments are those of `Conv1D`, with one integer or a pair for sizes, strides and dilation; padding `"valid"` or `"same"`.

    Inputs `[batch, height, width, channels]`, output `[batch, new_height, new_width, filters]`; channels second with
    `data_format="channels_first"`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> Conv2D(4, 3, strides=2, padding="same")(jnp.ones((2, 8, 8, 3))).shape
        (2, 4, 4, 4)

    Reference: keras.layers.Conv2D.
    """

    rank = 2


@register("keras.layers")
class Conv3D(_Convolution):
    """Convolution over the positions of a volume.

    Arguments are those of `Conv1D`, with one integer or three for sizes, strides and dilation; padding `"valid"` or `"same"`.

    Inputs `[batch, depth, height, width, channels]`, output `[batch, new_depth, new_height, new_width, filters]`; channels second
    with `data_format="channels_first"`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> Conv3D(2, 2)(jnp.ones((1, 4, 4, 4, 3))).shape
        (1, 3, 3, 3, 2)

    Reference: keras.layers.Conv3D.
    """

    rank = 3


# Keras's longer names.
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
