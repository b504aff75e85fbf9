"""Activations that are smooth everywhere: sigmoids, gates and soft rectifiers.

Every function takes an array of any shape and, but for `glu`, returns an array of the same shape; integers become
floats.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def sigmoid(x: ArrayLike) -> jax.Array:
    """`1 / (1 + exp(-x))`: a real number squeezed into `(0, 1)`.

    Example:
        >>> sigmoid([0.0]).tolist()
        [0.5]
    """
    return jax.nn.sigmoid(jnp.asarray(x))


def log_sigmoid(x: ArrayLike) -> jax.Array:
    """`log(sigmoid(x))`, finite also where the sigmoid rounds to 0.

    Example:
        >>> log_sigmoid([-1000.0]).tolist()
        [-1000.0]
    """
    return jax.nn.log_sigmoid(jnp.asarray(x))


def tanh(x: ArrayLike) -> jax.Array:
    """Hyperbolic tangent: a real number squeezed into `(-1, 1)`.

    Example:
        >>> tanh([0.0]).tolist()
        [0.0]
    """
    return jnp.tanh(jnp.asarray(x))


def tanh_shrink(x: ArrayLike) -> jax.Array:
    """`x - tanh(x)`: small values almost vanish, large ones move by 1.

    Example:
        >>> tanh_shrink([0.0]).tolist()
        [0.0]
    """
    x = jnp.asarray(x)
    return x - jnp.tanh(x)


def softplus(x: ArrayLike) -> jax.Array:
    """`log(exp(x) + 1)`: a smooth rectifier.

    Example:
        >>> print(round(float(softplus(0.0)), 4))
        0.6931
    """
    return jax.nn.softplus(jnp.asarray(x))


def softsign(x: ArrayLike) -> jax.Array:
    """`x / (|x| + 1)`.

    Example:
        >>> softsign([1.0, -3.0]).tolist()
        [0.5, -0.75]
    """
    return jax.nn.soft_sign(jnp.asarray(x))


def squareplus(x: ArrayLike, b: float = 4.0) -> jax.Array:
    """`(x + sqrt(x^2 + b)) / 2`: a smooth rectifier without exponentials; `b` sets the width of its bend.

    Example:
        >>> squareplus([0.0]).tolist()
        [1.0]

    Reference: Barron, "Squareplus: a softplus-like algebraic rectifier", 2021.
    """
    return jax.nn.squareplus(jnp.asarray(x), b)


def silu(x: ArrayLike) -> jax.Array:
    """`x * sigmoid(x)`; also named `swish`.

    Example:
        >>> silu([0.0]).tolist()
        [0.0]

    Reference: Ramachandran et al., "Searching for activation functions", 2017.
    """
    return jax.nn.silu(jnp.asarray(x))


swish = silu


def gelu(x: ArrayLike, approximate: bool = False) -> jax.Array:
    """`x * P(Z <= x)` for a standard normal `Z`: weights inputs by their size instead of gating them by their sign.

    Args:
        x: shape `[...]`.
        approximate: use the faster formula with `tanh` in place of the exact one with `erf`.

    Example:
        >>> gelu([0.0]).tolist()
        [0.0]

    Reference: Hendrycks and Gimpel, "Gaussian error linear units", 2016, equation 2.
    """
    return jax.nn.gelu(jnp.asarray(x), approximate)


def glu(x: ArrayLike, axis: int = -1) -> jax.Array:
    """Gated linear unit: the first half of an axis times the sigmoid of the second half.

    Args:
        x: shape `[..., 2 * units, ...]`.
        axis: the axis that is split.

    Returns:
        Shape `[..., units, ...]`.

    Raises:
        ValueError: if the axis has odd length.

    Example:
        >>> glu([[4.0, 0.0]]).tolist()
        [[2.0]]

    Reference: Dauphin et al., "Language modeling with gated convolutional networks", 2017.
    """
    x = jnp.asarray(x)
    if x.shape[axis] % 2:
        raise ValueError(
            f"glu: expected an even length of axis {axis}, given shape {x.shape}. "
            "Give the layer before it twice the units that you want out."
        )
    return jax.nn.glu(x, axis)


def mish(x: ArrayLike) -> jax.Array:
    """`x * tanh(softplus(x))`.

    Example:
        >>> mish([0.0]).tolist()
        [0.0]

    Reference: Misra, "Mish: a self regularized non-monotonic activation function", 2019.
    """
    return jax.nn.mish(jnp.asarray(x))


def exponential(x: ArrayLike) -> jax.Array:
    """`exp(x)`.

    Example:
        >>> exponential([0.0]).tolist()
        [1.0]
    """
    return jnp.exp(jnp.asarray(x))
