"""Activations made of pieces: rectifiers, hard approximations of smooth curves, and shrinkage.

Every function takes an array of any shape and returns an array of the same shape; integers become floats.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def linear(x: ArrayLike) -> jax.Array:
    """`x` itself.

    Example:
        >>> linear([1.0, -2.0]).tolist()
        [1.0, -2.0]
    """
    return x if isinstance(x, jax.Array) else jnp.asarray(x)


def relu(x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> jax.Array:
    """Rectified linear unit, with an optional slope below, ceiling and threshold.

    `max_value` where `x >= max_value`; `x` where `threshold < x < max_value`;
    `negative_slope * (x - threshold)` elsewhere.

    Args:
        x: shape `[...]`.
        negative_slope: slope below the threshold.
        max_value: ceiling of the result; none if omitted.
        threshold: values up to here count as negative.

    Raises:
        ValueError: if `max_value` or `negative_slope` is negative.

    Example:
        >>> relu([-1.0, 0.5, 9.0], max_value=6.0).tolist()
        [0.0, 0.5, 6.0]

    Reference: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010; the arguments
    are those of `keras.activations.relu`.
    """
    x = _floating(x)
    if max_value is not None and max_value < 0:
        raise ValueError(f"relu: expected max_value >= 0 or None, given {max_value}. Pass the largest value to let through.")
    if negative_slope < 0:
        raise ValueError(f"relu: expected negative_slope >= 0, given {negative_slope}. Use 0 for the plain rectifier.")
    if threshold == 0:
        positive = relu6(x) if max_value == 6 else jax.nn.relu(x)
    else:
        positive = x * (x > threshold).astype(x.dtype)
    if max_value is not None and not (max_value == 6 and threshold == 0):
        positive = jnp.clip(positive, 0, max_value)
    if negative_slope == 0:
        return positive
    return positive - negative_slope * jax.nn.relu(threshold - x)


def relu6(x: ArrayLike) -> jax.Array:
    """`min(max(x, 0), 6)`: a rectifier whose range suits low-precision numbers.

    Example:
        >>> relu6([-1.0, 3.0, 8.0]).tolist()
        [0.0, 3.0, 6.0]

    Reference: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """
    return jax.nn.relu6(_floating(x))


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> jax.Array:
    """`x` where positive, `negative_slope * x` elsewhere.

    Example:
        >>> leaky_relu([-1.0, 2.0], negative_slope=0.5).tolist()
        [-0.5, 2.0]

    Reference: Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013; the default slope
    is that of `keras.activations.leaky_relu`.
    """
    return jax.nn.leaky_relu(_floating(x), negative_slope=negative_slope)


def elu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """Exponential linear unit: `x` where positive, `alpha * (exp(x) - 1)` elsewhere.

    Example:
        >>> elu([0.0, 2.0]).tolist()
        [0.0, 2.0]

    Reference: Clevert et al., "Fast and accurate deep network learning by exponential linear units", 2016.
    """
    return jax.nn.elu(_floating(x), alpha=alpha)


def selu(x: ArrayLike) -> jax.Array:
    """Scaled exponential linear unit: keeps mean 0 and variance 1 through a deep stack of dense layers.

    Initialize such layers with `lecun_normal`.

    Example:
        >>> selu([0.0]).tolist()
        [0.0]

    Reference: Klambauer et al., "Self-normalizing neural networks", 2017, which gives both constants.
    """
    return jax.nn.selu(_floating(x))


def celu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`: an ELU with continuous slope for every `alpha`.

    Example:
        >>> celu([0.0, 2.0]).tolist()
        [0.0, 2.0]

    Reference: Barron, "Continuously differentiable exponential linear units", 2017.
    """
    return jax.nn.celu(_floating(x), alpha=alpha)


def threshold(x: ArrayLike, threshold: float, default_value: float) -> jax.Array:
    """`x` where `x > threshold`, `default_value` elsewhere.

    Example:
        >>> threshold([0.2, 2.0], 1.0, -1.0).tolist()
        [-1.0, 2.0]
    """
    x = _floating(x)
    return jnp.where(x > threshold, x, jnp.asarray(default_value, x.dtype))


def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """`x` where `|x| > threshold`, 0 elsewhere.

    Example:
        >>> hard_shrink([-1.0, 0.3]).tolist()
        [-1.0, 0.0]
    """
    x = _floating(x)
    return jnp.where(jnp.abs(x) > threshold, x, jnp.zeros((), x.dtype))


def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """`x` moved towards 0 by `threshold`, and 0 where `|x| <= threshold`.

    Example:
        >>> soft_shrink([-1.0, 0.3]).tolist()
        [-0.5, 0.0]
    """
    x = _floating(x)
    return jnp.where(x > threshold, x - threshold, jnp.where(x < -threshold, x + threshold, jnp.zeros((), x.dtype)))


def hard_sigmoid(x: ArrayLike) -> jax.Array:
    """`relu6(x + 3) / 6`: a sigmoid of three straight pieces.

    Example:
        >>> hard_sigmoid([-3.0, 0.0, 3.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    return jax.nn.hard_sigmoid(_floating(x))


def hard_tanh(x: ArrayLike) -> jax.Array:
    """`x` clipped to `[-1, 1]`.

    Example:
        >>> hard_tanh([-2.0, 0.5, 2.0]).tolist()
        [-1.0, 0.5, 1.0]
    """
    return jax.nn.hard_tanh(_floating(x))


def hard_silu(x: ArrayLike) -> jax.Array:
    """`x * hard_sigmoid(x)`; also named `hard_swish`.

    Example:
        >>> hard_silu([0.0, 3.0]).tolist()
        [0.0, 3.0]

    Reference: Howard et al., "Searching for MobileNetV3", 2019.
    """
    return jax.nn.hard_silu(_floating(x))


hard_swish = hard_silu


def sparse_plus(x: ArrayLike) -> jax.Array:
    """0 up to -1, `x` from 1 on, and `(x + 1)^2 / 4` in between.

    Example:
        >>> sparse_plus([-1.0, 0.0, 3.0]).tolist()
        [0.0, 0.25, 3.0]
    """
    return jax.nn.sparse_plus(_floating(x))


def sparse_sigmoid(x: ArrayLike) -> jax.Array:
    """0 up to -1, 1 from 1 on, and `(x + 1) / 2` in between: the derivative of `sparse_plus`.

    Example:
        >>> sparse_sigmoid([-1.0, 0.0, 3.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    return jax.nn.sparse_sigmoid(_floating(x))


def _floating(x: ArrayLike) -> jax.Array:
    x = x if isinstance(x, jax.Array) else jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))
