"""Further metrics for any estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimax.estimator.estimator import Estimator
from estimax.estimator.inputs import call_with_known, checked_arguments
from estimax.estimator.modes import ModeKeys
from estimax.estimator.spec import EstimatorSpec

_ARGUMENTS = ("features", "labels", "predictions", "config")


def add_metrics(estimator: Estimator, metric_fn: Callable) -> Estimator:
    """A new estimator that reports further metrics.

    Args:
        estimator: any estimator; its `model_dir` is shared.
        metric_fn: takes any of `features, labels, predictions, config`, and returns `{name: metric}`: metric objects that it updated, or
            scalars.

    Returns:
        An estimator whose `evaluate` gives the metrics of both; the new ones win where names are equal.

    Raises:
        ValueError: if the function takes something else.

    Example:
        >>> import estimax as ex
        >>> def metric_fn(labels, predictions):
        ...     error = ex.metrics.MeanAbsoluteError()
        ...     error.update_state(labels, predictions["predictions"])
        ...     return {"mae": error}
        >>> estimator = add_metrics(ex.estimator.LinearRegressor([ex.feature_columns.numeric_column("x")]), metric_fn)

    Reference: tf.estimator.add_metrics.
    """
    checked_arguments(metric_fn, _ARGUMENTS, what="metric_fn")
    inner = estimator._model_fn

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
        spec = inner.spec(features, labels, mode)
        if mode != ModeKeys.EVAL:
            return spec
        given = dict(zip(_ARGUMENTS, (features, labels, spec.predictions, config)))
        return spec.replace(
            eval_metric_ops={**(spec.eval_metric_ops or {}), **call_with_known(metric_fn, given, what="metric_fn")}
        )

    return Estimator(model_fn, model_dir=estimator.model_dir, config=estimator.config, warm_start_from=estimator._warm_start)
