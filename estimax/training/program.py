"""The Program: what both doors hand to the engine, and the pure, compiled functions that the engine makes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import Frame, HostContext, HostTransform, Lookup, TrainState, Variable
from estimax.core.errors import CheckpointError
from estimax.core.gradients import RowGradient
from estimax.training.batches import ROW_MASK, Structure, flatten, row_count
from estimax.training.encoded import Layout

TRAIN, EVAL, INFER = "train", "eval", "infer"

# A table at least this large, and this many times larger than its look-ups in a step, trains by rows if nothing else is said: below
# it the dense update is as fast (benchmarks/large_tables.py).
ROW_TABLE_ELEMENTS = 200_000
ROW_TABLE_FACTOR = 4


@dataclasses.dataclass(frozen=True)
class TrainOp:
    """One optimizer, what it minimises, and the variables it changes.

    Attributes:
        optimizer: with `init(params)` and `apply(grads, state, params, constraints=)`.
        loss: the scalar to minimise.
        paths: the variables by path: a predicate, a collection, or None for all trainable ones.
    """

    optimizer: Any
    loss: Any
    paths: Callable[[str], bool] | Collection[str] | None = None

    def takes(self, path: str) -> bool:
        """Whether this optimizer changes the variable at a path."""
        if self.paths is None:
            return True
        return self.paths(path) if callable(self.paths) else path in self.paths


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What a forward function gives for one batch.

    Attributes:
        loss: scalar, regularization included.
        predictions: tree of arrays `[batch, ...]` or `HostOutput`s.
        metrics: by name, a metric object updated during the call, or a scalar, which is averaged over batches.
        train_ops: what to optimise, in training.
    """

    loss: Any = None
    predictions: Any = None
    metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    train_ops: tuple[TrainOp, ...] = ()


Forward = Callable[[str, Any, Any, Any], Outputs]


@dataclasses.dataclass(eq=False)
class Plan:
    """What the abstract pass of a forward function found, for one mode and structure of batches.

    Attributes:
        transform: raw columns to the arrays of the compiled call.
        kinds: `"params"`, `"state"` or `"metrics"` by path, of all variables.
        row_tables: paths of tables that train by rows.
        lookups: their look-ups, in order.
        weighted: whether the loss leaves out the rows of the row mask, so that a short batch may be padded.
        train_ops: with the index of each one's loss in place of the loss.
        initial_totals: metric variables before the first batch.
        loops: whether steps may run in a compiled loop; else each is a call of its own.
        capacity: rows of a padded batch; the largest seen.
        group: steps in one compiled call, once that was measured.
        group_of_table: batches of a table in one compiled call, once one was compiled.
    """

    mode: str
    structure: Structure
    transform: HostTransform
    pad_values: dict[str, float | int | None]
    kinds: dict[str, str]
    bindings: dict[int, str]
    created: dict[str, Any]
    lookups: tuple[Lookup, ...]
    row_tables: frozenset[str]
    weighted: bool
    train_ops: tuple[TrainOp, ...]
    losses: int
    metrics: dict[str, Any]
    scalars: tuple[str, ...]
    initial_totals: dict[str, Any]
    shapes: dict[str, Any]
    sample_shapes: dict[str, Any]
    loops: bool = True
    capacity: int = 0
    compiled: dict[Any, Any] = dataclasses.field(default_factory=dict)
    group: int | None = None
    group_of_table: int | None = None


class Program:
    """Pure functions made of one forward function; both `Model.fit` and `Estimator.train` are doors to it.

    Args:
        forward: `(mode, features, labels, weights) -> Outputs`, run inside an open Frame.
        layer: the model whose variables are bound, if they exist outside the forward function.
        metric_variables: gives the variables of the model's metrics.
        seed: of the run: initial values made by the program, dropout.
        row_tables: `"auto"` (large ones), `"exact"` (also those whose optimizer does not move rows without gradient), True (all looked-up
            tables) or False: which tables train by rows.
        build: called with features before the first pass, if the layer must be built first.
    """

    def __init__(
        self,
        forward: Forward,
        *,
        layer: Any = None,
        metric_variables: Callable[[], list[Variable]] | None = None,
        seed: int = 0,
        row_tables: str | bool = "auto",
    ):
        self.forward, self.layer, self.seed, self.row_tables = forward, layer, seed, row_tables
        self.metric_variables = metric_variables or (lambda: [])
        self._plans: dict[tuple[str, str], Plan] = {}
        self.traces = 0  # how often a compiled function was traced, for tests that count compilations

    # -- variables of the model door ----------------------------------------------------------------------------------

    def bound(self) -> dict[str, Variable]:
        """The layer's and its metrics' variables by path; empty if the forward function creates its own."""
        if self.layer is None:
            return {}
        paths = self.layer.bindings
        found = {paths[id(v)]: v for v in self.layer.variables}
        for i, v in enumerate(self.metric_variables()):
            found[f"metrics/{i}/{v.name}"] = v
        return found

    def _kinds(self) -> dict[str, str]:
        if self.layer is None:
            return {}
        kinds = dict(self.layer.kinds)
        kinds.update({p: "metrics" for p in self.bound() if p not in kinds})
        return kinds

    def _frame(self, values: Mapping[str, Any], mode: str, creates: str, bound: Mapping[str, Variable], **options: Any) -> Frame:
        own = self.layer is not None
        bindings = {id(v): p for p, v in bound.items() if p in values}
        return Frame(values, bindings, training=mode == TRAIN, creates="own" if own else creates, naming=not own, **options)

    # -- the abstract pass --------------------------------------------------------------------------------------------

    def plan(self, mode: str, features: Any, labels: Any = None, weights: Any = None, *, state: TrainState | None = None) -> Plan:
        """The plan for batches like this one, made by an abstract pass the first time."""
        raw, structure = flatten(features, labels, weights)
        return self.plan_of(mode, raw, structure, state)

    def plan_of(self, mode: str, raw: Mapping[str, Any], structure: Structure, state: TrainState | None) -> Plan:
        """As `plan`, for a flattened batch."""
        found = self._plans.get((mode, structure.signature))
        if found is None:
            found = self._plans[mode, structure.signature] = self._abstract(mode, raw, structure, state)
        return found

    def _abstract(self, mode: str, raw: Mapping[str, Any], structure: Structure, state: TrainState | None) -> Plan:
        def run(values: dict[str, Any], key: Any) -> tuple[Frame, Outputs]:
            bound = self.bound()
            with self._frame(values, mode, "record", bound, key=key, kinds=self._kinds(), host=HostContext(sample=raw)) as frame:
                frame.created.update(bound)
                frame.step = jnp.zeros((), jnp.int32)
                out = self.forward(mode, *structure.open())
                missing = [t for t in out.train_ops if t.loss is None]
                if mode == TRAIN and missing:
                    raise ValueError("The train_op minimises no loss. Give EstimatorSpec a loss, or minimize(loss).")
            return frame, out

        row_count({k: v for k, v in raw.items() if isinstance(v, (np.ndarray, jax.Array)) and v.ndim} or {"": np.zeros(1)})
        key = jax.eval_shape(lambda: jax.random.key(0))
        if self.layer is not None and not _is_built(self.layer):
            jax.eval_shape(lambda k: run({}, k)[1].loss, key)
        found: dict[str, Any] = {}

        def record(values: dict[str, Any], key: Any) -> dict[str, Any]:
            found["frame"], found["out"] = run(values, key)
            return {p: jnp.zeros(v.shape, v.dtype) for p, v in found["frame"].values.items()}

        if self.layer is not None:
            given = {p: jax.ShapeDtypeStruct(v.shape, jnp.dtype(v.dtype)) for p, v in self.bound().items()}
        elif state is not None:
            given = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), {**state.params, **state.model_state})
        else:
            given = {}
        jaxpr, shapes = jax.make_jaxpr(record, return_shape=True)(given, key)
        frame, out = found["frame"], found["out"]
        kinds = frame.kinds
        if self.layer is None and state is not None:
            lost = sorted(p for p in frame.initial if kinds[p] != "metrics")
            if lost:
                raise CheckpointError(
                    f"The model in mode {mode!r} has variables {lost[:8]} that the trained state lacks. Given: {sorted(given)[:20]}. "
                    "Is model_dir that of another model? Use an empty model_dir, or make model_fn create the same variables in every mode."
                )
        train_ops, losses = _loss_indices(out)
        row_tables = self._choose_row_tables(frame, kinds, train_ops)
        metrics = {k: m for k, m in out.metrics.items() if hasattr(m, "result")}
        scalars = tuple(k for k in out.metrics if k not in metrics)
        if self.layer is not None:
            totals = {p: jnp.zeros(v.shape, v.dtype) for p, v in self.bound().items() if kinds.get(p) == "metrics"}
        else:
            totals = {p: v for p, v in frame.initial.items() if kinds[p] == "metrics"}
        totals |= {f"scalar/{k}": jnp.zeros((2,), jnp.float32) for k in scalars}
        transform = frame.host.transform()
        return Plan(
            mode=mode,
            structure=structure,
            transform=transform,
            pad_values=transform.pad_values(),
            kinds=dict(kinds),
            bindings=dict(frame.bindings),
            created=dict(frame.created),
            lookups=tuple(x for x in frame.lookups if x.path in row_tables),
            row_tables=row_tables,
            weighted=frame.weighted,
            train_ops=train_ops,
            losses=losses,
            metrics=metrics,
            scalars=scalars,
            initial_totals=totals,
            shapes=shapes,
            sample_shapes=_shapes(transform(raw)),
            # XLA runs convolutions in a loop on a CPU 4 times slower than outside of one.
            loops=jax.default_backend() != "cpu" or "conv_general_dilated" not in str(jaxpr),
        )

    def _choose_row_tables(self, frame: Frame, kinds: Mapping[str, str], train_ops: tuple[TrainOp, ...]) -> frozenset[str]:
        if self.row_tables is False or not train_ops:
            return frozenset()
        chosen = set()
        for path in {x.path for x in frame.lookups}:
            lookups = [x for x in frame.lookups if x.path == path]
            rows, width = frame.created[path].shape
            wish = getattr(frame.created[path], "row_sparse", None)
            possible = kinds[path] == "params" and path not in frame.dense_reads and not any(x.inner for x in lookups)
            possible = possible and all(hasattr(t.optimizer, "apply") for t in train_ops if t.takes(path)) and len(train_ops) > 0
            possible = possible and len({t.loss for t in train_ops if t.takes(path)}) == 1
            if wish and not possible:
                raise ValueError(
                    f'Table "{path}": sparse=True, but it is also read as a whole, looked up inside a scan, not trainable, or trained by '
                    "two losses. Use sparse=None or False."
                )
            large = rows * width >= ROW_TABLE_ELEMENTS and rows >= ROW_TABLE_FACTOR * sum(x.size for x in lookups)
            # "exact": also where an optimizer leaves rows without gradient alone that a dense gradient of zeros would move.
            lazy = self.row_tables == "exact" and any(_leaves_rows(t.optimizer) for t in train_ops if t.takes(path))
            if possible and (wish or self.row_tables is True or (wish is None and (large or lazy))):
                chosen.add(path)
        return frozenset(chosen)

    # -- state --------------------------------------------------------------------------------------------------------

    def init_state(self, features: Any, labels: Any = None, weights: Any = None) -> TrainState:
        """The state before the first step, for batches like this one."""
        raw, structure = flatten(features, labels, weights)
        return self.initial_state(raw, structure)

    def initial_state(self, raw: Mapping[str, Any], structure: Structure, mode: str = TRAIN) -> TrainState:
        """As `init_state`, for a flattened batch; `mode` is another where the batch has no labels."""
        plan = self.plan_of(mode, raw, structure, None)
        key = jax.random.key(self.seed)
        if self.layer is not None:
            values = {p: jnp.copy(v.value) for p, v in self.bound().items() if plan.kinds[p] != "metrics"}
        else:

            def make(key: jax.Array) -> dict[str, Any]:
                with self._frame({}, mode, "record", {}, key=key, host=HostContext(sample=raw)) as frame:
                    frame.step = jnp.zeros((), jnp.int32)
                    self.forward(mode, *structure.open())
                return {p: v for p, v in frame.initial.items() if frame.kinds[p] != "metrics"}

            found: dict[str, Any] = {}
            # With a concrete key initial values are concrete too, and nothing has to be compiled.
            jax.eval_shape(lambda: found.update(make(key)))
            traced = any(isinstance(v, jax.core.Tracer) for v in found.values())
            # Copies, as steps take the memory of their state over; one by one, so that no large table is held twice for long.
            values = jax.jit(make)(key) if traced else {p: jnp.array(found.pop(p)) for p in list(found)}
        params = {p: v for p, v in values.items() if plan.kinds[p] == "params"}
        state = {p: v for p, v in values.items() if plan.kinds[p] == "state"}
        return TrainState(jnp.zeros((), jnp.int32), params, state, self.init_optimizers(plan, params), key)

    def init_optimizers(self, plan: Plan, params: Mapping[str, jax.Array]) -> dict[str, Any]:
        """The first state of each train_op's optimizer."""

        def make(params: Mapping[str, jax.Array]) -> dict[str, Any]:
            return {
                str(i): t.optimizer.init({p: v for p, v in params.items() if t.takes(p)}) for i, t in enumerate(plan.train_ops)
            }

        return jax.jit(make)(dict(params))

    def row_arrays(self, plan: Plan, state: TrainState) -> list[jax.Array]:
        """The tables that train by rows, and what optimizers keep for each of their rows."""
        heads = {state.params[p].shape[0] for p in plan.row_tables}
        slots = [a for a in jax.tree.leaves(state.opt_state) if a.ndim and a.shape[0] in heads]
        return [state.params[p] for p in sorted(plan.row_tables)] + slots

    def settled(self, plan: Plan, state: TrainState) -> TrainState:
        """The state with every row up to date that an optimizer left behind; the same object if there is none.

        It takes the memory of what it changes.
        """
        late = {
            str(i): op
            for i, op in enumerate(plan.train_ops)
            if hasattr(op.optimizer, "has_late_rows") and op.optimizer.has_late_rows(state.opt_state[str(i)])
        }
        if not late:
            return state

        def settle(params: dict, opt_state: dict) -> tuple[dict, dict]:
            for i, op in late.items():
                mine = {p: v for p, v in params.items() if op.takes(p)}
                new, opt_state[i] = op.optimizer.settle(mine, opt_state[i])
                params = params | new
            return params, opt_state

        if "settle" not in plan.compiled:
            plan.compiled["settle"] = jax.jit(settle, donate_argnums=(0, 1))
        params, opt_state = plan.compiled["settle"](dict(state.params), {i: state.opt_state[i] for i in late})
        return state.replace(params=params, opt_state={**state.opt_state, **opt_state})

    # -- compiled functions -------------------------------------------------------------------------------------------

    def _call(
        self, plan: Plan, values: Mapping[str, Any], arrays: Mapping[str, Any], key: Any, step: Any, deltas: list | None = None
    ) -> tuple[Outputs, Frame]:
        self.traces += 1
        options: dict[str, Any] = {"host": HostContext(arrays=arrays), "row_mask": arrays.get(ROW_MASK), "kinds": plan.kinds}
        with self._frame(
            values, plan.mode, "find", self.bound(), key=key, deltas=deltas, row_tables=plan.row_tables, **options
        ) as frame:
            frame.step = step
            out = self.forward(plan.mode, *plan.structure.open())
        return out, frame

    def _new_totals(self, plan: Plan, out: Outputs, frame: Frame, totals: Mapping[str, Any]) -> dict[str, Any]:
        new = {p: frame.values[p] for p in totals if not p.startswith("scalar/")}
        for k in plan.scalars:
            new[f"scalar/{k}"] = totals[f"scalar/{k}"] + jnp.stack(
                [jnp.asarray(out.metrics[k], jnp.float32).reshape(()), jnp.ones(())]
            )
        return new

    def _train_step(self, plan: Plan, state: TrainState, totals: dict, arrays: Mapping[str, Any], extras: bool) -> tuple:
        key = jax.random.fold_in(state.key, state.step)
        tables = {p: state.params[p] for p in plan.row_tables}
        dense = {p: v for p, v in state.params.items() if p not in tables}
        same = plan.sample_shapes == _shapes(arrays)
        lookups = plan.lookups if same or not tables else _resized(plan, arrays, self, state, totals)
        deltas = [jnp.zeros((x.size, x.width), x.dtype) for x in lookups] if tables else []

        def losses(dense: dict, deltas: list) -> tuple[Any, Any]:
            values = {**dense, **tables, **state.model_state, **{p: v for p, v in totals.items() if not p.startswith("scalar/")}}
            out, frame = self._call(plan, values, arrays, key, state.step, deltas if tables else None)
            ids = [(x.path, i) for x, i in zip([x for x in frame.lookups if x.path in tables], frame.lookup_ids)]
            aux = {
                "state": {p: frame.values[p] for p in state.model_state},
                "totals": self._new_totals(plan, out, frame, totals),
                "loss": jnp.asarray(out.loss, jnp.float32).reshape(()),
                "extras": {"named": dict(frame.named), "summaries": dict(frame.summaries)} if extras else {},
            }
            found: list[Any] = [None] * plan.losses
            for planned, op in zip(plan.train_ops, out.train_ops):
                scale = getattr(planned.optimizer, "scale_loss", None)
                opt_state = state.opt_state[str(plan.train_ops.index(planned))]
                found[planned.loss] = (
                    jnp.asarray(op.loss).reshape(()) if scale is None else scale(jnp.asarray(op.loss).reshape(()), opt_state)
                )
            return found, (aux, ids_as_arrays(ids))

        def ids_as_arrays(ids: list) -> list:
            paths.extend(p for p, _ in ids)
            return [i for _, i in ids]

        paths: list[str] = []
        if plan.losses == 1:
            (_, (aux, ids)), gradient = jax.value_and_grad(lambda d, e: _first(losses(d, e)), argnums=(0, 1), has_aux=True)(
                dense, deltas
            )
            gradients = [gradient]
        elif plan.losses == 0:
            _, (aux, ids) = losses(dense, deltas)
            gradients = []
        else:
            values, pull, (aux, ids) = jax.vjp(losses, dense, deltas, has_aux=True)
            one = [[jnp.ones_like(v) if i == j else jnp.zeros_like(v) for j, v in enumerate(values)] for i in range(len(values))]
            gradients = [pull(o) for o in one]
        params, opt_state = dict(state.params), dict(state.opt_state)
        constraints = {p: v.constraint for p, v in plan.created.items() if getattr(v, "constraint", None) is not None}
        for i, op in enumerate(plan.train_ops):
            by_path, by_delta = gradients[op.loss]
            grads: dict[str, Any] = {p: g for p, g in by_path.items() if op.takes(p)}
            for table in plan.row_tables:
                if op.takes(table):
                    mine = [j for j, p in enumerate(paths) if p == table]
                    rows = jnp.concatenate([by_delta[j] for j in mine])
                    shape = tuple(state.params[table].shape)
                    merged = tuple((lookups[j].size, lookups[j].is_merged) for j in mine)
                    grads[table] = RowGradient(jnp.concatenate([ids[j] for j in mine]), rows, shape, merged)
            mine_params = {p: params[p] for p in state.params if op.takes(p)}
            options = {"constraints": {p: c for p, c in constraints.items() if p in mine_params}} if constraints else {}
            new, opt_state[str(i)] = op.optimizer.apply(grads, state.opt_state[str(i)], mine_params, **options)
            params |= new
        new_state = TrainState(state.step + 1, params, aux["state"], opt_state, state.key)
        return new_state, aux["totals"], aux["loss"], aux["extras"]

    def train_function(self, plan: Plan, group: int, extras: bool, layout: Layout | None = None) -> Callable:
        """The compiled training function: `(state, totals, stacked, start, count) -> (state, totals, losses, extras)`.

        `stacked` holds `group` batches `[group, batch, ...]`; steps `start` to `start + count` run in one call. The loop's bounds are dynamic,
        so that one compiled body serves every count, with the same numbers however steps are grouped.
        """
        known = plan.compiled.get((TRAIN, group, extras, layout))
        if known is not None:
            return known

        def run(state: TrainState, totals: dict, stacked: dict, start: jax.Array, count: jax.Array) -> tuple:
            if group == 1:
                one = jax.tree.map(lambda x: x[0], stacked)
                one = one if layout is None else layout.unpack(one)
                state, totals, loss, found = self._train_step(plan, state, totals, one, extras)
                return state, totals, loss[None], found

            def body(i: Any, carry: tuple) -> tuple:
                state, totals, losses, _ = carry
                state, totals, loss, found = self._train_step(plan, state, totals, _batch_of(stacked, i, layout), extras)
                return state, totals, losses.at[i].set(loss), found

            first = (
                jax.eval_shape(lambda: self._train_step(plan, state, totals, _batch_of(stacked, 0, layout), extras)[3])
                if extras
                else {}
            )
            empty = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), first)
            carry = (state, totals, jnp.zeros((group,), jnp.float32), empty)
            return jax.lax.fori_loop(start, start + count, body, carry)

        plan.compiled[TRAIN, group, extras, layout] = compiled = jax.jit(run, donate_argnums=(0, 1))
        return compiled

    def eval_function(self, plan: Plan, group: int, layout: Layout | None = None) -> Callable:
        """The compiled evaluation of some batches: `(params, model_state, totals, stacked, count, step) -> totals`.

        `stacked` holds `group` batches `[group, batch, ...]`, of which the first `count` are evaluated.
        """
        if (EVAL, group, layout) not in plan.compiled:

            def run(params: dict, state: dict, totals: dict, stacked: dict, count: jax.Array, step: Any) -> dict:
                def one(i: Any, totals: dict) -> dict:
                    values = {**params, **state, **{p: v for p, v in totals.items() if not p.startswith("scalar/")}}
                    arrays = _batch_of(stacked, i, layout)
                    out, frame = self._call(plan, values, arrays, jax.random.key(self.seed), step)
                    return self._new_totals(plan, out, frame, totals)

                return one(0, totals) if group == 1 else jax.lax.fori_loop(0, count, one, totals)

            plan.compiled[EVAL, group, layout] = jax.jit(run, donate_argnums=(2,))
        return plan.compiled[EVAL, group, layout]

    def predict_function(self, plan: Plan) -> Callable:
        """The compiled prediction of a batch: `(params, model_state, arrays) -> predictions`."""
        if INFER not in plan.compiled:

            def run(params: dict, state: dict, arrays: dict) -> Any:
                out, _ = self._call(plan, {**params, **state}, arrays, jax.random.key(self.seed), jnp.zeros((), jnp.int32))
                return out.predictions

            plan.compiled[INFER] = jax.jit(run)
        return plan.compiled[INFER]

    def predict_group_function(self, plan: Plan, group: int, layout: Layout | None) -> Callable:
        """The compiled prediction of some batches of rows: `(params, model_state, stacked, count) -> predictions [group * batch, ...]`.

        Raises:
            NotByRowsError: at the first call, if a prediction has not one entry for each row; then single batches must be predicted.
        """
        if (INFER, group, layout) not in plan.compiled:

            def run(params: dict, state: dict, stacked: dict, count: jax.Array) -> Any:
                rows = jax.tree.leaves(stacked)[0].shape[1]

                def one(i: Any) -> Any:
                    arrays = _batch_of(stacked, i, layout)
                    return self._call(plan, {**params, **state}, arrays, jax.random.key(self.seed), jnp.zeros((), jnp.int32))[
                        0
                    ].predictions

                if group == 1:
                    return one(0)
                shapes = jax.eval_shape(one, 0)
                if any(x.shape[:1] != (rows,) for x in jax.tree.leaves(shapes)):
                    raise NotByRowsError
                if not plan.loops:
                    # Written out: a few batches side by side keep all cores busy where a loop would be slow.
                    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *(one(i) for i in range(group)))
                empty = jax.tree.map(lambda x: jnp.zeros((group, *x.shape), x.dtype), shapes)

                def body(i: Any, found: Any) -> Any:
                    return jax.tree.map(lambda all_, x: jax.lax.dynamic_update_index_in_dim(all_, x, i, 0), found, one(i))

                found = jax.lax.fori_loop(0, count, body, empty)
                return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), found)

            plan.compiled[INFER, group, layout] = jax.jit(run)
        return plan.compiled[INFER, group, layout]

    def results(self, plan: Plan, totals: Mapping[str, Any]) -> dict[str, Any]:
        """The value of every metric, as device arrays, from totals."""
        if "results" not in plan.compiled:

            def run(totals: dict) -> dict[str, Any]:
                values = {p: v for p, v in totals.items() if not p.startswith("scalar/")}
                with Frame(values, {i: p for i, p in plan.bindings.items() if p in values}, key=jax.random.key(0)):
                    found = {k: m.result() for k, m in plan.metrics.items()}
                for k in plan.scalars:
                    total, count = totals[f"scalar/{k}"]
                    found[k] = total / jnp.maximum(count, 1)
                return found

            plan.compiled["results"] = jax.jit(run)
        return plan.compiled["results"](dict(totals))


class NotByRowsError(Exception):
    """A prediction has not one entry for each row of the batch."""


def _batch_of(stacked: Any, i: Any, layout: Layout | None) -> dict:
    """One batch of a stack, its packed rows taken apart."""
    # Without the barrier XLA fuses the slice into sums, whose rounding then depends on the group's size.
    arrays = jax.lax.optimization_barrier(jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), stacked))
    return arrays if layout is None else layout.unpack(arrays)


def _leaves_rows(optimizer: Any) -> bool:
    ask = getattr(optimizer, "leaves_rows", None)
    return ask is not None and ask()


def _first(result: tuple[list, Any]) -> tuple[Any, Any]:
    (loss,), aux = result
    return loss, aux


def _shapes(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {k: [np.shape(x) for x in jax.tree.leaves(v)] for k, v in arrays.items() if k != ROW_MASK}


def _is_built(layer: Any) -> bool:
    return bool(layer.variables) and all(x.built for x in layer.flatten_layers())


def _loss_indices(out: Outputs) -> tuple[tuple[TrainOp, ...], int]:
    """The train_ops with the index of each one's loss among the distinct ones, and their number."""
    distinct: list[Any] = []
    ops = []
    for op in out.train_ops:
        index = next((i for i, x in enumerate(distinct) if x is op.loss), None)
        if index is None:
            index = len(distinct)
            distinct.append(op.loss)
        ops.append(dataclasses.replace(op, loss=index))
    return tuple(ops), len(distinct)


def _resized(
    plan: Plan, arrays: Mapping[str, Any], program: Program, state: TrainState, totals: Mapping[str, Any]
) -> list[Lookup]:
    """The look-ups of a batch of this shape: ragged columns may be padded to another width than in the sample."""

    def run() -> list[Lookup]:
        values = {**state.params, **state.model_state, **{p: v for p, v in totals.items() if not p.startswith("scalar/")}}
        _, frame = program._call(plan, values, arrays, state.key, state.step)
        found.extend(x for x in frame.lookups if x.path in plan.row_tables)
        return []

    found: list[Lookup] = []
    jax.eval_shape(run)
    return found
