"""Metrics: laws that hold for every one, eager and compiled."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from estimax import metrics
from estimax.metrics.lookup import CLASSES

rng = np.random.default_rng(0)
ROWS, CLASSES_OF_DATA = 6, 3
PROBABILITIES = rng.dirichlet(np.ones(CLASSES_OF_DATA), size=ROWS).astype(np.float32)
ONE_HOT = np.eye(CLASSES_OF_DATA, dtype=np.float32)[[0, 1, 2, 0, 1, 0]]
CLASS_NUMBERS = np.array([0, 1, 2, 0, 1, 0], np.int32)
BINARY = (np.array([0, 1, 1, 0, 1, 0], np.float32), rng.random(ROWS).astype(np.float32))
NUMBERS = (rng.normal(size=(ROWS, 3)).astype(np.float32), rng.normal(size=(ROWS, 3)).astype(np.float32))
SPARSE = (CLASS_NUMBERS, PROBABILITIES)
CATEGORICAL = (ONE_HOT, PROBABILITIES)

EXAMPLES: list[tuple[Any, tuple]] = [
    (metrics.AUC, BINARY),
    (lambda: metrics.AUC(curve="PR"), BINARY),
    (lambda: metrics.AUC(thresholds=[0.2, 0.25, 0.7]), BINARY),
    (lambda: metrics.AUC(multi_label=True, curve="PRGAIN", label_weights=[1.0, 2.0, 3.0]), CATEGORICAL),
    (lambda: metrics.AUC(from_logits=True, summation_method="majoring"), (BINARY[0], NUMBERS[1][:, 0])),
    (metrics.Accuracy, (CLASS_NUMBERS, np.array([0, 1, 1, 0, 0, 0], np.int32))),
    (metrics.BinaryAccuracy, BINARY),
    (metrics.BinaryCrossentropy, (BINARY[0][:, None], BINARY[1][:, None])),
    (metrics.BinaryIoU, BINARY),
    (metrics.CategoricalAccuracy, CATEGORICAL),
    (metrics.CategoricalCrossentropy, CATEGORICAL),
    (metrics.CategoricalHinge, CATEGORICAL),
    (metrics.ConcordanceCorrelation, NUMBERS),
    (metrics.CosineSimilarity, NUMBERS),
    (metrics.F1Score, CATEGORICAL),
    (lambda: metrics.F1Score(average="weighted", threshold=0.4), CATEGORICAL),
    (lambda: metrics.FBetaScore(average="micro", beta=0.5), CATEGORICAL),
    (metrics.FalseNegatives, BINARY),
    (lambda: metrics.FalsePositives(thresholds=[0.0, 0.5, 1.0]), BINARY),
    (metrics.Hinge, NUMBERS),
    (lambda: metrics.IoU(3, [0, 2]), (CLASS_NUMBERS, np.array([0, 1, 1, 0, 0, 2], np.int32))),
    (metrics.KLDivergence, CATEGORICAL),
    (metrics.LogCoshError, NUMBERS),
    (metrics.Mean, (NUMBERS[0],)),
    (metrics.MeanAbsoluteError, NUMBERS),
    (metrics.MeanAbsolutePercentageError, NUMBERS),
    (lambda: metrics.MeanIoU(3, sparse_y_pred=False), SPARSE),
    (lambda: metrics.MeanMetricWrapper(metrics.huber, delta=0.5), NUMBERS),
    (metrics.MeanSquaredError, NUMBERS),
    (metrics.MeanSquaredLogarithmicError, CATEGORICAL),
    (lambda: metrics.OneHotIoU(3, [0, 2]), CATEGORICAL),
    (lambda: metrics.OneHotMeanIoU(3), CATEGORICAL),
    (metrics.PearsonCorrelation, NUMBERS),
    (metrics.Poisson, CATEGORICAL),
    (metrics.Precision, BINARY),
    (lambda: metrics.Precision(top_k=1, class_id=1), CATEGORICAL),
    (lambda: metrics.PrecisionAtRecall(0.5), BINARY),
    (lambda: metrics.R2Score(num_regressors=1), NUMBERS),
    (lambda: metrics.R2Score(class_aggregation="variance_weighted_average"), NUMBERS),
    (lambda: metrics.Recall(thresholds=[0.2, 0.8]), BINARY),
    (lambda: metrics.RecallAtPrecision(0.5), BINARY),
    (metrics.RootMeanSquaredError, NUMBERS),
    (lambda: metrics.SensitivityAtSpecificity(0.5), BINARY),
    (metrics.SparseCategoricalAccuracy, SPARSE),
    (metrics.SparseCategoricalCrossentropy, SPARSE),
    (lambda: metrics.SparseTopKCategoricalAccuracy(k=2), SPARSE),
    (lambda: metrics.SpecificityAtSensitivity(0.5, class_id=0), CATEGORICAL),
    (metrics.SquaredHinge, NUMBERS),
    (metrics.Sum, (NUMBERS[0],)),
    (lambda: metrics.TopKCategoricalAccuracy(k=2), CATEGORICAL),
    (metrics.TrueNegatives, BINARY),
    (metrics.TruePositives, BINARY),
]


def name_of(example: Any) -> str:
    return example.__name__ if isinstance(example, type) else type(example()).__name__ if callable(example) else ""


def test_every_class_has_an_example() -> None:
    shown = {type(make()) for make, _ in EXAMPLES}
    assert set(CLASSES) - shown == {metrics.MeanTensor}, "give a new metric an example: the laws below are its tests"


@pytest.mark.parametrize(("make", "data"), EXAMPLES, ids=name_of)
def test_laws(make: Any, data: tuple) -> None:
    """In one compilation: padding of NaN changes nothing, and neither do weights of 1 or the split into batches."""
    metric = make()
    padding = [np.concatenate([x, np.full_like(x[:2], np.nan if x.dtype.kind == "f" else 0)]) for x in data]
    weight = np.concatenate([np.ones(ROWS), np.zeros(2)]).astype(np.float32)

    @jax.jit
    def results(data: tuple, padding: list) -> Any:
        start = metric.initial_totals(*data)
        whole = metric.updated_totals(start, *data)
        padded = metric.updated_totals(start, *padding, sample_weight=weight)
        halves = metric.updated_totals(start, *(x[: ROWS // 2] for x in data))
        halves = metric.updated_totals(halves, *(x[ROWS // 2 :] for x in data))
        nothing = metric.updated_totals(whole, *padding, sample_weight=np.zeros(ROWS + 2, np.float32))
        return [metric.result_of(t) for t in (whole, padded, halves, nothing)]

    whole, padded, halves, nothing = results(data, padding)
    assert np.all(np.isfinite(whole))
    for other in (padded, halves, nothing):
        np.testing.assert_allclose(other, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("make", "data"), EXAMPLES, ids=name_of)
def test_config_builds_an_equal_metric(make: Any, data: tuple) -> None:
    metric = make()
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    assert metric.takes_weights


def test_eager_equals_compiled_and_reset_starts_anew() -> None:
    metric = metrics.Precision()
    totals = metric.updated_totals(metric.initial_totals(), *BINARY)
    metric.update_state(*BINARY)
    assert float(metric.result()) == float(metric.result_of(totals)) != 0
    metric.reset_state()
    assert float(metric.result()) == 0 and [v.name for v in metric.variables] == ["true_positives", "false_positives"]
