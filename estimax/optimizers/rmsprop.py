"""RMSprop."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options
from estimax.optimizers.rows import IdleStep


@register("keras.optimizers")
class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients; `epsilon` is added under the root.

    Args:
        learning_rate: a number or a schedule.
        rho: decay of the means.
        momentum: share of the last move that is kept.
        epsilon: keeps the division finite.
        centered: whether the variance stands in place of the mean square.
        **options: see `Optimizer`.

    Example:
        >>> sorted(RMSprop(momentum=0.5).init({"w": jnp.zeros(2)})["slots"]["w"])
        ['momentum', 'velocity']

    Reference: keras.optimizers.RMSprop; Hinton, "Neural networks for machine learning", lecture 6, 2012.
    """

    config_names = ("rho", "momentum", "epsilon", "centered")
    slot_order = (("velocity",), ("momentum",), ("average_gradient",))

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def slots(self, path: str, param: jax.Array) -> Slots:
        names = ["velocity"] + ["momentum"] * (self.momentum > 0) + ["average_gradient"] * self.centered
        return {name: jnp.zeros_like(param) for name in names}

    def idle_step(self) -> IdleStep:
        return IdleStep({"velocity": self.rho, "average_gradient": self.rho, "momentum": self.momentum}, move=self.momentum)

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        rho = self.rho
        new: Slots = {"velocity": rho * slots["velocity"] + (1 - rho) * jnp.square(grad)}
        square = new["velocity"]
        if self.centered:
            new["average_gradient"] = rho * slots["average_gradient"] + (1 - rho) * grad
            square = square - jnp.square(new["average_gradient"])
        move = hyper["learning_rate"] * grad / jnp.sqrt(square + self.epsilon)
        if self.momentum > 0:
            move = new["momentum"] = self.momentum * slots["momentum"] + move
        return param - move, new
