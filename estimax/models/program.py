"""A model as a Program: built and compiled for the first batch, its optimizer's state kept from one fit to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostContext, HostValue, TrainState
from estimax.core.errors import TracerLeakError
from estimax.training import TRAIN, Hook, Plan, Program, Run

_BUILDING_TRIES = 20  # layers with state may be built one after another; each try must build one more


class ModelProgram(Program):
    """The program of a model, with its weights bound to the model's variables.

    Args:
        model: with `make_forward` and `metric_variables`.
        seed: of dropout and the like.
    """

    def __init__(self, model: Any, *, seed: int = 0):
        super().__init__(model.make_forward(), layer=model, metric_variables=lambda: model.metric_variables, seed=seed)
        self.model = model
        self._by_kind: tuple[list[tuple[str, Any]], list[tuple[str, Any]]] | None = None

    def weights_by_kind(self) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
        """Path and variable of the trained weights, and of the others; found once, since a prediction of one row must be quick."""
        if self._by_kind is None:
            kinds, bound = self._kinds(), self.bound()
            found = tuple([(p, v) for p, v in bound.items() if kinds[p] == kind] for kind in ("params", "state"))
            self._by_kind = found[0], found[1]
        return self._by_kind

    def _abstract(self, mode: str, raw: Mapping[str, Any], structure: Any, state: TrainState | None) -> Plan:
        self._by_kind = None
        self._build(mode, raw, structure)
        plan = self._until_built(lambda: super(ModelProgram, self)._abstract(mode, raw, structure, state))
        starts = self.model.initial_metric_values()
        for path, variable in self.bound().items():
            if path in plan.initial_totals and id(variable) in starts:
                plan.initial_totals[path] = starts[id(variable)]
        return plan

    def _until_built(self, trace: Any) -> Any:
        """Traces again while that makes new variables: one that is made during a trace can't be assigned in the same."""
        for _ in range(_BUILDING_TRIES):
            before = len(self.bound())
            try:
                return trace()
            except TracerLeakError:
                if len(self.bound()) == before:
                    raise
        raise ValueError(
            f'Model "{self.model.name}": its layers make new variables at every call. Make them in build or __init__.'
        )

    def _build(self, mode: str, raw: Mapping[str, Any], structure: Any) -> None:
        """Builds layers, losses and metrics by tracing the model, without computing."""
        model = self.model
        needs_losses = mode != "infer" and model.needs_compiling
        if (model.built and all(x.built for x in model.flatten_layers()) and not needs_losses) or not model.has_call:
            return
        found: dict[str, Any] = {}

        def run(values: dict[str, Any], key: Any) -> Any:
            bound = self.bound()
            with self._frame(values, "infer", "own", bound, key=key, kinds=self._kinds(), host=HostContext(sample=raw)) as frame:
                frame.step = jnp.zeros((), jnp.int32)
                x, y, _ = structure.open()
                found["y"] = jax.tree.map(_spec, y, is_leaf=lambda v: isinstance(v, HostValue))
                return model(x, training=False)

        def trace() -> Any:
            known = {p: jax.ShapeDtypeStruct(v.shape, jnp.dtype(v.dtype)) for p, v in self.bound().items()}
            return jax.eval_shape(run, known, jax.eval_shape(lambda: jax.random.key(0)))

        y_pred = self._until_built(trace)
        if needs_losses:
            model.compile_for(found["y"], y_pred)

    def init_optimizers(self, plan: Plan, params: Mapping[str, jax.Array]) -> dict[str, Any]:
        """The optimizers' states: where they were after the last fit, as far as the variables are the same."""
        states = {}
        for i, op in enumerate(plan.train_ops):
            mine = {p: v for p, v in params.items() if op.takes(p)}
            old = getattr(op.optimizer, "state", None)
            if old is None:
                states[str(i)] = jax.jit(op.optimizer.init)(mine)
            else:
                wanted = jax.eval_shape(op.optimizer.init, mine)
                same = _form(wanted) == _form(old) and _shapes(wanted) == _shapes(old)
                states[str(i)] = jax.tree.map(jnp.array, old) if same else _merged(op.optimizer.init(mine), old)
            # jit sorts the keys of a dict; the optimizer's variables are listed in the order of the model's.
            op.optimizer.variable_paths = list(mine)
        return states


def _spec(x: Any) -> Any:
    return x if isinstance(x, HostValue) else jax.ShapeDtypeStruct(x.shape, x.dtype)


def _form(tree: Any) -> Any:
    return jax.tree.structure(tree)


def _shapes(tree: Any) -> list[tuple]:
    return [tuple(x.shape) for x in jax.tree.leaves(tree)]


def _merged(new: Any, old: Any) -> Any:
    """A fresh state with what an older one has for the same variables."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {k: _merged(v, old[k]) if k in old else v for k, v in new.items()}
    if hasattr(new, "shape") and hasattr(old, "shape") and new.shape == old.shape:
        return jnp.array(old)
    return new


class ModelRun(Run):
    """A run whose optimizer objects show, and take over, the state at any step; so the learning rate may be set while training.

    Args:
        program: of the model.
        hooks: see `Run`.
        group: see `Run`.
    """

    def __init__(self, program: ModelProgram, hooks: Sequence[Hook] = (), *, group: int | str = "auto"):
        super().__init__(program, None, hooks, group=group, on_state=self._continue)
        self.model_program, self.model = program, program.model
        self.step = self.model.steps_done
        self._shown: dict[int, Any] = {}

    def _continue(self, state: TrainState) -> TrainState:
        """The state to start from: steps count on over fits, and a backup that waited for the model to be built is read."""
        restore, self.model.restore_after_build = self.model.restore_after_build, None
        if restore is not None:
            restore()
            bound = self.program.bound()
            plan = next(p for p in self.program._plans.values() if p.mode == TRAIN)
            params, others = ({p: jnp.array(bound[p].value) for p in part} for part in (state.params, state.model_state))
            state = state.replace(params=params, model_state=others, opt_state=self.program.init_optimizers(plan, params))
            self.step = self.model.steps_done
        return state.replace(step=jnp.asarray(self.model.steps_done, jnp.int32))

    def _values(self, raw: Mapping[str, Any], structure: Any) -> tuple[dict, dict, Any]:
        params, others = self.model_program.weights_by_kind()
        return {p: v.value for p, v in params}, {p: v.value for p, v in others}, np.int32(self.step)

    def attach(self) -> None:
        """Also points the optimizers at their states."""
        super().attach()
        if self.state is None or self.plan is None:
            return
        for i, op in enumerate(self.plan.train_ops):
            op.optimizer.state = self._shown[i] = self.state.opt_state[str(i)]
        self.model.steps_done = self.step

    def _take_assigned(self) -> None:
        super()._take_assigned()
        assert self.state is not None and self.plan is not None
        for i, op in enumerate(self.plan.train_ops):
            given, shown = op.optimizer.state, self._shown.get(i)
            if given is shown:
                continue
            if _form(given) != _form(shown):
                raise ValueError(
                    f"optimizer {op.optimizer.name!r}: its state was replaced by one of another form while training."
                )
            state = jax.tree.map(lambda a, b: b if a is b else jnp.array(a, b.dtype), given, shown)
            self.state = self.state.replace(opt_state={**self.state.opt_state, str(i): state})

    def show_metrics(self) -> None:
        """Gives the metric objects their values, for those who look at them after training."""
        for path, variable in self.program.bound().items():
            if path in self.totals:
                variable.attach(jnp.array(self.totals[path]))
