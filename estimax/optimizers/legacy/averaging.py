"""SGD, RMSprop, Adam, Adamax and Nadam as TensorFlow's legacy optimizers compute them."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import RowGradient, register
from estimax.optimizers.legacy.optimizer import LegacyOptimizer, LegacyOptions
from estimax.optimizers.optimizer import Hyper, Slots, State
from estimax.optimizers.options import Rows
from estimax.optimizers.rows import IdleStep
from estimax.optimizers.schedules import LearningRateSchedule


def _check_momentum(owner: str, momentum: float) -> None:
    if isinstance(momentum, bool) or not 0 <= momentum <= 1:
        raise ValueError(f"{owner}: momentum: given {momentum!r}, expected a number in [0, 1].")


@register("keras.optimizers.legacy")
class SGD(LegacyOptimizer):
    """Gradient descent, with momentum if wanted. With momentum it touches only rows with a gradient.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the last velocity that is kept, in [0, 1].
        nesterov: whether the gradient is applied on top of the new velocity.
        name: see `LegacyOptimizer`.
        **options: see `LegacyOptimizer`.

    Raises:
        ValueError: if `momentum` is outside [0, 1].

    Example:
        >>> SGD(0.1, momentum=0.9).momentum
        0.9

    Reference: tf.keras.optimizers.legacy.SGD.
    """

    config_names = ("momentum", "nesterov")
    hyper_names = ("momentum",)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        name: str = "SGD",
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        _check_momentum("SGD", momentum)
        self.momentum, self.nesterov = momentum, nesterov

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"momentum": jnp.zeros_like(param)} if self.momentum else {}

    def rows_move(self) -> bool:
        return bool(self.momentum)

    def idle_step(self) -> IdleStep:
        return IdleStep({"momentum": self.momentum}, move=self.momentum)

    def default_rows(self) -> Rows:
        return "lazy"

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        move = hyper["learning_rate"] * grad
        if not self.momentum:
            return param - move, {}
        velocity = slots["momentum"] * hyper["momentum"] - move
        return param + (velocity * hyper["momentum"] - move if self.nesterov else velocity), {"momentum": velocity}


@register("keras.optimizers.legacy")
class RMSprop(LegacyOptimizer):
    """Steps divided by the root of a running mean of squared gradients.

    `epsilon` is added to the root without momentum and under it with momentum. With momentum only rows with a gradient are
    touched; without, the means of all rows decay.

    Args:
        learning_rate: a number or a schedule.
        rho: decay of the means.
        momentum: share of the last move that is kept, in [0, 1].
        epsilon: keeps the division finite.
        centered: whether the variance stands in place of the mean square.
        name: see `LegacyOptimizer`.
        **options: see `LegacyOptimizer`.

    Raises:
        ValueError: if `momentum` is outside [0, 1].

    Example:
        >>> sorted(RMSprop(momentum=0.5, centered=True).init({"w": jnp.zeros(2)})["slots"]["w"])
        ['mg', 'momentum', 'rms']

    Reference: tf.keras.optimizers.legacy.RMSprop; Hinton, "Neural networks for machine learning", lecture 6, 2012.
    """

    config_names = ("rho", "momentum", "epsilon", "centered")
    hyper_names = ("rho", "momentum")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        name: str = "RMSprop",
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        _check_momentum("RMSprop", momentum)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def slots(self, path: str, param: jax.Array) -> Slots:
        names = ["rms"] + ["momentum"] * bool(self.momentum) + ["mg"] * self.centered
        return {name: jnp.zeros_like(param) for name in names}

    def idle_step(self) -> IdleStep:
        return IdleStep({"rms": self.rho, "mg": self.rho, "momentum": self.momentum}, move=self.momentum)

    def default_rows(self) -> Rows:
        return "lazy" if self.momentum else "dense"

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        rho, rate = hyper["rho"], hyper["learning_rate"]
        new: Slots = {"rms": slots["rms"] * rho + jnp.square(grad) * (1 - rho)}
        square = new["rms"]
        if self.centered:
            new["mg"] = slots["mg"] * rho + grad * (1 - rho)
            square = square - jnp.square(new["mg"])
        if self.momentum:
            new["momentum"] = slots["momentum"] * hyper["momentum"] + rate * grad * jax.lax.rsqrt(square + self.epsilon)
            return param - new["momentum"], new
        return param - rate * grad / (jnp.sqrt(square) + self.epsilon), new


@register("keras.optimizers.legacy")
class Adam(LegacyOptimizer):
    """Adam with "epsilon hat". Rows without gradient move too, by their momentum, as under a dense gradient.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of squares.
        epsilon: keeps the division finite.
        amsgrad: whether the largest mean of squares so far is used.
        name: see `LegacyOptimizer`.
        **options: see `LegacyOptimizer`.

    Example:
        >>> round(Adam().get_config()["beta_1"], 4)
        0.9

    Reference: tf.keras.optimizers.legacy.Adam; Kingma and Ba, "Adam", 2014.
    """

    config_names = ("beta_1", "beta_2", "epsilon", "amsgrad")
    hyper_names = ("beta_1", "beta_2")
    slot_order = (("m",), ("v",), ("vhat",))

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        name: str = "Adam",
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {name: jnp.zeros_like(param) for name in (("m", "v", "vhat") if self.amsgrad else ("m", "v"))}

    def idle_step(self) -> IdleStep:
        return IdleStep({"m": self.beta_1, "v": self.beta_2}, move=self.beta_1 / self.beta_2**0.5)

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        hyper = super().hyper(learning_rate, iteration, shared)
        step = (iteration + 1).astype(learning_rate.dtype)
        power_1, power_2 = jnp.power(hyper["beta_1"], step), jnp.power(hyper["beta_2"], step)
        return hyper | {"alpha": hyper["learning_rate"] * jnp.sqrt(1 - power_2) / (1 - power_1)}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["m"] + (grad - slots["m"]) * (1 - hyper["beta_1"])
        v = slots["v"] + (jnp.square(grad) - slots["v"]) * (1 - hyper["beta_2"])
        new: Slots = {"m": m, "v": v}
        if self.amsgrad:
            v = new["vhat"] = jnp.maximum(slots["vhat"], v)
        return param - m * hyper["alpha"] / (jnp.sqrt(v) + self.epsilon), new


@register("keras.optimizers.legacy")
class Adamax(LegacyOptimizer):
    """Adam with the largest decayed gradient in place of the mean of squares. Touches only rows with a gradient.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the largest gradient.
        epsilon: keeps the division finite.
        name: see `LegacyOptimizer`.
        **options: see `LegacyOptimizer`.

    Example:
        >>> sorted(Adamax().init({"w": jnp.zeros(2)})["slots"]["w"])
        ['m', 'v']

    Reference: tf.keras.optimizers.legacy.Adamax; Kingma and Ba, "Adam", 2014, section 7.
    """

    config_names = ("beta_1", "beta_2", "epsilon")
    hyper_names = ("beta_1", "beta_2")
    slot_order = (("m",), ("v",))

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "Adamax",
        **options: Unpack[LegacyOptions],
    ):
        super().__init__(learning_rate, name=name, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"m": jnp.zeros_like(param), "v": jnp.zeros_like(param)}

    def idle_step(self) -> IdleStep:
        return IdleStep({"m": self.beta_1, "v": self.beta_2}, move=self.beta_1 / self.beta_2)

    def default_rows(self) -> Rows:
        return "lazy"

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        hyper = super().hyper(learning_rate, iteration, shared)
        power = jnp.power(hyper["beta_1"], (iteration + 1).astype(learning_rate.dtype))
        return hyper | {"alpha": hyper["learning_rate"] / (1 - power)}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = slots["m"] + (grad - slots["m"]) * (1 - hyper["beta_1"])
        v = jnp.maximum(hyper["beta_2"] * slots["v"], jnp.abs(grad))
        return param - hyper["alpha"] * m / (v + self.epsilon), {"m": m, "v": v}


@register("keras.optimizers.legacy")
class Nadam(LegacyOptimizer):
    """Adam with Nesterov momentum that is scheduled over the steps.

    With a row gradient the means of all rows decay, but only the rows that have a gradient move.

    Args:
        learning_rate: a number; schedules are refused, as TensorFlow does.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of squares.
        epsilon: keeps the division finite.
        name: see `LegacyOptimizer`.
        schedule_decay: how fast the momentum's schedule runs; configs call it `decay`.
        **options: see `LegacyOptimizer`.

    Raises:
        ValueError: if the learning rate is a schedule.

    Example:
        >>> Nadam().get_config()["decay"]
        0.004

    Reference: tf.keras.optimizers.legacy.Nadam; Dozat, "Incorporating Nesterov momentum into Adam", 2016.
    """

    config_names = ("beta_1", "beta_2", "epsilon")
    hyper_names = ("beta_1", "beta_2")
    slot_order = (("m",), ("v",))

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "Nadam",
        schedule_decay: float = 0.004,
        **options: Unpack[LegacyOptions],
    ):
        options.setdefault("decay", schedule_decay)
        super().__init__(learning_rate, name=name, **options)
        if isinstance(self._learning_rate, LearningRateSchedule):
            raise ValueError(
                "Nadam: learning_rate: given a schedule, expected a number. Use optimizers.Nadam, which takes schedules."
            )
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def slots(self, path: str, param: jax.Array) -> Slots:
        return {"m": jnp.zeros_like(param), "v": jnp.zeros_like(param)}

    def shared(self) -> dict[str, jax.Array]:
        return {"momentum_cache": jnp.ones((), jnp.float32)}

    def _momentum_at(self, step: jax.Array) -> jax.Array:
        beta_1 = jnp.asarray(np.float32(self.beta_1), step.dtype)
        return beta_1 * (1 - 0.5 * jnp.power(jnp.asarray(0.96, step.dtype), self.decay_rate * step))

    def advance(self, shared: dict[str, jax.Array], step: jax.Array) -> dict[str, jax.Array]:
        return {"momentum_cache": shared["momentum_cache"] * self._momentum_at((step + 1).astype(jnp.float32))}

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        dtype = learning_rate.dtype
        step = (iteration + 1).astype(dtype)
        now, after = self._momentum_at(step), self._momentum_at(step + 1)
        product = shared["momentum_cache"].astype(dtype) * now
        beta_1, beta_2 = jnp.asarray(np.float32(self.beta_1), dtype), jnp.asarray(np.float32(self.beta_2), dtype)
        return {
            "learning_rate": learning_rate,
            "beta_1": beta_1,
            "beta_2": beta_2,
            "momentum": now,
            "next_momentum": after,
            "product": product,
            "next_product": product * after,
            "power_2": jnp.power(beta_2, step),
        }

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        m = hyper["beta_1"] * slots["m"] + (1 - hyper["beta_1"]) * grad
        v = hyper["beta_2"] * slots["v"] + (1 - hyper["beta_2"]) * jnp.square(grad)
        mean = (1 - hyper["momentum"]) * grad / (1 - hyper["product"]) + hyper["next_momentum"] * m / (1 - hyper["next_product"])
        root = jnp.sqrt(v / (1 - hyper["power_2"]))
        return param - hyper["learning_rate"] * mean / (root + self.epsilon), {"m": m, "v": v}

    def leaves_rows(self) -> bool:
        return True

    def _update(
        self, path: str, grad: Any, param: jax.Array, slots: Slots, hyper: Hyper, state: State, iteration: jax.Array
    ) -> tuple[jax.Array, Slots]:
        new_param, new_slots = super()._update(path, grad, param, slots, hyper, state, iteration)
        if isinstance(grad, RowGradient) and self._row_mode() == "dense":
            has_gradient = jnp.zeros((param.shape[0],), bool).at[grad.summed().ids].set(True, mode="drop")
            new_param = jnp.where(has_gradient.reshape((-1,) + (1,) * (param.ndim - 1)), new_param, param)
        return new_param, new_slots
