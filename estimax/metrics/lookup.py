"""Metrics by name, from configs and back, and what `"accuracy"` stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from estimax.core import identifiers, snake_case
from estimax.core import serialize as serialize_object
from estimax.core.formulas.names import FUNCTIONS
from estimax.metrics.accuracies import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from estimax.metrics.base import Metric
from estimax.metrics.correlation import ConcordanceCorrelation, PearsonCorrelation
from estimax.metrics.counts import FalseNegatives, FalsePositives, TrueNegatives, TruePositives
from estimax.metrics.curve import (
    AUC,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from estimax.metrics.fscore import F1Score, FBetaScore
from estimax.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from estimax.metrics.margin import CategoricalHinge, Hinge, SquaredHinge
from estimax.metrics.precision import Precision, Recall
from estimax.metrics.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from estimax.metrics.reduction import Mean, MeanMetricWrapper, MeanTensor, Sum
from estimax.metrics.regression import (
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    R2Score,
    RootMeanSquaredError,
)

CLASSES = (
    AUC,
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    BinaryIoU,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    ConcordanceCorrelation,
    CosineSimilarity,
    F1Score,
    FBetaScore,
    FalseNegatives,
    FalsePositives,
    Hinge,
    IoU,
    KLDivergence,
    LogCoshError,
    Mean,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanIoU,
    MeanMetricWrapper,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    MeanTensor,
    OneHotIoU,
    OneHotMeanIoU,
    PearsonCorrelation,
    Poisson,
    Precision,
    PrecisionAtRecall,
    R2Score,
    Recall,
    RecallAtPrecision,
    RootMeanSquaredError,
    SensitivityAtSpecificity,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SpecificityAtSensitivity,
    SquaredHinge,
    Sum,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)
METRICS: Mapping[str, Any] = {
    **FUNCTIONS,
    **{cls.__name__: cls for cls in CLASSES},
    **{snake_case(cls.__name__): cls for cls in CLASSES},
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "kld": KLDivergence,
    "KLD": KLDivergence,
    "logcosh": LogCoshError,
    "log_cosh": LogCoshError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
    "rmse": RootMeanSquaredError,
    "RMSE": RootMeanSquaredError,
}


def get(identifier: Any) -> Metric | None:
    """The metric of a name, config, class, function `(y_true, y_pred)`, loss or metric; None stays None.

    Unlike Keras's, it always gives a `Metric`, also for a function.

    Raises:
        ValueError: if no metric has this name.
        TypeError: if the class needs arguments (`IoU`).

    Example:
        >>> get("mse"), get(lambda y_true, y_pred: y_true == y_pred)
        (<MeanSquaredError name=mean_squared_error>, <MeanMetricWrapper name=mean_metric_wrapper>)

    Reference: `keras.metrics.get`.
    """
    return deserialize(identifier)


def serialize(metric: Any) -> Any:
    """The config of a metric.

    Example:
        >>> serialize(get("mse"))["config"]
        {'name': 'mean_squared_error', 'dtype': 'float32'}
    """
    return serialize_object(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Metric | None:
    """The metric of a name or a config written by `serialize`.

    Args:
        config: a name or config.
        custom_objects: further metrics by name.

    Raises:
        ValueError: if no metric has this name.

    Example:
        >>> deserialize({"class_name": "AUC", "config": {"curve": "PR"}}).curve
        'PR'
    """
    found = identifiers.resolve(config, METRICS, kind="metric", module="keras.metrics", custom_objects=custom_objects)
    if found is None or isinstance(found, Metric):
        return found
    name = getattr(found, "__name__", None) or getattr(found, "name", None)
    return MeanMetricWrapper(found, name=name if name and name.isidentifier() else None)


def resolve(
    identifier: Any,
    y_true_shape: Sequence[int | None],
    y_pred_shape: Sequence[int | None],
    loss: Any = None,
) -> Metric | None:
    """Like `get`, but `"accuracy"` and `"crossentropy"` become the metric that fits the shapes; a name names the metric.

    Binary for one predicted value; sparse where targets lack the class axis, or have it with length 1; else categorical.

    Args:
        identifier: see `get`; also `"accuracy"`, `"acc"`, `"crossentropy"`, `"ce"`.
        y_true_shape: shape of the targets.
        y_pred_shape: shape of the predictions.
        loss: the model's loss; a cross entropy takes `from_logits` from it.

    Raises:
        ValueError: if no metric has this name.

    Example:
        >>> resolve("acc", (8,), (8, 10))
        <SparseCategoricalAccuracy name=acc>

    Reference: `keras.Model.compile`.
    """
    if not isinstance(identifier, str):
        return get(identifier)
    kind = {"accuracy": "accuracy", "acc": "accuracy", "crossentropy": "ce", "ce": "ce"}.get(identifier.lower())
    if kind is None:
        metric = get(identifier)
        if metric is not None:
            metric.name = identifier
        return metric
    accuracy: type[Metric]
    crossentropy: type[Any]
    if len(y_pred_shape) < 2 or y_pred_shape[-1] == 1:
        accuracy, crossentropy = BinaryAccuracy, BinaryCrossentropy
    elif len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1:
        accuracy, crossentropy = SparseCategoricalAccuracy, SparseCategoricalCrossentropy
    else:
        accuracy, crossentropy = CategoricalAccuracy, CategoricalCrossentropy
    if kind == "accuracy":
        return accuracy(name=identifier)
    return crossentropy(name=identifier, from_logits=bool(getattr(loss, "from_logits", False)))
