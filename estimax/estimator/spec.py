"""The EstimatorSpec: everything that a model_fn says about one mode."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import HostOutput
from estimax.estimator.export.outputs import ExportOutput, PredictOutput
from estimax.estimator.modes import ModeKeys, check_mode
from estimax.optimizers import MinimizeOp
from estimax.training import Hook, TrainOp

DEFAULT_SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class EstimatorSpec:
    """What a model_fn returns.

    Args:
        mode: a value of `ModeKeys`.
        predictions: an array or a dict of arrays `[batch, ...]`; needed in PREDICT.
        loss: a scalar; needed in TRAIN and EVAL. Regularization is to be included.
        train_op: needed in TRAIN: what `optimizer.minimize(loss)` returns, or a list of such (one for each optimizer).
        eval_metric_ops: by name, a metric object that was updated, or an array whose mean over the batches is reported.
        export_outputs: `ExportOutput` by signature name; by default one `PredictOutput` of the predictions. With several, one is to be
            called `"serving_default"`.
        training_chief_hooks: hooks of the process that writes `model_dir`.
        training_hooks: hooks of every process.
        scaffold: a `Scaffold`: what is run before training and around saving.
        evaluation_hooks: hooks of `evaluate`.
        prediction_hooks: hooks of `predict`.

    Raises:
        ValueError: if a field is missing that the mode needs, or the loss is no scalar.
        TypeError: if a field has the wrong type.

    Example:
        >>> EstimatorSpec("infer", predictions=jnp.zeros((2, 1))).export_outputs
        {'serving_default': PredictOutput(output)}

    Reference: tf.estimator.EstimatorSpec.
    """

    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metric_ops: Mapping[str, Any] | None = None
    export_outputs: Mapping[str, ExportOutput] | None = None
    training_chief_hooks: Sequence[Hook] | None = None
    training_hooks: Sequence[Hook] | None = None
    scaffold: Any = None
    evaluation_hooks: Sequence[Hook] | None = None
    prediction_hooks: Sequence[Hook] | None = None

    def __post_init__(self) -> None:
        check_mode(self.mode)
        if self.mode == ModeKeys.TRAIN and self.train_op is None:
            raise ValueError("EstimatorSpec: train_op is missing, expected optimizer.minimize(loss) in mode TRAIN.")
        if self.mode in (ModeKeys.TRAIN, ModeKeys.EVAL) and self.loss is None:
            raise ValueError(f"EstimatorSpec: loss is missing, expected a scalar in mode {self.mode!r}.")
        if self.mode == ModeKeys.PREDICT and self.predictions is None:
            raise ValueError("EstimatorSpec: predictions are missing, expected an array or a dict of arrays in mode PREDICT.")
        set_field = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731 - the fields of a frozen class, once
        set_field("loss", _scalar_loss(self.loss))
        set_field("predictions", _checked_predictions(self.predictions))
        set_field("eval_metric_ops", _checked_metrics(self.eval_metric_ops))
        for name in ("training_chief_hooks", "training_hooks", "evaluation_hooks", "prediction_hooks"):
            set_field(name, _checked_hooks(name, getattr(self, name)))
        if self.scaffold is not None and not hasattr(self.scaffold, "init_fn"):
            raise TypeError(f"EstimatorSpec: scaffold: given {type(self.scaffold).__name__}, expected a Scaffold.")
        set_field("train_op", _train_ops(self.train_op))
        set_field("export_outputs", self._checked_exports())

    def _checked_exports(self) -> dict[str, ExportOutput] | None:
        if self.mode != ModeKeys.PREDICT:
            return dict(self.export_outputs) if self.export_outputs else None
        if self.export_outputs is None:
            return {DEFAULT_SIGNATURE: PredictOutput(self.predictions)}
        exports = dict(self.export_outputs)
        for name, output in exports.items():
            if not isinstance(output, ExportOutput):
                raise TypeError(
                    f"EstimatorSpec: export_outputs[{name!r}]: given {type(output).__name__}, expected an ExportOutput."
                )
        if not exports:
            raise ValueError("EstimatorSpec: export_outputs: given an empty dict, expected at least one signature, or None.")
        if len(exports) == 1 and DEFAULT_SIGNATURE not in exports:
            exports[DEFAULT_SIGNATURE] = next(iter(exports.values()))
        if DEFAULT_SIGNATURE not in exports:
            raise ValueError(
                f"EstimatorSpec: export_outputs: given the signatures {sorted(exports)}, expected one called {DEFAULT_SIGNATURE!r} "
                "where there are several. Give the one that clients use by default under that name too."
            )
        return exports

    def replace(self, **changes: Any) -> EstimatorSpec:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    _replace = replace

    def _asdict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def _scalar_loss(loss: Any) -> Any:
    if loss is None:
        return None
    loss = jnp.asarray(loss)
    if loss.size != 1:
        raise ValueError(
            f"EstimatorSpec: loss: given an array of shape {loss.shape}, expected a scalar. Reduce it with jnp.mean."
        )
    return loss.reshape(())


def _checked_predictions(predictions: Any) -> Any:
    for leaf in jax.tree.leaves(predictions, is_leaf=lambda x: isinstance(x, HostOutput)):
        if not hasattr(leaf, "shape"):
            raise TypeError(f"EstimatorSpec: predictions: given {type(leaf).__name__}, expected arrays [batch, ...].")
    return predictions


def _checked_metrics(metrics: Mapping[str, Any] | None) -> dict[str, Any]:
    found = {}
    for name, metric in (metrics or {}).items():
        if isinstance(metric, tuple) and len(metric) == 2:  # (value, update) of tf.compat.v1.metrics
            metric = metric[0] if hasattr(metric[0], "result") or not hasattr(metric[1], "result") else metric[1]
        if not hasattr(metric, "result") and jnp.ndim(metric) != 0:
            raise TypeError(
                f"EstimatorSpec: eval_metric_ops[{name!r}]: given an array of shape {jnp.shape(metric)}, expected a metric object "
                "that was updated in the model_fn (metric.update_state(labels, predictions)), or a scalar."
            )
        found[name] = metric
    return found


def _checked_hooks(name: str, hooks: Sequence[Hook] | None) -> tuple[Hook, ...]:
    hooks = tuple(hooks or ())
    for hook in hooks:
        if not isinstance(hook, Hook):
            raise TypeError(f"EstimatorSpec: {name}: given {type(hook).__name__}, expected hooks (subclasses of SessionRunHook).")
    return hooks


def _train_ops(train_op: Any) -> tuple[TrainOp, ...] | None:
    """The train_op in the engine's words."""
    if train_op is None:
        return None
    if isinstance(train_op, TrainOp):
        return (train_op,)
    if isinstance(train_op, MinimizeOp):
        return (TrainOp(train_op.optimizer, train_op.loss, variable_paths(train_op.var_list)),)
    if isinstance(train_op, (list, tuple)):
        return tuple(op for part in train_op for op in _train_ops(part) or ())
    raise TypeError(
        f"EstimatorSpec: train_op: given {type(train_op).__name__}, expected what optimizer.minimize(loss) returns, or a list of such. "
        "Gradients are taken by the engine; describe what to minimise by which variables: optimizer.minimize(loss, var_list=[...])."
    )


def variable_paths(variables: Any) -> frozenset[str] | None:
    """The paths of variables given as Variables or paths; None for all."""
    if variables is None:
        return None
    return frozenset(v if isinstance(v, str) else v.path for v in variables)
