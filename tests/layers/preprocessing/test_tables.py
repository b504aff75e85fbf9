"""Layers for tables of numbers."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core.errors import InputDataError, ShapeError

RNG = np.random.default_rng(0)


def test_batches_give_the_same_mean_and_variance_as_the_whole():
    data = RNG.normal(3.0, 2.0, (101, 4)).astype(np.float32)
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(data)
    parts.adapt((b, None) for b in np.array_split(data, 7))
    for layer in (whole, parts):
        np.testing.assert_allclose(layer.mean[0], data.mean(0), rtol=1e-5)
        np.testing.assert_allclose(layer.variance[0], data.var(0), rtol=1e-5)
    np.testing.assert_allclose(
        layers.Normalization(mean=data.mean(0), variance=data.var(0))(data), whole(data), rtol=1e-4, atol=1e-5
    )


def test_a_constant_feature_gives_zeros():
    layer = layers.Normalization()
    layer.adapt(np.full((5, 1), 7.0))
    assert layer(np.full((2, 1), 7.0)).tolist() == [[0.0], [0.0]]


def test_adapted_bins_hold_equally_many():
    data = RNG.exponential(size=10_000)
    layer = layers.Discretization(num_bins=4)
    layer.adapt(np.array_split(data, 5))
    counts = np.bincount(np.asarray(layer(data)), minlength=4)
    assert np.abs(counts / len(data) - 0.25).max() < 0.02
    again = layers.Discretization.from_config(layer.get_config())
    assert again.bin_boundaries == layer.bin_boundaries and again.num_bins == 4


def test_counts_of_a_large_vocabulary_take_no_more_than_their_place():
    ids = RNG.integers(0, 50_000, (8, 100))
    counts = layers.CategoryEncoding(50_000, output_mode="count")(ids)
    np.testing.assert_array_equal(counts, [np.bincount(row, minlength=50_000) for row in ids])


def test_ids_outside_count_nowhere():
    assert layers.CategoryEncoding(2)(jnp.array([[0, -1, 5]])).tolist() == [[1.0, 0.0]]
    assert layers.CategoryEncoding(2, output_mode="one_hot")(jnp.array([1, 5])).tolist() == [[0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Normalization(mean=[1.0], variance=[1.0, 2.0]), "expected equal shapes"),
        (lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 1))), "nothing to find"),
        (lambda: layers.Normalization(axis=3)(np.ones((2, 2))), "axis .* is not in an input"),
        (lambda: layers.Normalization().adapt([]), "no batch at all"),
        (lambda: layers.Discretization([1.0, 0.0]), "expected ascending numbers"),
        (lambda: layers.Discretization([1.0], num_bins=2), "given both"),
        (lambda: layers.Discretization(num_bins=2)([1.0]), "no boundaries yet"),
        (lambda: layers.Discretization([1.0]).adapt([1.0]), "nothing to find"),
        (lambda: layers.CategoryEncoding(), "num_tokens: given None"),
        (lambda: layers.CategoryEncoding(3)([[1]], count_weights=[[1.0]]), "expected 'count'"),
    ],
)
def test_errors_name_argument_and_repair(make, message):
    with pytest.raises((ValueError, InputDataError), match=message):
        make()


def test_a_batch_of_another_width_is_refused():
    layer = layers.Normalization()
    with pytest.raises(ShapeError, match="given a batch of shape"):
        layer.adapt([np.ones((2, 3)), np.ones((2, 4))])
