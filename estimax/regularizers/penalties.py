"""Penalties on weights or outputs, added to the loss while training."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import errors, register


@register("keras.regularizers")
class Regularizer:
    """A penalty on an array; subclass it with `__call__(x)` and `get_config`.

    Example:
        >>> class Fourth(Regularizer):
        ...     def __call__(self, x):
        ...         return (x**4).sum()
        >>> import jax.numpy as jnp
        >>> print(Fourth()(jnp.array([1.0, 2.0])))
        17.0

    Reference: `keras.regularizers.Regularizer`.
    """

    def __call__(self, x: ArrayLike) -> jax.Array:
        """The penalty on `x`, a scalar."""
        raise TypeError(f"{type(self).__name__}: no penalty to give. Define __call__(self, x) in the subclass.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that build an equal regularizer."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        """The regularizer of a config that `get_config` wrote."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


@register("keras.regularizers")
class L1(Regularizer):
    """`l1 * sum(|x|)`: draws values to exactly 0.

    Args:
        l1: factor, at least 0.

    Raises:
        ValueError: if the factor is negative or not finite.

    Example:
        >>> print(L1(0.5)([1.0, -3.0]))
        2.0

    Reference: `keras.regularizers.L1`.
    """

    def __init__(self, l1: float = 0.01):
        self.l1 = _factor(0.01 if l1 is None else l1, "l1")

    def __call__(self, x: ArrayLike) -> jax.Array:
        return self.l1 * jnp.sum(jnp.abs(jnp.asarray(x)))

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


@register("keras.regularizers")
class L2(Regularizer):
    """`l2 * sum(x^2)`: draws values towards 0.

    Args:
        l2: factor, at least 0.

    Raises:
        ValueError: if the factor is negative or not finite.

    Example:
        >>> print(L2(0.5)([1.0, -3.0]))
        5.0

    Reference: `keras.regularizers.L2`.
    """

    def __init__(self, l2: float = 0.01):
        self.l2 = _factor(0.01 if l2 is None else l2, "l2")

    def __call__(self, x: ArrayLike) -> jax.Array:
        return self.l2 * jnp.sum(jnp.square(jnp.asarray(x)))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


@register("keras.regularizers")
class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x^2)`.

    Args:
        l1: factor of the absolute values, at least 0.
        l2: factor of the squares, at least 0.

    Raises:
        ValueError: if a factor is negative or not finite.

    Example:
        >>> print(L1L2(l1=0.5, l2=0.5)([1.0, -3.0]))
        7.0

    Reference: `keras.regularizers.L1L2`.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = _factor(0.0 if l1 is None else l1, "l1")
        self.l2 = _factor(0.0 if l2 is None else l2, "l2")

    def __call__(self, x: ArrayLike) -> jax.Array:
        x = jnp.asarray(x)
        penalty = jnp.zeros((), x.dtype)
        if self.l1:
            penalty += self.l1 * jnp.sum(jnp.abs(x))
        if self.l2:
            penalty += self.l2 * jnp.sum(jnp.square(x))
        return penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


@register("keras.regularizers")
class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean absolute cosine between two different rows, or columns, of a matrix.

    Args:
        factor: at least 0.
        mode: `"rows"` or `"columns"`.

    Raises:
        ValueError: if factor or mode are invalid, or at the call if `x` is not a matrix.

    Example:
        >>> print(OrthogonalRegularizer(2.0)([[1.0, 0.0], [3.0, 0.0]]))
        2.0

    Reference: `keras.regularizers.OrthogonalRegularizer`.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        self.factor = _factor(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: expected mode 'rows' or 'columns', given {mode!r}.")
        self.mode = mode

    def __call__(self, x: ArrayLike) -> jax.Array:
        x = jnp.asarray(x)
        if x.ndim != 2:
            raise errors.ShapeError(
                f"OrthogonalRegularizer: expected a matrix, given shape {x.shape}. Use it on weights of two axes."
            )
        vectors = x if self.mode == "rows" else x.T
        square = jnp.sum(jnp.square(vectors), axis=1, keepdims=True)
        is_zero = square == 0
        unit = vectors * jnp.where(is_zero, 0.0, jax.lax.rsqrt(jnp.where(is_zero, 1.0, square)))
        count = vectors.shape[0]
        cosines = jnp.abs(unit @ unit.T) * (1.0 - jnp.eye(count, dtype=x.dtype))
        # Each pair stands in the matrix twice.
        return self.factor * 0.5 * jnp.sum(cosines) / (count * (count - 1) / 2)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def _factor(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value) or value < 0:
        raise ValueError(f"regularizer: expected {name} to be a finite number >= 0, given {value!r}.")
    return float(value)
