"""Nadam."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options


@register("keras.optimizers")
class Nadam(Optimizer):
    """Adam with Nesterov momentum that is scheduled over the steps.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of squares.
        epsilon: keeps the division finite.
        **options: see `Optimizer`.

    Example:
        >>> print(Nadam().init({"w": jnp.zeros(2)})["shared"]["u_product"])
        1.0

    Reference: keras.optimizers.Nadam; Dozat, "Incorporating Nesterov momentum into Adam", 2016.
    """

    config_names = ("beta_1", "beta_2", "epsilon")
    slot_order = (("momentum", "velocity"),)

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

    def shared(self) -> dict[str, jax.Array]:
        return {"u_product": jnp.ones((), jnp.float32)}

    def _momentum_at(self, step: jax.Array) -> jax.Array:
        # 0.96 and 0.5 are the paper's; the momentum rises from beta_1 / 2 to beta_1.
        return self.beta_1 * (1.0 - 0.5 * jnp.power(jnp.asarray(0.96, step.dtype), step))

    def advance(self, shared: dict[str, jax.Array], step: jax.Array) -> dict[str, jax.Array]:
        return {"u_product": shared["u_product"] * self._momentum_at((step + 1).astype(jnp.float32))}

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        dtype = learning_rate.dtype
        step = (iteration + 1).astype(dtype)
        now, after = self._momentum_at(step), self._momentum_at(step + 1)
        product = shared["u_product"].astype(dtype) * now
        return {
            "learning_rate": learning_rate,
            "for_gradient": (1 - now) / (1 - product),
            "for_momentum": after / (1 - product * after),
            "for_velocity": 1 - jnp.power(jnp.asarray(self.beta_2, dtype), step),
        }

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["momentum"] + (grad - slots["momentum"]) * (1 - self.beta_1)
        v = slots["velocity"] + (jnp.square(grad) - slots["velocity"]) * (1 - self.beta_2)
        mean = hyper["for_momentum"] * m + hyper["for_gradient"] * grad
        move = hyper["learning_rate"] * mean / (jnp.sqrt(v / hyper["for_velocity"]) + self.epsilon)
        return param - move, {"momentum": m, "velocity": v}
