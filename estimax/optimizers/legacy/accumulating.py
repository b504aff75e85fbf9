"""Adagrad, Adadelta and Ftrl as TensorFlow's legacy optimizers compute them."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.ftrl import check_ftrl, ftrl_rule
from estimax.optimizers.legacy.optimizer import LegacyOptimizer, LegacyOptions
from estimax.optimizers.optimizer import Hyper, Slots
from estimax.optimizers.options import Rows
from estimax.optimizers.rows import IdleStep


@register("keras.optimizers.legacy")
class Adagrad(LegacyOptimizer):
    """`a += g ** 2; w -= learning_rate * g / (sqrt(a) + epsilon)`.

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: start of the accumulators, at least 0.
        epsilon: keeps the division finite.
        name: see `LegacyOptimizer`.
        **options: see `LegacyOptimizer`.

    Raises:
        ValueError: if `initial_accumulator_value` is negative.

    Example:
        >>> Adagrad(0.05).get_config()["initial_accumulator_value"]
        0.1

    Reference: tf.keras.optimizers.legacy.Adagrad.
    """

    config_names = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        name: str = "Adagrad",
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        if initial_accumulator_value < 0:
            raise ValueError(f"Adagrad: initial_accumulator_value: given {initial_accumulator_value!r}, expected at least 0.")
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"accumulator": jnp.full_like(param, self.initial_accumulator_value)}

    def rows_move(self) -> bool:
        return False

    def idle_step(self) -> IdleStep:
        return IdleStep({}, move=0.0)

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        accumulator = slots["accumulator"] + jnp.square(grad)
        return param - hyper["learning_rate"] * grad / (jnp.sqrt(accumulator) + self.epsilon), {"accumulator": accumulator}


@register("keras.optimizers.legacy")
class Adadelta(LegacyOptimizer):
    """Steps in the ratio of the root mean squares of past steps and of past gradients. Touches only rows with a gradient.

    Args:
        learning_rate: a number or a schedule.
        rho: decay of the means.
        epsilon: added to the means before the roots.
        name: see `LegacyOptimizer`.
        **options: see `LegacyOptimizer`.

    Example:
        >>> sorted(Adadelta().init({"w": jnp.zeros(2)})["slots"]["w"])
        ['accum_grad', 'accum_var']

    Reference: tf.keras.optimizers.legacy.Adadelta; Zeiler, "ADADELTA", 2012.
    """

    config_names = ("rho", "epsilon")
    hyper_names = ("rho",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        name: str = "Adadelta",
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        self.rho, self.epsilon = rho, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"accum_grad": jnp.zeros_like(param), "accum_var": jnp.zeros_like(param)}

    def idle_step(self) -> IdleStep:
        return IdleStep({"accum_grad": self.rho, "accum_var": self.rho}, move=0.0)

    def default_rows(self) -> Rows:
        return "lazy"

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        rho, epsilon = hyper["rho"], self.epsilon
        grads = slots["accum_grad"] * rho + jnp.square(grad) * (1 - rho)
        move = jnp.sqrt(slots["accum_var"] + epsilon) * jax.lax.rsqrt(grads + epsilon) * grad
        moves = slots["accum_var"] * rho + jnp.square(move) * (1 - rho)
        return param - move * hyper["learning_rate"], {"accum_grad": grads, "accum_var": moves}


@register("keras.optimizers.legacy")
class Ftrl(LegacyOptimizer):
    """Follow the regularized leader, for wide sparse models. Touches only rows with a gradient.

    With a dense gradient of zeros a weight forgets its start value at the first step; with a row gradient it keeps it.

    Args:
        learning_rate: a number or a schedule.
        learning_rate_power: how the rate falls with the squared gradients seen; at most 0.
        initial_accumulator_value: start of the accumulators, at least 0.
        l1_regularization_strength: at least 0.
        l2_regularization_strength: at least 0.
        name: see `LegacyOptimizer`.
        l2_shrinkage_regularization_strength: L2 penalty added to the gradient; at least 0.
        beta: as in the paper.
        **options: see `LegacyOptimizer`.

    Raises:
        ValueError: if a number is outside its range.

    Example:
        >>> Ftrl(0.2, l1_regularization_strength=0.5).get_config()["l1_regularization_strength"]
        0.5

    Reference: tf.keras.optimizers.legacy.Ftrl; McMahan et al., "Ad click prediction", 2013.
    """

    config_names = (
        "initial_accumulator_value",
        "learning_rate_power",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "beta",
        "l2_shrinkage_regularization_strength",
    )
    hyper_names = ("learning_rate_power", "l1_regularization_strength", "l2_regularization_strength", "beta")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        name: str = "Ftrl",
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        check_ftrl(
            "Ftrl",
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

    def default_rows(self) -> Rows:
        return "lazy"

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
