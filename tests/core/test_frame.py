from __future__ import annotations

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax.core import Frame, Variable, current_frame, name_scope, remat, row_count, row_mask, scan
from estimax.core.errors import TracerLeakError, UnboundVariableError


def test_a_frame_stands_in_for_values_and_keeps_the_variable_unchanged():
    v = Variable(jnp.ones(3), name="v")
    with Frame({"v": jnp.zeros(3)}, {id(v): "v"}) as frame:
        v.assign_add([1.0, 2.0, 3.0])
    assert frame.values["v"].tolist() == [1, 2, 3]
    assert v.value.tolist() == [1, 1, 1]


def test_the_same_code_is_pure_under_jit():
    v = Variable(jnp.ones(3), name="v")

    @jax.jit
    def step(values):
        with Frame(values, {id(v): "v"}) as frame:
            v.assign(v.value * 2)
        return frame.values

    assert step({"v": jnp.full(3, 5.0)})["v"].tolist() == [10, 10, 10]
    assert v.value.tolist() == [1, 1, 1]


def test_a_traced_value_is_refused_outside_a_frame():
    v = Variable(jnp.ones(3), name="v")
    with pytest.raises(TracerLeakError, match='Variable "v" would keep a traced value.*layer.apply'):
        jax.jit(lambda x: v.assign(x))(jnp.zeros(3))
    assert v.value.tolist() == [1, 1, 1]


def test_a_write_from_an_inner_scan_is_refused_by_name():
    v = Variable(jnp.zeros(()), name="counter")

    def body(carry, _):
        v.assign(v.value + 1)
        return carry, None

    def call(values):
        with Frame(values, {id(v): "counter"}) as frame:
            jax.lax.scan(body, 0.0, None, length=3)
        return frame.values

    with pytest.raises(TracerLeakError, match='"counter": assigned inside a JAX transformation.*estimax.core.scan'):
        jax.jit(call)({"counter": jnp.zeros(())})


def test_core_scan_carries_state_through():
    v = Variable(jnp.zeros(()), trainable=False, name="counter")

    def body(carry, x):
        v.assign(v.value + x)
        return carry + v.value, v.value

    @jax.jit
    def call(values):
        with Frame(values, {id(v): "counter"}) as frame:
            total, seen = scan(body, 0.0, jnp.arange(1.0, 4.0))
        return frame.values, total, seen

    values, total, seen = call({"counter": jnp.zeros(())})
    assert float(values["counter"]) == 6 and float(total) == 1 + 3 + 6 and seen.tolist() == [1, 3, 6]


def test_remat_carries_state_and_gives_the_same_gradient():
    w = Variable(jnp.full((2,), 3.0), name="w")
    n = Variable(jnp.zeros(()), trainable=False, name="n")

    def f(x):
        n.assign(n.value + 1)
        return jnp.sum(jnp.sin(w.value * x))

    def loss(values, wrap):
        with Frame(values, {id(w): "w", id(n): "n"}, kinds={"w": "params", "n": "state"}) as frame:
            out = wrap(f)(jnp.arange(2.0))
        return out, frame.values["n"]

    values = {"w": w.value, "n": n.value}
    (a, count), g = jax.value_and_grad(lambda v: loss(v, remat), has_aux=True)(values)
    (b, _), h = jax.value_and_grad(lambda v: loss(v, lambda f: f), has_aux=True)(values)
    assert float(a) == float(b) and float(count) == 1
    np.testing.assert_allclose(g["w"], h["w"])


def test_another_thread_does_not_see_the_frame():
    v = Variable(jnp.ones(2), name="v")
    entered, release, seen = threading.Event(), threading.Event(), []

    def other():
        entered.wait(5)
        seen.append((current_frame(), v.value.tolist()))
        release.set()

    thread = threading.Thread(target=other)
    thread.start()
    with Frame({"v": jnp.zeros(2)}, {id(v): "v"}):
        entered.set()
        assert release.wait(5)
    thread.join()
    assert seen == [(None, [1, 1])]


def test_record_and_find_give_a_model_fn_its_variables():
    def model():
        return Variable(lambda s, d: jnp.ones(s), (2,), name="w").value.sum()

    with Frame(creates="record", key=jax.random.key(0)) as frame:
        with name_scope("tower"):
            first = model()
            second = model()
    assert float(first + second) == 4
    assert sorted(frame.values) == ["tower/w", "tower/w_1"] and frame.kinds["tower/w"] == "params"
    with Frame({"w": jnp.full(2, 7.0)}, creates="find"):
        assert float(model()) == 14


def test_a_missing_value_names_the_paths_that_are_there():
    with Frame({"a": jnp.ones(1)}, creates="find"):
        v = Variable(lambda s, d: jnp.ones(s), (1,), name="b")
        with pytest.raises(UnboundVariableError, match=r'"b": this call was given no value.*\[\'a\'\]'):
            _ = v.value


def test_a_variable_of_a_finished_call_says_where_its_value_is():
    with Frame(creates="record", key=jax.random.key(0)):
        v = Variable(lambda s, d: jnp.ones(s), (1,), name="w")
    with pytest.raises(UnboundVariableError, match=r'get_variable_value\("w"\)'):
        _ = v.value


def test_row_mask_and_row_count():
    x = jnp.ones((4, 2))
    assert row_mask() is None and float(row_count(x)) == 4
    with Frame(row_mask=jnp.array([True, True, False, False])) as frame:
        assert not frame.weighted
        assert row_mask().tolist() == [True, True, False, False] and not frame.weighted
        assert float(row_count(x)) == 2 and frame.weighted


def test_no_tracer_leaks():
    v = Variable(jnp.ones(3), name="v")

    def step(values):
        with Frame(values, {id(v): "v"}) as frame:
            v.assign(v.value * 2)
        return frame.values

    with jax.checking_leaks():
        assert jax.jit(step)({"v": jnp.ones(3)})["v"].tolist() == [2, 2, 2]
