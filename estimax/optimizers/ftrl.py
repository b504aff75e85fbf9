"""Follow the regularized leader."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.optimizer import Hyper, Optimizer, Slots
from estimax.optimizers.options import Options


def check_ftrl(owner: str, **values: float) -> None:
    """Refuses strengths and accumulators below 0, and a positive `learning_rate_power`.

    Raises:
        ValueError: for such arguments.
    """
    for name, value in values.items():
        if name == "learning_rate_power" and value > 0:
            raise ValueError(f"{owner}: {name}: given {value!r}, expected a number of at most 0.")
        if name != "learning_rate_power" and value < 0:
            raise ValueError(f"{owner}: {name}: given {value!r}, expected a number of at least 0.")


def ftrl_rule(
    grad: jax.Array,
    param: jax.Array,
    slots: Slots,
    learning_rate: jax.Array,
    *,
    power: float,
    l1: float,
    l2: float,
    shrinkage: float,
    beta: float,
) -> tuple[jax.Array, Slots]:
    """The FTRL-proximal step of an array or of rows; see `Ftrl` for the arguments."""
    root = jnp.sqrt if power == -0.5 else (lambda a: jnp.power(a, -power))
    shrunk = grad + 2 * shrinkage * param if shrinkage else grad
    accumulator = slots["accumulator"] + jnp.square(grad)
    linear = slots["linear"] + shrunk - (root(accumulator) - root(slots["accumulator"])) / learning_rate * param
    strength = l2 + beta / (2 * learning_rate) if beta else l2
    # The maximum keeps XLA from rewriting the two divisions as a reciprocal root, whose last bit on a CPU depends on an
    # element's place in the array: tables trained by rows and densely stay equal.
    quadratic = jnp.maximum(root(accumulator) / learning_rate + 2 * strength, jnp.finfo(accumulator.dtype).tiny)
    new = (jnp.clip(linear, -l1, l1) - linear) / quadratic
    return new, {"accumulator": accumulator, "linear": linear}


@register("keras.optimizers")
class Ftrl(Optimizer):
    """Follow the regularized leader, for wide sparse models: `l1_regularization_strength` sets weights to exactly 0.

    The weight is worked out from its slots alone, so a start value that differs from 0 is forgotten at the first step,
    also in rows without gradient.

    Args:
        learning_rate: a number or a schedule.
        learning_rate_power: how the rate falls with the squared gradients seen; at most 0, where 0 is a constant rate.
        initial_accumulator_value: start of the accumulators, at least 0.
        l1_regularization_strength: at least 0.
        l2_regularization_strength: at least 0.
        l2_shrinkage_regularization_strength: L2 penalty added to the gradient; at least 0.
        beta: as in the paper.
        **options: see `Optimizer`.

    Raises:
        ValueError: if a number is outside its range.

    Example:
        >>> optimizer = Ftrl(0.1, l1_regularization_strength=5.0)
        >>> params = {"w": jnp.array([1.0])}
        >>> params, _ = optimizer.apply({"w": jnp.array([0.5])}, optimizer.init(params), params)
        >>> print(params["w"])
        [0.]

    Reference: keras.optimizers.Ftrl; McMahan et al., "Ad click prediction: a view from the trenches", 2013.
    """

    config_names = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )
    slot_order = (("accumulator", "linear"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        check_ftrl(
            type(self).__name__,
            learning_rate_power=learning_rate_power,
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
        )
        self.learning_rate_power, self.initial_accumulator_value = learning_rate_power, initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"accumulator": jnp.full_like(param, self.initial_accumulator_value), "linear": jnp.zeros_like(param)}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        return ftrl_rule(
            grad,
            param,
            slots,
            hyper["learning_rate"],
            power=self.learning_rate_power,
            l1=self.l1_regularization_strength,
            l2=self.l2_regularization_strength,
            shrinkage=self.l2_shrinkage_regularization_strength,
            beta=self.beta,
        )
