"""What compile says and what one step computes: losses, metrics, the forward function that the engine takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from estimax import losses, optimizers
from estimax import metrics as metrics_module
from estimax.core import Variable, current_frame, next_seed, row_count
from estimax.models.compile_config import compile_arguments, serialize_compile
from estimax.models.compiled import CompiledLosses, CompiledMetrics, flat_outputs
from estimax.models.program import ModelProgram, ModelRun
from estimax.training import Outputs, TrainOp


class Compiling:
    """The part of a `Model` that is compiled: what a step of training, evaluation or prediction computes.

    Attributes:
        optimizer: of `compile`; its `learning_rate` may be set at any time.
        stop_training: set it in a callback to end `fit` after this step.
        steps_done: steps of training over all fits.
    """

    def __init__(self) -> None:
        self.optimizer: Any = None
        self.loss: Any = None
        self.compiled = False
        self.stop_training = False
        self.steps_per_execution: int | str = "auto"
        self.run_eagerly = False
        self.steps_done = 0  # over all fits
        self.resume_epoch: int | None = None  # set by a callback that restores a backup
        self.restore_after_build: Callable[[], None] | None = None  # likewise, if the model is not built yet
        self._arguments: dict[str, Any] = {}
        self._compiled_losses: CompiledLosses | None = None
        self._compiled_metrics: CompiledMetrics | None = None
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
            auto_scale_loss: whether the optimizer is wrapped in a `LossScaleOptimizer` where the model or one of its layers is
                `mixed_float16`.

        Raises:
            ValueError: if a name is unknown or an argument has the wrong form.
        """
        if steps_per_execution != "auto" and (not isinstance(steps_per_execution, (int, np.integer)) or steps_per_execution < 1):
            raise ValueError(
                f'compile: steps_per_execution: given {steps_per_execution!r}, expected a positive integer or "auto".'
            )
        if jit_compile not in (True, False, "auto"):
            raise ValueError(f'compile: jit_compile: given {jit_compile!r}, expected True, False or "auto".')
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value is not None and not isinstance(value, (list, tuple, Mapping)):
                raise ValueError(f"compile: {argument}: given {value!r}, expected a list or dict: {argument}=[{value!r}].")
        _check_names(loss, metrics, weighted_metrics)
        self.optimizer = optimizers.get(optimizer)
        is_half = any(x.dtype_policy.name == "mixed_float16" for x in self.flatten_layers())  # type: ignore[attr-defined]
        if auto_scale_loss and is_half and self.optimizer is not None:
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
        self._compiled_losses = self._compiled_metrics = None
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
            # Keras scales the loss by the model's own policy alone; the optimizer's saved state is of that form.
            is_half = self.dtype_policy.name == "mixed_float16"  # type: ignore[attr-defined]
            self.compile(**compile_arguments(config, custom_objects), auto_scale_loss=is_half)

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
        return self.compiled and self._compiled_metrics is None

    def compile_for(self, y_true: Any, y_pred: Any) -> None:
        """Makes losses and metrics for labels and outputs of these shapes; done by the first batch."""
        names = getattr(self, "output_names", None)
        if self.loss is not None:
            self._compiled_losses = CompiledLosses(self.loss, self._arguments["loss_weights"], y_true, y_pred, names)
        given = (self._arguments["metrics"], self._arguments["weighted_metrics"])
        self._compiled_metrics = CompiledMetrics(*given, y_true, y_pred, names)

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
        if self._compiled_metrics is not None:
            named |= self._compiled_metrics.by_name
        if self._compiled_losses is not None:
            named |= self._compiled_losses.trackers
        known = {id(m) for m in named.values()}
        for layer in self.flatten_layers():  # type: ignore[attr-defined]
            for key, value in list(layer.__dict__.items()):
                if key in ("_loss_tracker", "_compiled_metrics", "_compiled_losses"):
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
        found: dict[int, jax.Array] = {}
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
        return Outputs(
            loss=loss, metrics=self.compute_metrics(x, y, y_pred, sample_weight), train_ops=(TrainOp(self.optimizer, loss),)
        )

    def test_step(self, data: tuple[Any, Any, Any]) -> Outputs:
        """What `evaluate` computes for a batch; see `train_step`."""
        x, y, sample_weight = data
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = None
        if self.loss is not None or type(self).compute_loss is not Compiling.compute_loss:
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
            self._track(loss, y_pred)
        return Outputs(loss=loss, metrics=self.compute_metrics(x, y, y_pred, sample_weight))

    def predict_step(self, data: tuple[Any, ...]) -> Any:
        """What `predict` computes for a batch."""
        return self(data[0], training=False)  # type: ignore[operator]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The scalar to minimise: the losses of `compile`, those added by layers, and the regularizers.

        Raises:
            ValueError: if there is none of them.
        """
        frame = current_frame()
        added = [] if frame is None else list(frame.losses)
        added += self.regularization_losses()  # type: ignore[attr-defined]
        if self._compiled_losses is None and not added:
            raise ValueError(f'Model "{self.name}": there is no loss. Give compile(loss=...) one, or add_loss in a layer.')  # type: ignore[attr-defined]
        total = 0.0 if self._compiled_losses is None else self._compiled_losses(y, y_pred, sample_weight)
        return sum(added, total)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Adds the batch to the metrics of `compile`, and gives all metrics by name."""
        if self._compiled_metrics is not None:
            self._compiled_metrics.update(y, y_pred, sample_weight)
        return self._named_metrics()

    def _track(self, loss: Any, y_pred: Any) -> None:
        leaves = [x for _, x in flat_outputs(y_pred)]
        self._loss_tracker.update_state(loss, sample_weight=row_count(leaves[0]))

    # -- the program --------------------------------------------------------------------------------------------------

    def _run_seed(self) -> int:
        if self._seed is None:
            self._seed = next_seed() % 2**31
        return self._seed

    def _get_program(self, seed: int | None = None) -> ModelProgram:
        if self._program is None:
            self._program = self.make_program(seed)
        return self._program


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
