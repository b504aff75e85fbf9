"""Adamax."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options
from estimax.optimizers.rows import IdleStep


@register("keras.optimizers")
class Adamax(Optimizer):
    """Adam with the largest decayed gradient in place of the mean of squares.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the largest gradient.
        epsilon: keeps the division finite.
        **options: see `Optimizer`.

    Example:
        >>> sorted(Adamax().init({"w": jnp.zeros(2)})["slots"]["w"])
        ['momentum', 'norm']

    Reference: keras.optimizers.Adamax; Kingma and Ba, "Adam", 2014, section 7.
    """

    config_names = ("beta_1", "beta_2", "epsilon")
    slot_order = (("momentum", "norm"),)

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
        return {"momentum": jnp.zeros_like(param), "norm": jnp.zeros_like(param)}

    def idle_step(self) -> IdleStep:
        return IdleStep({"momentum": self.beta_1, "norm": self.beta_2}, move=self.beta_1 / self.beta_2)

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        dtype = learning_rate.dtype
        power = jnp.power(jnp.asarray(self.beta_1, dtype), (iteration + 1).astype(dtype))
        return {"learning_rate": learning_rate, "alpha": learning_rate / (1 - power)}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["momentum"] + (grad - slots["momentum"]) * (1 - self.beta_1)
        norm = jnp.maximum(self.beta_2 * slots["norm"], jnp.abs(grad))
        return param - hyper["alpha"] * m / (norm + self.epsilon), {"momentum": m, "norm": norm}
