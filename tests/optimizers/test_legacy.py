"""The optimizers that tf.estimator uses."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from estimax import optimizers
from estimax.core import RowGradient
from estimax.optimizers import legacy


def test_estimator_names_are_exact():
    for name in ("Adagrad", "Adam", "Ftrl", "RMSProp", "SGD"):
        assert legacy.get_estimator_optimizer(name, 0.25).learning_rate == 0.25
    assert isinstance(legacy.get_estimator_optimizer("RMSProp"), legacy.RMSprop)
    with pytest.raises(ValueError, match="Did you mean 'RMSProp'"):
        legacy.get_estimator_optimizer("RMSprop")
    with pytest.raises(ValueError, match="exactly one of"):
        legacy.get_estimator_optimizer("Lion")


def test_estimator_optimizers_may_be_objects_functions_and_optax():
    made = legacy.SGD(0.5)
    assert legacy.get_estimator_optimizer(made) is made
    assert legacy.get_estimator_optimizer(lambda: made) is made
    assert isinstance(legacy.get_estimator_optimizer(optax.sgd(0.1)), optimizers.Optax)


def test_decay_divides_the_rate():
    optimizer = legacy.SGD(1.0, decay=1.0)
    params = {"w": jnp.zeros(())}
    state = optimizer.init(params)
    seen = []
    for _ in range(3):
        params, state = optimizer.apply({"w": jnp.ones(())}, state, params)
        seen.append(float(params["w"]))
    np.testing.assert_allclose(seen, [-1.0, -1.5, -1.5 - 1 / 3], rtol=1e-6)


def test_rows_without_gradient_move_under_adam_only():
    gradient = lambda i: {"t": RowGradient(jnp.array([i]), jnp.ones((1, 1)), (2, 1))}  # noqa: E731
    for optimizer, moves in ((legacy.Adam(0.1), True), (legacy.Adamax(0.1), False), (legacy.SGD(0.1, momentum=0.9), False)):
        params = {"t": jnp.ones((2, 1))}
        params, state = optimizer.apply(gradient(0), optimizer.init(params), params)
        before = params["t"][0]
        params, state = optimizer.apply(gradient(1), state, params)
        assert bool((params["t"][0] != before).all()) is moves


def test_hyper_parameters_by_tensorflow_names():
    optimizer = legacy.Adam(0.25)
    values = optimizer.hyper_values(optimizer.init({"w": jnp.zeros(())}))
    assert sorted(values) == ["beta_1", "beta_2", "decay", "learning_rate"]
    assert float(values["learning_rate"]) == 0.25


def test_old_name_of_the_learning_rate():
    assert legacy.SGD(lr=0.5).learning_rate == 0.5


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: legacy.SGD(decay=-1.0), ValueError, "decay: given -1.0"),
        (lambda: legacy.SGD(clipnorm=1.0, global_clipnorm=1.0), ValueError, "at most one"),
        (lambda: legacy.Adam(speed=1.0), TypeError, "unknown argument"),
        (lambda: legacy.RMSprop(momentum=1.5), ValueError, "momentum: given 1.5"),
        (lambda: legacy.Nadam(optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)), ValueError, "given a schedule"),
        (lambda: legacy.Adagrad(initial_accumulator_value=-1.0), ValueError, "at least 0"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
