"""Learning rate schedules and decay functions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax.optimizers import decay, schedules

ALL = [
    schedules.ExponentialDecay(0.1, 10, 0.9, staircase=True),
    schedules.InverseTimeDecay(0.1, 10, 0.9),
    schedules.PolynomialDecay(0.1, 10, cycle=True, power=2.0),
    schedules.PiecewiseConstantDecay([3, 6], [1.0, 0.5, 0.1]),
    schedules.CosineDecay(0.0, 10, warmup_target=1.0, warmup_steps=4),
    schedules.CosineDecayRestarts(1.0, 5, m_mul=0.5),
    decay.LinearCosineDecay(1.0, 10, initial_variance=0.1),
]


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: type(s).__name__)
def test_contract(schedule):
    steps = jnp.arange(15)
    one_by_one = [float(schedule(int(s))) for s in steps]
    together = jax.jit(schedule)(steps)
    assert together.dtype == jnp.float32
    np.testing.assert_allclose(together, one_by_one, rtol=2e-5, atol=1e-7)
    again = schedules.deserialize(schedules.serialize(schedule))
    assert type(again) is type(schedule) and again.get_config() == schedule.get_config()
    assert type(schedule).__name__ in repr(schedule)


def test_boundaries_belong_to_the_rate_on_their_left():
    schedule = schedules.PiecewiseConstantDecay([5, 10], [1.0, 0.5, 0.1])
    np.testing.assert_allclose(schedule(jnp.array([0, 5, 6, 10, 11])), [1.0, 1.0, 0.5, 0.5, 0.1], rtol=1e-6)


def test_large_steps_meet_integer_boundaries_exactly():
    schedule = schedules.PiecewiseConstantDecay([2**25], [1.0, 0.5])
    assert schedule(2**25) == 1.0 and schedule(2**25 + 1) == 0.5


def test_decay_functions_give_values_or_schedules():
    assert isinstance(decay.exponential_decay(0.1, None, 10, 0.5), schedules.ExponentialDecay)
    np.testing.assert_allclose(decay.natural_exp_decay(1.0, 4, 2, 0.5), np.exp(-1.0), rtol=1e-6)
    np.testing.assert_allclose(decay.linear_cosine_decay(1.0, 5, 10, beta=0.0), 0.25, rtol=1e-6)
    noisy = decay.noisy_linear_cosine_decay(1.0, None, 10, seed=3)
    assert noisy(4) == noisy(4) and noisy(4) != decay.noisy_linear_cosine_decay(1.0, 4, 10, seed=4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.9), "decay_steps: given 0"),
        (lambda: schedules.InverseTimeDecay(0.1, -1, 0.9), "decay_steps: given -1"),
        (lambda: schedules.PolynomialDecay(0.1, 0), "decay_steps"),
        (lambda: schedules.CosineDecay(0.1, 0), "decay_steps"),
        (lambda: schedules.CosineDecayRestarts(0.1, 0), "first_decay_steps"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "one value more"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "increasing"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
