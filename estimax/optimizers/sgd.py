"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options
from estimax.optimizers.rows import IdleStep


@register("keras.optimizers")
class SGD(Optimizer):
    """Gradient descent, with momentum if wanted: `velocity = momentum * velocity - learning_rate * g; w += velocity`.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the last velocity that is kept, in [0, 1].
        nesterov: whether the gradient is applied on top of the new velocity.
        **options: see `Optimizer`.

    Raises:
        ValueError: if `momentum` is outside [0, 1].

    Example:
        >>> optimizer = SGD(0.1, momentum=0.9)
        >>> params = {"w": jnp.array([1.0])}
        >>> params, state = optimizer.apply({"w": jnp.array([1.0])}, optimizer.init(params), params)
        >>> print(params["w"], state["slots"]["w"]["momentum"])
        [0.9] [-0.1]

    Reference: keras.optimizers.SGD; Sutskever et al., "On the importance of initialization and momentum", 2013.
    """

    config_names = ("momentum", "nesterov")

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **options: Unpack[Options]):
        super().__init__(learning_rate, **options)
        if isinstance(momentum, bool) or not 0 <= momentum <= 1:
            raise ValueError(f"{type(self).__name__}: momentum: given {momentum!r}, expected a number in [0, 1].")
        self.momentum, self.nesterov = momentum, nesterov

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"momentum": jnp.zeros_like(param)} if self.momentum else {}

    def rows_move(self) -> bool:
        return bool(self.momentum)

    def idle_step(self) -> IdleStep:
        return IdleStep({"momentum": self.momentum}, move=self.momentum)

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        move = -hyper["learning_rate"] * grad
        if not self.momentum:
            return param + move, {}
        velocity = self.momentum * slots["momentum"] + move
        return param + (self.momentum * velocity + move if self.nesterov else velocity), {"momentum": velocity}
