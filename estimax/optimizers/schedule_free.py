"""Schedule-free AdamW."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Params, Slots, State
from estimax.optimizers.options import Options


@register("keras.optimizers")
class ScheduleFreeAdamW(Optimizer):
    """AdamW that averages its own path, so that no schedule has to know when training ends.

    Gradients move a sequence z (the slot `momentum`), x is the mean of z over the steps, and the weights that gradients are
    taken at are `y = (1 - beta_1) z + beta_1 x`. Evaluate with x: `for_evaluation`, or `swap_to_eval` on variables.

    Args:
        learning_rate: a number or a schedule.
        beta_1: share of x in the weights, in (0, 1].
        beta_2: decay of the mean of squares.
        epsilon: keeps the division finite.
        warmup_steps: steps in which the rate rises from 0.
        **options: see `Optimizer`.

    Raises:
        ValueError: if `beta_1` is outside (0, 1].

    Example:
        >>> optimizer = ScheduleFreeAdamW(0.1)
        >>> params = {"w": jnp.array([1.0])}
        >>> params, state = optimizer.apply({"w": jnp.array([4.0])}, optimizer.init(params), params)
        >>> print(optimizer.for_evaluation(params, state)["w"].round(4))
        [0.9]

    Reference: keras.optimizers.ScheduleFreeAdamW; Defazio et al., "The road less scheduled", 2024.
    """

    config_names = ("beta_1", "beta_2", "epsilon", "warmup_steps")
    slot_order = (("momentum", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        if not 0 < beta_1 <= 1:
            raise ValueError(f"{type(self).__name__}: beta_1: given {beta_1!r}, expected a number in (0, 1].")
        self.beta_1, self.beta_2, self.epsilon, self.warmup_steps = beta_1, beta_2, epsilon, warmup_steps

    def slots(self, path: str, param: jax.Array) -> Slots:
        # A copy: the step donates params and state, and one buffer can't be given away twice.
        return {"momentum": jnp.array(param, copy=True), "velocity": jnp.zeros_like(param)}

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        dtype = learning_rate.dtype
        step = (iteration + 1).astype(dtype)
        rate = learning_rate * jnp.minimum(step / self.warmup_steps, 1.0) if self.warmup_steps > 0 else learning_rate
        return {
            "learning_rate": learning_rate,
            "warm_rate": rate,
            "share": 1 / step,
            "for_velocity": 1 - jnp.power(jnp.asarray(self.beta_2, dtype), step),
        }

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        z, share = slots["momentum"], hyper["share"]
        velocity = slots["velocity"] + (jnp.square(grad) - slots["velocity"]) * (1 - self.beta_2)
        x = self._x(param, z)
        z = z - hyper["warm_rate"] * grad / (jnp.sqrt(velocity / hyper["for_velocity"]) + self.epsilon)
        x = (1 - share) * x + share * z
        return (1 - self.beta_1) * z + self.beta_1 * x, {"momentum": z, "velocity": velocity}

    def _x(self, y: jax.Array, z: jax.Array) -> jax.Array:
        return (y - (1 - self.beta_1) * z) / self.beta_1

    def for_evaluation(self, params: Params, state: State) -> Params:
        """The averaged weights x of training weights y."""
        return params | {p: self._x(params[p], s["momentum"]) for p, s in state["slots"].items() if p in params}

    def for_training(self, params: Params, state: State) -> Params:
        """The training weights y of averaged weights x."""
        z = {p: s["momentum"] for p, s in state["slots"].items() if p in params}
        return params | {p: (1 - self.beta_1) * v + self.beta_1 * params[p] for p, v in z.items()}

    def swap_to_eval(self, variables: Any) -> None:
        """Sets variables from training to averaged weights.

        Args:
            variables: the trained variables.
        """
        self._swap(variables, self.for_evaluation)

    def swap_to_train(self, variables: Any) -> None:
        """Sets variables from averaged to training weights.

        Args:
            variables: the trained variables.
        """
        self._swap(variables, self.for_training)

    def _swap(self, variables: Any, to: Any) -> None:
        if self._state is None:
            return
        by_path = {v.path: v for v in variables}
        for path, value in to({p: v.value for p, v in by_path.items()}, self._state).items():
            by_path[path].assign(value)
