"""The decay functions of tf.compat.v1.train: a learning rate by step number.

Without `global_step` each gives a schedule, to be passed as `learning_rate`; with it, the rate at that step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import register
from estimax.optimizers import schedules


def _at(schedule: schedules.LearningRateSchedule, global_step: ArrayLike | None) -> Any:
    return schedule if global_step is None else schedule(global_step)


def exponential_decay(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    decay_steps: float = 1,
    decay_rate: float = 1.0,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """`learning_rate * decay_rate ** (step / decay_steps)`; see `schedules.ExponentialDecay`.

    Args:
        learning_rate: at step 0.
        global_step: the step number; None for the schedule itself.
        decay_steps: steps in which the rate is multiplied by `decay_rate` once.
        decay_rate: that factor.
        staircase: whether the exponent is rounded down.
        name: name of the schedule.

    Returns:
        The rate at `global_step`, or a schedule.

    Example:
        >>> print(exponential_decay(0.1, 20, 10, 0.5))
        0.025

    Reference: tf.compat.v1.train.exponential_decay.
    """
    schedule = schedules.ExponentialDecay(learning_rate, decay_steps, decay_rate, staircase, name or "ExponentialDecay")
    return _at(schedule, global_step)


def natural_exp_decay(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    decay_steps: float = 1,
    decay_rate: float = 0.0,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """`learning_rate * exp(-decay_rate * step / decay_steps)`. Arguments as for `exponential_decay`.

    Example:
        >>> print(natural_exp_decay(1.0, 0, 10, 0.5))
        1.0

    Reference: tf.compat.v1.train.natural_exp_decay.
    """
    schedule = schedules.ExponentialDecay(learning_rate, decay_steps, math.exp(-decay_rate), staircase, name or "NaturalExpDecay")
    return _at(schedule, global_step)


def inverse_time_decay(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    decay_steps: float = 1,
    decay_rate: float = 0.0,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """`learning_rate / (1 + decay_rate * step / decay_steps)`. Arguments as for `exponential_decay`.

    Example:
        >>> print(inverse_time_decay(1.0, 2, 1, 0.5))
        0.5

    Reference: tf.compat.v1.train.inverse_time_decay.
    """
    schedule = schedules.InverseTimeDecay(learning_rate, decay_steps, decay_rate, staircase, name or "InverseTimeDecay")
    return _at(schedule, global_step)


def polynomial_decay(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    decay_steps: float = 1,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Any:
    """From `learning_rate` to `end_learning_rate` along a power of the time left; see `schedules.PolynomialDecay`.

    Args:
        learning_rate: at step 0.
        global_step: the step number; None for the schedule itself.
        decay_steps: steps until the end is reached.
        end_learning_rate: the lowest rate.
        power: of the curve.
        cycle: whether the rate jumps up again whenever the end is reached.
        name: name of the schedule.

    Returns:
        The rate at `global_step`, or a schedule.

    Example:
        >>> print(polynomial_decay(1.0, 5, 10, 0.0))
        0.5

    Reference: tf.compat.v1.train.polynomial_decay.
    """
    schedule = schedules.PolynomialDecay(learning_rate, decay_steps, end_learning_rate, power, cycle, name or "PolynomialDecay")
    return _at(schedule, global_step)


def piecewise_constant(x: ArrayLike | None, boundaries: Sequence[float], values: Sequence[float], name: str | None = None) -> Any:
    """One rate up to and including each boundary, the next one after it; see `schedules.PiecewiseConstantDecay`.

    Args:
        x: the step number; None for the schedule itself.
        boundaries: increasing step numbers.
        values: one rate more than boundaries.
        name: name of the schedule.

    Returns:
        The rate at `x`, or a schedule.

    Example:
        >>> print(piecewise_constant(7, [5, 10], [1.0, 0.5, 0.25]))
        0.5

    Reference: tf.compat.v1.train.piecewise_constant.
    """
    return _at(schedules.PiecewiseConstantDecay(boundaries, values, name or "PiecewiseConstant"), x)


def cosine_decay(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    decay_steps: float = 1,
    alpha: float = 0.0,
    name: str | None = None,
) -> Any:
    """Half a cosine wave down to `alpha * learning_rate`; see `schedules.CosineDecay`.

    Args:
        learning_rate: at step 0.
        global_step: the step number; None for the schedule itself.
        decay_steps: steps of the decay.
        alpha: the lowest rate, as a fraction.
        name: name of the schedule.

    Returns:
        The rate at `global_step`, or a schedule.

    Example:
        >>> print(cosine_decay(1.0, 0, 10))
        1.0

    Reference: tf.compat.v1.train.cosine_decay.
    """
    return _at(schedules.CosineDecay(learning_rate, decay_steps, alpha, name or "CosineDecay"), global_step)


def cosine_decay_restarts(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    first_decay_steps: float = 1,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: str | None = None,
) -> Any:
    """Cosine decays one after the other; see `schedules.CosineDecayRestarts`.

    Args:
        learning_rate: at step 0.
        global_step: the step number; None for the schedule itself.
        first_decay_steps: steps of the first decay.
        t_mul: factor of the length of each next one.
        m_mul: factor of its height.
        alpha: the lowest rate, as a fraction.
        name: name of the schedule.

    Returns:
        The rate at `global_step`, or a schedule.

    Example:
        >>> print(cosine_decay_restarts(1.0, 4, 4))
        1.0

    Reference: tf.compat.v1.train.cosine_decay_restarts.
    """
    schedule = schedules.CosineDecayRestarts(learning_rate, first_decay_steps, t_mul, m_mul, alpha, name or "SGDRDecay")
    return _at(schedule, global_step)


@register("estimax.optimizers")
class LinearCosineDecay(schedules.LearningRateSchedule):
    """A straight line down, times a cosine wave, plus `beta`; optionally with noise whose variance falls.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps until the end is reached.
        num_periods: periods of the cosine.
        alpha: raises the line.
        beta: raises the product.
        initial_variance: of the noise at step 0; None for no noise.
        variance_decay: power by which the variance falls with the step.
        seed: of the noise, which depends on nothing but seed and step.
        name: kept in the config.

    Example:
        >>> print(LinearCosineDecay(1.0, 10, beta=0.0)(10))
        0.0

    Reference: tf.compat.v1.train.noisy_linear_cosine_decay; Bello et al., "Neural optimizer search", 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        num_periods: float = 0.5,
        alpha: float = 0.0,
        beta: float = 0.001,
        initial_variance: float | None = None,
        variance_decay: float = 0.55,
        seed: int = 0,
        name: str = "LinearCosineDecay",
    ):
        self.initial_learning_rate, self.decay_steps, self.num_periods = initial_learning_rate, decay_steps, num_periods
        self.alpha, self.beta, self.name = alpha, beta, name
        self.initial_variance, self.variance_decay, self.seed = initial_variance, variance_decay, seed

    def __call__(self, step: ArrayLike) -> jax.Array:
        step = jnp.asarray(step)
        done = jnp.minimum(step.astype(jnp.float32), self.decay_steps)
        line = (self.decay_steps - done) / self.decay_steps
        if self.initial_variance is not None:
            deviation = jnp.sqrt(self.initial_variance / jnp.power(1.0 + done, self.variance_decay))
            draw: Callable = lambda s: jax.random.normal(jax.random.fold_in(jax.random.key(self.seed), s))  # noqa: E731
            line = line + deviation * jax.vmap(draw)(step.reshape(-1).astype(jnp.int32)).reshape(step.shape)
        cosine = 0.5 * (1.0 + jnp.cos(math.pi * 2.0 * self.num_periods * done / self.decay_steps))
        return self.initial_learning_rate * ((self.alpha + line) * cosine + self.beta)

    def get_config(self) -> dict[str, Any]:
        names = ("decay_steps", "num_periods", "alpha", "beta", "initial_variance", "variance_decay", "seed", "name")
        return {"initial_learning_rate": self.initial_learning_rate} | {k: getattr(self, k) for k in names}


def linear_cosine_decay(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    decay_steps: float = 1,
    num_periods: float = 0.5,
    alpha: float = 0.0,
    beta: float = 0.001,
    name: str | None = None,
) -> Any:
    """A straight line down times a cosine wave, plus `beta`; see `LinearCosineDecay`.

    Args:
        learning_rate: at step 0.
        global_step: the step number; None for the schedule itself.
        decay_steps: steps until the end is reached.
        num_periods: periods of the cosine.
        alpha: raises the line.
        beta: raises the product.
        name: name of the schedule.

    Returns:
        The rate at `global_step`, or a schedule.

    Example:
        >>> print(linear_cosine_decay(1.0, 10, 10, beta=0.25))
        0.25

    Reference: tf.compat.v1.train.linear_cosine_decay.
    """
    schedule = LinearCosineDecay(learning_rate, decay_steps, num_periods, alpha, beta, name=name or "LinearCosineDecay")
    return _at(schedule, global_step)


def noisy_linear_cosine_decay(
    learning_rate: float,
    global_step: ArrayLike | None = None,
    decay_steps: float = 1,
    initial_variance: float = 1.0,
    variance_decay: float = 0.55,
    num_periods: float = 0.5,
    alpha: float = 0.0,
    beta: float = 0.001,
    name: str | None = None,
    *,
    seed: int = 0,
) -> Any:
    """`linear_cosine_decay` with noise on the line; see `LinearCosineDecay`.

    Args:
        learning_rate: at step 0.
        global_step: the step number; None for the schedule itself.
        decay_steps: steps until the end is reached.
        initial_variance: of the noise at step 0.
        variance_decay: power by which the variance falls with the step.
        num_periods: periods of the cosine.
        alpha: raises the line.
        beta: raises the product.
        name: name of the schedule.
        seed: of the noise.

    Returns:
        The rate at `global_step`, or a schedule.

    Example:
        >>> print(noisy_linear_cosine_decay(1.0, 10, 10, initial_variance=0.0, beta=0.25))
        0.25

    Reference: tf.compat.v1.train.noisy_linear_cosine_decay.
    """
    schedule = LinearCosineDecay(
        learning_rate,
        decay_steps,
        num_periods,
        alpha,
        beta,
        initial_variance,
        variance_decay,
        seed,
        name or "NoisyLinearCosineDecay",
    )
    return _at(schedule, global_step)
