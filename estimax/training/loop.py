"""The one loop: `Model.fit` and `Estimator.train` both run it."""

from __future__ import annotations

import collections
import functools
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import TrainState, finish_outputs
from estimax.core.errors import InputDataError
from estimax.training.batches import ROW_MASK, flatten
from estimax.training.feeder import Fed, Feeder, gathered, may_group, prepare, split_batch
from estimax.training.hook import Hook, LazyLogs
from estimax.training.huge_pages import use_huge_pages
from estimax.training.program import EVAL, INFER, TRAIN, NotByRowsError, Plan, Program

GROUP = 16  # steps in one compiled call where that pays; a trial took 7 us a step at 16 against 36 us one by one
WORTH_COMPILING = 10_000  # steps from which a compilation of half a second, for 30 us a step, pays
SMALL_TABLE_ROWS = 1 << 16  # of a table that is encoded, in some 50 ms, even if only a few of its batches are evaluated
_WARM, _TIMED = 4, 12  # steps before timing, and timed, one by one


class Run:
    """One life of a program: its state, the hooks that watch it, and the loop.

    Args:
        program: what to run.
        state: to start from; made from the first batch if None.
        hooks: called at the steps they name.
        group: steps in one compiled call, or `"auto"` to choose between 1 and 16 by measurement.
        distribution: places batches and variables on several devices, as `estimax.distribution.DataParallel`; by default everything is
            on the first device.
        on_state: called with the state when it is made from the first batch; may return another (a restored one).

    Attributes:
        state: after the last finished step.
        totals: metric totals of this epoch.
        stop_requested: whether a hook asked to stop.
        estimator: whose run it is, for hooks, if it is an Estimator's.
    """

    def __init__(
        self,
        program: Program,
        state: TrainState | None = None,
        hooks: Sequence[Hook] = (),
        *,
        group: int | str = "auto",
        distribution: Any = None,
        on_state: Callable[[TrainState], TrainState | None] | None = None,
    ):
        self.program, self.state, self.hooks, self.group = program, state, list(hooks), group
        self.distribution, self.on_state = distribution, on_state
        self.step = 0 if state is None else int(state.step)
        self.totals: dict[str, Any] = {}
        self.plan: Plan | None = None
        self.stop_requested = False
        self.extras: dict[str, Any] = {}
        self.last_rows = 0
        self.estimator: Any = None
        self._losses: tuple[Any, int] | None = None
        self._input_state: Any = None
        self._wanted_extras = False
        self._created = False
        self._settled: int | None = None  # the step after which all rows were last brought up to date

    def place(self, tree: Any, axis: int = 0) -> Any:
        """A tree of host arrays on the devices, `axis` being that of the batch."""
        return jax.device_put(tree) if self.distribution is None else self.distribution.place_batch(tree, axis)

    def _given(self, tree: Any, axis: int = 0) -> Any:
        """Host arrays for a call that waits for them: on one device the call itself takes them there, with less ado than `place`."""
        return tree if self.distribution is None else self.place(tree, axis)

    # -- what hooks use -----------------------------------------------------------------------------------------------

    def request_stop(self) -> None:
        """Ends training after this step."""
        self.stop_requested = True

    def request(self, *names: str) -> None:
        """Asks, in `before_run`, for named values and summaries of the coming step; they are in `named` afterwards."""
        self._wanted_extras = True

    @property
    def named(self) -> Mapping[str, Any]:
        """Values named in the forward function, of the last step for which they were requested."""
        return self.extras.get("named", {})

    @property
    def summaries(self) -> Mapping[str, Any]:
        """Summaries of the last step for which they were requested."""
        return self.extras.get("summaries", {})

    @property
    def last_loss(self) -> float:
        """The loss of the last finished step, read from the device."""
        if self._losses is None:
            return float("nan")
        losses, index = self._losses
        return float(np.asarray(losses)[index])  # indexing on the host: no computation on the device

    def logs(self) -> LazyLogs:
        """Metrics since the totals were last reset, read from the device only if looked at."""
        return self._logs_of(self.plan, self.totals)

    def _logs_of(self, plan: Plan | None, totals: Mapping[str, Any]) -> LazyLogs:
        # Computed now, since the next step takes the totals' memory; read only if somebody looks.
        results = {} if plan is None or not totals else self.program.results(plan, totals)
        return LazyLogs(lambda: jax.device_get(results))

    def reset_totals(self) -> None:
        """Starts the metrics anew, as at the beginning of an epoch."""
        self.totals = {} if self.plan is None else _copies(self.plan.initial_totals)

    def input_state(self) -> Any:
        """The state of the input after the last finished step, or None if it has none."""
        return self._input_state

    def variable_values(self) -> dict[str, jax.Array]:
        """All variables by path."""
        if self.state is None:
            return {}
        return {**self.state.params, **self.state.model_state}

    def set_variable(self, path: str, value: Any) -> None:
        """Sets a variable before the next step.

        Raises:
            ValueError: if there is none of this path and shape.
        """
        assert self.state is not None
        group = "params" if path in self.state.params else "model_state"
        values = dict(getattr(self.state, group))
        if path not in values or np.shape(value) != values[path].shape:
            raise ValueError(
                f'Variable "{path}": given a value of shape {np.shape(value)}; known: { {p: v.shape for p, v in values.items()} }.'
            )
        values[path] = jnp.array(value, values[path].dtype)
        self.state = self.state.replace(**{group: values})
        self.attach()

    # -- training -----------------------------------------------------------------------------------------------------

    def train(
        self, batches: Iterable[Any], *, max_step: int | None = None, steps: int | None = None, keep_totals: bool = False
    ) -> int:
        """Trains until the input ends, a step is reached, or a hook asks to stop.

        Args:
            batches: `(features, labels)` or `(features, labels, weights)` batches.
            max_step: the step number to stop at.
            steps: how many steps to run.
            keep_totals: whether metrics go on from the last call.

        Returns:
            The number of steps done.

        Raises:
            InputDataError: if the input is empty.
        """
        iterator = iter(batches)
        find_table = getattr(iterator, "over_rows", None)
        table = None if find_table is None else find_table()
        try:
            first = next(iterator)
        except StopIteration:
            raise InputDataError(
                "The input is empty: it ended before its first batch. Check the file names, filters, and that a generator is made anew "
                "for each call."
            ) from None
        get_state = getattr(iterator, "get_state", None)
        first_state = get_state() if get_state is not None else None
        raw, structure = flatten(*split_batch(first))
        self._ensure_state(raw, structure)
        assert self.state is not None and self.plan is not None
        if not keep_totals or not self.totals:
            self.reset_totals()
        last = min(x for x in (max_step, None if steps is None else self.step + steps, 2**62) if x is not None)
        begun = self.step
        if self.step >= last or self.stop_requested:
            return 0
        is_small = may_group(prepare(self.plan, raw).arrays)
        group = self.group if self.group != "auto" or is_small else 1
        table = self._worthwhile(table, raw, max_step if max_step is not None else steps)
        if group == "auto" and not self.plan.loops:
            group = 1
        if table is not None and group == "auto":
            # Rows of a table cost nothing to wait for, and one group size is one compilation.
            group = self._compiled_group(_group_of(table, last - begun), last - begun)
        pace = _Pace(self.plan, group, None if last == 2**62 else last - begun)
        feeder = Feeder(
            iterator,
            self.plan,
            pace.group,
            place=functools.partial(self.place, axis=1),
            limit=last - begun,
            first=(raw, first_state),
            table=table,
            may_group=is_small,
        )
        try:
            for fed in feeder:
                self._train_fed(fed, pace, last)
                if self.stop_requested or self.step >= last:
                    break
        finally:
            feeder.close()
        self.settle()
        return self.step - begun

    def settle(self) -> None:
        """Brings rows of tables up to date that an optimizer with `rows="catch_up"` left behind, for those who read whole tables.

        `train` does it at its end, and checkpoints before they are written.
        """
        if self.state is None or self.plan is None or self.plan.mode != TRAIN or self._settled == self.step:
            return
        self._take_assigned()
        settled = self.program.settled(self.plan, self.state)
        if settled is not self.state:
            self.state, self._settled = settled, self.step
            self.attach()

    def _worthwhile(self, table: Any, raw: Mapping[str, Any], planned: int | None) -> Any:
        """A table in memory, if so much of it is to be read that encoding it whole pays.

        It goes by the whole of the training that is planned, not by what is left of it: a resumed run must compute in the same way.
        A plan that was compiled for batches one by one stays with them, unless many are to come.
        """
        assert self.plan is not None
        if table is None or planned is None:
            return table
        if self.plan.group_of_table is None and _was_compiled(self.plan) and planned <= WORTH_COMPILING:
            return None
        return table if table[0].size <= max(SMALL_TABLE_ROWS, 4 * planned * _rows_in(raw)) else None

    def _compiled_group(self, wanted: int, steps: int) -> int:
        """The group size that this plan was compiled for already, so that another number of steps compiles nothing; else the wanted one.

        A larger one is compiled after all where so many steps are to come that it pays.
        """
        assert self.plan is not None
        known = self.plan.group_of_table
        if known is None or (wanted > known and steps > WORTH_COMPILING):
            self.plan.group_of_table = known = wanted
        return known

    def _ensure_state(self, raw: Mapping[str, Any], structure: Any) -> None:
        if self.state is not None and self.plan is not None:
            # What was assigned between two calls, before the variables are pointed at the state again.
            self._take_assigned()
        if self.state is None:
            state = self.program.initial_state(raw, structure)
            changed = None if self.on_state is None else self.on_state(state)
            self.state = state if changed is None else changed
            self.step = int(self.state.step)
        if self.distribution is not None:
            self.state = self.distribution.place_state(self.state)
        self.plan = self.program.plan_of(TRAIN, raw, structure, self.state)
        self.attach()
        if not self._created:
            self._created = True
            use_huge_pages(self.program.row_arrays(self.plan, self.state))
            for hook in self.hooks:
                hook.after_create_session(self)

    def _train_fed(self, fed: Fed, pace: _Pace, last: int) -> None:
        assert self.state is not None and self.plan is not None
        done = 0
        size = jax.tree.leaves(fed.arrays)[0].shape[0]
        while done < fed.count and self.step < last and not self.stop_requested:
            turns = [(h, n) for h in self.hooks if (n := h.next_step(self.step)) is not None]
            stop_at = min([last, self.step + fed.count - done, *(n for _, n in turns)])
            now = [h for h, n in turns if n == stop_at]
            count = stop_at - self.step
            self._wanted_extras = False
            for hook in now:
                hook.before_run(self)
            if self._wanted_extras and count > 1:
                # Named values are those of one step: run the others first.
                self._wanted_extras = False
                self._call(fed, size, done, count - 1, pace)
                done, count = done + count - 1, 1
                self._wanted_extras = True
            self._call(fed, size, done, count, pace)
            done += count
            for hook in now:
                hook.after_run(self)

    def _call(self, fed: Fed, size: int, start: int, count: int, pace: _Pace) -> None:
        assert self.state is not None and self.plan is not None
        self._take_assigned()
        compiled = self.program.train_function(self.plan, size, self._wanted_extras, fed.layout)
        state, totals, losses, extras = compiled(self.state, self.totals, fed.arrays, np.int32(start), np.int32(count))
        self.state, self.totals = state, totals
        if self._wanted_extras:
            self.extras = extras
        self.step += count
        self.last_rows = fed.rows[start + count - 1]
        self._losses = losses, start + count - 1
        self._input_state = fed.states[start + count - 1]
        self.attach()
        pace.end(count, size, losses)

    # -- variables of the model door ----------------------------------------------------------------------------------

    def attach(self) -> None:
        """Points the model's variables at the state's arrays, so that they show their values at any moment."""
        if self.program.layer is None or self.state is None or self.plan is None:
            return
        params, state, created = self.state.params, self.state.model_state, self.plan.created
        for path, array in params.items():
            created[path].attach(array)
        for path, array in state.items():
            created[path].attach(array)

    def _take_assigned(self) -> None:
        """Takes over values that somebody assigned to the model's variables since the last step."""
        if self.program.layer is None:
            return
        assert self.state is not None and self.plan is not None
        for group in ("params", "model_state"):
            values = getattr(self.state, group)
            changed = {p: jnp.copy(v) for p, a in values.items() if (v := self.plan.created[p]._array) is not a and v is not None}
            if changed:
                self.state = self.state.replace(**{group: {**values, **changed}})

    # -- evaluation and prediction ------------------------------------------------------------------------------------

    def evaluate(
        self,
        batches: Iterable[Any],
        *,
        steps: int | None = None,
        hooks: Sequence[Hook] = (),
        on_batch: Callable[[int, LazyLogs], None] | None = None,
    ) -> dict[str, Any]:
        """The metrics over a pass of the input, or over `steps` batches.

        Raises:
            InputDataError: if the input is empty.
        """
        iterator = iter(batches)
        find = getattr(iterator, "over_rows", None)
        table = find() if find is not None and on_batch is None else None
        plan, done = None, 0
        totals: dict[str, Any] = {}
        for batch in iterator:
            raw, structure = flatten(*split_batch(batch))
            if plan is None or structure.signature != plan.structure.signature:
                plan = self.program.plan_of(EVAL, raw, structure, self.state)
                totals = totals or _copies(plan.initial_totals)
                params, state, step = self._values(raw, structure)
            if table is not None and steps is not None and table[0].size > max(SMALL_TABLE_ROWS, 4 * steps * _rows_in(raw)):
                table = None  # too much to encode for so few batches
            if table is not None:
                group = _group_of(table) if plan.loops and may_group(prepare(plan, raw).arrays) else 1
                plan.group_of_table = group = plan.group_of_table or group
                whole = gathered(plan, table[0], _first(table[1], steps), group)
                for fed in whole or ():
                    compiled = self.program.eval_function(plan, max(group, fed.count), fed.layout)
                    stacked = self._given(fed.arrays, axis=1)
                    totals = compiled(params, state, totals, stacked, np.int32(fed.count), step)
                    done += fed.count
                if whole is not None:
                    break
                table = None
            stacked = jax.tree.map(lambda x: np.asarray(x)[None], prepare(plan, raw).arrays)
            compiled = self.program.eval_function(plan, 1)
            totals = compiled(params, state, totals, self.place(stacked, axis=1), np.int32(1), step)
            done += 1
            if on_batch is not None:
                on_batch(done - 1, self._logs_of(plan, totals))
            if steps is not None and done >= steps:
                break
        if plan is None:
            raise InputDataError(
                "The input of evaluate is empty: it ended before its first batch. Check the file names and filters."
            )
        results = jax.device_get(self.program.results(plan, totals))
        return {k: v.item() if np.ndim(v) == 0 else np.asarray(v) for k, v in results.items()}

    def _values(self, raw: Mapping[str, Any], structure: Any) -> tuple[dict, dict, Any]:
        if self.program.layer is not None:
            kinds = self.program._kinds()
            bound = {p: v.value for p, v in self.program.bound().items() if kinds[p] != "metrics"}
            step = np.int32(self.step)
            return (
                {p: v for p, v in bound.items() if kinds[p] == "params"},
                {p: v for p, v in bound.items() if kinds[p] == "state"},
                step,
            )
        if self.state is None:
            raise InputDataError("There is no trained state. Train first, or give a checkpoint.")
        if self.distribution is not None:
            return self.distribution.place_state((self.state.params, self.state.model_state, self.state.step))
        return self.state.params, self.state.model_state, self.state.step

    def predict(self, batches: Iterable[Any], *, grouped: bool = False) -> Iterator[Any]:
        """Predictions batch by batch, as trees of NumPy arrays; the next batch is prepared while the device works.

        Args:
            batches: of features.
            grouped: whether predictions may come for several batches at once, which is faster where they are rows of a table.
        """
        iterator = iter(batches)
        find = getattr(iterator, "over_rows", None) if grouped else None
        table = None if find is None else find()
        waiting = _Waiting()
        for batch in iterator:
            raw, structure = flatten(split_batch(batch)[0])
            plan = self.program.plan_of(INFER, raw, structure, self.state)
            params, state, _ = self._values(raw, structure)
            if table is not None and not plan.compiled.get("by batch"):
                found = self._predict_rows(plan, table, raw, params, state)
                try:
                    # Whether predictions are rows is known with the first, when nothing was yielded yet.
                    first = next(found, None)
                except NotByRowsError:
                    plan.compiled["by batch"] = True
                else:
                    if first is not None:
                        yield first
                        yield from found
                        return
            table = None
            prepared = prepare(plan, raw, pad=True)
            prepared.arrays.pop(ROW_MASK)
            out = self.program.predict_function(plan)(params, state, self._given(prepared.arrays))
            yield from waiting.after(out, prepared.rows)
        yield from waiting.rest()

    def _predict_rows(self, plan: Plan, table: Any, raw: dict[str, Any], params: dict, state: dict) -> Iterator[Any]:
        """Predictions for groups of batches of a table; nothing if it has but one batch or is too large to be encoded at once."""
        rows, numbers = table
        if hasattr(numbers, "__len__") and len(numbers) < 2:
            return
        group = 1
        if may_group(prepare(plan, raw).arrays):
            group = _group_of(table) if plan.loops else _UNROLLED if len(numbers) >= _WORTH_UNROLLING else 1
        waiting = _Waiting()
        for fed in gathered(plan, rows, numbers, group, pads=True) or ():
            compiled = self.program.predict_group_function(plan, max(group, fed.count), fed.layout)
            out = compiled(params, state, self._given(fed.arrays, axis=1), np.int32(fed.count))
            yield from waiting.after(out, sum(fed.rows))
        yield from waiting.rest()


_UNROLLED = 8  # batches of predictions in one call without a loop
_WORTH_UNROLLING = 32  # batches that repay the compilation of more than one at a time


class _Waiting:
    """Predictions that the device still computes: a few, so that it never waits for the host."""

    def __init__(self) -> None:
        self._out: collections.deque[tuple[Any, int]] = collections.deque()

    def after(self, out: Any, rows: int) -> Iterator[Any]:
        """The oldest predictions as NumPy arrays, now that these are waited for too, if they are more than a few."""
        self._out.append((out, rows))
        if len(self._out) > 2:
            yield _rows(*self._out.popleft())

    def rest(self) -> Iterator[Any]:
        """All that are left."""
        while self._out:
            yield _rows(*self._out.popleft())


def _rows(out: Any, rows: int) -> Any:
    def cut(x: Any) -> Any:
        x = np.asarray(x)
        return x[:rows] if x.ndim else x

    return finish_outputs(jax.tree.map(cut, jax.device_get(out)))


def _group_of(table: Any, steps: int | None = None) -> int:
    """Batches of a table in one compiled call: fewer if there are few, in powers of two, as each size is a compilation."""
    passes = table[1]
    known = [n for n in (steps, len(passes) if hasattr(passes, "__len__") else None) if n is not None]
    return next((size for size in (2, 4, 8) if known and min(known) <= size), GROUP)


def _was_compiled(plan: Plan) -> bool:
    return any(k[0] == TRAIN for k in plan.compiled if isinstance(k, tuple))


def _rows_in(raw: Mapping[str, Any]) -> int:
    return max((len(v) for v in raw.values() if hasattr(v, "__len__")), default=1)


def _first(numbers: Any, steps: int | None) -> Any:
    """The first so many of an iterator; all for None."""
    return numbers if steps is None else itertools.islice(numbers, steps)


def _copies(tree: Any) -> Any:
    return jax.tree.map(jnp.array, tree)


class _Pace:
    """Chooses by measurement how many steps go into one compiled call. The numbers do not depend on the choice."""

    def __init__(self, plan: Plan, group: int | str, steps: int | None):
        self.plan, self.steps = plan, steps
        self._is_new = not _was_compiled(plan)
        fixed = group if isinstance(group, int) else plan.group
        self.current = fixed or 1
        self.decided = fixed is not None
        self._phase = self._phases()
        next(self._phase)
        self._pending: list[Any] = []

    def group(self) -> int:
        """Batches that go into one call now."""
        return self.current

    def end(self, count: int, size: int, losses: Any) -> None:
        """Called after each compiled call, with its number of steps and the size of its stack: 2 for single steps."""
        # The device may run behind by a few calls, not by more: memory would grow.
        self._pending.append(losses)
        if len(self._pending) > 4:
            jax.block_until_ready(self._pending.pop(0))
        if not self.decided:
            self._phase.send((count, size, losses))

    def _phases(self) -> Generator[None, tuple[int, int, Any], None]:
        """Warms up, times single steps, lets the grouped call compile, times grouped steps, decides."""

        def seconds_a_step(size: int, steps: int) -> Generator[None, tuple[int, int, Any], float]:
            begun, done = time.perf_counter(), 0
            while done < steps:
                count, given, losses = yield
                done += count if given == size else 0
            jax.block_until_ready(losses)
            return (time.perf_counter() - begun) / done

        yield from seconds_a_step(2, _WARM)
        single = yield from seconds_a_step(2, _TIMED)
        # A plan that has run before is compiled for single steps: only many steps are worth another compilation.
        enough = 20 * GROUP if self._is_new else WORTH_COMPILING
        if self.steps is None or self.steps > enough:
            self.current = GROUP
            yield from seconds_a_step(GROUP, 1)
            grouped = yield from seconds_a_step(GROUP, 4 * GROUP)
            self.current = GROUP if grouped < single else 1
            self.plan.group = self.current
        self.decided = True
        yield
