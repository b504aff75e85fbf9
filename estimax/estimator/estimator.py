"""The Estimator: a model_fn, a model_dir, and what is done with them."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import TrainState
from estimax.core.errors import CheckpointError, ExportError, InputDataError, NanLossError
from estimax.estimator.arguments import (
    check_replicas,
    check_steps,
    checked_listeners,
    config_with,
    refuse_as_text,
    rows_of,
    selected,
)
from estimax.estimator.deferred_save import DeferredSave
from estimax.estimator.early_stopping import append_eval_metrics
from estimax.estimator.evaluation import evaluate_with
from estimax.estimator.export.saving import export_all
from estimax.estimator.inputs import INPUT_FN_ARGUMENTS, Peekable, batches_of, call_with_known
from estimax.estimator.model_dir import (
    Loaded,
    checkpoint_step,
    checkpointer_for,
    finished_step,
    latest_checkpoint,
    load,
    mark_finished,
    with_averages,
    writing,
)
from estimax.estimator.model_fn import ModelFn
from estimax.estimator.modes import ModeKeys
from estimax.estimator.run_config import RunConfig
from estimax.estimator.session import engine_hooks
from estimax.estimator.standard_hooks import training_hooks
from estimax.estimator.variables import places, with_values
from estimax.estimator.warm_start import WarmStartSettings, as_settings, warm_started
from estimax.training import EventWriter, Hook, Program, Run, split_batch
from estimax.training.batches import flatten
from estimax.training.checkpoints import from_flat
from estimax.training.hooks import CheckpointSaverListener

logger = logging.getLogger("estimax")


class Estimator:
    """Trains, evaluates, predicts with and exports the model that a model_fn describes.

    Compiled programs and weights stay alive between calls: after `train`, `evaluate` and `predict` read nothing from disk unless a
    `checkpoint_path` is given. A new process goes on from `model_dir`.

    Args:
        model_fn: `(features, labels, mode, params, config) -> EstimatorSpec`; all but `features` may be left out.
        model_dir: folder of checkpoints and event files; that of `config`, or a temporary one.
        config: a `RunConfig`.
        params: hyper-parameters that the model_fn gets: a dict, or an object that has them as attributes.
        warm_start_from: a checkpoint, model_dir or export to take weights from, or `WarmStartSettings`, where `model_dir` is empty.

    Raises:
        ValueError: if the model_fn takes unknown arguments, or two different folders are given.

    Example:
        >>> import jax.numpy as jnp, estimax as ex
        >>> def model_fn(features, labels, mode):
        ...     logits = ex.layers.Dense(1)(features["x"])
        ...     return ex.estimator.RegressionHead().create_estimator_spec(features, mode, logits, labels, optimizer="sgd")
        >>> estimator = ex.estimator.Estimator(model_fn)
        >>> batch = {"x": jnp.ones((4, 2))}, jnp.ones((4, 1))
        >>> int(estimator.train(lambda: batch, steps=3).get_variable_value("global_step"))
        3

    Reference: tf.estimator.Estimator.
    """

    def __init__(
        self,
        model_fn: Callable,
        model_dir: str | os.PathLike | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        warm_start_from: str | os.PathLike | WarmStartSettings | None = None,
    ):
        self._config = config_with(config, model_dir)
        self._params = copy.deepcopy(dict(params) if isinstance(params, Mapping) else params) if params is not None else {}
        self._model_fn = ModelFn(model_fn, self._params, self._config)
        self._warm_start = as_settings(warm_start_from)
        self._program = Program(self._model_fn.forward, seed=self._config.seed, row_tables=self._row_tables)
        self._checkpoints = checkpointer_for(self._config)
        self._deferred = DeferredSave(self._checkpoints)
        self._state: TrainState | None = None
        self._run: Run | None = None
        self._train_ops: tuple = ()
        self._loaded: Loaded | None = None
        self._weights: tuple[str, TrainState] | None = None
        self._writers: dict[str, EventWriter] = {}

    # Tables train by the rows that were looked up, with the numbers that TensorFlow's optimizers give them.
    _row_tables: str | bool = "exact"

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def model_dir(self) -> str:
        """The folder of checkpoints and event files."""
        assert self._config.model_dir is not None
        return self._config.model_dir

    @property
    def config(self) -> RunConfig:
        """A copy of the RunConfig."""
        return copy.copy(self._config)

    @property
    def params(self) -> Any:
        """A copy of the hyper-parameters."""
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable:
        """`(features, labels, mode, config) -> EstimatorSpec`, with the params bound."""

        def public(features: Any, labels: Any, mode: str, config: Any = None) -> Any:
            own = self._model_fn
            return ModelFn(own.fn, own.params, config or own.config).spec(features, labels, mode)

        return public

    def eval_dir(self, name: str | None = None) -> str:
        """The folder of an evaluation's event files.

        Args:
            name: of the evaluation.
        """
        return os.path.join(self.model_dir, f"eval_{name}" if name else "eval")

    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, None if there is none."""
        self._deferred.flush()
        return latest_checkpoint(self.model_dir)

    def get_variable_names(self) -> list[str]:
        """The names of all variables: weights, optimizer state, `global_step`.

        Raises:
            ValueError: if nothing has been trained yet.
        """
        state = self._live()
        if state is not None:
            return list(places(state, self._train_ops))
        return sorted(self._latest_loaded().values)

    def get_variable_value(self, name: str) -> np.ndarray:
        """The value of a variable.

        Args:
            name: one of `get_variable_names()`.

        Raises:
            ValueError: if there is none of this name, or nothing has been trained yet.
        """
        state = self._live()
        if state is not None:
            known: Mapping[str, Any] = places(state, self._train_ops)
            if name in known:
                return known[name].read(state)
        else:
            known = self._latest_loaded().values
            if name in known:
                return known[name]
        raise ValueError(f'Variable "{name}": there is none of this name. Known: {sorted(known)[:40]}.')

    def set_variable_values(self, values: Mapping[str, Any]) -> None:
        """Sets variables of the live state by name; training goes on from there.

        Raises:
            ValueError: if nothing has been trained yet, a name is unknown or a shape differs.
        """
        if self._state is None:
            raise ValueError("set_variable_values: there is no live state yet. Call train first.")
        self._state = with_values(self._state, self._train_ops, dict(values))

    # -- training -----------------------------------------------------------------------------------------------------

    def train(
        self,
        input_fn: Callable,
        hooks: Sequence[Any] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[CheckpointSaverListener] | None = None,
    ) -> Estimator:
        """Trains, going on from where the last call or the checkpoints in `model_dir` ended.

        Args:
            input_fn: gives batches; takes any of `mode`, `params`, `config`.
            hooks: told of steps.
            steps: how many steps to run. At most one of `steps` and `max_steps`; with neither, until the input ends.
            max_steps: the global step to stop at; nothing is done if it is reached already.
            saving_listeners: told of each checkpoint.

        Returns:
            Itself.

        Raises:
            ValueError: if arguments are out of range, the input is empty, the checkpoint is of another model, or `TF_CONFIG` names several
                processes that train.
            NanLossError: if the loss becomes NaN.
        """
        steps, max_steps = check_steps(steps, max_steps)
        listeners = checked_listeners(saving_listeners)
        check_replicas(self._config)
        given = engine_hooks(hooks, what="train: hooks")
        if max_steps is not None and self._global_step() >= max_steps:
            logger.info("Skipping training since max_steps has already saved.")
            return self
        finite = steps is not None or max_steps is not None or any(getattr(h, "bounds_training", True) for h in given)
        with writing(self.model_dir):
            batches = self._batches(input_fn, ModeKeys.TRAIN, finite=finite)
            try:
                if self._prepare(batches):
                    self._train_on(batches, given, listeners, steps, max_steps)
            finally:
                batches.close()
        return self

    def _prepare(self, batches: Peekable) -> bool:
        """Sees to it that there is a state; False if the input that a killed run was reading had ended already."""
        if self._state is not None:
            return True
        self._loaded = None
        latest = self.latest_checkpoint()
        loaded = None if latest is None else load(latest)
        reading = loaded is not None and finished_step(self.model_dir) != loaded.step
        goes_on = loaded is not None and reading and self._set_input_state(batches, loaded.extra.get("input"))
        first = batches.peek()
        if first is None and goes_on:
            assert loaded is not None
            mark_finished(self.model_dir, loaded.step)
            return False
        if first is None:
            raise InputDataError(
                "The input is empty: it ended before its first batch. Check the file names, filters, and that input_fn makes a new "
                "generator at each call."
            )
        self._state = self._initial_state(first, loaded)
        return True

    def _set_input_state(self, batches: Peekable, saved: Any) -> bool:
        if saved is None or not hasattr(batches.inner, "set_state"):
            return False
        try:
            batches.inner.set_state(saved)
        except (ValueError, KeyError, TypeError, IndexError) as e:
            logger.warning("The input is not the one that the last run was reading (%s): it starts from its beginning.", e)
            return False
        return True

    def _initial_state(self, first: Any, loaded: Loaded | None) -> TrainState:
        """The state for batches like this one: new, warm-started, or that of a checkpoint."""
        raw, structure = flatten(*split_batch(first))
        state = self._program.initial_state(raw, structure)
        self._train_ops = self._program.plan_of(ModeKeys.TRAIN, raw, structure, None).train_ops
        if loaded is None:
            return state if self._warm_start is None else warm_started(state, self._train_ops, self._warm_start)
        if loaded.is_tensorflow:
            return self._from_tensorflow(state, loaded)
        return from_flat(dict(loaded.flat), state, loaded.path)

    def _from_tensorflow(self, state: TrainState, loaded: Loaded) -> TrainState:
        known = places(state, self._train_ops)
        weights = [n for n in (*state.params, *state.model_state)]
        if lacking := [n for n in weights if n not in loaded.values]:
            raise CheckpointError(
                f"Checkpoint {loaded.path!r} does not fit this model: it lacks {lacking[:8]}. It has {sorted(loaded.values)[:20]}. Is "
                "model_dir that of another model?"
            )
        state = with_values(state, self._train_ops, {n: v for n, v in loaded.values.items() if n in known})
        # The first optimizer counts by the global step there; it has no counter of its own.
        opt_state = {
            i: s | {"iteration": jnp.array(state.step)} if isinstance(s, dict) and "iteration" in s and i == "0" else s
            for i, s in state.opt_state.items()
        }
        return state.replace(opt_state=opt_state)

    def _train_on(
        self,
        batches: Peekable,
        hooks: list[Hook],
        listeners: list[CheckpointSaverListener],
        steps: int | None,
        max_steps: int | None,
    ) -> None:
        assert self._state is not None
        first = batches.peek()
        if first is None:
            raise InputDataError("The input is empty: it ended before its first batch. Check the file names and filters.")
        raw, structure = flatten(*split_batch(first))
        plan = self._program.plan_of(ModeKeys.TRAIN, raw, structure, self._state)
        self._train_ops = plan.train_ops
        start = int(self._state.step)
        last_step = max_steps if max_steps is not None else None if steps is None else start + steps
        facts, writer = self._model_fn.facts[ModeKeys.TRAIN], self._writer(self.model_dir)
        every = training_hooks(self, facts, hooks, listeners, last_step=last_step, writer=writer, defer=self._deferred.offer)
        run = Run(self._program, self._state, every, distribution=self._config.train_distribute)
        run.estimator = self
        self._run = run
        self._deferred.begin()
        try:
            for hook in run.hooks:
                hook.begin(run)
            run.train(batches, max_step=max_steps, steps=steps)
            self._state = run.state
            for hook in run.hooks:
                hook.end(run)
        except BaseException as error:
            self._keep_after(run, error)
            for hook in run.hooks:
                hook.failed(run, error)
            raise
        finally:
            self._run = None
        if run._losses is not None:
            logger.info("Loss for final step: %s.", run.last_loss)

    def _keep_after(self, run: Run, error: BaseException) -> None:
        """Keeps the last whole state after a failure; after a NaN, or half way through a step, the next call reads the last checkpoint."""
        whole = run.state is not None and not any(a.is_deleted() for a in jax.tree.leaves(run.state))
        self._state = run.state if whole and not isinstance(error, NanLossError) else None

    # -- evaluation and prediction ------------------------------------------------------------------------------------

    def evaluate(
        self,
        input_fn: Callable,
        steps: int | None = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | os.PathLike | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """The metrics over the input, its mean loss and the global step.

        Args:
            input_fn: gives batches; takes any of `mode`, `params`, `config`.
            steps: how many batches; all by default.
            hooks: told of batches.
            checkpoint_path: evaluates these weights; by default those of this object, else the latest in `model_dir`.
            name: of the evaluation: its summaries go to `eval_dir(name)`.

        Returns:
            Metrics by name.

        Raises:
            ValueError: if the input is empty, or there are no such weights.
        """
        if steps is not None and steps <= 0:
            raise ValueError(f"evaluate: steps: given {steps!r}, expected a positive number or None.")
        given = engine_hooks(hooks, what="evaluate: hooks")
        batches = self._batches(input_fn, ModeKeys.EVAL)
        try:
            run = Run(
                self._program,
                self._state_for(batches, checkpoint_path),
                distribution=self._config.eval_distribute or self._config.train_distribute,
            )
            run.estimator = self
            first = batches.peek()
            if first is not None:
                raw, structure = flatten(*split_batch(first))
                run.plan = self._program.plan_of(ModeKeys.EVAL, raw, structure, run.state)
                given += engine_hooks(self._model_fn.facts[ModeKeys.EVAL].hooks, what="model_fn: evaluation_hooks")
            results = evaluate_with(run, batches, given, steps) if given else run.evaluate(batches, steps=steps)
        finally:
            batches.close()
        results["global_step"] = run.step
        if self._config.is_chief or self._config.task_type == "evaluator":
            writer = self._writer(self.eval_dir(name))
            writer.scalars({k: v for k, v in results.items() if k != "global_step" and np.ndim(v) == 0}, run.step)
            writer.flush()
            append_eval_metrics(self.eval_dir(name), run.step, {k: v for k, v in results.items() if np.ndim(v) == 0})
        shown = ", ".join(f"{k} = {v:.6g}" for k, v in sorted(results.items()) if np.ndim(v) == 0)
        logger.info("Saving dict for global step %d: %s", run.step, shown)
        return results

    def predict(
        self,
        input_fn: Callable,
        predict_keys: str | Sequence[str] | None = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | os.PathLike | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Predictions, row by row.

        Args:
            input_fn: gives batches of features (labels are left aside); takes any of `mode`, `params`, `config`.
            predict_keys: the predictions wanted; all by default.
            hooks: told of batches.
            checkpoint_path: predicts with these weights; by default those of this object, else the latest in `model_dir`.
            yield_single_examples: whether to give rows rather than batches.

        Yields:
            A dict of NumPy arrays for each row (or batch), or an array if the model_fn predicts one.

        Raises:
            ValueError: if there are no such keys or weights, or predictions differ in their number of rows.
        """
        given = engine_hooks(hooks, what="predict: hooks")
        return self._predict(input_fn, predict_keys, given, checkpoint_path, yield_single_examples)

    def _predict(self, input_fn: Callable, keys: Any, hooks: list[Hook], checkpoint_path: Any, by_row: bool) -> Iterator[Any]:
        batches = self._batches(input_fn, ModeKeys.PREDICT)
        try:
            first = batches.peek()
            if first is None:
                return
            run = Run(
                self._program,
                self._state_for(batches, checkpoint_path),
                distribution=self._config.eval_distribute or self._config.train_distribute,
            )
            run.estimator = self
            outputs = run.predict(batches)
            for hook in hooks:
                hook.begin(run)
            for hook in hooks:
                hook.after_create_session(run)
                hook.before_run(run)
            for out in outputs:
                for hook in hooks:
                    hook.after_run(run)
                out = selected(out, keys)
                if by_row:
                    yield from rows_of(out)
                else:
                    yield out
                if run.stop_requested:
                    break
                for hook in hooks:
                    hook.before_run(run)
            for hook in hooks:
                hook.end(run)
        finally:
            batches.close()

    # -- export -------------------------------------------------------------------------------------------------------

    def export_saved_model(
        self,
        export_dir_base: str | os.PathLike,
        serving_input_receiver_fn: Callable,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | os.PathLike | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> str:
        """Writes the model for serving into a new timestamped folder, whole or not at all.

        Args:
            export_dir_base: the folder of exports.
            serving_input_receiver_fn: gives a `ServingInputReceiver`: what requests look like.
            assets_extra: files to copy into the export's folder `assets.extra`: `{name there: path here}`.
            as_text: only False: exports hold StableHLO, which has no text form here.
            checkpoint_path: exports these weights; by default those of this object, else the latest in `model_dir`.
            experimental_mode: the mode that is exported; PREDICT by default.

        Returns:
            The path of the export. `estimax.export.load` reads it.

        Raises:
            ValueError: if there are no weights, the receiver lacks a feature, or `as_text` is True.
        """
        refuse_as_text("export_saved_model", as_text)
        receivers = {experimental_mode: serving_input_receiver_fn}
        return export_all(self, export_dir_base, receivers, assets_extra=assets_extra, checkpoint_path=checkpoint_path)

    def experimental_export_all_saved_models(
        self,
        export_dir_base: str | os.PathLike,
        input_receiver_fn_map: Mapping[str, Callable],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | os.PathLike | None = None,
    ) -> str:
        """As `export_saved_model`, for several modes at once.

        Args:
            export_dir_base: the folder of exports.
            input_receiver_fn_map: a receiver function by mode.
            assets_extra: files to copy along.
            as_text: only False.
            checkpoint_path: exports these weights.

        Returns:
            The path of the export.

        Raises:
            ValueError: if no mode is given, there are no weights, or `as_text` is True.
        """
        refuse_as_text("experimental_export_all_saved_models", as_text)
        return export_all(
            self, export_dir_base, dict(input_receiver_fn_map), assets_extra=assets_extra, checkpoint_path=checkpoint_path
        )

    # -- parts --------------------------------------------------------------------------------------------------------

    def _live(self) -> TrainState | None:
        """The state in memory, also in the middle of training, where hooks may evaluate; None if there is none."""
        return self._run.state if self._run is not None else self._state

    def _whole(self) -> TrainState | None:
        """The state in memory as it is evaluated and exported: every row up to date, averages in place of the weights they are of."""
        if self._run is not None:
            self._run.settle()
        live = self._live()
        return None if live is None else with_averages(live)

    @property
    def is_live(self) -> bool:
        """Whether weights are in memory, so that `evaluate` and `predict` read nothing from disk."""
        return self._live() is not None

    def _batches(self, input_fn: Callable, mode: str, *, finite: bool = True) -> Peekable:
        given = dict(zip(INPUT_FN_ARGUMENTS, (mode, self.params, self.config)))
        result = call_with_known(input_fn, given, what="input_fn")
        return batches_of(result, mode, seed=self._config.seed, finite=finite)

    def _global_step(self) -> int:
        live = self._live()
        if live is not None:
            return int(live.step)
        return checkpoint_step(self.latest_checkpoint())

    def _latest_loaded(self) -> Loaded:
        latest = self.latest_checkpoint()
        if latest is None:
            raise ValueError(
                f"There are no variables yet: nothing was trained, and model_dir {self.model_dir!r} has no checkpoint."
            )
        if self._loaded is None or self._loaded.path != latest:
            self._loaded = load(latest)
        return self._loaded

    def _state_for(self, batches: Peekable, checkpoint_path: Any) -> TrainState:
        """The weights to evaluate or predict with."""
        live = self._whole()
        if checkpoint_path is None and live is not None:
            return live
        path = self._checkpoint_at(checkpoint_path)
        if path is not None:
            if self._weights is None or self._weights[0] != path:
                self._weights = path, load(path).weights()
            return self._weights[1]
        logger.info("Could not find trained model in model_dir: %s, running initialization.", self.model_dir)
        if self._weights is None or self._weights[0] != "":
            self._weights = "", self._untrained(batches)
        return self._weights[1]

    def _checkpoint_at(self, path: str | os.PathLike | None) -> str | None:
        """The checkpoint that a path names, the newest one of a folder; by default that of model_dir. None if that has none."""
        newest = self.latest_checkpoint()  # waits for one that was put off, which the path may name
        if path is None:
            return newest
        path = os.fspath(path)
        return latest_checkpoint(path) or path if os.path.isdir(path) and not os.path.isdir(os.path.join(path, "state")) else path

    def _untrained(self, batches: Peekable) -> TrainState:
        first = batches.peek()
        if first is None:
            raise InputDataError("The input is empty: it ended before its first batch. Check the file names and filters.")
        features, labels, weights = split_batch(first)
        mode = ModeKeys.PREDICT if labels is None else ModeKeys.TRAIN
        raw, structure = flatten(features, labels, weights)
        state = self._program.initial_state(raw, structure, mode)
        return state if self._warm_start is None else warm_started(state, (), self._warm_start)

    def weights_for_export(self, checkpoint_path: str | None) -> TrainState:
        """The weights to export.

        Raises:
            ExportError: if nothing has been trained yet.
        """
        live = self._whole()
        if checkpoint_path is None and live is not None:
            return live
        path = self._checkpoint_at(checkpoint_path)
        if path is None:
            raise ExportError(
                f"There are no weights to export: nothing was trained, and model_dir {self.model_dir!r} has no checkpoint."
            )
        return load(path).weights()

    def _writer(self, folder: str) -> EventWriter:
        return self._writers.setdefault(folder, EventWriter(folder))
