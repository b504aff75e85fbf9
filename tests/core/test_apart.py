"""Parts of a computation that XLA does not fuse with the rest."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from estimax.core.apart import apart


def test_apart_gives_what_the_function_gives_and_is_a_branch_on_a_cpu():
    def f(ids, table):
        return apart(ids[0] >= 0, lambda i, t: {"rows": t[i], "ids": i + 1}, ids, table)

    ids, table = jnp.array([2, 0]), jnp.arange(6.0).reshape(3, 2)
    found = jax.jit(f)(ids, table)
    assert found["rows"].tolist() == [[4.0, 5.0], [0.0, 1.0]] and found["ids"].tolist() == [3, 1]
    assert jax.jit(f)(jnp.array([-1, 0]), table)["ids"].tolist() == [0, 0]
    assert "conditional" in jax.jit(f).lower(ids, table).compile().as_text()
