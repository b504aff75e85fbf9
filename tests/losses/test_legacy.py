"""Losses with the arguments of tf.compat.v1.losses."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax.losses import legacy


def test_sparse_softmax_divides_by_the_number_of_nonzero_weights():
    logits = jnp.array([[2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    expected = (2 * np.log1p(np.exp(-2.0)) + np.log1p(np.exp(1.0))) / 2
    loss = legacy.sparse_softmax_cross_entropy(jnp.array([[0], [0], [1]]), logits, weights=jnp.array([2.0, 1.0, 0.0]))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [("SUM", 7.0), ("MEAN", 7 / 3), ("SUM_BY_NONZERO_WEIGHTS", 7 / 2), ("SUM_OVER_BATCH_SIZE", 7 / 3)],
)
def test_reductions(reduction, expected):
    weights = jnp.array([1.0, 2.0, 0.0])
    reduced = legacy.compute_weighted_loss(jnp.array([1.0, 3.0, 9.0]), weights, reduction=getattr(legacy.Reduction, reduction))
    np.testing.assert_allclose(reduced, expected, rtol=1e-6)


def test_no_reduction_keeps_the_shape_and_one_weight_a_row_spreads():
    losses = legacy.mean_squared_error(
        jnp.zeros((2, 2)), jnp.ones((2, 2)), jnp.array([[1.0], [3.0]]), reduction=legacy.Reduction.NONE
    )
    np.testing.assert_allclose(losses, [[1.0, 1.0], [3.0, 3.0]])


def test_formulas():
    labels, values = jnp.array([1.0, 0.0]), jnp.array([0.8, 3.0])
    np.testing.assert_allclose(legacy.absolute_difference(labels, values), (0.2 + 3.0) / 2, rtol=1e-6)
    np.testing.assert_allclose(legacy.huber_loss(labels, values), (0.5 * 0.04 + 2.5) / 2, rtol=1e-6)
    np.testing.assert_allclose(legacy.hinge_loss(labels, values), (0.2 + 4.0) / 2, rtol=1e-6)
    np.testing.assert_allclose(legacy.log_loss(labels[:1], values[:1]), -np.log(0.8 + 1e-7), rtol=1e-6)
    logistic = (np.log1p(np.exp(-0.8)) + np.log1p(np.exp(3.0))) / 2
    np.testing.assert_allclose(legacy.sigmoid_cross_entropy(labels, values), logistic, rtol=1e-6)
    smoothed = legacy.softmax_cross_entropy(jnp.array([[1.0, 0.0]]), jnp.array([[2.0, 0.0]]), label_smoothing=0.2)
    np.testing.assert_allclose(smoothed, 0.9 * np.log1p(np.exp(-2.0)) + 0.1 * np.log1p(np.exp(2.0)), rtol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="expected one shape"):
        legacy.mean_squared_error(jnp.zeros(2), jnp.zeros((2, 1)))
    with pytest.raises(ValueError, match="use softmax_cross_entropy"):
        legacy.sparse_softmax_cross_entropy(jnp.zeros((2, 3), int), jnp.zeros((2, 3)))
    with pytest.raises(ValueError, match="reduction: given 'mean'"):
        legacy.compute_weighted_loss(jnp.zeros(2), reduction="mean")
    with pytest.raises(ValueError, match="fits losses"):
        legacy.compute_weighted_loss(jnp.zeros(2), jnp.zeros(3))
