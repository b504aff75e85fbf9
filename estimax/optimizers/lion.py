"""Lion."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options


@register("keras.optimizers")
class Lion(Optimizer):
    """Steps of one size, by the sign of a mix of momentum and gradient. Wants a smaller rate and more decay than Adam.

    Args:
        learning_rate: a number or a schedule.
        beta_1: share of the momentum in the mix, in (0, 1].
        beta_2: decay of the momentum.
        **options: see `Optimizer`.

    Raises:
        ValueError: if `beta_1` is outside (0, 1].

    Example:
        >>> Lion().get_config()["beta_2"]
        0.99

    Reference: keras.optimizers.Lion; Chen et al., "Symbolic discovery of optimization algorithms", 2023.
    """

    config_names = ("beta_1", "beta_2")

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **options: Unpack[Options]):
        super().__init__(learning_rate, **options)
        if not 0 < beta_1 <= 1:
            raise ValueError(f"{type(self).__name__}: beta_1: given {beta_1!r}, expected a number in (0, 1].")
        self.beta_1, self.beta_2 = beta_1, beta_2

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"momentum": jnp.zeros_like(param)}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["momentum"]
        move = hyper["learning_rate"] * jnp.sign(m * self.beta_1 + grad * (1.0 - self.beta_1))
        return param - move, {"momentum": m * self.beta_2 + grad * (1.0 - self.beta_2)}
