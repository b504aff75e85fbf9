"""LAMB."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options


@register("keras.optimizers")
class Lamb(Optimizer):
    """Adam's step, scaled for each variable to the variable's own norm: for very large batches.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of squares.
        epsilon: keeps the division finite.
        **options: see `Optimizer`.

    Example:
        >>> Lamb().epsilon
        1e-07

    Reference: keras.optimizers.Lamb; You et al., "Large batch optimization for deep learning", 2019.
    """

    config_names = ("beta_1", "beta_2", "epsilon")
    slot_order = (("momentum", "velocity"),)
    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"momentum": jnp.zeros_like(param), "velocity": jnp.zeros_like(param)}

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        dtype = learning_rate.dtype
        step = (iteration + 1).astype(dtype)
        return {
            "learning_rate": learning_rate,
            "for_momentum": 1 - jnp.power(jnp.asarray(self.beta_1, dtype), step),
            "for_velocity": 1 - jnp.power(jnp.asarray(self.beta_2, dtype), step),
        }

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["momentum"] + (grad - slots["momentum"]) * (1 - self.beta_1)
        v = slots["velocity"] + (jnp.square(grad) - slots["velocity"]) * (1 - self.beta_2)
        move = m / hyper["for_momentum"] / (jnp.sqrt(v / hyper["for_velocity"]) + self.epsilon)
        size, length = jnp.sqrt(jnp.sum(jnp.square(param))), jnp.sqrt(jnp.sum(jnp.square(move)))
        both = (size > 0) & (length > 0)
        ratio = jnp.where(both, size / jnp.where(both, length, jnp.ones_like(length)), jnp.ones_like(size))
        return param - ratio * hyper["learning_rate"] * move, {"momentum": m, "velocity": v}
