"""Any optax transformation as an optimizer of estimax."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from estimax.core.gradients import RowGradient
from estimax.optimizers.optimizer import Optimizer, Params, State
from estimax.optimizers.options import Options
from estimax.optimizers.paths import flatten
from estimax.optimizers.stateful import StateVariable, state_variables


class Optax(Optimizer):
    """Wraps an `optax.GradientTransformation`.

    The learning rate is part of the transformation, so `learning_rate` can be set only if the transformation was made with
    `optax.inject_hyperparams`. Row gradients are made dense. A variable without gradient is given a gradient of zeros, as
    optax knows no other way, and keeps its value.

    Args:
        tx: the transformation.
        **options: `name`, `use_ema`, `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `clipnorm` and the like; see
            `Optimizer`. `weight_decay`, `gradient_accumulation_steps` and `rows` are refused: optax has its own.

    Raises:
        TypeError: if `tx` has no `init` and `update`.
        ValueError: for refused options.

    Example:
        >>> import optax
        >>> optimizer = Optax(optax.sgd(0.5))
        >>> params = {"w": jnp.array([1.0])}
        >>> params, _ = optimizer.apply({"w": jnp.array([1.0])}, optimizer.init(params), params)
        >>> print(params["w"])
        [0.5]

    Reference: optax.GradientTransformation.
    """

    elementwise = False

    def __init__(self, tx: Any, **options: Unpack[Options]):
        if not (hasattr(tx, "init") and hasattr(tx, "update")):
            raise TypeError(f"Optax: given {tx!r}, expected an optax.GradientTransformation, which has init and update.")
        refused = {k: v for k in ("weight_decay", "gradient_accumulation_steps", "rows") if (v := options.get(k)) is not None}
        if refused:
            raise ValueError(
                f"Optax: given {refused}, expected none of these. Use optax.add_decayed_weights and optax.MultiSteps; rows are dense."
            )
        options.setdefault("name", "optax")
        super().__init__(0.0, **options)
        self.tx = tx

    def init(self, params: Any) -> State:
        params = flatten(params)
        state: State = {"iteration": jnp.zeros((), jnp.int32), "slots": {}, "optax": self.tx.init(params)}
        if self.use_ema:
            state["ema"] = {path: jnp.zeros_like(p) for path, p in params.items()}
        return state

    def _rate(self, state: State, iteration: jax.Array) -> jax.Array:
        return jnp.zeros((), jnp.float32)

    def _step(self, grads: dict[str, Any], state: State, params: Params, iteration: jax.Array) -> tuple[Params, State]:
        grads = self._clipped(grads)
        dense = {p: g.to_dense() if isinstance(g, RowGradient) else g for p, g in grads.items()}
        full = {p: dense[p] if p in dense else jnp.zeros_like(v) for p, v in params.items()}
        updates, inner = self.tx.update(full, state["optax"], params)
        new = {p: (v + updates[p]).astype(v.dtype) if p in dense else v for p, v in params.items()}
        return new, state | {"optax": inner}

    def _injected(self, state: State | None) -> dict[str, Any]:
        return getattr((state or {}).get("optax"), "hyperparams", {})

    @property
    def learning_rate(self) -> float:
        """The learning rate of a transformation made with `optax.inject_hyperparams`.

        Raises:
            ValueError: if optax holds it in a closure, where it can be neither read nor set.
        """
        found = self._injected(self._state)
        if "learning_rate" not in found:
            raise ValueError(
                "Optax: learning_rate: the transformation keeps it to itself, expected one made with "
                "optax.inject_hyperparams(optax.adam)(learning_rate=...), in training."
            )
        return float(found["learning_rate"])

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.learning_rate  # noqa: B018 - raises if there is none to set
        assert self._state is not None
        inner = self._state["optax"]
        hyperparams = inner.hyperparams | {"learning_rate": jnp.asarray(value, jnp.float32)}
        self._state = self._state | {"optax": inner._replace(hyperparams=hyperparams)}

    @property
    def variables(self) -> list[StateVariable]:
        """The state as variables: those of every optimizer, then the arrays of optax's state."""
        if self._state is None:
            return []
        found = state_variables(self)
        for path, _ in jax.tree_util.tree_leaves_with_path(self._state["optax"]):
            keys: tuple[Any, ...] = tuple(getattr(k, "name", getattr(k, "idx", getattr(k, "key", None))) for k in path)
            name = "_".join(str(k).replace("/", "_") for k in keys)
            found.append(StateVariable(self, ("optax", *keys), f"{self.name}/{name}"))
        return found

    def get_config(self) -> dict[str, Any]:
        raise ValueError("Optax: an optax transformation can't be written into a config. Use an optimizer of estimax to save it.")

    def __repr__(self) -> str:
        return f"Optax({self.tx!r})"
