"""Metrics with the arguments of tf.compat.v1.metrics."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import metrics
from estimax.metrics import legacy


def test_accuracy_gives_a_metric_and_its_value():
    metric, value = legacy.accuracy(
        jnp.array([[1], [2], [3]]), jnp.array([1, 2, 0]), weights=jnp.array([1.0, 1.0, 2.0]), name="acc"
    )
    assert isinstance(metric, metrics.Accuracy) and metric.name == "acc"
    assert float(value) == float(metric.result()) == 0.5


def test_counts_and_shares_take_classes_as_truth():
    labels, predictions = jnp.array([True, False, True, True]), jnp.array([1, 2, 0, 1])
    values = {f.__name__: float(f(labels, predictions)[1]) for f in (legacy.precision, legacy.recall, legacy.true_positives)}
    np.testing.assert_allclose(list(values.values()), [2 / 3, 2 / 3, 2])
    assert [
        float(f(labels, predictions)[1]) for f in (legacy.false_positives, legacy.false_negatives, legacy.true_negatives)
    ] == [1, 1, 0]


def test_probabilities_and_thresholds():
    labels, probabilities = jnp.array([0, 0, 1, 1]), jnp.array([0.0, 0.5, 0.3, 0.9])
    np.testing.assert_allclose(legacy.auc(labels, probabilities, num_thresholds=3)[1], 0.75)
    np.testing.assert_allclose(legacy.recall_at_thresholds(labels, probabilities, [0.2, 0.4])[1], [1.0, 0.5])
    np.testing.assert_allclose(legacy.precision_at_thresholds(labels, probabilities, [0.2, 0.6])[1], [2 / 3, 1.0])
    np.testing.assert_allclose(legacy.sensitivity_at_specificity(labels, probabilities, 0.9)[1], 0.5)


def test_errors_and_means():
    labels, predictions = jnp.array([[1.0], [2.0]]), jnp.array([2.0, 5.0])
    np.testing.assert_allclose(legacy.mean_squared_error(labels, predictions)[1], 5.0)
    np.testing.assert_allclose(legacy.root_mean_squared_error(labels, predictions)[1], np.sqrt(5.0), rtol=1e-6)
    np.testing.assert_allclose(legacy.mean_absolute_error(labels, predictions, weights=jnp.array([1.0, 0.0]))[1], 1.0)
    np.testing.assert_allclose(legacy.mean(predictions, weights=jnp.array([[3.0], [1.0]]))[1], 2.75)
    np.testing.assert_allclose(legacy.mean_iou(jnp.array([0, 1, 1]), jnp.array([0, 1, 0]), 2)[1], 0.5)


def test_one_weight_a_row_counts_for_all_classes():
    labels, predictions, weights = jnp.array([[1, 0], [1, 0]]), jnp.array([[1, 1], [0, 0]]), jnp.array([3.0, 1.0])
    np.testing.assert_allclose(legacy.accuracy(labels, predictions, weights)[1], (3 + 1) / 8)
    np.testing.assert_allclose(legacy.recall(labels, predictions, weights)[1], 3 / 4)


def test_bad_input():
    with pytest.raises(ValueError, match="give the predicted classes"):
        legacy.accuracy(jnp.zeros(2), jnp.zeros((2, 3)))
    with pytest.raises(ValueError, match="summation_method='middle'"):
        legacy.auc(jnp.zeros(2), jnp.zeros(2), summation_method="middle")
