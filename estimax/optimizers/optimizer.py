"""The interface of every optimizer: one rule per variable, applied to whole arrays and to the rows of large tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core.gradients import RowGradient
from estimax.core.names import snake_case
from estimax.optimizers import rows as row_updates
from estimax.optimizers.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from estimax.optimizers.minimize import MinimizeOp
from estimax.optimizers.options import Options, Rows, check_clipping, check_every, check_rows
from estimax.optimizers.paths import flatten, unflatten
from estimax.optimizers.schedules import LearningRateSchedule
from estimax.optimizers.stateful import StatefulDoor, checked_rate

Gradient = jax.Array | RowGradient | None
Params = dict[str, jax.Array]
State = dict[str, Any]
Hyper = dict[str, jax.Array]
Slots = dict[str, jax.Array]


class Optimizer(StatefulDoor):
    """Interface of optimizers: pure functions of (gradients, state, params), with an object as their door.

    `params` are a flat dictionary path -> array and `state` is a plain nested dictionary of arrays::

        {"iteration": int32, "learning_rate": float32,             # no learning_rate if it is a schedule
         "slots": {path: {slot: array}},
         "shared": {...}, "ema": {path: array}, "accumulated": {path: array}}   # only where used

    A gradient is an array, a `RowGradient`, or None: then the variable does not move.

    Args:
        learning_rate: a number, a `LearningRateSchedule`, or any function of the step.
        weight_decay: fraction of a weight taken off per step, times the learning rate.
        clipnorm: largest norm of each gradient.
        clipvalue: largest absolute value of each element.
        global_clipnorm: largest norm of all gradients together.
        use_ema: whether to keep a moving average of the weights, which `finalize` puts in their place.
        ema_momentum: weight of the old average, in [0, 1].
        ema_overwrite_frequency: steps after which the average overwrites the weights during training.
        loss_scale_factor: factor that the loss was multiplied by; gradients are divided by it.
        gradient_accumulation_steps: gradients are averaged over so many calls, then used once.
        name: prefix of the names of `variables`.
        rows: what a `RowGradient` does to the rows without gradient. `"dense"`: what a dense gradient with zeros would do;
            by rows where that is the same (plain SGD, Adagrad), else the cost of a step grows with the table.
            `"catch_up"`: a row makes up for its missed steps when it is next touched, and `settle` brings all rows up
            to date, which the engine does before a checkpoint and at the end of each call that trains; only the look-ups in
            between see older values. `"lazy"`: nothing, momentum included.
            None: the optimizer's own choice.

    Reference: keras.optimizers.Optimizer.
    """

    # Names of the constructor's own arguments, for get_config.
    config_names: tuple[str, ...] = ()
    # Whether the rule treats every element alike, so that it may be applied to rows of a table.
    elementwise: bool = True
    # Whether norms of a RowGradient are taken before its repeated ids are added up, as TensorFlow does.
    clips_before_sum: bool = False
    # Slots by name in the order in which Keras makes them: names in one tuple alternate per variable.
    slot_order: tuple[tuple[str, ...], ...] = ()
    unknown_argument: type[Exception] = ValueError

    def __init__(
        self,
        learning_rate: Any,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        rows: Rows | None = None,
        **unknown: Any,
    ):
        owner = type(self).__name__
        if unknown:
            raise self.unknown_argument(
                f"{owner}: unknown argument {sorted(unknown)}. Expected some of: learning_rate, "
                f"{', '.join((*self.config_names, *Options.__annotations__))}."
            )
        check_clipping(
            owner, two_kinds=self.clips_before_sum, clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm
        )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ValueError(f"{owner}: ema_momentum: given {ema_momentum}, expected a number in [0, 1].")
        check_every(owner, "ema_overwrite_frequency", ema_overwrite_frequency, least=1)
        check_every(owner, "gradient_accumulation_steps", gradient_accumulation_steps, least=2)
        check_rows(owner, rows, elementwise=self.elementwise, catches_up=type(self).idle_step is not Optimizer.idle_step)
        if gradient_accumulation_steps and rows == "lazy":
            raise ValueError(
                f'{owner}: given rows="lazy" and gradient_accumulation_steps={gradient_accumulation_steps}: the accumulated gradient is one of all '
                "rows, so that none is left alone. Leave one of them out."
            )
        self.rows = rows
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum, self.ema_overwrite_frequency = use_ema, ema_momentum, ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name = name or snake_case(owner)
        self._learning_rate = checked_rate(owner, learning_rate)
        self._no_decay_paths: set[str] = set()
        self._no_decay_patterns: list[str] = []
        self._state: State | None = None
        # The order in which `variables` lists paths: jax.jit returns dictionaries sorted.
        self.variable_paths: list[str] = []
        self._compiled: Any = None

    # ---- what a concrete optimizer defines ---------------------------------------------------------------------

    def slots(self, path: str, param: jax.Array) -> Slots:
        """The first value of each slot of a variable."""
        return {}

    def shared(self) -> dict[str, jax.Array]:
        """The first value of state that all variables share."""
        return {}

    def advance(self, shared: dict[str, jax.Array], step: jax.Array) -> dict[str, jax.Array]:
        """The shared state after the step with number `step` (from 0)."""
        return shared

    def hyper(self, learning_rate: jax.Array, iteration: jax.Array, shared: dict[str, jax.Array]) -> Hyper:
        """What the rule needs and all variables share: computed once per step and dtype, from the step number (from 0)."""
        return {"learning_rate": learning_rate}

    def rule(self, grad: jax.Array, param: jax.Array, slots: Slots, hyper: Hyper) -> tuple[jax.Array, Slots]:
        """The formula: new value and new slots of a variable, or of some of its rows."""
        raise TypeError(f"{type(self).__name__} defines no rule(grad, param, slots, hyper). Define it in the subclass.")

    def path_rule(self, path: str, rank: int) -> Callable[..., tuple[jax.Array, Slots]]:
        """The rule of one variable, for optimizers that treat variables by their kind."""
        return self.rule

    def path_weight_decay(self, path: str, rank: int) -> float | None:
        """The weight decay of one variable, None for none."""
        return self.weight_decay

    def idle_step(self) -> row_updates.IdleStep | None:
        """What a step of zero gradient does; None if it is no plain decay, so that `"catch_up"` can't be done."""
        return None

    def rows_move(self) -> bool:
        """Whether a row with zero gradient changes, itself or its slots."""
        return True

    def default_rows(self) -> Rows:
        """What `rows=None` means."""
        return "dense"

    def leaves_rows(self) -> bool:
        """Whether a row without gradient stays where a dense gradient of zeros would move it."""
        return self._row_mode() == "lazy"

    # ---- pure use: the engine's side ----------------------------------------------------------------------------

    def init(self, params: Any) -> State:
        """The state before the first step.

        Args:
            params: dictionary path -> array; another tree of arrays is taken too, its keys joined by "/".

        Returns:
            The state; see the class.
        """
        params = flatten(params)
        if set(params) != set(self.variable_paths):
            self.variable_paths = list(params)
        state: State = {"iteration": jnp.zeros((), jnp.int32)}
        if not isinstance(self._learning_rate, LearningRateSchedule):
            state["learning_rate"] = jnp.asarray(self._learning_rate, jnp.float32)
        slots = {path: self.slots(path, p) for path, p in params.items()}
        if self._row_mode() == "catch_up" and (self.rows_move() or self.weight_decay is not None):
            for path, p in params.items():
                if jnp.ndim(p) >= 2:
                    slots[path] = slots[path] | {row_updates.STEP: jnp.zeros((p.shape[0],), jnp.int32)}
        state["slots"] = {path: s for path, s in slots.items() if s}
        if shared := self.shared():
            state["shared"] = shared
        if self.use_ema:
            state["ema"] = {path: jnp.zeros_like(p) for path, p in params.items()}
        if self.gradient_accumulation_steps:
            state["accumulated"] = {path: jnp.zeros_like(p) for path, p in params.items()}
        return state

    def apply(
        self,
        grads: Mapping[str, Gradient],
        state: State,
        params: Params,
        *,
        constraints: Mapping[str, Callable[[jax.Array], jax.Array]] | None = None,
    ) -> tuple[Params, State]:
        """One step. Pure.

        To change large tables in place, donate params and state, in the order in which they come back: JAX pairs donated
        arrays with results of the same shape in order, and copies what it has paired wrongly. So compile
        `lambda params, state, grads: optimizer.apply(grads, state, params)` with `donate_argnums=(0, 1)`.

        Args:
            grads: gradient per path; a missing path is None.
            state: from `init` or the last step.
            params: all trained arrays.
            constraints: function per path, applied to the new value.

        Returns:
            `(new_params, new_state)`.

        Raises:
            ValueError: if no path has a gradient, or a path is unknown.

        Example:
            >>> from estimax.optimizers import SGD
            >>> optimizer = SGD(0.5)
            >>> params = {"w": jnp.array([1.0, 2.0])}
            >>> params, state = optimizer.apply({"w": jnp.array([1.0, 0.0])}, optimizer.init(params), params)
            >>> print(params["w"], state["iteration"])
            [0.5 2. ] 1
        """
        grads = self._checked_gradients(grads, params)
        iteration = state["iteration"]
        if self.loss_scale_factor is not None:
            grads = {p: _scaled(g, 1.0 / self.loss_scale_factor) for p, g in grads.items()}
        if self.gradient_accumulation_steps:
            new_params, new_state = self._accumulate(grads, state, params)
        else:
            new_params, new_state = self._step(grads, state, params, iteration)
        if self.use_ema:
            new_params, new_state = self._average(new_params, new_state, iteration)
        for path, constraint in (constraints or {}).items():
            if path in grads:
                new_params = new_params | {path: constraint(new_params[path])}
        return new_params, new_state | {"iteration": iteration + 1}

    def update(self, grads: Any, state: State, params: Any = None) -> tuple[Any, State]:
        """The step in optax's form, so that an optimizer stands where an `optax.GradientTransformation` does.

        Args:
            grads: tree of arrays, like `params`.
            state: from `init`.
            params: tree of arrays; needed.

        Returns:
            `(updates, state)`; `optax.apply_updates(params, updates)` gives the new params.

        Raises:
            ValueError: if `params` is None.
        """
        if params is None:
            raise ValueError(f"{type(self).__name__}.update(grads, state, params): given no params, expected them. Pass params.")
        flat = flatten(params)
        new, state = self.apply(flatten(grads), state, flat)
        return unflatten({p: new[p] - flat[p] for p in flat}, params), state

    def has_late_rows(self, state: State) -> bool:
        """Whether the state is of tables whose rows catch up, so that there is something to `settle`."""
        return any(row_updates.STEP in s for s in state["slots"].values())

    def settle(self, params: Params, state: State) -> tuple[Params, State]:
        """Rows that `rows="catch_up"` left behind, brought up to date; everything else as it is.

        Args:
            params: arrays by path.
            state: the state after the last step.

        Returns:
            `(params, state)`, from which training may go on.
        """
        behind = {path: s for path, s in state["slots"].items() if row_updates.STEP in s and path in params}
        if not behind:
            return params, state
        settled = {path: self._replayed(path, params[path], s, state) for path, s in behind.items()}
        slots = state["slots"] | {path: s for path, (_, s) in settled.items()}
        return params | {path: p for path, (p, _) in settled.items()}, state | {"slots": slots}

    def finalize(self, params: Params, state: State) -> Params:
        """The weights to keep after training: moving averages if there are any, and rows brought up to date.

        To train on afterwards, go on from the params and state of `settle`, not from these.

        Args:
            params: arrays by path.
            state: the state after the last step.

        Returns:
            The final arrays.
        """
        if self.use_ema:
            return {path: state["ema"].get(path, p) for path, p in params.items()}
        return self.settle(params, state)[0]

    def scale_loss(self, loss: jax.Array, state: State | None = None) -> jax.Array:
        """The loss to differentiate: multiplied by `loss_scale_factor`."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def minimize(self, loss: Any, *given: Any, var_list: Any = None, global_step: Any = None) -> MinimizeOp:
        """The `train_op` of a `model_fn`: what to minimise, by which variables.

        Args:
            loss: the scalar of the model_fn.
            given: `var_list` and `global_step` without their names, in any order: TensorFlow 1 had the step second, TensorFlow 2 the variables.
            var_list: variables or paths to train; all trainable ones if omitted.
            global_step: taken for `tf.compat.v1` code; must be None or what `get_global_step()` gave, as every train_op
                counts the one global step.

        Returns:
            A `MinimizeOp` for `EstimatorSpec(train_op=...)`.

        Raises:
            TypeError: if variables or steps are given twice.
        """
        for value in given:
            if value is None:
                continue
            if isinstance(value, int) or getattr(value, "ndim", None) == 0:
                twice, global_step = global_step is not None, value
            else:
                twice, var_list = var_list is not None, value
            if twice:
                raise TypeError("minimize: given var_list or global_step twice, expected each at most once. Name them.")
        return MinimizeOp(self, loss, None if var_list is None else tuple(var_list))

    # ---- parts of a step ----------------------------------------------------------------------------------------

    def _checked_gradients(self, grads: Mapping[str, Gradient], params: Params) -> dict[str, jax.Array | RowGradient]:
        if not isinstance(grads, Mapping):
            raise TypeError(
                f"{self.name}.apply(grads, state, params): grads: given a {type(grads).__name__}, expected a dictionary path -> gradient. "
                "To change variables, call apply_gradients(zip(grads, variables))."
            )
        if unknown := sorted(set(grads) - set(params)):
            raise ValueError(
                f"{self.name}: gradients for {unknown}, which are not in params {sorted(params)[:8]}. Check the paths."
            )
        found = {p: g for p in params if (g := grads.get(p)) is not None}
        if not found:
            raise ValueError(
                f"{self.name}: no gradient for any variable, expected at least one of {sorted(params)[:8]}. "
                "Check that the loss depends on the trainable variables."
            )
        for path, g in found.items():
            if tuple(g.shape) != tuple(params[path].shape):
                raise ValueError(
                    f'{self.name}: gradient of "{path}" has shape {tuple(g.shape)}, expected {tuple(params[path].shape)}.'
                )
            if g.dtype != params[path].dtype:
                found[path] = (
                    g.with_rows(g.rows.astype(params[path].dtype)) if isinstance(g, RowGradient) else g.astype(params[path].dtype)
                )
        return found

    def _rate(self, state: State, iteration: jax.Array) -> jax.Array:
        """The learning rate of the step with this number."""
        schedule = self._learning_rate
        return schedule(iteration) if isinstance(schedule, LearningRateSchedule) else state["learning_rate"]

    def _hyper_of(self, state: State, iteration: jax.Array, dtype: Any, rate: jax.Array | None = None) -> Hyper:
        # Half precision holds neither large step numbers nor 1 - beta ** step, so scalars are worked out in float32.
        wide = jnp.promote_types(dtype, jnp.float32)
        rate = self._rate(state, iteration) if rate is None else rate
        hyper = self.hyper(jnp.asarray(rate).astype(wide), iteration, state.get("shared", {}))
        return {k: v.astype(dtype) for k, v in hyper.items()}

    def _step(self, grads: dict[str, Any], state: State, params: Params, iteration: jax.Array) -> tuple[Params, State]:
        """One update; `iteration` is the number of updates before it."""
        grads = self._clipped(grads)
        rate = self._rate(state, state["iteration"])
        hypers: dict[Any, Hyper] = {}
        new_params, new_slots = dict(params), dict(state["slots"])
        for path, grad in grads.items():
            param, slots = params[path], state["slots"].get(path, {})
            if param.dtype not in hypers:
                hypers[param.dtype] = self._hyper_of(state, iteration, param.dtype, rate)
            hyper = hypers[param.dtype]
            new_params[path], slots = self._update(path, grad, param, slots, hyper, state, iteration)
            if slots:
                new_slots[path] = slots
        new_state = state | {"slots": new_slots}
        if "shared" in state:
            new_state["shared"] = self.advance(state["shared"], iteration)
        return new_params, new_state

    def _update(
        self, path: str, grad: Any, param: jax.Array, slots: Slots, hyper: Hyper, state: State, iteration: jax.Array
    ) -> tuple[jax.Array, Slots]:
        """One variable: its rule on the whole array, or on the rows that have a gradient."""
        rule = self._decaying_rule(path, param.ndim)
        step = slots.get(row_updates.STEP)
        by_rows = isinstance(grad, RowGradient) and self.elementwise
        if by_rows and step is None and self._row_mode() == "dense":
            by_rows = not self.rows_move() and self._decay_of(path, param.ndim) is None
        if by_rows and step is not None:
            return row_updates.update_rows(
                rule, grad, param, slots, hyper, catch_up=lambda p, s: self._replayed(path, p, s, state)
            )
        if by_rows:
            return row_updates.update_rows(rule, grad, param, slots, hyper)
        dense = grad.to_dense() if isinstance(grad, RowGradient) else grad
        if step is not None:
            param, slots = self._replayed(path, param, slots, state)
        new_param, new_slots = rule(dense, param, {k: v for k, v in slots.items() if k != row_updates.STEP}, hyper)
        if step is not None:
            new_slots = new_slots | {row_updates.STEP: jnp.full_like(step, iteration + 1)}
        return new_param, new_slots

    def _decaying_rule(self, path: str, rank: int) -> Callable[..., tuple[jax.Array, Slots]]:
        """The rule of a variable, after its weight decay, which takes the plain learning rate whatever the rule makes of it."""
        rule, rate = self.path_rule(path, rank), self._decay_of(path, rank)
        if rate is None:
            return rule
        return lambda grad, param, slots, hyper: rule(grad, param - param * rate * hyper["learning_rate"], slots, hyper)

    def _decay_of(self, path: str, rank: int) -> float | None:
        if path in self._no_decay_paths or any(re.search(pattern, path) for pattern in self._no_decay_patterns):
            return None
        return self.path_weight_decay(path, rank)

    def _row_mode(self) -> Rows:
        return self.rows or self.default_rows()

    def _replayed(self, path: str, param: jax.Array, slots: Slots, state: State) -> tuple[jax.Array, Slots]:
        """Rows after the steps that they missed, as steps of zero gradient."""
        idle = self.idle_step()
        assert idle is not None
        now = state["iteration"] // (self.gradient_accumulation_steps or 1)
        return row_updates.replay(
            self._decaying_rule(path, param.ndim),
            param,
            slots,
            now,
            lambda i: self._hyper_of(state, i, param.dtype),
            idle,
            weight_decay=self._decay_of(path, param.ndim),
        )

    def _clipped(self, grads: dict[str, Any]) -> dict[str, Any]:
        if self.clipnorm or self.clipvalue or self.global_clipnorm:
            for path, g in grads.items():
                if isinstance(g, RowGradient):
                    grads = grads | {path: g.merged() if self.clips_before_sum else g.summed().without_padding()}
        if self.clipvalue is not None:
            grads = {p: clip_by_value(g, -self.clipvalue, self.clipvalue) for p, g in grads.items()}
        if self.clipnorm is not None:
            grads = {p: clip_by_norm(g, self.clipnorm) for p, g in grads.items()}
        if self.global_clipnorm is not None:
            grads = dict(zip(grads, clip_by_global_norm(list(grads.values()), self.global_clipnorm)[0]))
        return grads

    def _accumulate(self, grads: dict[str, Any], state: State, params: Params) -> tuple[Params, State]:
        every = self.gradient_accumulation_steps
        assert every is not None
        total = {p: state["accumulated"][p] + (g.to_dense() if isinstance(g, RowGradient) else g) for p, g in grads.items()}

        def use(state: State, params: Params) -> tuple[Params, State]:
            params, state = self._step({p: t / every for p, t in total.items()}, state, params, state["iteration"] // every)
            return params, state | {"accumulated": state["accumulated"] | {p: jnp.zeros_like(t) for p, t in total.items()}}

        def keep(state: State, params: Params) -> tuple[Params, State]:
            return dict(params), state | {"accumulated": state["accumulated"] | total}

        return jax.lax.cond((state["iteration"] + 1) % every == 0, use, keep, state, params)

    def _average(self, params: Params, state: State, iteration: jax.Array) -> tuple[Params, State]:
        updates = iteration // (self.gradient_accumulation_steps or 1)

        def mixed(average: jax.Array, value: jax.Array) -> jax.Array:
            momentum = (updates != 0).astype(value.dtype) * self.ema_momentum
            return momentum * average + (1 - momentum) * value

        averages = {p: mixed(a, params[p]) for p, a in state["ema"].items()}
        if every := self.ema_overwrite_frequency:
            now = (updates + 1) % every == 0
            params = params | {p: jnp.where(now, a, params[p]) for p, a in averages.items()}
        return params, state | {"ema": averages}

    # ---- configs ------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, with the learning rate as it is now."""
        from estimax.core import serialize

        rate = self._learning_rate
        config: dict[str, Any] = {
            "name": self.name,
            "learning_rate": serialize(rate) if isinstance(rate, LearningRateSchedule) else self.learning_rate,
        }
        common = [k for k in Options.__annotations__ if k not in ("name", "rows")]
        config |= {k: getattr(self, k) for k in (*common, *self.config_names)}
        return config | ({} if self.rows is None else {"rows": self.rows})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
        """An optimizer with these arguments."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            from estimax.core import deserialize

            config["learning_rate"] = deserialize(dict(config["learning_rate"]), custom_objects)
        return cls(**config)

    def __repr__(self) -> str:
        own = ", ".join(f"{k}={getattr(self, k)!r}" for k in self.config_names)
        return f"{type(self).__name__}(learning_rate={self._learning_rate!r}{', ' if own else ''}{own})"


def _scaled(grad: Any, factor: float) -> Any:
    return grad.with_rows(grad.rows * factor) if isinstance(grad, RowGradient) else grad * factor
