"""fit, evaluate and predict: the Keras-like door to the training engine."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from estimax.core.errors import InputDataError
from estimax.models.batches import Source, class_weights, columns_of, make_source, rows_in, split_off
from estimax.models.callback_list import CallbackList
from estimax.models.compiling import Compiling
from estimax.models.program import ModelRun
from estimax.training.callbacks import History

_SHORT_STEPS = 500  # a trial saved 30 us a step by grouping; compiling another loop takes tens of milliseconds


class Trainer(Compiling):
    """What a `Model` can do beyond being a layer: be trained, evaluated, asked for predictions.

    Attributes:
        history: of the last `fit`.
    """

    history: History | None = None

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
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            class_weight=class_weight,
            seed=seed + self.steps_done,
            what="fit",
        )
        validation = None
        if validation_data is not None:
            validation = _validation_source(validation_data, validation_batch_size or batch_size, seed)
        if source.is_single and steps_per_epoch is None and epochs - initial_epoch > 1:
            raise ValueError(
                "fit: x is a generator, which can be passed over once, but several epochs were asked for. Give steps_per_epoch."
            )
        self.stop_training = False
        self._batch_run = None
        steps = steps_per_epoch or source.steps
        hooks = CallbackList(
            callbacks, self, params={"epochs": epochs, "steps": steps, "verbose": _verbosity(verbose)}, with_history=True
        )
        run = ModelRun(
            self._get_program(seed), [hooks, *hooks.step_hooks], group=self._group(source, steps, epochs - initial_epoch)
        )
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
        hooks.end_batches(run)
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
        run = ModelRun(self._get_program())
        if not hooks.sees_test_batches:
            found = run.evaluate(batches, steps=steps)
            hooks.on_test_end(found)
            return found

        def announced() -> Iterator[Any]:
            for i, batch in enumerate(batches):
                if steps is not None and i >= steps:
                    return
                hooks.on_test_batch_begin(i)
                yield batch

        found = run.evaluate(announced(), steps=steps, on_batch=hooks.on_test_batch_end)
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
        hooks = CallbackList(
            callbacks, self, params={"epochs": 1, "steps": steps or source.steps, "verbose": _verbosity(verbose)}
        )

        chosen = source.one_pass() if steps is None else itertools.islice(source.stream(), steps)
        with self._eagerly():
            hooks.on_predict_begin()
            parts = []
            found = ModelRun(self._get_program()).predict(chosen, grouped=not hooks.sees_predict_batches)
            for i, part in enumerate(found):
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

    def _group(self, source: Source, steps: int | None, epochs: int) -> int | str:
        """Steps in one compiled call: as `compile` says; one by one where a second compilation would cost more than it saves."""
        if isinstance(self.steps_per_execution, int):
            return self.steps_per_execution
        is_short = steps is not None and steps * epochs <= _SHORT_STEPS and not source.is_table
        return 1 if is_short else "auto"

    @contextlib.contextmanager
    def _eagerly(self) -> Iterator[None]:
        """Runs steps without compilation, if `compile(run_eagerly=True)` said so."""
        with jax.disable_jit() if self.run_eagerly else contextlib.nullcontext():
            yield


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
