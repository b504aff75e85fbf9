"""Attention layers: laws, masks and errors."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from estimax import core, layers

RNG = np.random.default_rng(0)


def x(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_keys_that_are_masked_are_not_looked_at():
    query, value = x(2, 3, 4), x(2, 5, 4)
    mask = np.array([[True, True, True, False, False]] * 2)
    for layer in (layers.Attention(), layers.AdditiveAttention()):
        full = layer([query, value], mask=[None, mask])
        np.testing.assert_allclose(full, layer([query, value[:, :3]]), rtol=1e-5, atol=1e-6)
    heads = layers.MultiHeadAttention(2, 3)
    full = heads(query, value, value_mask=mask)
    np.testing.assert_allclose(full, heads(query, value[:, :3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"return_attention_scores": True}])
def test_causal_attention_does_not_see_what_comes_later(options):
    heads = layers.MultiHeadAttention(2, 3)
    a, b = x(1, 4, 6), x(1, 4, 6)
    b[:, :2] = a[:, :2]
    first, second = (heads(v, v, use_causal_mask=True, **options) for v in (a, b))
    if options:
        first, second = first[0], second[0]
    np.testing.assert_allclose(first[:, :2], second[:, :2], rtol=1e-4, atol=1e-5)


def test_the_fused_way_and_the_one_with_scores_agree():
    for make in (layers.MultiHeadAttention(2, 3, use_gate=True), layers.GroupQueryAttention(3, 4, 2, use_gate=True)):
        query, value = x(2, 3, 4), x(2, 5, 4)
        fused = make(query, value)
        output, scores = make(query, value, return_attention_scores=True)
        np.testing.assert_allclose(output, fused, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)


def test_attention_over_two_axes():
    layer = layers.MultiHeadAttention(2, 3, attention_axes=(1, 2))
    y, scores = layer(x(2, 3, 4, 5), x(2, 2, 6, 5), return_attention_scores=True)
    assert y.shape == (2, 3, 4, 5) and scores.shape == (2, 2, 3, 4, 2, 6)
    np.testing.assert_allclose(scores.sum((-1, -2)), 1, rtol=1e-5)


def test_a_query_head_for_each_key_head_is_multi_head_attention():
    grouped, heads = layers.GroupQueryAttention(3, 2, 2), layers.MultiHeadAttention(2, 3)
    query, value = x(2, 3, 4), x(2, 5, 4)
    y = heads(query, value)
    grouped(query, value)
    grouped.set_weights(heads.get_weights())
    np.testing.assert_allclose(grouped(query, value), y, rtol=1e-4, atol=1e-5)


def test_dropout_acts_while_training_only():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5)
    a = x(2, 4, 6)
    np.testing.assert_array_equal(layer(a, a), layer(a, a))
    assert not np.array_equal(layer(a, a, training=True), layer(a, a))
    one = layers.Attention(dropout=0.5)
    assert not np.array_equal(one([a, a], training=True), one([a, a]))


def test_the_mask_of_the_query_comes_out():
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    embedding, layer = layers.Embedding(5, 4, mask_zero=True), layers.MultiHeadAttention(2, 3)
    with core.Frame.eager() as frame:
        y = embedding(ids)
        np.testing.assert_array_equal(frame.mask_of(layer(y, y)), ids != 0)


def test_weights_keep_keras_names():
    layer = layers.MultiHeadAttention(2, 3, use_gate=True)
    layer(x(1, 2, 4), x(1, 2, 4))
    names = ["query", "key", "gate", "value", "attention_output"]
    assert [v.path for v in layer.weights] == [f"multi_head_attention/{n}/{w}" for n in names for w in ("kernel", "bias")]


def test_gradients_are_finite_where_all_keys_are_masked():
    layer = layers.MultiHeadAttention(2, 3)
    a, mask = x(1, 3, 4), np.zeros((1, 3, 3), bool)
    layer(a, a)
    gradient = jax.grad(lambda a: layer.apply(layer.values, a, a, attention_mask=mask)[0].sum())(a)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MultiHeadAttention(0, 3), "num_heads: given 0, expected a positive integer"),
        (lambda: layers.MultiHeadAttention(2, 3, sliding_window=0), "sliding_window: given 0"),
        (lambda: layers.MultiHeadAttention(2, 3, dropout=0.5, flash_attention=True), "expected no dropout"),
        (lambda: layers.MultiHeadAttention(2, 3, attention_axes="all"), "attention_axes: given 'all'"),
        (lambda: layers.Attention()(np.ones((2, 3, 4), np.float32)), "expected a list"),
        (lambda: layers.Attention(dropout=2.0), "dropout: given 2.0"),
        (lambda: layers.MultiHeadAttention(2, 3)(x(1, 2, 4), x(1, 3, 4), x(1, 5, 4)), "one value for each key"),
        (lambda: layers.GroupQueryAttention(2, 3, 2), "expected a multiple of num_key_value_heads=2"),
    ],
)
def test_errors_name_argument_and_repair(make, message):
    with pytest.raises(ValueError, match=message):
        make()
