"""Adam and AdamW."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options, OptionsButDecay
from estimax.optimizers.rows import IdleStep


def bias_corrected_rate(learning_rate: jax.Array, iteration: jax.Array, beta_1: float, beta_2: float) -> jax.Array:
    """`learning_rate * sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t)` with t = iteration + 1."""
    dtype = learning_rate.dtype
    step = (iteration + 1).astype(dtype)
    power_1, power_2 = jnp.power(jnp.asarray(beta_1, dtype), step), jnp.power(jnp.asarray(beta_2, dtype), step)
    return learning_rate * jnp.sqrt(1 - power_2) / (1 - power_1)


@register("keras.optimizers")
class Adam(Optimizer):
    """Steps by a running mean of gradients over the root of a running mean of their squares, with bias correction.

    `epsilon` is the paper's "epsilon hat": it is added to the root of the uncorrected mean.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients, in [0, 1).
        beta_2: decay of the mean of squares, in [0, 1).
        epsilon: keeps the division finite.
        amsgrad: whether the largest mean of squares so far is used.
        **options: see `Optimizer`.

    Example:
        >>> optimizer = Adam(0.1)
        >>> params = {"w": jnp.array([1.0])}
        >>> params, _ = optimizer.apply({"w": jnp.array([4.0])}, optimizer.init(params), params)
        >>> print(params["w"].round(4))
        [0.9]

    Reference: keras.optimizers.Adam; Kingma and Ba, "Adam", 2014; Reddi et al., "On the convergence of Adam", 2018.
    """

    config_names = ("beta_1", "beta_2", "epsilon", "amsgrad")
    slot_order = (("momentum", "velocity"), ("velocity_hat",))

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def slots(self, path: str, param: jax.Array) -> Slots:
        names = ("momentum", "velocity", "velocity_hat") if self.amsgrad else ("momentum", "velocity")
        return {name: jnp.zeros_like(param) for name in names}

    def idle_step(self) -> IdleStep:
        return IdleStep({"momentum": self.beta_1, "velocity": self.beta_2}, move=self.beta_1 / self.beta_2**0.5)

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        alpha = bias_corrected_rate(learning_rate, iteration, self.beta_1, self.beta_2)
        return {"learning_rate": learning_rate, "alpha": alpha}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["momentum"] + (grad - slots["momentum"]) * (1 - self.beta_1)
        v = slots["velocity"] + (jnp.square(grad) - slots["velocity"]) * (1 - self.beta_2)
        new: Slots = {"momentum": m, "velocity": v}
        if self.amsgrad:
            v = new["velocity_hat"] = jnp.maximum(slots["velocity_hat"], v)
        return param - m * hyper["alpha"] / (jnp.sqrt(v) + self.epsilon), new


@register("keras.optimizers")
class AdamW(Adam):
    """Adam with decoupled weight decay: each step first takes `learning_rate * weight_decay` of every weight away.

    Args:
        learning_rate: a number or a schedule.
        weight_decay: the fraction, times the learning rate.
        beta_1: as for Adam.
        beta_2: as for Adam.
        epsilon: as for Adam.
        amsgrad: as for Adam.
        **options: see `Optimizer`.

    Raises:
        ValueError: if `weight_decay` is None.

    Example:
        >>> AdamW().weight_decay
        0.004

    Reference: keras.optimizers.AdamW; Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptionsButDecay],
    ):
        if weight_decay is None:
            raise ValueError(f"{type(self).__name__}: weight_decay: given None, expected a number. Use Adam for none.")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options)
