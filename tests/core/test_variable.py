from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax.core import SeedGenerator, Variable, next_key, set_random_seed
from estimax.core.errors import ShapeError, TracerLeakError


def test_python_numbers_get_default_types():
    assert Variable([1.5]).dtype == "float32" and Variable([1]).dtype == "int32" and Variable(True).dtype == "bool"


def test_arithmetic_uses_the_value():
    v = Variable([2.0, 4.0])
    assert (
        (v + 1).tolist() == [3, 5]
        and (1 - v).tolist() == [-1, -3]
        and (v * v).tolist() == [4, 16]
        and (v > 3).tolist() == [False, True]
    )
    assert (
        (-v)[0] == -2
        and float(jnp.sum(v.value)) == 6
        and (jnp.ones(2) @ v).tolist() == 6
        and np.asarray(v).tolist() == [2, 4]
        and len(v) == 2
    )


def test_wrong_shape_is_refused_by_path():
    v = Variable(jnp.zeros((2, 3)), name="kernel")
    with pytest.raises(ShapeError, match=r'"kernel": expected a value of shape \(2, 3\), given \(3,\)'):
        v.assign(jnp.zeros(3))
    with pytest.raises(ShapeError, match=r"given a value of shape \(2,\), expected \(3,\)"):
        Variable(jnp.zeros(2), shape=(3,))


def test_bad_arguments():
    with pytest.raises(ValueError, match="expected a name without '/'"):
        Variable(1.0, name="a/b")
    with pytest.raises(ValueError, match="expected a shape with it"):
        Variable(lambda s, d: jnp.zeros(s))
    with pytest.raises(ValueError, match="expected the name of a number type"):
        Variable(1.0, dtype="float33")


def test_an_initial_value_must_not_be_traced():
    with pytest.raises(TracerLeakError, match="initial value is a traced array"):
        jax.jit(lambda x: Variable(x).value)(jnp.ones(2))


def test_built_during_a_trace_it_is_concrete():
    made = []

    def f(x):
        made.append(Variable(lambda s, d: jax.random.normal(next_key(), s), (2,), name="w"))
        return x

    jax.jit(f)(1.0)
    assert np.isfinite(made[0].numpy()).all()


def test_seeds_repeat():
    set_random_seed(4)
    a = jax.random.normal(next_key(), (3,))
    set_random_seed(4)
    assert a.tolist() == jax.random.normal(next_key(), (3,)).tolist()
    first, second = SeedGenerator(1), SeedGenerator(1)
    assert jax.random.key_data(first.next()).tolist() == jax.random.key_data(second.next()).tolist()
    assert jax.random.key_data(first.next()).tolist() != jax.random.key_data(SeedGenerator(1).next()).tolist()
    with pytest.raises(ValueError, match="expected an integer or None"):
        SeedGenerator("x")


def test_repr_shows_path_and_value():
    assert repr(Variable([1.0], name="w")) == "Variable(path='w', shape=(1,), dtype=float32, value=[1.])"
