"""Convolutions that treat each channel apart: depthwise, and separable (depthwise, then a mix of channels)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from estimax import activations, initializers
from estimax.core import Variable, register
from estimax.layers.base import Layer
from estimax.layers.convolution import convolve, finish
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import InputSpec
from estimax.layers.shapes import channel_axis, channels_of, data_format_of, padding_of, positive, sizes_of


class _Depthwise(Layer):
    """Arguments and convolution that both families share; `rank` is the number of axes that the kernel moves along."""

    rank: int
    config_has_activity_regularizer = True

    def _set_shape(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        depth_multiplier: int,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
    ) -> None:
        self.kernel_size = sizes_of(self, "kernel_size", kernel_size, self.rank)
        self.strides = sizes_of(self, "strides", strides, self.rank)
        self.dilation_rate = sizes_of(self, "dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{type(self).__name__}: strides {self.strides} and dilation_rate {self.dilation_rate}: expected at most one above 1."
            )
        self.depth_multiplier = positive(self, "depth_multiplier", depth_multiplier)
        self.padding = padding_of(self, padding)
        self.data_format = data_format_of(self, data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.bias: Variable | None = None

    def _per_channel(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """Each channel with its own kernels `[*kernel_size, channels, depth_multiplier]`; output channel `c * multiplier + k`."""
        *sizes, channels, multiplier = kernel.shape
        return convolve(
            self,
            x,
            kernel.reshape(*sizes, 1, channels * multiplier),
            strides=self.strides,
            padding=self.padding,
            dilation=self.dilation_rate,
            data_format=self.data_format,
            groups=channels,
        )


class _DepthwiseConvolution(_Depthwise):
    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_shape(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizer_of(depthwise_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.depthwise_constraint = constraint_of(depthwise_constraint)
        self.bias_constraint = constraint_of(bias_constraint)

    def build(self, input_shape: Any) -> None:
        """Creates `kernel` `[*kernel_size, channels, depth_multiplier]` and `bias` `[channels * depth_multiplier]`."""
        channels = channels_of(self, input_shape, self.data_format)
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            name="kernel",
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (channels * self.depth_multiplier,),
                self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})

    def call(self, inputs: jax.Array) -> jax.Array:
        """Convolves each channel."""
        return finish(self._per_channel(inputs, self.kernel.value), self.bias, self.activation, self.data_format)


@register("keras.layers")
class DepthwiseConv1D(_DepthwiseConvolution):
    """Convolution over the steps of a sequence, each channel with its own kernels.

    Args:
        kernel_size: steps that a kernel sees.
        strides: distance between outputs.
        padding: `"valid"` or `"same"`, as of `Conv1D`.
        depth_multiplier: output channels for each input channel.
        data_format: `"channels_last"` (default) or `"channels_first"`.
        dilation_rate: distance between the steps that a kernel sees; above 1 only with stride 1.
        activation: name or function; none by default.
        use_bias: whether a bias is added.
        depthwise_initializer, bias_initializer: first values of the weights.
        depthwise_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        depthwise_constraint, bias_constraint: applied to the weights after each update.

    Inputs `[batch, steps, channels]`, output `[batch, new_steps, channels * depth_multiplier]`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> DepthwiseConv1D(3, depth_multiplier=2)(jnp.ones((2, 10, 4))).shape
        (2, 8, 8)

    Reference: keras.layers.DepthwiseConv1D.
    """

    rank = 1


@register("keras.layers")
class DepthwiseConv2D(_DepthwiseConvolution):
    """Convolution over the positions of an image, each channel with its own kernels.

    Arguments are those of `DepthwiseConv1D`, with one integer or a pair for sizes, strides and dilation.

    Inputs `[batch, height, width, channels]`, output `[batch, new_height, new_width, channels * depth_multiplier]`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> DepthwiseConv2D(3)(jnp.ones((1, 5, 5, 2))).shape
        (1, 3, 3, 2)

    Reference: keras.layers.DepthwiseConv2D.
    """

    rank = 2


class _SeparableConvolution(_Depthwise):
    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive(self, "filters", filters)
        self._set_shape(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizer_of(depthwise_regularizer)
        self.pointwise_regularizer = regularizer_of(pointwise_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.depthwise_constraint = constraint_of(depthwise_constraint)
        self.pointwise_constraint = constraint_of(pointwise_constraint)
        self.bias_constraint = constraint_of(bias_constraint)

    def build(self, input_shape: Any) -> None:
        """Creates `depthwise_kernel`, `pointwise_kernel` and `bias`."""
        channels = channels_of(self, input_shape, self.data_format)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            name="depthwise_kernel",
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            name="pointwise_kernel",
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
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
        """Convolves each channel, then mixes the channels at each position."""
        ones = (1,) * self.rank
        y = self._per_channel(inputs, self.depthwise_kernel.value)
        y = convolve(
            self,
            y,
            self.pointwise_kernel.value,
            strides=ones,
            padding="valid",
            dilation=ones,
            data_format=self.data_format,
        )
        return finish(y, self.bias, self.activation, self.data_format)


@register("keras.layers")
class SeparableConv1D(_SeparableConvolution):
    """Convolution over the steps of a sequence, each channel apart, and then a mix of the channels of each step.

    Args:
        filters: number of output channels.
        kernel_size: steps that a kernel sees.
        strides: distance between outputs.
        padding: `"valid"` or `"same"`, as of `Conv1D`.
        data_format: `"channels_last"` (default) or `"channels_first"`.
        dilation_rate: distance between the steps that a kernel sees; above 1 only with stride 1.
        depth_multiplier: channels between the two stages, for each input channel.
        activation: name or function; none by default.
        use_bias: whether a bias is added.
        depthwise_initializer, pointwise_initializer, bias_initializer: first values of the weights.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        depthwise_constraint, pointwise_constraint, bias_constraint: applied to the weights after each update.

    Inputs `[batch, steps, channels]`, output `[batch, new_steps, filters]`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> SeparableConv1D(5, 3)(jnp.ones((2, 10, 4))).shape
        (2, 8, 5)

    Reference: keras.layers.SeparableConv1D.
    """

    rank = 1


@register("keras.layers")
class SeparableConv2D(_SeparableConvolution):
    """Convolution over the positions of an image, each channel apart, and then a mix of the channels of each position.

    Arguments are those of `SeparableConv1D`, with one integer or a pair for sizes, strides and dilation.

    Inputs `[batch, height, width, channels]`, output `[batch, new_height, new_width, filters]`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank or number of channels.

    Example:
        >>> import jax.numpy as jnp
        >>> SeparableConv2D(5, 3)(jnp.ones((1, 5, 5, 2))).shape
        (1, 3, 3, 5)

    Reference: keras.layers.SeparableConv2D; Chollet, "Xception", arXiv:1610.02357.
    """

    rank = 2


# Keras's longer names.
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
