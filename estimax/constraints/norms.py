"""Constraints: what a weight is brought back to after each update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import register

EPSILON = 1e-7  # Keras's fuzz factor (`keras.config.epsilon`), so that a weight of norm 0 stays 0.


@register("keras.constraints")
class Constraint:
    """A rule that a weight must keep; subclass it with `__call__(w)`, which gives the nearest weight that does.

    Example:
        >>> class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return jnp.minimum(w, 1.0)
        >>> AtMostOne()(jnp.array([0.5, 2.0])).tolist()
        [0.5, 1.0]

    Reference: `keras.constraints.Constraint`.
    """

    def __call__(self, w: ArrayLike) -> jax.Array:
        """The weight that keeps the rule. Shape of `w`."""
        raise TypeError(f"{type(self).__name__}: no rule to keep. Define __call__(self, w) in the subclass.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that build an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Constraint:
        """The constraint of a config that `get_config` wrote."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


@register("keras.constraints")
class MaxNorm(Constraint):
    """Scales weights down to a norm of at most `max_value`.

    Args:
        max_value: largest norm.
        axis: axes of one norm: 0 for the inputs of each unit of a dense layer, `[0, 1, 2]` for each filter of a `Conv2D`.

    Example:
        >>> print(MaxNorm(2.0)([[0.0], [8.0]]).round(2).tolist())
        [[0.0], [2.0]]

    Reference: `keras.constraints.MaxNorm`.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0):
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: ArrayLike) -> jax.Array:
        w = jnp.asarray(w)
        norm = _norm(w, self.axis)
        return w * (jnp.clip(norm, 0, self.max_value) / (EPSILON + norm))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


@register("keras.constraints")
class NonNeg(Constraint):
    """Sets negative weights to 0.

    Example:
        >>> NonNeg()([-1.0, 2.0]).tolist()
        [0.0, 2.0]

    Reference: `keras.constraints.NonNeg`.
    """

    def __call__(self, w: ArrayLike) -> jax.Array:
        return jnp.maximum(jnp.asarray(w), 0)


@register("keras.constraints")
class UnitNorm(Constraint):
    """Scales weights to a norm of 1.

    Args:
        axis: axes of one norm: 0 for the inputs of each unit of a dense layer, `[0, 1, 2]` for each filter of a `Conv2D`.

    Example:
        >>> print(UnitNorm()([[0.0], [0.5]]).round(2).tolist())
        [[0.0], [1.0]]

    Reference: `keras.constraints.UnitNorm`.
    """

    def __init__(self, axis: int | Sequence[int] = 0):
        self.axis = axis

    def __call__(self, w: ArrayLike) -> jax.Array:
        w = jnp.asarray(w)
        return w / (EPSILON + _norm(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


@register("keras.constraints")
class MinMaxNorm(Constraint):
    """Scales weights to a norm between `min_value` and `max_value`, at once or little by little.

    Args:
        min_value: smallest norm.
        max_value: largest norm.
        rate: share of the way to the allowed norm that an update takes; 1 for all of it.
        axis: axes of one norm: 0 for the inputs of each unit of a dense layer, `[0, 1, 2]` for each filter of a `Conv2D`.

    Example:
        >>> print(MinMaxNorm(2.0, 3.0)([[0.0], [0.5]]).round(2).tolist())
        [[0.0], [2.0]]

    Reference: `keras.constraints.MinMaxNorm`.
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0):
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: ArrayLike) -> jax.Array:
        w = jnp.asarray(w)
        norm = _norm(w, self.axis)
        wanted = self.rate * jnp.clip(norm, self.min_value, self.max_value) + (1 - self.rate) * norm
        return w * (wanted / (EPSILON + norm))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


def _norm(w: jax.Array, axis: int | Sequence[int]) -> jax.Array:
    axes = axis if isinstance(axis, int) else tuple(axis)
    return jnp.sqrt(jnp.sum(jnp.square(w), axis=axes, keepdims=True))
