"""Updates of some rows of a table."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import optimizers
from estimax.core import RowGradient, gradients
from estimax.optimizers import legacy
from estimax.optimizers.schedules import ExponentialDecay

ROWS, WIDTH = 40, 3


def _train(optimizer, steps: int, *, dense: bool = False, seed: int = 0, start: float = 1.0):
    rng = np.random.default_rng(seed)
    params = {"table": jnp.asarray(start * rng.normal(size=(ROWS, WIDTH)), jnp.float32)}
    state = optimizer.init(params)
    step = jax.jit(lambda g, s, p: optimizer.apply({"table": g.to_dense() if dense else g}, s, p))
    for n in range(steps):
        ids = jnp.asarray(rng.integers(-2, ROWS + 2 if n < steps // 2 else 4, 8), jnp.int32)
        gradient = RowGradient(ids, jnp.asarray(rng.normal(size=(8, WIDTH)), jnp.float32), (ROWS, WIDTH))
        params, state = step(gradient, state, params)
    return optimizer.finalize(params, state)["table"], state


def test_summed_adds_repeated_ids_and_drops_padding():
    gradient = RowGradient(jnp.array([7, 2, 7, -1, 9, 2, 0]), jnp.arange(7.0)[:, None] + 1, (8, 1))
    summed = gradient.summed()
    found = {i: r for i, r in zip(summed.ids.tolist(), summed.rows[:, 0].tolist(), strict=True)}
    assert {i: r for i, r in found.items() if i < 8} == {0: 7.0, 2: 8.0, 7: 4.0}
    assert len(found) == 7 and min(found) >= 0
    np.testing.assert_array_equal(summed.to_dense(), gradient.to_dense())


def test_summed_of_random_ids_equals_numpy():
    rng = np.random.default_rng(0)
    ids, rows = rng.integers(-3, 60, 500), rng.normal(size=(500, 2)).astype(np.float32)
    want = np.zeros((50, 2), np.float32)
    for i, r in zip(ids, rows):
        if 0 <= i < 50:
            want[i] += r
    summed = jax.jit(RowGradient.summed)(RowGradient(jnp.asarray(ids, jnp.int32), jnp.asarray(rows), (50, 2)))
    np.testing.assert_array_equal(summed.to_dense(), want)


def test_ids_that_share_hashes_are_told_apart():
    """Many ids for few hashes: the ones that lose try again, and in the end all are found, at one place each."""
    rng = np.random.default_rng(0)
    for ids in (np.arange(0, 2**31 - 1, 2**22), np.arange(5000), np.repeat([7], 3000), rng.integers(0, 2**31 - 1, 3000)):
        ids = np.concatenate([ids, rng.permutation(ids)]).astype(np.int32)
        for places in (gradients._first_places, gradients._sorted_places):
            found = np.asarray(places(jnp.asarray(ids)))
            assert len(set(found.tolist())) == len(set(ids.tolist())) == len(set(zip(ids.tolist(), found.tolist(), strict=True)))
            assert found.min() >= 0 and found.max() < len(ids)


@pytest.mark.parametrize(
    "optimizer",
    [optimizers.SGD(0.1), optimizers.Adagrad(0.1), legacy.Adagrad(0.1), legacy.SGD(0.1)],
    ids=lambda o: type(o).__module__ + type(o).__name__,
)
def test_by_rows_equals_dense_to_the_last_bit(optimizer):
    np.testing.assert_array_equal(_train(optimizer, 10)[0], _train(optimizer, 10, dense=True)[0])


def test_row_wise_adagrad_by_rows_equals_dense():
    optimizer = optimizers.RowWiseAdagrad(0.1)
    # A row's mean is summed by vector instructions in an order that depends on the array: equal but for rounding.
    np.testing.assert_allclose(_train(optimizer, 10)[0], _train(optimizer, 10, dense=True)[0], rtol=1e-6, atol=1e-7)


def test_ftrl_by_rows_equals_dense_from_a_start_of_zeros():
    optimizer = legacy.Ftrl(0.1, l1_regularization_strength=0.1)
    np.testing.assert_array_equal(_train(optimizer, 10, start=0.0)[0], _train(optimizer, 10, start=0.0, dense=True)[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: optimizers.SGD(0.1, momentum=0.9, rows=rows),
        lambda rows: optimizers.Adam(0.01, amsgrad=True, rows=rows),
        lambda rows: optimizers.AdamW(0.01, weight_decay=0.1, rows=rows),
        lambda rows: optimizers.RMSprop(0.01, momentum=0.5, centered=True, rows=rows),
        lambda rows: legacy.Adam(ExponentialDecay(0.1, 10, 0.9), rows=rows),
    ],
    ids=["momentum", "amsgrad", "adamw", "rmsprop", "legacy_adam_with_schedule"],
)
def test_rows_that_catch_up_end_where_dense_ones_do(make):
    dense, _ = _train(make("dense"), 30)
    caught_up, state = _train(make("catch_up"), 30)
    np.testing.assert_allclose(caught_up, dense, rtol=1e-5, atol=2e-6)
    assert state["slots"]["table"]["row_step"].dtype == jnp.int32
    assert np.abs(_train(make("lazy"), 30)[0] - dense).max() > 1e-3


def test_a_long_absence_is_caught_up_in_closed_form():
    def run(rows):
        optimizer = optimizers.AdamW(0.01, weight_decay=0.1, rows=rows)
        params = {"t": jnp.ones((2, 1))}
        state = optimizer.init(params)
        step = jax.jit(optimizer.apply)
        row = lambda i: {"t": RowGradient(jnp.array([i]), jnp.ones((1, 1)), (2, 1))}  # noqa: E731
        params, state = step(row(1), state, params)
        for _ in range(400):
            params, state = step(row(0), state, params)
        params, state = step(row(1), state, params)
        return optimizer.finalize(params, state)["t"], state["slots"]["t"]["velocity"][1]

    for got, want in zip(run("catch_up"), run("dense"), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4)


def test_training_goes_on_from_settled_rows():
    def run(rows, settles):
        optimizer = optimizers.SGD(0.1, momentum=0.9, rows=rows)
        params = {"t": jnp.ones((2, 1))}
        state = optimizer.init(params)
        for n in range(6):
            params, state = optimizer.apply({"t": RowGradient(jnp.array([n % 5 // 4]), jnp.ones((1, 1)), (2, 1))}, state, params)
            if settles:
                params, state = optimizer.settle(params, state)
        return optimizer.finalize(params, state)["t"]

    np.testing.assert_allclose(run("catch_up", True), run("dense", False), rtol=1e-6)
    np.testing.assert_allclose(run("catch_up", False), run("dense", False), rtol=1e-6)


def test_lazy_rows_leave_the_others_alone():
    optimizer = optimizers.Adam(0.1, rows="lazy")
    params = {"t": jnp.ones((4, 1))}
    state = optimizer.init(params)
    for i in (0, 1):
        params, state = optimizer.apply({"t": RowGradient(jnp.array([i]), jnp.ones((1, 1)), (4, 1))}, state, params)
        if i == 0:
            after_first = params["t"][0]
    assert params["t"][0] == after_first and params["t"][1] < 1
    assert params["t"][2:].tolist() == [[1.0], [1.0]]


def test_weight_decay_reaches_every_row_by_default():
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    params = {"t": jnp.ones((3, 1))}
    new, _ = optimizer.apply({"t": RowGradient(jnp.array([0]), jnp.ones((1, 1)), (3, 1))}, optimizer.init(params), params)
    np.testing.assert_allclose(new["t"][:, 0], [0.85, 0.95, 0.95], rtol=1e-6)


def test_clipping_of_rows_sums_first_in_keras_and_last_in_tensorflow():
    gradient = RowGradient(jnp.array([0, 0]), jnp.array([[3.0], [4.0]]), (1, 1))
    for optimizer, want in ((optimizers.SGD(1.0, clipnorm=1.0), -1.0), (legacy.SGD(1.0, clipnorm=1.0), -1.4)):
        params = {"t": jnp.zeros((1, 1))}
        new, _ = optimizer.apply({"t": gradient}, optimizer.init(params), params)
        np.testing.assert_allclose(new["t"], [[want]], rtol=1e-6)


def test_ids_that_tensorflow_looks_up_once_are_clipped_as_one():
    ids, rows = jnp.array([0, 0, 1, 0, 1, 1, 5]), jnp.array([[3.0], [4.0], [2.0], [6.0], [-3.0], [8.0], [9.0]])
    merged = RowGradient(ids, rows, (2, 1), ((3, True), (4, False)))
    # The first look-up counts as 7 and 2, the second as 6, -3 and 8: each is cut to at most 5.
    for options, want in (({"clipvalue": 5.0}, [[10.0], [4.0]]), ({"clipnorm": np.sqrt(162.0) / 2}, [[6.5], [3.5]])):
        optimizer = legacy.SGD(1.0, **options)
        new, _ = optimizer.apply({"t": merged}, optimizer.init({"t": jnp.zeros((2, 1))}), {"t": jnp.zeros((2, 1))})
        np.testing.assert_allclose(-new["t"], want, rtol=1e-6)
    assert merged.merged().to_dense().tolist() == merged.to_dense().tolist() == [[13.0], [7.0]]


@pytest.mark.parametrize(
    "options", [{"gradient_accumulation_steps": 2}, {"use_ema": True}, {"global_clipnorm": 0.5}, {"clipvalue": 0.3}]
)
@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.Adagrad], ids=lambda o: o.__name__)
def test_accumulation_averages_and_clipping_of_rows_equal_those_of_dense_gradients(make, options):
    # A norm sums squares in another order by rows than densely.
    tolerance = 1e-6 if "global_clipnorm" in options else 0
    by_rows, dense = _train(make(0.1, **options), 10)[0], _train(make(0.1, **options), 10, dense=True)[0]
    np.testing.assert_allclose(by_rows, dense, rtol=tolerance)


def test_a_step_by_rows_changes_the_table_in_place():
    optimizer = optimizers.Adagrad(0.1)
    params = {"t": jnp.ones((100_000, 4))}
    state = optimizer.init(params)
    pointers = params["t"].unsafe_buffer_pointer(), state["slots"]["t"]["accumulator"].unsafe_buffer_pointer()
    # Donated arrays are paired with results of their shape in order, so params come before state on both sides.
    step = jax.jit(lambda p, s, g: optimizer.apply(g, s, p), donate_argnums=(0, 1))
    gradient = {"t": RowGradient(jnp.arange(8, dtype=jnp.int32), jnp.ones((8, 4)), (100_000, 4))}
    analysis = step.lower(params, state, gradient).compile().memory_analysis()
    assert analysis.temp_size_in_bytes < 100_000
    params, state = step(params, state, gradient)
    assert pointers == (params["t"].unsafe_buffer_pointer(), state["slots"]["t"]["accumulator"].unsafe_buffer_pointer())


def test_bad_row_options_are_refused():
    with pytest.raises(ValueError, match="rows: given \"sparse\"|rows: given 'sparse'"):
        optimizers.Adam(rows="sparse")
    with pytest.raises(ValueError, match="whole array"):
        optimizers.Lamb(rows="lazy")
    with pytest.raises(ValueError, match='rows="lazy" and gradient_accumulation_steps=2'):
        optimizers.Adam(rows="lazy", gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="missed steps can't be made up"):
        optimizers.Lion(rows="catch_up")
    with pytest.raises(ValueError, match="has shape"):
        params = {"t": jnp.ones((3, 1))}
        optimizers.SGD().apply(
            {"t": RowGradient(jnp.array([0]), jnp.ones((1, 1)), (4, 1))}, optimizers.SGD().init(params), params
        )
