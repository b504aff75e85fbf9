"""Adafactor."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options


@register("keras.optimizers")
class Adafactor(Optimizer):
    """Adam's divisor, kept for matrices as the product of one mean per row and one per column: little memory.

    Args:
        learning_rate: a number or a schedule; an upper bound if `relative_step`.
        beta_2_decay: the means decay by `1 - t ** beta_2_decay` at step t.
        epsilon_1: added to squared gradients.
        epsilon_2: smallest root mean square of a variable that the step is scaled by.
        clip_threshold: largest root mean square of a step.
        relative_step: whether the rate is at most `1 / sqrt(t)`.
        **options: see `Optimizer`.

    Example:
        >>> {k: v.shape for k, v in Adafactor().init({"w": jnp.zeros((3, 2))})["slots"]["w"].items()}
        {'row': (3,), 'column': (2,)}

    Reference: keras.optimizers.Adafactor; Shazeer and Stern, "Adafactor", 2018.
    """

    config_names = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")
    elementwise = False
    slot_order = (("row", "column", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def slots(self, path: str, param: jax.Array) -> Slots:
        if param.ndim < 2:
            return {"velocity": jnp.zeros_like(param)}
        row, column = param.shape[:-1], (*param.shape[:-2], param.shape[-1])
        return {"row": jnp.zeros(row, param.dtype), "column": jnp.zeros(column, param.dtype)}

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        step = (iteration + 1).astype(learning_rate.dtype)
        rho = jnp.minimum(learning_rate, jax.lax.rsqrt(step)) if self.relative_step else learning_rate
        return {"learning_rate": learning_rate, "rho": rho, "beta_2": 1 - jnp.power(step, self.beta_2_decay)}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        beta_2 = hyper["beta_2"]
        alpha = jnp.maximum(jnp.asarray(self.epsilon_2, param.dtype), _rms(param)) * hyper["rho"]
        square = jnp.square(grad) + self.epsilon_1
        if param.ndim < 2:
            velocity = beta_2 * slots["velocity"] + (1 - beta_2) * square
            new = {"velocity": velocity}
        else:
            row = beta_2 * slots["row"] + (1 - beta_2) * jnp.mean(square, axis=-1)
            column = beta_2 * slots["column"] + (1 - beta_2) * jnp.mean(square, axis=-2)
            velocity = (row / jnp.mean(row, axis=-1, keepdims=True))[..., None] * column[..., None, :]
            new = {"row": row, "column": column}
        move = grad * jax.lax.rsqrt(velocity)
        move = move / jnp.maximum(jnp.ones((), param.dtype), _rms(move) / self.clip_threshold)
        return param - alpha * move, new


def _rms(x: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.mean(jnp.square(x)))
