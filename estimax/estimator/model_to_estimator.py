"""The bridge: a compiled model as an Estimator, and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from estimax.core import Frame, HostValue, current_frame
from estimax.estimator.estimator import Estimator
from estimax.estimator.export.outputs import ExportOutput
from estimax.estimator.modes import ModeKeys
from estimax.estimator.run_config import RunConfig
from estimax.estimator.spec import EstimatorSpec
from estimax.layers.base import shape_of
from estimax.models import Model, load_model
from estimax.training import TrainOp


class ModelEstimator(Estimator):
    """An Estimator made of a model; see `model_to_estimator`.

    Args:
        model: the model.
        model_fn: that calls it.
        model_dir: folder of checkpoints and event files.
        config: a `RunConfig`.
    """

    def __init__(self, model: Model, model_fn: Callable, model_dir: Any, config: RunConfig | None):
        super().__init__(model_fn, model_dir=model_dir, config=config)
        self.model = model

    def to_model(self) -> Model:
        """The model, with the weights of this estimator.

        Raises:
            ValueError: if nothing has been trained yet.
        """
        paths = self.model.bindings
        values = {id(v): self.get_variable_value(paths[id(v)]) for v in self.model.variables}
        for v in self.model.variables:
            v.assign(values[id(v)])
        return self.model


def model_to_estimator(
    keras_model: Model | None = None,
    keras_model_path: str | os.PathLike | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    model_dir: str | os.PathLike | None = None,
    config: RunConfig | None = None,
    checkpoint_format: str | None = None,
    metric_names_map: Mapping[str, str] | None = None,
    export_outputs: Mapping[str, ExportOutput] | None = None,
) -> ModelEstimator:
    """An Estimator that starts from a model's weights and gives its predictions.

    Training the estimator leaves the model as it is; `estimator.to_model()` takes the weights back.

    Args:
        keras_model: a compiled model with weights.
        keras_model_path: a saved model, instead.
        custom_objects: classes and functions by name, for loading.
        model_dir: folder of checkpoints and event files.
        config: a `RunConfig`.
        checkpoint_format: must be None: there is one format, which both sides read.
        metric_names_map: names of metrics in evaluations, by their names in the model.
        export_outputs: must be None: an export has the signature predict, with the model's outputs by name.

    Raises:
        ValueError: unless exactly one of model and path is given, if it is not compiled, or for an argument that must be None.

    Example:
        >>> import numpy as np, estimax as ex
        >>> model = ex.Sequential([ex.layers.Input((2,)), ex.layers.Dense(1)])
        >>> model.compile(optimizer="sgd", loss="mse")
        >>> estimator = model_to_estimator(model)
        >>> x = np.ones((3, 2), np.float32)
        >>> rows = list(estimator.predict(lambda: x))
        >>> np.allclose([r["dense"] for r in rows], model.predict(x, verbose=0))
        True

    Reference: tf.keras.estimator.model_to_estimator.
    """
    if (keras_model is None) == (keras_model_path is None):
        raise ValueError("model_to_estimator: expected exactly one of keras_model and keras_model_path.")
    for name, given in (("checkpoint_format", checkpoint_format), ("export_outputs", export_outputs)):
        if given is not None:
            raise ValueError(f"model_to_estimator: {name}: given {given!r}, expected None. Leave it out.")
    model = keras_model if keras_model is not None else load_model(keras_model_path, custom_objects=custom_objects)
    if not isinstance(model, Model):
        raise ValueError(f"model_to_estimator: given {type(model).__name__}, expected a Model or Sequential of estimax.")
    if not model.compiled:
        raise ValueError("model_to_estimator: the model is not compiled. Call model.compile(optimizer=..., loss=...) first.")
    model_fn = _model_fn_of(model, dict(metric_names_map or {}))
    return ModelEstimator(model, model_fn, model_dir, config)


def _model_fn_of(model: Model, names: Mapping[str, str]) -> Callable:
    start: dict[str, np.ndarray] = {}

    def bind() -> None:
        """Lets the model's variables be those of this call, starting from the model's weights."""
        frame = current_frame()
        assert frame is not None
        paths, kinds = model.bindings, model.kinds
        for v in model.variables:
            path = paths[id(v)]
            start.setdefault(path, np.asarray(v._array))
            v.path = path
            frame.add_variable(v, kinds[path], lambda value=start[path]: jax.numpy.asarray(value))

    def bind_metrics() -> None:
        frame = current_frame()
        assert frame is not None
        first = model.initial_metric_values()
        for v in model.metric_variables:
            start_value = first[id(v)]
            frame.add_variable(v, "metrics", lambda value=start_value: value)

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        _build(model, features)
        bind()
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions=_named(model, model.predict_step((features,))))
        if model.needs_compiling:
            specs = (
                jax.eval_shape(lambda: model(features, training=False)) if not model.losses else model(features, training=False)
            )
            with Frame.eager():  # metrics and losses belong to the model and outlive this call
                model.compile_for(_spec(labels), _spec(specs))
        bind_metrics()
        out = model.train_step((features, labels, None)) if mode == ModeKeys.TRAIN else model.test_step((features, labels, None))
        if mode == ModeKeys.TRAIN:
            return EstimatorSpec(mode, loss=out.loss, train_op=[TrainOp(op.optimizer, op.loss, op.paths) for op in out.train_ops])
        metrics = {names.get(k, k): m for k, m in out.metrics.items() if k != "loss"}
        return EstimatorSpec(mode, loss=out.loss, eval_metric_ops=metrics)

    return model_fn


def _build(model: Model, features: Any) -> None:
    if model.built and all(layer.built for layer in model.flatten_layers()):
        return
    try:
        with Frame.eager():
            model.build(shape_of(features))
    except Exception as e:
        raise ValueError(
            f"model_to_estimator: the model has no weights yet and cannot be built from the features: {e} Call it on a batch first."
        ) from e


def _spec(tree: Any) -> Any:
    is_leaf = lambda x: isinstance(x, HostValue)  # noqa: E731
    return jax.tree.map(lambda x: x if is_leaf(x) else jax.ShapeDtypeStruct(x.shape, x.dtype), tree, is_leaf=is_leaf)


def _named(model: Model, y: Any) -> Any:
    """Predictions as a dict by output name."""
    if isinstance(y, Mapping):
        return dict(y)
    outputs = list(y) if isinstance(y, (list, tuple)) else [y]
    names = getattr(model, "output_names", None)
    if not names:
        names = (
            [model.layers[-1].name] if len(outputs) == 1 and model.layers else [f"output_{i + 1}" for i in range(len(outputs))]
        )
    return dict(zip(names, outputs))
