"""The optimizers of tf.compat.v1.train, which older model_fns use: the same formulas with their own defaults and details."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.optimizers.legacy.accumulating import Adadelta, Adagrad, Ftrl
from estimax.optimizers.legacy.averaging import SGD, Adam
from estimax.optimizers.legacy.optimizer import LegacyOptimizer, LegacyOptions
from estimax.optimizers.optimizer import Hyper, Slots
from estimax.optimizers.options import Rows
from estimax.optimizers.rows import IdleStep


def GradientDescentOptimizer(learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> SGD:  # noqa: N802
    """Plain gradient descent.

    Args:
        learning_rate: a number or a schedule.
        use_locking: must be False: steps are compiled whole, so there is nothing to lock.
        name: prefix of the names of `variables`.

    Raises:
        ValueError: if `use_locking` is true.

    Example:
        >>> GradientDescentOptimizer(0.5).learning_rate
        0.5

    Reference: tf.compat.v1.train.GradientDescentOptimizer.
    """
    _no_locking(use_locking)
    return SGD(learning_rate, name=name)


def AdagradOptimizer(  # noqa: N802
    learning_rate: Any, initial_accumulator_value: float = 0.1, use_locking: bool = False, name: str = "Adagrad"
) -> Adagrad:
    """Adagrad without an epsilon: `w -= learning_rate * g / sqrt(a)`.

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: start of the accumulators, positive.
        use_locking: must be False.
        name: prefix of the names of `variables`.

    Raises:
        ValueError: if `initial_accumulator_value` is not positive.

    Example:
        >>> AdagradOptimizer(0.05).epsilon
        0.0

    Reference: tf.compat.v1.train.AdagradOptimizer.
    """
    _no_locking(use_locking)
    if not initial_accumulator_value > 0:
        raise ValueError(
            f"AdagradOptimizer: initial_accumulator_value: given {initial_accumulator_value!r}, expected a positive number."
        )
    return Adagrad(learning_rate, initial_accumulator_value, 0.0, name)


def AdamOptimizer(  # noqa: N802
    learning_rate: Any = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    use_locking: bool = False,
    name: str = "Adam",
) -> Adam:
    """Adam with an epsilon of 1e-8. Rows without gradient move too.

    Args:
        learning_rate: a number or a schedule.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squares.
        epsilon: keeps the division finite.
        use_locking: must be False.
        name: prefix of the names of `variables`.

    Example:
        >>> AdamOptimizer().epsilon
        1e-08

    Reference: tf.compat.v1.train.AdamOptimizer.
    """
    _no_locking(use_locking)
    return Adam(learning_rate, beta1, beta2, epsilon, name=name)


def AdadeltaOptimizer(  # noqa: N802
    learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-8, use_locking: bool = False, name: str = "Adadelta"
) -> Adadelta:
    """Adadelta with an epsilon of 1e-8.

    Args:
        learning_rate: a number or a schedule.
        rho: decay of the means.
        epsilon: added to the means before the roots.
        use_locking: must be False.
        name: prefix of the names of `variables`.

    Example:
        >>> AdadeltaOptimizer().epsilon
        1e-08

    Reference: tf.compat.v1.train.AdadeltaOptimizer.
    """
    _no_locking(use_locking)
    return Adadelta(learning_rate, rho, epsilon, name)


def FtrlOptimizer(  # noqa: N802
    learning_rate: Any,
    learning_rate_power: float = -0.5,
    initial_accumulator_value: float = 0.1,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    use_locking: bool = False,
    name: str = "Ftrl",
    *,
    l2_shrinkage_regularization_strength: float = 0.0,
    beta: float | None = None,
) -> Ftrl:
    """Follow the regularized leader; see `legacy.Ftrl` for the arguments.

    Example:
        >>> FtrlOptimizer(0.1).learning_rate_power
        -0.5

    Reference: tf.compat.v1.train.FtrlOptimizer.
    """
    _no_locking(use_locking)
    return Ftrl(
        learning_rate,
        learning_rate_power,
        initial_accumulator_value,
        l1_regularization_strength,
        l2_regularization_strength,
        name,
        l2_shrinkage_regularization_strength,
        0.0 if beta is None else beta,
    )


def _no_locking(use_locking: bool) -> None:
    if use_locking:
        raise ValueError("use_locking: given True, expected False: a compiled step needs no locks. Leave it out.")


@register("estimax.optimizers.legacy.train")
class MomentumOptimizer(LegacyOptimizer):
    """Momentum that gathers gradients, not steps: `m = momentum * m + g; w -= learning_rate * m`. Touches only rows with a gradient.

    When the learning rate changes, so does the whole motion at once, unlike in `legacy.SGD`.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the last `m` that is kept.
        use_nesterov: whether the gradient is applied on top of the new `m`.
        name: prefix of the names of `variables`.
        **options: see `LegacyOptimizer`.

    Example:
        >>> sorted(MomentumOptimizer(0.1, 0.9).init({"w": jnp.zeros(2)})["slots"]["w"])
        ['momentum']

    Reference: tf.compat.v1.train.MomentumOptimizer.
    """

    config_names = ("momentum", "use_nesterov")
    hyper_names = ("momentum",)

    def __init__(
        self,
        learning_rate: Any,
        momentum: float,
        use_nesterov: bool = False,
        name: str = "Momentum",
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        self.momentum, self.use_nesterov = momentum, use_nesterov

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"momentum": jnp.zeros_like(param)}

    def idle_step(self) -> IdleStep:
        return IdleStep({"momentum": self.momentum}, move=self.momentum)

    def default_rows(self) -> Rows:
        return "lazy"

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["momentum"] * hyper["momentum"] + grad
        move = grad + hyper["momentum"] * m if self.use_nesterov else m
        return param - hyper["learning_rate"] * move, {"momentum": m}


@register("estimax.optimizers.legacy.train")
class RMSPropOptimizer(LegacyOptimizer):
    """RMSProp whose mean squares start at 1, with epsilon under the root. Touches only rows with a gradient.

    Args:
        learning_rate: a number or a schedule.
        decay: decay of the means; not of the learning rate.
        momentum: share of the last move that is kept.
        epsilon: keeps the division finite.
        centered: whether the variance stands in place of the mean square.
        name: prefix of the names of `variables`.

    Example:
        >>> print(RMSPropOptimizer(0.1).init({"w": jnp.zeros(2)})["slots"]["w"]["rms"])
        [1. 1.]

    Reference: tf.compat.v1.train.RMSPropOptimizer.
    """

    config_names = ("decay", "momentum", "epsilon", "centered")
    hyper_names = ("momentum",)

    def __init__(
        self,
        learning_rate: Any,
        decay: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-10,
        *,
        centered: bool = False,
        name: str = "RMSProp",
    ):
        super().__init__(learning_rate, name=name)
        self.decay, self.momentum, self.epsilon, self.centered = decay, momentum, epsilon, centered

    def slots(self, path: str, param: jax.Array) -> Slots:
        slots = {"rms": jnp.ones_like(param), "momentum": jnp.zeros_like(param)}
        return slots | ({"mg": jnp.zeros_like(param)} if self.centered else {})

    def default_rows(self) -> Rows:
        return "lazy"

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        new: Slots = {"rms": slots["rms"] + (jnp.square(grad) - slots["rms"]) * (1 - self.decay)}
        square = new["rms"]
        if self.centered:
            new["mg"] = slots["mg"] + (grad - slots["mg"]) * (1 - self.decay)
            square = square - jnp.square(new["mg"])
        new["momentum"] = slots["momentum"] * hyper["momentum"] + hyper["learning_rate"] * grad * jax.lax.rsqrt(
            square + self.epsilon
        )
        return param - new["momentum"], new
