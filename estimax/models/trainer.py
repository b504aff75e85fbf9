"""compile, fit, evaluate and predict: the Keras-like door to the training engine."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from estimax import losses, optimizers
from estimax import metrics as metrics_module
from estimax.core import Variable, current_frame, next_seed, row_count
from estimax.core.errors import InputDataError
from estimax.models.batches import Source, class_weights, columns_of, make_source, rows_in, split_off
from estimax.models.callback_list import CallbackList
from estimax.models.compiled import CompiledLosses, CompiledMetrics, flat_outputs
from estimax.models.compile_config import compile_arguments, serialize_compile
from estimax.models.program import ModelProgram, ModelRun
from estimax.training import Outputs, TrainOp
from estimax.training.callbacks import History


class Trainer:
    """What a `Model` can do beyond being a layer: be compiled, trained, evaluated, asked for predictions.

    Attributes:
        optimizer: of `compile`; its `learning_rate` may be set at any time.
        stop_training: set it in a callback to end `fit` after this step.
        history: of the last `fit`.
    """

    def __init__(self) -> None:
        self.optimizer: Any = None
        self.loss: Any = None
        self.compiled = False
        self.stop_training = False
        self.history: History | None = None
        self.steps_per_execution: int | str = "auto"
        self.run_eagerly = False
        self.steps_done = 0  # over all fits
        self.resume_epoch: int | None = None  # set by a callback that restores a backup
        self.restore_after_build: Callable[[], None] | None = None  # likewise, if the model is not built yet
        self._arguments: dict[str, Any] = {}
        self._losses: CompiledLosses | None = None
        self._metrics: CompiledMetrics | None = None
        self._loss_tracker: Any = None
        self._program: ModelProgram | None = None
        self._batch_run: ModelRun | None = None
        self._seed: int | None = None

    # -- compile ------------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = "auto",
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how the model is trained.

        Args:
            optimizer: a name, an optimizer, or an `optax.GradientTransformation`.
            loss: a name, a loss or a function `(y_true, y_pred)`; a list or dict of them for several outputs.
            loss_weights: factors of the losses, by output.
            metrics: names, metrics or functions, computed without sample weights; by output if there are several.
            weighted_metrics: the same, computed with sample weights.
            run_eagerly: whether steps run without compilation, slowly, for debugging.
            steps_per_execution: steps in one compiled call. `"auto"` measures what is fastest; the numbers do not depend on it. With a
                number above 1, callbacks see every so many steps only.
            jit_compile: `"auto"` or True for compiled steps; False is the same as `run_eagerly=True`.
            auto_scale_loss: whether the optimizer of a `mixed_float16` model is wrapped in a `LossScaleOptimizer`.

        Raises:
            ValueError: if a name is unknown or an argument has the wrong form.
        """
        if steps_per_execution != "auto" and (not isinstance(steps_per_execution, (int, np.integer)) or steps_per_execution < 1):
            raise ValueError(f'compile: steps_per_execution: given {steps_per_execution!r}, expected a positive integer or "auto".')
        if jit_compile not in (True, False, "auto"):
            raise ValueError(f'compile: jit_compile: given {jit_compile!r}, expected True, False or "auto".')
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value is not None and not isinstance(value, (list, tuple, Mapping)):
                raise ValueError(f"compile: {argument}: given {value!r}, expected a list or dict: {argument}=[{value!r}].")
        _check_names(loss, metrics, weighted_metrics)
        self.optimizer = optimizers.get(optimizer)
        if auto_scale_loss and self.dtype_policy.name == "mixed_float16" and self.optimizer is not None:  # type: ignore[attr-defined]
            if not isinstance(self.optimizer, optimizers.LossScaleOptimizer):
                self.optimizer = optimizers.LossScaleOptimizer(self.optimizer)
        self.loss = loss
        self.steps_per_execution = steps_per_execution
        self.run_eagerly = bool(run_eagerly) or jit_compile is False
        self._arguments = {
            "optimizer": self.optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": bool(run_eagerly),
            "steps_per_execution": 1 if steps_per_execution == "auto" else int(steps_per_execution),
            "jit_compile": jit_compile is not False,
        }
        self.compiled, self.stop_training = True, False
        self._losses = self._metrics = None
        self._loss_tracker = metrics_module.Mean(name="loss")
        self._reset_program()

    def _reset_program(self) -> None:
        """Forgets the compiled steps, after a change of the structure."""
        self._program = self._batch_run = None

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, for saving; empty if the model is not compiled."""
        return serialize_compile(self._arguments) if self.compiled else {}

    def compile_from_config(self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> None:
        """Compiles with the arguments of a saved model."""
        if config:
            self.compile(**compile_arguments(config, custom_objects))

    def build_optimizer(self) -> None:
        """Makes the optimizer's state for the trainable variables, as the first step would."""
        paths = self.bindings  # type: ignore[attr-defined]
        params = {paths[id(v)]: v.value for v in self.trainable_variables}  # type: ignore[attr-defined]
        if getattr(self.optimizer, "state", None) is None:
            self.optimizer.state = self.optimizer.init(params)
            self.optimizer.variable_paths = list(params)

    @property
    def needs_compiling(self) -> bool:
        """Whether losses and metrics wait for the first batch, whose shapes say what they are."""
        return self.compiled and self._metrics is None

    def compile_for(self, y_true: Any, y_pred: Any) -> None:
        """Makes losses and metrics for labels and outputs of these shapes; done by the first batch."""
        names = getattr(self, "output_names", None)
        if self.loss is not None:
            self._losses = CompiledLosses(self.loss, self._arguments["loss_weights"], y_true, y_pred, names)
        given = (self._arguments["metrics"], self._arguments["weighted_metrics"])
        self._metrics = CompiledMetrics(*given, y_true, y_pred, names)

    # -- metrics ------------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        """The metrics: the loss, those of `compile`, the loss of each output, and metrics kept as attributes of the model."""
        return list(self._named_metrics().values())

    @property
    def metrics_names(self) -> list[str]:
        """Their names in logs."""
        return list(self._named_metrics())

    def _named_metrics(self) -> dict[str, Any]:
        named: dict[str, Any] = {}
        if self.compiled:
            named["loss"] = self._loss_tracker
        if self._metrics is not None:
            named |= self._metrics.by_name
        if self._losses is not None:
            named |= self._losses.trackers
        known = {id(m) for m in named.values()}
        for layer in self.flatten_layers():  # type: ignore[attr-defined]
            for key, value in list(layer.__dict__.items()):
                if key in ("_loss_tracker", "_metrics", "_losses"):
                    continue
                for m in value if isinstance(value, (list, tuple)) else [value]:
                    if isinstance(m, metrics_module.Metric) and id(m) not in known:
                        known.add(id(m))
                        named[m.name] = m
        return named

    @property
    def metric_variables(self) -> list[Variable]:
        """The variables of all metrics."""
        found = {id(v): v for m in self._named_metrics().values() for v in m.variables}
        return list(found.values())

    def initial_metric_values(self) -> dict[int, jax.Array]:
        """What metric variables start from, by `id` of the variable."""
        found = {}
        for m in self._named_metrics().values():
            names = m._named_variables()
            found |= {id(names[k]): v for k, v in m.initial_totals().items()}
        return found

    def reset_metrics(self) -> None:
        """Starts all metrics anew."""
        for m in self.metrics:
            m.reset_state()
        if self._batch_run is not None:
            self._batch_run.reset_totals()

    # -- one step -----------------------------------------------------------------------------------------------------

    def make_forward(self) -> Callable[[str, Any, Any, Any], Outputs]:
        """The function of `(mode, features, labels, weights)` that the engine compiles."""
        return self._forward

    def make_program(self, seed: int | None = None) -> ModelProgram:
        """The model as a program of the engine, with its own seed."""
        return ModelProgram(self, seed=self._run_seed() if seed is None else seed)

    def _forward(self, mode: str, features: Any, labels: Any, weights: Any) -> Outputs:
        if mode == "infer":
            return Outputs(predictions=self.predict_step((features,)))
        if mode == "train":
            return self.train_step((features, labels, weights))
        return self.test_step((features, labels, weights))

    def train_step(self, data: tuple[Any, Any, Any]) -> Outputs:
        """What one step computes; override it for training of another form.

        Args:
            data: `(x, y, sample_weight)` of a batch; the last two may be None.

        Returns:
            The loss, metrics by name (objects updated here, or scalars), and `train_ops`: which optimizer minimises what. Gradients are
            taken by the engine.
        """
        x, y, sample_weight = data
        y_pred = self(x, training=True)  # type: ignore[operator]
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
        if self.optimizer is None:
            raise ValueError(f'Model "{self.name}": no optimizer to train with. Give compile(optimizer=...) one.')  # type: ignore[attr-defined]
        self._track(loss, y_pred)
        return Outputs(loss=loss, metrics=self.compute_metrics(x, y, y_pred, sample_weight), train_ops=(TrainOp(self.optimizer, loss),))

    def test_step(self, data: tuple[Any, Any, Any]) -> Outputs:
        """What `evaluate` computes for a batch; see `train_step`."""
        x, y, sample_weight = data
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = None
        if self.loss is not None or type(self).compute_loss is not Trainer.compute_loss:
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
            self._track(loss, y_pred)
        return Outputs(loss=loss, metrics=self.compute_metrics(x, y, y_pred, sample_weight))

    def predict_step(self, data: tuple[Any, ...]) -> Any:
        """What `predict` computes for a batch."""
        return self(data[0], training=False)  # type: ignore[operator]

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        """The scalar to minimise: the losses of `compile`, those added by layers, and the regularizers.

        Raises:
            ValueError: if there is none of them.
        """
        frame = current_frame()
        added = [] if frame is None else list(frame.losses)
        added += self.regularization_losses()  # type: ignore[attr-defined]
        if self._losses is None and not added:
            raise ValueError(f'Model "{self.name}": there is no loss. Give compile(loss=...) one, or add_loss in a layer.')  # type: ignore[attr-defined]
        total = 0.0 if self._losses is None else self._losses(y, y_pred, sample_weight)
        return sum(added, total)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Adds the batch to the metrics of `compile`, and gives all metrics by name."""
        if self._metrics is not None:
            self._metrics.update(y, y_pred, sample_weight)
        return self._named_metrics()

    def _track(self, loss: Any, y_pred: Any) -> None:
        leaves = [x for _, x in flat_outputs(y_pred)]
        self._loss_tracker.update_state(loss, sample_weight=row_count(leaves[0]))

    # -- fit ----------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Any] | Any | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> History:
        """Trains the model.

        Args:
            x: arrays, tables, or lists and dicts of them; or a Dataset, generator, PyTorch DataLoader or other iterable that yields `(x, y)`
                or `(x, y, sample_weight)` batches.
            y: labels, in the structure of the outputs; None if `x` yields them.
            batch_size: rows of a batch, 32 by default; only for arrays.
            epochs: number of the last epoch.
            verbose: 0 for nothing, 1 for a progress bar, 2 for one line an epoch; `"auto"` is 1. The bar shows on a terminal only.
            callbacks: `Hook`s, or one.
            validation_split: share of the last rows to validate on, taken before shuffling; only for arrays.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a source of batches to validate on.
            shuffle: whether rows are shuffled anew in each epoch, by the eager seed; only for arrays.
            class_weight: weight by class number.
            sample_weight: weight of each row `[rows]`, or of each step of sequences `[rows, steps]`.
            initial_epoch: epoch to start at, counted from 0.
            steps_per_epoch: steps of an epoch; by default a pass over the data.
            validation_steps: batches of a validation; by default a pass.
            validation_batch_size: rows of a validation batch; by default `batch_size`.
            validation_freq: epochs between validations, or the epochs (counted from 1) after which to validate.

        Returns:
            The `History` of the epochs' metrics.

        Raises:
            ValueError: if the model is not compiled, or arguments contradict each other.
            InputDataError: if the data are empty or of unequal length.
        """
        self._check_compiled("fit")
        for name, value in (("steps_per_epoch", steps_per_epoch), ("validation_steps", validation_steps)):
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise ValueError(f"fit: {name}: given {value!r}, expected a positive integer or None.")
        if isinstance(validation_freq, (int, np.integer)) and validation_freq < 1:
            raise ValueError(f"fit: validation_freq: given {validation_freq!r}, expected a positive integer or a list of epochs.")
        if validation_split and validation_data is not None:
            raise ValueError("fit: given validation_split and validation_data, expected one of them.")
        if validation_split:
            (x, y, sample_weight), validation_data = split_off(x, y, sample_weight, validation_split)
        seed = self._run_seed()
        source = make_source(
            x, y, sample_weight, batch_size=batch_size, shuffle=shuffle, class_weight=class_weight, seed=seed + self.steps_done, what="fit"
        )
        validation = None
        if validation_data is not None:
            validation = _validation_source(validation_data, validation_batch_size or batch_size, seed)
        if source.is_single and steps_per_epoch is None and epochs - initial_epoch > 1:
            raise ValueError("fit: x is a generator, which can be passed over once, but several epochs were asked for. Give steps_per_epoch.")
        self.stop_training = False
        self._batch_run = None
        steps = steps_per_epoch or source.steps
        hooks = CallbackList(callbacks, self, params={"epochs": epochs, "steps": steps, "verbose": _verbosity(verbose)}, with_history=True)
        run = ModelRun(self._get_program(seed), [hooks, *hooks.step_hooks], group=self._group(hooks))
        hooks.steps_at_once = 1 if self.steps_per_execution == "auto" else int(self.steps_per_execution)
        try:
            with self._eagerly():
                hooks.start(run)
                logs: dict[str, Any] = {}
                hooks.on_train_begin()
                first, self.resume_epoch = max(initial_epoch, self.resume_epoch or 0), None
                for epoch in range(first, epochs):
                    if self.stop_training or run.stop_requested:
                        break
                    logs = self._epoch(run, hooks, source, epoch, steps_per_epoch)
                    if validation is not None and _is_due(epoch, validation_freq):
                        found = self._evaluate(validation, validation_steps, hooks)
                        logs |= {f"val_{k}": v for k, v in found.items()}
                    hooks.on_epoch_end(epoch, logs)
                    if source.on_epoch_end is not None:
                        source.on_epoch_end()
                self._finalize(run)
                hooks.on_train_end(logs)
                hooks.finish(run)
        except BaseException as e:
            hooks.fail(run, e)
            raise
        run.show_metrics()
        self.history = hooks.history
        return hooks.history  # type: ignore[return-value]

    def _epoch(self, run: ModelRun, hooks: CallbackList, source: Source, epoch: int, steps: int | None) -> dict[str, Any]:
        hooks.on_epoch_begin(epoch)
        if self.stop_training:
            return {}
        batches = source.stream() if steps is not None else source.one_pass()
        done = run.train(batches, steps=steps)
        if steps is not None and done < steps and not run.stop_requested:
            raise InputDataError(
                f"fit: the data ended after {done} of {steps} steps of epoch {epoch + 1}. Give steps_per_epoch times epochs batches, or a source "
                "that starts anew."
            )
        return dict(run.logs())

    def _finalize(self, run: ModelRun) -> None:
        """Puts averaged weights in place of the trained ones where the optimizer keeps averages, and brings late rows up to date."""
        if run.state is None or run.plan is None:
            return
        for op in run.plan.train_ops:
            if not hasattr(op.optimizer, "finalize"):
                continue
            trained = {p: run.plan.created[p].value for p in run.state.params if op.takes(p)}
            params, op.optimizer.state = op.optimizer.settle(trained, op.optimizer.state)
            for path, value in op.optimizer.finalize(params, op.optimizer.state).items():
                if value is not trained[path]:
                    run.plan.created[path].assign(value)

    # -- evaluate -----------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Any] | Any | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and metrics on data.

        Args:
            x, y, batch_size, sample_weight: see `fit`.
            verbose: see `fit`.
            steps: number of batches; by default a pass.
            callbacks: `Hook`s, or one.
            return_dict: whether to give `{name: value}`.

        Returns:
            A number if there is only a loss, else a list in the order of `metrics_names`; or a dict.

        Raises:
            ValueError: if the model is not compiled.
            InputDataError: if the data are empty.
        """
        self._check_compiled("evaluate")
        source = make_source(x, y, sample_weight, batch_size=batch_size, what="evaluate")
        params = {"epochs": 1, "steps": steps or source.steps, "verbose": _verbosity(verbose)}
        with self._eagerly():
            found = self._evaluate(source, steps, CallbackList(callbacks, self, params=params))
        return found if return_dict else self._in_order(found)

    def _evaluate(self, source: Source, steps: int | None, hooks: CallbackList) -> dict[str, Any]:
        hooks.on_test_begin()
        batches = source.one_pass() if steps is None else source.stream()

        def announced() -> Iterator[Any]:
            for i, batch in enumerate(batches):
                if steps is not None and i >= steps:
                    return
                hooks.on_test_batch_begin(i)
                yield batch

        on_batch = hooks.on_test_batch_end if hooks.sees_test_batches else None
        found = ModelRun(self._get_program()).evaluate(announced(), steps=steps, on_batch=on_batch)
        hooks.on_test_end(found)
        return found

    def _in_order(self, found: Mapping[str, Any]) -> Any:
        values = [found[k] for k in (*self.metrics_names, *found) if k in found]
        values = values[: len(found)]
        return values[0] if len(values) == 1 else values

    # -- predict ------------------------------------------------------------------------------------------------------

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Sequence[Any] | Any | None = None,
    ) -> Any:
        """The outputs for data, as NumPy arrays.

        Args:
            x: see `fit`; of `(x, y)` batches only `x` is used.
            batch_size: rows of a batch, 32 by default; only for arrays.
            verbose: see `fit`.
            steps: number of batches; by default a pass.
            callbacks: `Hook`s, or one.

        Returns:
            Arrays `[rows, ...]` in the structure of the outputs.

        Raises:
            InputDataError: if the data are empty.
        """
        source = make_source(x, batch_size=batch_size, what="predict")
        hooks = CallbackList(callbacks, self, params={"epochs": 1, "steps": steps or source.steps, "verbose": _verbosity(verbose)})

        chosen = source.one_pass() if steps is None else itertools.islice(source.stream(), steps)
        with self._eagerly():
            hooks.on_predict_begin()
            parts = []
            for i, part in enumerate(ModelRun(self._get_program()).predict(chosen)):
                hooks.on_predict_batch_begin(i)
                parts.append(part)
                hooks.on_predict_batch_end(i, {"outputs": part})
            hooks.on_predict_end()
        if not parts:
            raise InputDataError("predict: the data gave no batch.")
        return jax.tree.map(lambda *xs: np.concatenate(xs) if len(xs) > 1 else xs[0], *parts)

    # -- single batches -----------------------------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch. Metrics go on over calls until `reset_metrics`.

        Args:
            x, y, sample_weight, class_weight: the batch; see `fit`.
            return_dict: whether to give `{name: value}`.

        Returns:
            See `evaluate`.
        """
        self._check_compiled("train_on_batch")
        batch = _single_batch(x, y, sample_weight, class_weight, "train_on_batch")
        if self._batch_run is None:
            self._batch_run = ModelRun(self._get_program(), group=1)
        with self._eagerly():
            self._batch_run.train([batch], keep_totals=True)
        found = dict(self._batch_run.logs())
        return found if return_dict else self._in_order(found)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and metrics of one batch alone; see `evaluate`."""
        self._check_compiled("test_on_batch")
        with self._eagerly():
            found = ModelRun(self._get_program()).evaluate([_single_batch(x, y, sample_weight, None, "test_on_batch")])
        return found if return_dict else self._in_order(found)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        with self._eagerly():
            return next(ModelRun(self._get_program()).predict([_single_batch(x, None, None, None, "predict_on_batch")]))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _check_compiled(self, what: str) -> None:
        if not self.compiled:
            raise ValueError(f'Model "{self.name}": {what}: call compile(optimizer=..., loss=...) first.')  # type: ignore[attr-defined]

    def _run_seed(self) -> int:
        if self._seed is None:
            self._seed = next_seed() % 2**31
        return self._seed

    def _get_program(self, seed: int | None = None) -> ModelProgram:
        if self._program is None:
            self._program = self.make_program(seed)
        return self._program

    def _group(self, hooks: CallbackList) -> int | str:
        return self.steps_per_execution if isinstance(self.steps_per_execution, int) else "auto"

    @contextlib.contextmanager
    def _eagerly(self) -> Iterator[None]:
        """Runs steps without compilation, if `compile(run_eagerly=True)` said so."""
        with jax.disable_jit() if self.run_eagerly else contextlib.nullcontext():
            yield


def _check_names(loss: Any, *metric_arguments: Any) -> None:
    """Unknown names are the error of `compile`, not of the first batch."""

    def names(tree: Any) -> Iterator[str]:
        if isinstance(tree, Mapping):
            tree = list(tree.values())
        if isinstance(tree, (list, tuple)):
            for v in tree:
                yield from names(v)
        elif isinstance(tree, str):
            yield tree

    for name in names(loss):
        if name.lower() not in ("crossentropy", "ce"):
            losses.get(name)
    for argument in metric_arguments:
        for name in names(argument):
            if name.lower() not in ("accuracy", "acc", "crossentropy", "ce"):
                metrics_module.get(name)


def _single_batch(x: Any, y: Any, sample_weight: Any, class_weight: Any, what: str) -> Any:
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError(f"{what}: given both class_weight and sample_weight, expected one of them.")
        sample_weight = class_weights(class_weight, y, what)
    parts = tuple(columns_of(v) for v in (x, y, sample_weight))
    rows_in(parts, what)
    return parts


def _validation_source(data: Any, batch_size: int | None, seed: int) -> Source:
    if isinstance(data, (list, tuple)) and 2 <= len(data) <= 3 and not hasattr(data, "_fields"):
        return make_source(*data, batch_size=batch_size, seed=seed, what="fit: validation_data")
    return make_source(data, seed=seed, what="fit: validation_data")


def _is_due(epoch: int, frequency: int | Sequence[int]) -> bool:
    return (epoch + 1) % int(frequency) == 0 if isinstance(frequency, (int, np.integer)) else (epoch + 1) in frequency


def _verbosity(verbose: int | str) -> int:
    if verbose == "auto":
        return 1
    if verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f'verbose: given {verbose!r}, expected 0, 1, 2 or "auto".')

