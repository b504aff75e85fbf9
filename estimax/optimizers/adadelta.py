"""Adadelta."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options
from estimax.optimizers.rows import IdleStep


@register("keras.optimizers")
class Adadelta(Optimizer):
    """Steps in the ratio of the root mean squares of past steps and of past gradients.

    Args:
        learning_rate: a number or a schedule; 1.0 is that of the paper.
        rho: decay of the means.
        epsilon: added to the means before the roots.
        **options: see `Optimizer`.

    Example:
        >>> Adadelta().rho
        0.95

    Reference: keras.optimizers.Adadelta; Zeiler, "ADADELTA", 2012.
    """

    config_names = ("rho", "epsilon")
    slot_order = (("accumulated_grad", "accumulated_delta_var"),)

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **options: Unpack[Options]):
        super().__init__(learning_rate, **options)
        self.rho, self.epsilon = rho, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"accumulated_grad": jnp.zeros_like(param), "accumulated_delta_var": jnp.zeros_like(param)}

    def idle_step(self) -> IdleStep:
        return IdleStep({"accumulated_grad": self.rho, "accumulated_delta_var": self.rho}, move=0.0)

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        rho, epsilon = self.rho, self.epsilon
        grads = rho * slots["accumulated_grad"] + (1 - rho) * jnp.square(grad)
        move = jnp.sqrt(slots["accumulated_delta_var"] + epsilon) * grad / jnp.sqrt(grads + epsilon)
        moves = rho * slots["accumulated_delta_var"] + (1 - rho) * jnp.square(move)
        return param - hyper["learning_rate"] * move, {"accumulated_grad": grads, "accumulated_delta_var": moves}
