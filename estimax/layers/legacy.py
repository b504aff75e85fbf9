"""The layers of `tf.compat.v1.layers`: functions that make a layer and call it once, inside a `model_fn`.

Each takes the inputs and the arguments of the layer of the same name (`dense` those of `Dense`), which is where they are
described; `training` is given to the call. Those that have variables take `reuse=` too: whether a variable of the same path is the same one.
"""

from __future__ import annotations

from typing import Any

import jax

from estimax.layers.batch_normalization import BatchNormalization
from estimax.layers.convolution import Conv1D, Conv2D, Conv3D
from estimax.layers.convolution_transpose import Conv2DTranspose
from estimax.layers.dense import Dense
from estimax.layers.depthwise import SeparableConv2D
from estimax.layers.dropout import Dropout
from estimax.layers.pooling import AveragePooling1D, AveragePooling2D, MaxPooling1D, MaxPooling2D
from estimax.layers.reshaping import Flatten
from estimax.layers.variable_scope import AUTO_REUSE as AUTO_REUSE
from estimax.layers.variable_scope import variable_scope as variable_scope
from estimax.layers.variable_scope import with_reuse


@with_reuse
def dense(inputs: Any, units: int, activation: Any = None, use_bias: bool = True, **arguments: Any) -> jax.Array:
    """`Dense(units, activation, use_bias, ...)(inputs)`.

    Args:
        inputs: `[batch, ..., features]`.
        units, activation, use_bias, arguments: of `Dense`.

    Example:
        >>> import jax.numpy as jnp
        >>> dense(jnp.ones((2, 3)), 4).shape
        (2, 4)

    Reference: tf.compat.v1.layers.dense.
    """
    return Dense(units, activation=activation, use_bias=use_bias, **arguments)(inputs)


@with_reuse
def conv1d(inputs: Any, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **arguments: Any) -> jax.Array:
    """`Conv1D(filters, kernel_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.conv1d.
    """
    return Conv1D(filters, kernel_size, strides=strides, padding=padding, **arguments)(inputs)


@with_reuse
def conv2d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", **arguments: Any
) -> jax.Array:
    """`Conv2D(filters, kernel_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.conv2d.
    """
    return Conv2D(filters, kernel_size, strides=strides, padding=padding, **arguments)(inputs)


@with_reuse
def conv3d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid", **arguments: Any
) -> jax.Array:
    """`Conv3D(filters, kernel_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.conv3d.
    """
    return Conv3D(filters, kernel_size, strides=strides, padding=padding, **arguments)(inputs)


@with_reuse
def conv2d_transpose(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", **arguments: Any
) -> jax.Array:
    """`Conv2DTranspose(filters, kernel_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.conv2d_transpose.
    """
    return Conv2DTranspose(filters, kernel_size, strides=strides, padding=padding, **arguments)(inputs)


@with_reuse
def separable_conv2d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", **arguments: Any
) -> jax.Array:
    """`SeparableConv2D(filters, kernel_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.separable_conv2d.
    """
    return SeparableConv2D(filters, kernel_size, strides=strides, padding=padding, **arguments)(inputs)


def max_pooling1d(inputs: Any, pool_size: Any, strides: Any, padding: str = "valid", **arguments: Any) -> jax.Array:
    """`MaxPooling1D(pool_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.max_pooling1d.
    """
    return MaxPooling1D(pool_size, strides, padding, **arguments)(inputs)


def max_pooling2d(inputs: Any, pool_size: Any, strides: Any, padding: str = "valid", **arguments: Any) -> jax.Array:
    """`MaxPooling2D(pool_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.max_pooling2d.
    """
    return MaxPooling2D(pool_size, strides, padding, **arguments)(inputs)


def average_pooling1d(inputs: Any, pool_size: Any, strides: Any, padding: str = "valid", **arguments: Any) -> jax.Array:
    """`AveragePooling1D(pool_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.average_pooling1d.
    """
    return AveragePooling1D(pool_size, strides, padding, **arguments)(inputs)


def average_pooling2d(inputs: Any, pool_size: Any, strides: Any, padding: str = "valid", **arguments: Any) -> jax.Array:
    """`AveragePooling2D(pool_size, strides, padding, ...)(inputs)`.

    Reference: tf.compat.v1.layers.average_pooling2d.
    """
    return AveragePooling2D(pool_size, strides, padding, **arguments)(inputs)


def flatten(inputs: Any, **arguments: Any) -> jax.Array:
    """`Flatten()(inputs)`: `[batch, everything else]`.

    Reference: tf.compat.v1.layers.flatten.
    """
    return Flatten(**arguments)(inputs)


def dropout(inputs: Any, rate: float = 0.5, training: bool = False, **arguments: Any) -> jax.Array:
    """`Dropout(rate, ...)(inputs, training=training)`; does nothing unless `training` is true, as in TensorFlow.

    Args:
        inputs: any shape.
        rate: share of elements that become 0.
        training: mostly `mode == ModeKeys.TRAIN`.
        arguments: of `Dropout`.

    Reference: tf.compat.v1.layers.dropout.
    """
    return Dropout(rate, **arguments)(inputs, training=training)


@with_reuse
def batch_normalization(
    inputs: Any, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, training: bool = False, **arguments: Any
) -> jax.Array:
    """`BatchNormalization(axis, momentum, epsilon, ...)(inputs, training=training)`.

    The engine updates the moving averages: there are no update operations to collect.

    Args:
        inputs: `[batch, ..., features]`.
        axis, momentum, epsilon, arguments: of `BatchNormalization`.
        training: mostly `mode == ModeKeys.TRAIN`.

    Reference: tf.compat.v1.layers.batch_normalization.
    """
    return BatchNormalization(axis=axis, momentum=momentum, epsilon=epsilon, **arguments)(inputs, training=training)
