from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax.core import Frame, Variable, embedding_lookup, lookup_rows
from estimax.core.errors import ShapeError


def test_ids_out_of_range_give_zeros_and_no_gradient():
    table = jnp.arange(6.0).reshape(3, 2)
    assert embedding_lookup(table, [[0, 3], [-1, 2]]).tolist() == [[[0, 1], [0, 0]], [[0, 0], [4, 5]]]
    g = jax.grad(lambda t: embedding_lookup(t, [0, 3, -1, 0]).sum())(table)
    assert g.tolist() == [[2, 2], [0, 0], [0, 0]]


def test_a_delta_takes_the_gradient_of_the_rows():
    v = Variable(jnp.arange(6.0).reshape(3, 2), name="t")

    def f(delta):
        with Frame({"t": v.value}, {id(v): "t"}, deltas=[delta], row_tables=frozenset({"t"})) as frame:
            out = (embedding_lookup(v, jnp.array([2, 0, 2])) ** 2).sum()
        return out, frame.lookup_ids[0]

    (_, ids), g = jax.value_and_grad(f, has_aux=True)(jnp.zeros((3, 2)))
    dense = jnp.zeros((3, 2)).at[ids].add(g)
    want = jax.grad(lambda t: (t[jnp.array([2, 0, 2])] ** 2).sum())(v.value)
    np.testing.assert_array_equal(dense, want)


def test_touched_places_are_look_ups_of_row_0_without_gradient():
    v = Variable(jnp.arange(6.0).reshape(3, 2), name="t")

    def f(delta):
        with Frame({"t": v.value}, {id(v): "t"}, deltas=[delta], row_tables=frozenset({"t"})) as frame:
            out = lookup_rows(v, jnp.array([2, -1, -1]), is_merged=True, touched=jnp.array([False, True, False]))
        return (out + 1).sum(), (out, frame.lookup_ids[0], frame.lookups[0].is_merged)

    (_, (out, ids, is_merged)), g = jax.value_and_grad(f, has_aux=True)(jnp.zeros((3, 2)))
    assert out.tolist() == [[4, 5], [0, 0], [0, 0]] and ids.tolist() == [2, 0, 3] and is_merged
    assert g[:2].tolist() == [[1, 1], [0, 0]]


def test_bad_input():
    with pytest.raises(ShapeError, match="expected integers, given float32"):
        embedding_lookup(jnp.eye(2), [0.5])
    with pytest.raises(ShapeError, match=r"expected a table of shape \[rows, width\], given \(2,\)"):
        embedding_lookup(jnp.ones(2), [0])
