"""Dense, EinsumDense, Embedding and low-rank adaptation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core import Frame
from estimax.core.errors import ShapeError


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda: layers.Dense(3), jnp.ones((2, 4))),
        (lambda: layers.EinsumDense("ab,bc->ac", 3), jnp.ones((2, 4))),
        (lambda: layers.Conv1D(3, 2), jnp.ones((2, 5, 4))),
        (lambda: layers.Embedding(5, 3), jnp.array([[1, 2]])),
    ],
)
def test_low_rank_adaptation_starts_as_the_layer_and_freezes_it(make, x):
    layer = make()
    before = layer(x)
    with pytest.raises(ValueError, match="rank: given 0|lora_rank: given 0"):
        layer.enable_lora(0)
    layer.enable_lora(2)
    np.testing.assert_allclose(layer(x), before, rtol=1e-6)
    trained = [v.name for v in layer.trainable_variables]
    assert [n for n in trained if n != "bias"] == [v.name for v in layer.weights if v.name.startswith("lora_")]
    layer.weights[-1].assign(jnp.ones(layer.weights[-1].shape))
    assert not np.allclose(layer(x), before)
    with pytest.raises(ValueError, match="has it already"):
        layer.enable_lora(2)


def test_low_rank_adaptation_needs_a_built_layer():
    with pytest.raises(ValueError, match="is not built"):
        layers.Dense(3).enable_lora(2)


def test_dense_arguments():
    with pytest.raises(ValueError, match="units: given 0"):
        layers.Dense(0)
    with pytest.raises(ValueError, match="quantization_config"):
        layers.Dense(2, quantization_config={"mode": "int8"})
    with pytest.raises(ShapeError, match="a known size on the last axis"):
        layers.Dense(2)(layers.Input((None,)))


@pytest.mark.parametrize(
    ("equation", "output_shape", "bias_axes", "input_shape", "want"),
    [
        ("abc,cd->abd", (None, 5), "d", (2, 3, 4), (2, 3, 5)),
        ("...x,xy->...y", 5, "y", (2, 3, 3, 4), (2, 3, 3, 5)),
        ("ab...,bc->ac...", 5, "c", (2, 3, 4), (2, 5, 4)),
        ("ab...,bc->ac...", (5, 4), "c", (2, 3, 4), (2, 5, 4)),
        ("abc,cde->abde", (None, 2, 3), "de", (2, 6, 4), (2, 6, 2, 3)),
    ],
)
def test_einsum_dense_shapes(equation, output_shape, bias_axes, input_shape, want):
    layer = layers.EinsumDense(equation, output_shape, bias_axes=bias_axes)
    assert layer(jnp.ones(input_shape)).shape == want


def test_einsum_dense_errors():
    with pytest.raises(ValueError, match="expected a form as"):
        layers.EinsumDense("ab,bc", 3)
    with pytest.raises(ShapeError, match="3 axes, as the equation"):
        layers.EinsumDense("abc,cd->abd", (None, 5))(jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="has size 3 in the input"):
        layers.EinsumDense("abc,cd->abd", (4, 5))(jnp.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="letters of the output"):
        layers.EinsumDense("ab,bc->ac", 5, bias_axes="b")(jnp.ones((2, 3)))


def test_embedding_rows_out_of_range_are_zero_and_floats_are_cast():
    layer = layers.Embedding(3, 2, embeddings_initializer="ones")
    assert layer(jnp.array([0, 3, -1])).tolist() == [[1, 1], [0, 0], [0, 0]]
    assert layers.Embedding(300, 2, dtype="mixed_bfloat16")(jnp.array([257.0])).shape == (1, 2)


def test_embedding_takes_a_table():
    table = np.arange(6.0).reshape(3, 2)
    layer = layers.Embedding(3, 2, weights=[table])
    assert layer(jnp.array([2])).tolist() == [[4.0, 5.0]] and "weights" not in layer.get_config()
    with pytest.raises(ValueError, match=r"weights: given an array of shape \(3, 2\)"):
        layers.Embedding(4, 2, weights=table)
    with pytest.warns(UserWarning, match="input_length has no effect"):
        layers.Embedding(4, 2, input_length=5)


def test_embedding_tells_the_engine_how_to_train():
    free, dense = layers.Embedding(4, 2), layers.Embedding(4, 2, sparse=False)
    assert "sparse" not in free.get_config() and dense.get_config()["sparse"] is False
    for layer, looked_up in ((free, 1), (dense, 0)):
        layer(jnp.array([0]))
        with Frame(layer.values, layer.bindings) as frame:
            layer(jnp.array([[1, 2]]))
        assert len(frame.lookups) == looked_up


def test_reversible_embedding():
    tied = layers.ReversibleEmbedding(5, 3)
    free = layers.ReversibleEmbedding(5, 3, tie_weights=False, logit_soft_cap=1.0)
    for layer in (tied, free):
        y = layer(layer(jnp.array([[1, 2]])), reverse=True)
        assert y.shape == (1, 2, 5)
    assert [v.name for v in free.weights] == ["embeddings", "reverse_embeddings"]
    np.testing.assert_allclose(tied(jnp.eye(3)[None], reverse=True)[0], tied.embeddings.value.T, rtol=1e-6)
    assert float(jnp.abs(free(100 * jnp.ones((1, 1, 3)), reverse=True)).max()) <= 1


def test_gradient_reaches_the_kernel():
    layer = layers.Dense(2)
    x = jnp.ones((3, 4))
    layer(x)
    grad = jax.grad(lambda v: layer.apply(v, x)[0].sum())(layer.values)
    np.testing.assert_allclose(grad["dense/kernel"], 3.0)
