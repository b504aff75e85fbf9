"""Merging: functions, broadcasting, masks, errors."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core import Frame
from estimax.core.errors import ShapeError

A, B = jnp.array([[1.0, 5.0]]), jnp.array([[3.0, 2.0]])


@pytest.mark.parametrize(
    ("function", "want"),
    [
        (layers.add, [[4, 7]]),
        (layers.subtract, [[-2, 3]]),
        (layers.multiply, [[3, 10]]),
        (layers.average, [[2, 3.5]]),
        (layers.maximum, [[3, 5]]),
        (layers.minimum, [[1, 2]]),
        (layers.concatenate, [[1, 5, 3, 2]]),
        (layers.dot, [[13]]),
    ],
)
def test_functions(function, want):
    assert function([A, B]).tolist() == want
    symbolic = function([layers.Input((2,)), layers.Input((2,))])
    assert symbolic.shape == (None, len(want[0]))


def test_ranks_are_made_equal_after_the_batch_axis():
    assert layers.add([jnp.ones((2, 3, 4)), jnp.ones((2, 4))]).shape == (2, 3, 4)
    assert layers.add([jnp.ones((2, 3, 4)), jnp.ones((2, 1, 4))]).shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: layers.Add()(A), "Pass one list"),
        (lambda: layers.Add()([A, jnp.ones((3, 2))]), "one batch size"),
        (lambda: layers.Dot(axes=1)([A, jnp.ones((3, 2))]), "one batch size"),
        (lambda: layers.Subtract()([A, A, A]), "exactly 2 inputs"),
        (lambda: layers.Add()([A, jnp.ones((1, 3))]), r"equal sizes \(or 1\) on axis 1"),
        (lambda: layers.Concatenate()([A, jnp.ones((1, 2, 2))]), "inputs of one rank"),
        (lambda: layers.Concatenate(axis=1)([jnp.ones((1, 2, 2)), jnp.ones((1, 2, 3))]), "equal sizes on axis 2"),
        (lambda: layers.Dot(axes=1)([A, jnp.ones((1, 3))]), "equal sizes on the axes"),
        (lambda: layers.Dot(axes=2)([A, A]), "inputs with the axes"),
    ],
)
def test_wrong_shapes(call, match):
    with pytest.raises(ShapeError, match=match):
        call()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="0 is the batch"):
        layers.Dot(axes=0)
    with pytest.raises(ValueError, match="axis: given 'x'"):
        layers.Concatenate(axis="x")


@pytest.mark.parametrize(
    ("layer", "want"),
    [
        (layers.Maximum(), [[1.0], [2.0], [7.0]]),
        (layers.Minimum(), [[1.0], [2.0], [7.0]]),
        (layers.Multiply(), [[1.0], [2.0], [0.0]]),
    ],
)
def test_masked_elements_leave_the_choice_to_the_others(layer, want):
    a, b = jnp.array([[[1.0], [5.0], [7.0]]]), jnp.array([[[9.0], [2.0], [8.0]]])
    with Frame.eager() as frame:
        frame.set_mask(a, jnp.array([[True, False, False]]))
        frame.set_mask(b, jnp.array([[False, True, False]]))
        y = layer([a, b])
        assert frame.mask_of(y).tolist() == [[True, True, False]]
    np.testing.assert_allclose(y[0], want)
