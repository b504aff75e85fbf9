"""Adagrad, and its form with one accumulator per row."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options
from estimax.optimizers.rows import IdleStep


def _step(grad: jax.Array, accumulator: jax.Array, epsilon: float, learning_rate: jax.Array) -> jax.Array:
    # XLA turns x / sqrt(y) into x * rsqrt(y), whose last bit on a CPU depends on an element's place in the array; the maximum
    # stands in between, so that a table trained by rows stays equal to one trained densely.
    root = jnp.maximum(jnp.sqrt(accumulator + epsilon), jnp.finfo(accumulator.dtype).tiny)
    return learning_rate * grad / root


def _check_accumulator(owner: str, value: float) -> None:
    if value < 0:
        raise ValueError(f"{owner}: initial_accumulator_value: given {value!r}, expected a number of at least 0.")


@register("keras.optimizers")
class Adagrad(Optimizer):
    """Steps that shrink with the squared gradients seen: `a += g ** 2; w -= learning_rate * g / sqrt(a + epsilon)`.

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: start of the accumulators, at least 0.
        epsilon: keeps the division finite.
        **options: see `Optimizer`.

    Raises:
        ValueError: if `initial_accumulator_value` is negative.

    Example:
        >>> Adagrad(0.1).get_config()["initial_accumulator_value"]
        0.1

    Reference: keras.optimizers.Adagrad; Duchi et al., "Adaptive subgradient methods", 2011.
    """

    config_names = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        _check_accumulator(type(self).__name__, initial_accumulator_value)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"accumulator": jnp.full_like(param, self.initial_accumulator_value)}

    def rows_move(self) -> bool:
        return False

    def idle_step(self) -> IdleStep:
        return IdleStep({}, move=0.0)

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        accumulator = slots["accumulator"] + jnp.square(grad)
        return param - _step(grad, accumulator, self.epsilon, hyper["learning_rate"]), {"accumulator": accumulator}


@register("estimax.optimizers")
class RowWiseAdagrad(Optimizer):
    """Adagrad with one accumulator per row of a table: `a += mean(g ** 2)` over the row.

    A table of width 16 then needs 1/16 of Adagrad's memory for its slots. Arrays of rank 0 and 1 are treated as by Adagrad.

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: start of the accumulators, at least 0.
        epsilon: keeps the division finite.
        **options: see `Optimizer`.

    Raises:
        ValueError: if `initial_accumulator_value` is negative.

    Example:
        >>> state = RowWiseAdagrad(0.1).init({"table": jnp.zeros((1000, 16))})
        >>> state["slots"]["table"]["accumulator"].shape
        (1000, 1)

    Reference: Mudigere et al., "Software-hardware co-design for fast and scalable training of DLRMs", 2021.
    """

    config_names = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        _check_accumulator(type(self).__name__, initial_accumulator_value)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        shape = param.shape if param.ndim < 2 else param.shape[:1] + (1,) * (param.ndim - 1)
        return {"accumulator": jnp.full(shape, self.initial_accumulator_value, param.dtype)}

    def rows_move(self) -> bool:
        return False

    def idle_step(self) -> IdleStep:
        return IdleStep({}, move=0.0)

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        square = jnp.square(grad)
        if grad.ndim >= 2:
            square = jnp.mean(square, axis=tuple(range(1, grad.ndim)), keepdims=True)
        accumulator = slots["accumulator"] + square
        return param - _step(grad, accumulator, self.epsilon, hyper["learning_rate"]), {"accumulator": accumulator}
