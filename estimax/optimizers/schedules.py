"""Learning rates that change with the step. A schedule is a pure function of the step number, compiled into the step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import deserialize as _deserialize
from estimax.core import register
from estimax.core import serialize as _serialize


class LearningRateSchedule:
    """Interface: `schedule(step)` gives the learning rate of the step with this number, counted from 0.

    Subclasses define `__call__`, in `jax.numpy` and elementwise in the step, and `get_config`.

    Reference: keras.optimizers.schedules.LearningRateSchedule.
    """

    def __call__(self, step: ArrayLike) -> jax.Array:
        """The learning rate. Shape of `step`, float32."""
        raise TypeError(f"{type(self).__name__} defines no __call__(step). Define it in the subclass.")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise TypeError(f"{type(self).__name__} defines no get_config(), which saving needs. Define it in the subclass.")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """A schedule with these arguments."""
        return cls(**config)

    def __repr__(self) -> str:
        config = self.get_config()
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in config.items() if k != 'name')})"


class FunctionSchedule(LearningRateSchedule):
    """Any function of the step as a schedule, an `optax` schedule for example.

    Args:
        fn: `step -> learning rate`, traceable by JAX.

    Raises:
        ValueError: if the function takes no argument: it would be asked once, while the step is compiled.
    """

    def __init__(self, fn: Callable[[Any], Any]):
        try:
            takes_step = bool(inspect.signature(fn).parameters)
        except (TypeError, ValueError):
            takes_step = True
        if not takes_step:
            raise ValueError(
                f"learning_rate: given the function {fn!r} without arguments, expected a function of the step: `lambda step: ...`. "
                "To change the rate from outside, set optimizer.learning_rate."
            )
        self.fn = fn

    def __call__(self, step: ArrayLike) -> jax.Array:
        return jnp.asarray(self.fn(jnp.asarray(step)), jnp.float32)

    def get_config(self) -> dict[str, Any]:
        name = getattr(self.fn, "__name__", None)
        raise ValueError(
            f"learning_rate: the function {name or self.fn!r} can't be written into a config. Use a class of optimizers.schedules."
        )

    def __repr__(self) -> str:
        return f"FunctionSchedule({self.fn!r})"


def as_schedule(fn: Any) -> LearningRateSchedule:
    """A schedule as it is, a function of the step as a schedule."""
    return fn if isinstance(fn, LearningRateSchedule) else FunctionSchedule(fn)


def _float(x: ArrayLike) -> jax.Array:
    return jnp.asarray(x, jnp.float32)


def _positive(owner: str, name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{owner}: {name}: given {value!r}, expected a positive number.")


@register("keras.optimizers.schedules")
class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps in which the rate is multiplied by `decay_rate` once.
        decay_rate: that factor.
        staircase: whether the exponent is rounded down.
        name: kept in the config.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> print(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20))
        0.025

    Reference: keras.optimizers.schedules.ExponentialDecay.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ):
        _positive(type(self).__name__, "decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: ArrayLike) -> jax.Array:
        p = _float(step) / self.decay_steps
        return self.initial_learning_rate * jnp.power(_float(self.decay_rate), jnp.floor(p) if self.staircase else p)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@register("keras.optimizers.schedules")
class InverseTimeDecay(LearningRateSchedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps that count as one unit of time.
        decay_rate: decay per unit.
        staircase: whether time is rounded down.
        name: kept in the config.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> print(InverseTimeDecay(1.0, decay_steps=1, decay_rate=0.5)(2))
        0.5

    Reference: keras.optimizers.schedules.InverseTimeDecay.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ):
        _positive(type(self).__name__, "decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: ArrayLike) -> jax.Array:
        p = _float(step) / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * (jnp.floor(p) if self.staircase else p))

    get_config = ExponentialDecay.get_config


@register("keras.optimizers.schedules")
class PolynomialDecay(LearningRateSchedule):
    """From `initial_learning_rate` to `end_learning_rate` along a power of the time left.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps until the end is reached.
        end_learning_rate: the lowest rate.
        power: of the curve; 1 is a straight line.
        cycle: whether the rate jumps up again, with a longer period, whenever the end is reached.
        name: kept in the config.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> print(PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.0)(5))
        0.5

    Reference: keras.optimizers.schedules.PolynomialDecay.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        _positive(type(self).__name__, "decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.end_learning_rate = (
            initial_learning_rate,
            decay_steps,
            end_learning_rate,
        )
        self.power, self.cycle, self.name = power, cycle, name

    def __call__(self, step: ArrayLike) -> jax.Array:
        step, period = _float(step), _float(self.decay_steps)
        if self.cycle:
            period = period * jnp.where(step == 0, 1.0, jnp.ceil(step / self.decay_steps))
        else:
            step = jnp.minimum(step, period)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * jnp.power(1 - step / period, self.power) + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


@register("keras.optimizers.schedules")
class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to and including each boundary, the next one after it.

    Args:
        boundaries: increasing step numbers.
        values: one rate more than boundaries.
        name: kept in the config.

    Raises:
        ValueError: if there is not one value more than boundaries.

    Example:
        >>> schedule = PiecewiseConstantDecay([5], [1.0, 0.1])
        >>> print(schedule(5), schedule(6))
        1.0 0.1

    Reference: keras.optimizers.schedules.PiecewiseConstantDecay.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: given {len(boundaries)} boundaries and {len(values)} values, expected one value more "
                "than boundaries: the first rate holds before the first boundary."
            )
        if any(a >= b for a, b in zip(boundaries, boundaries[1:])):
            raise ValueError(f"PiecewiseConstantDecay: boundaries: given {list(boundaries)}, expected increasing steps.")
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: ArrayLike) -> jax.Array:
        step = jnp.asarray(step)
        if any(isinstance(b, float) for b in self.boundaries):
            step = step.astype(jnp.float32)
        passed = sum(((step > b).astype(jnp.int32) for b in self.boundaries), jnp.zeros(step.shape, jnp.int32))
        return jnp.asarray(self.values, jnp.float32)[passed]

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


@register("keras.optimizers.schedules")
class CosineDecay(LearningRateSchedule):
    """Half a cosine wave from the initial rate down to `alpha` of it, after an optional linear warm-up.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps of the decay, after the warm-up.
        alpha: the lowest rate, as a fraction of the highest.
        name: kept in the config.
        warmup_target: the rate that the warm-up ends at; None for no warm-up.
        warmup_steps: steps of the warm-up.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> print(CosineDecay(1.0, decay_steps=10)(0))
        1.0

    Reference: keras.optimizers.schedules.CosineDecay; Loshchilov and Hutter, "SGDR", 2016.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ):
        _positive(type(self).__name__, "decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.alpha, self.name = initial_learning_rate, decay_steps, alpha, name
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def _decayed(self, step: jax.Array, top: float) -> jax.Array:
        completed = jnp.minimum(step, self.decay_steps) / self.decay_steps
        cosine = 0.5 * (1.0 + jnp.cos(math.pi * completed))
        return top * ((1 - self.alpha) * cosine + self.alpha)

    def __call__(self, step: ArrayLike) -> jax.Array:
        step = _float(step)
        if self.warmup_target is None:
            return self._decayed(step, self.initial_learning_rate)
        if not self.warmup_steps:
            return self._decayed(step, self.warmup_target)
        rising = (self.warmup_target - self.initial_learning_rate) * step / self.warmup_steps + self.initial_learning_rate
        return jnp.where(step < self.warmup_steps, rising, self._decayed(step - self.warmup_steps, self.warmup_target))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


@register("keras.optimizers.schedules")
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after the other, each `t_mul` times as long and starting `m_mul` times as high as the last.

    Args:
        initial_learning_rate: at step 0.
        first_decay_steps: steps of the first decay.
        t_mul: factor of the length, at least 1.
        m_mul: factor of the height.
        alpha: the lowest rate, as a fraction of the initial one.
        name: kept in the config.

    Raises:
        ValueError: if `first_decay_steps` is not positive.

    Example:
        >>> print(CosineDecayRestarts(1.0, first_decay_steps=4)(4))
        1.0

    Reference: keras.optimizers.schedules.CosineDecayRestarts; Loshchilov and Hutter, "SGDR", 2016.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ):
        _positive(type(self).__name__, "first_decay_steps", first_decay_steps)
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step: ArrayLike) -> jax.Array:
        completed = _float(step) / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = jnp.floor(completed)
            fraction = completed - restarts
        else:
            # Period k starts at (t ** k - 1) / (t - 1) first periods.
            t = _float(self.t_mul)
            restarts = jnp.floor(jnp.log(1.0 - completed * (1.0 - t)) / jnp.log(t))
            start = (1.0 - t**restarts) / (1.0 - t)
            fraction = (completed - start) / t**restarts
        height = jnp.power(_float(self.m_mul), restarts)
        cosine = 0.5 * height * (1.0 + jnp.cos(math.pi * fraction))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """The config of a schedule."""
    return _serialize(learning_rate_schedule)


def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> LearningRateSchedule:
    """The schedule of a config."""
    return _deserialize({"module": "keras.optimizers.schedules"} | config, custom_objects)
