"""Loss scaling for float16: an optimizer around another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core import deserialize, register, serialize
from estimax.core.gradients import RowGradient
from estimax.optimizers.optimizer import Gradient, Optimizer, Params, State
from estimax.optimizers.options import Options
from estimax.optimizers.paths import flatten
from estimax.optimizers.stateful import StateVariable, state_variables


@register("keras.optimizers")
class LossScaleOptimizer(Optimizer):
    """Keeps small float16 gradients from vanishing: the loss is multiplied by a scale and the gradients divided by it.

    A step with a gradient that is not finite is left out and the scale is halved; after `dynamic_growth_steps` good steps
    it is doubled. Multiply the loss by `scale_loss(loss, state)`.

    Args:
        inner_optimizer: the optimizer that takes the steps.
        initial_scale: the first scale.
        dynamic_growth_steps: good steps in a row before the scale is doubled.
        **options: `name`; all others belong to the inner optimizer.

    Raises:
        TypeError: if `inner_optimizer` is no optimizer.
        ValueError: for options.

    Example:
        >>> from estimax.optimizers import SGD
        >>> optimizer = LossScaleOptimizer(SGD(1.0), initial_scale=4.0)
        >>> params = {"w": jnp.array([1.0])}
        >>> params, state = optimizer.apply({"w": jnp.array([2.0])}, optimizer.init(params), params)
        >>> print(params["w"])
        [0.5]

    Reference: keras.optimizers.LossScaleOptimizer; Micikevicius et al., "Mixed precision training", 2017.
    """

    elementwise = False

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        **options: Unpack[Options],  # type: ignore[misc]
    ):
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(f"LossScaleOptimizer: inner_optimizer: given {inner_optimizer!r}, expected an optimizer of estimax.")
        # What a saved config may carry with no effect is let through; all else belongs to the inner optimizer.
        if given := sorted(k for k, v in options.items() if v not in (None, False) and k not in ("name", "ema_momentum")):
            raise ValueError(f"LossScaleOptimizer: given {given}, expected them in the inner optimizer. Pass them there.")
        if unknown := sorted(set(options) - set(Options.__annotations__)):
            raise ValueError(f"LossScaleOptimizer: unknown argument {unknown}. Expected initial_scale or dynamic_growth_steps.")
        super().__init__(0.0, name=options.get("name"))
        if not initial_scale > 0 or not dynamic_growth_steps > 0:
            raise ValueError(
                f"LossScaleOptimizer: given initial_scale={initial_scale!r}, dynamic_growth_steps={dynamic_growth_steps!r}, "
                "expected positive numbers."
            )
        self.inner_optimizer, self.initial_scale, self.dynamic_growth_steps = inner_optimizer, initial_scale, dynamic_growth_steps

    def init(self, params: Any) -> State:
        params = flatten(params)
        if set(params) != set(self.variable_paths):
            self.variable_paths = list(params)
        return {
            "iteration": jnp.zeros((), jnp.int32),
            "step_counter": jnp.zeros((), jnp.int32),
            "dynamic_scale": jnp.asarray(self.initial_scale, jnp.float32),
            "slots": {},
            "inner": self.inner_optimizer.init(params),
        }

    def apply(
        self,
        grads: Mapping[str, Gradient],
        state: State,
        params: Params,
        *,
        constraints: Mapping[str, Callable[[jax.Array], jax.Array]] | None = None,
    ) -> tuple[Params, State]:
        given = self._checked_gradients(grads, params)
        factor = 1.0 / state["dynamic_scale"]

        def unscaled(g: Any) -> Any:
            if isinstance(g, RowGradient):
                g = g.without_padding()
                return g.with_rows(g.rows * factor.astype(g.dtype))
            return g * factor.astype(g.dtype)

        arrays = {p: g.without_padding().rows if isinstance(g, RowGradient) else g for p, g in given.items()}
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(g)) for g in arrays.values()]))

        def good(state: State, params: Params) -> tuple[Params, State]:
            new, inner = self.inner_optimizer.apply(
                {p: unscaled(g) for p, g in given.items()}, state["inner"], params, constraints=constraints
            )
            grows = state["step_counter"] == self.dynamic_growth_steps - 1
            return new, state | {
                "inner": inner,
                "step_counter": jnp.where(grows, 0, state["step_counter"] + 1),
                "dynamic_scale": jnp.where(grows, state["dynamic_scale"] * 2.0, state["dynamic_scale"]),
                "iteration": state["iteration"] + 1,
            }

        def bad(state: State, params: Params) -> tuple[Params, State]:
            halved = {"step_counter": jnp.zeros((), jnp.int32), "dynamic_scale": state["dynamic_scale"] / 2.0}
            return dict(params), state | halved

        return jax.lax.cond(finite, good, bad, state, params)

    def has_late_rows(self, state: State) -> bool:
        return self.inner_optimizer.has_late_rows(state["inner"])

    def settle(self, params: Params, state: State) -> tuple[Params, State]:
        params, inner = self.inner_optimizer.settle(params, state["inner"])
        return params, state | {"inner": inner}

    def finalize(self, params: Params, state: State) -> Params:
        return self.inner_optimizer.finalize(params, state["inner"])

    def scale_loss(self, loss: jax.Array, state: State | None = None) -> jax.Array:
        """The loss to differentiate: multiplied by the scale of `state` (the object's own if omitted).

        Args:
            loss: a scalar.
            state: the optimizer's state.

        Returns:
            The scaled loss; times the initial scale before there is a state.
        """
        state = self._state if state is None else state
        scale = jnp.asarray(self.initial_scale, jnp.float32) if state is None else state["dynamic_scale"]
        inner = None if state is None else state["inner"]
        return self.inner_optimizer.scale_loss(loss * scale.astype(loss.dtype), inner)

    @property
    def dynamic_scale(self) -> float:
        """The scale now."""
        return float(self.initial_scale if self._state is None else self._state["dynamic_scale"])

    @property
    def learning_rate(self) -> float:
        """The inner optimizer's learning rate."""
        return self._inner().learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        inner = self._inner()
        inner.learning_rate = value
        if self._state is not None:
            self._state = self._state | {"inner": inner.state}

    @property
    def iterations(self) -> int:
        """Steps taken by the inner optimizer."""
        return self._inner().iterations

    def _inner(self) -> Optimizer:
        self.inner_optimizer.variable_paths = list(self.variable_paths)
        self.inner_optimizer.state = None if self._state is None else self._state["inner"]
        return self.inner_optimizer

    @property
    def variables(self) -> list[StateVariable]:
        """The state as variables: the scale's, then the inner optimizer's."""
        if self._state is None:
            return []
        own = [StateVariable(self, (key,), f"{self.name}/{key}") for key in ("iteration", "step_counter", "dynamic_scale")]
        inner = state_variables(self._inner())
        return own + [StateVariable(self, ("inner", *v.keys), v.path) for v in inner]

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> LossScaleOptimizer:
        return cls(**(config | {"inner_optimizer": deserialize(config["inner_optimizer"], custom_objects)}))

    def __repr__(self) -> str:
        return f"LossScaleOptimizer({self.inner_optimizer!r})"
