"""The optimizer as an object: learning rate, variables, options, errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import optimizers
from estimax.core import Variable
from estimax.optimizers.schedules import ExponentialDecay


def _variables() -> tuple[Variable, Variable]:
    return Variable([[1.0, 2.0], [3.0, 4.0]], name="kernel"), Variable([0.0, 0.0], name="bias")


def test_setting_the_learning_rate_compiles_nothing_again():
    optimizer = optimizers.SGD(0.5)
    params = {"w": jnp.zeros(2)}
    step = jax.jit(optimizer.apply)
    optimizer.state = optimizer.init(params)
    params, optimizer.state = step({"w": jnp.ones(2)}, optimizer.state, params)
    optimizer.learning_rate = 0.25
    assert optimizer.learning_rate == 0.25
    params, optimizer.state = step({"w": jnp.ones(2)}, optimizer.state, params)
    assert step._cache_size() == 1
    assert params["w"].tolist() == [-0.75, -0.75]


def test_learning_rate_before_and_after_building():
    optimizer = optimizers.Adam()
    assert optimizer.learning_rate == pytest.approx(0.001)
    optimizer.learning_rate = 0.5
    optimizer.build(_variables())
    assert optimizer.learning_rate == 0.5 and optimizer.schedule is None
    with pytest.raises(TypeError, match="can't replace a schedule"):
        optimizer.learning_rate = ExponentialDecay(0.1, 1, 0.5)


def test_a_schedule_is_read_at_the_step_reached():
    optimizer = optimizers.SGD(ExponentialDecay(0.4, 1, 0.5))
    kernel, _ = _variables()
    assert optimizer.learning_rate == pytest.approx(0.4)
    for _ in range(2):
        optimizer.apply_gradients([(jnp.ones((2, 2)), kernel)])
    assert optimizer.learning_rate == pytest.approx(0.1)
    np.testing.assert_allclose(kernel.value, [[0.4, 1.4], [2.4, 3.4]], rtol=1e-6)
    assert [v.path for v in optimizer.variables] == ["sgd/iteration"]


def test_a_function_of_the_step_is_a_schedule():
    optimizer = optimizers.SGD(lambda step: 1.0 / (1 + step))
    params = {"w": jnp.zeros(())}
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.apply({"w": jnp.ones(())}, state, params)
    assert float(params["w"]) == -1.5
    with pytest.raises(ValueError, match="function of the step"):
        optimizers.SGD(lambda: 0.1)
    with pytest.raises(ValueError, match="can't be written into a config"):
        optimizer.get_config()


def test_variables_have_keras_paths_and_take_values():
    optimizer = optimizers.Adam(0.1, amsgrad=True)
    kernel, bias = _variables()
    assert optimizer.variables == [] and not optimizer.built
    optimizer.apply_gradients([(jnp.ones((2, 2)), kernel), (jnp.ones(2), bias)])
    assert [v.path for v in optimizer.variables] == [
        "adam/iteration",
        "adam/learning_rate",
        "adam/kernel_momentum",
        "adam/kernel_velocity",
        "adam/bias_momentum",
        "adam/bias_velocity",
        "adam/kernel_velocity_hat",
        "adam/bias_velocity_hat",
    ]
    assert optimizer.iterations == 1
    momentum = optimizer.variables[4]
    momentum.assign([5.0, 6.0])
    assert optimizer.state["slots"]["bias"]["momentum"].tolist() == [5.0, 6.0]
    assert momentum.numpy().tolist() == [5.0, 6.0] and momentum.shape == (2,) and momentum.dtype == "float32"
    with pytest.raises(ValueError, match="expected \\(2,\\)"):
        momentum.assign([1.0])


def test_apply_gradients_equals_apply():
    optimizer, again = optimizers.Adam(0.1), optimizers.Adam(0.1)
    kernel, bias = _variables()
    params = {"kernel": kernel.value, "bias": bias.value}
    grads = {"kernel": jnp.ones((2, 2)), "bias": None}
    want, _ = again.apply(grads, again.init(params), params)
    optimizer.apply_gradients([(grads["kernel"], kernel), (None, bias)])
    np.testing.assert_allclose(kernel.value, want["kernel"], rtol=1e-6)
    assert bias.value.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="one path"):
        optimizer.apply_gradients([(jnp.ones(2), Variable([0.0], name="b")), (jnp.ones(2), Variable([0.0], name="b"))])


def test_constraints_come_after_the_step():
    kernel, _ = _variables()
    kernel.constraint = lambda w: jnp.maximum(w, 1.5)
    optimizers.SGD(1.0).apply_gradients([(jnp.ones((2, 2)), kernel)])
    assert kernel.value.tolist() == [[1.5, 1.5], [2.0, 3.0]]


def test_moving_averages_take_the_weights_place_in_the_end():
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    kernel, _ = _variables()
    for _ in range(2):
        optimizer.apply_gradients([(jnp.ones((2, 2)), kernel)])
    assert kernel.value[0, 0] == -1.0
    optimizer.finalize_variable_values([kernel])
    assert kernel.value[0, 0] == -0.5


def test_excluding_from_weight_decay():
    params = {"dense/kernel": jnp.ones(1), "dense/bias": jnp.ones(1), "norm/gamma": jnp.ones(1)}
    grads = {p: jnp.zeros(1) for p in params}
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias$"], var_list=["norm/gamma"])
    new, _ = optimizer.apply(grads, optimizer.init(params), params)
    assert {p: round(float(v[0]), 4) for p, v in new.items()} == {"dense/kernel": 0.95, "dense/bias": 1.0, "norm/gamma": 1.0}


def test_accumulated_gradients_are_averaged():
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=2)
    params = {"w": jnp.zeros(())}
    state = optimizer.init(params)
    seen = []
    for g in (1.0, 3.0, 5.0, 7.0):
        params, state = optimizer.apply({"w": jnp.asarray(g)}, state, params)
        seen.append(float(params["w"]))
    assert seen == [0.0, -2.0, -2.0, -8.0]


def test_what_a_variable_accumulated_waits_for_its_next_gradient():
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=2)
    params = {"a": jnp.zeros(()), "b": jnp.zeros(())}
    state = optimizer.init(params)
    for b in (2.0, None, 4.0, 6.0):
        params, state = optimizer.apply({"a": jnp.ones(()), "b": None if b is None else jnp.asarray(b)}, state, params)
    assert float(params["a"]) == -2.0 and float(params["b"]) == -6.0


def test_a_scaled_loss_gives_the_same_step():
    optimizer = optimizers.SGD(1.0, loss_scale_factor=8.0)
    params = {"w": jnp.asarray(3.0)}
    grads = {"w": jax.grad(lambda w: optimizer.scale_loss(w * w))(params["w"])}
    new, _ = optimizer.apply(grads, optimizer.init(params), params)
    assert float(new["w"]) == -3.0


def test_float64_arrays_keep_their_precision():
    with jax.enable_x64(True):
        params = {"w": jnp.asarray([1.0], jnp.float64)}
        optimizer = optimizers.Adam(0.5)
        new, state = optimizer.apply({"w": jnp.asarray([1e-3], jnp.float64)}, optimizer.init(params), params)
        assert new["w"].dtype == jnp.float64
        np.testing.assert_allclose(new["w"], [1.0 - 0.5 / (1 + 1e-7 / (1e-3 * np.sqrt(1e-3)))], rtol=1e-12)


def test_minimize_describes_a_step():
    kernel, _ = _variables()
    optimizer = optimizers.SGD(0.1)
    op = optimizer.minimize(3.0, var_list=[kernel])
    assert op == optimizers.MinimizeOp(optimizer, 3.0, (kernel,))
    assert optimizer.minimize(3.0).var_list is None
    step = jnp.int32(3)
    for same in (
        optimizer.minimize(3.0, [kernel], step),
        optimizer.minimize(3.0, step, [kernel]),
        optimizer.minimize(3.0, step, var_list=[kernel]),
    ):
        assert same.var_list == (kernel,)
    assert optimizer.minimize(3.0, step).var_list is None
    with pytest.raises(TypeError, match="given var_list or global_step twice"):
        optimizer.minimize(3.0, [kernel], var_list=[kernel])


def test_get_takes_names_classes_configs_objects_and_optax():
    assert isinstance(optimizers.get("adam"), optimizers.Adam)
    assert isinstance(optimizers.get("RMSprop"), optimizers.RMSprop)
    assert isinstance(optimizers.get("adamw"), optimizers.AdamW)
    assert isinstance(optimizers.get(optimizers.Lion), optimizers.Lion)
    sgd = optimizers.SGD(0.3, momentum=0.1)
    assert optimizers.get(sgd) is sgd
    assert optimizers.get(optimizers.serialize(sgd)).get_config() == sgd.get_config()
    assert optimizers.get({"class_name": "SGD", "config": {"learning_rate": 0.3}}).learning_rate == pytest.approx(0.3)
    assert optimizers.get(None) is None
    with pytest.raises(ValueError, match="adamm"):
        optimizers.get("adamm")


def test_a_config_with_a_schedule_round_trips():
    optimizer = optimizers.Adam(ExponentialDecay(0.1, 10, 0.5))
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.schedule.get_config() == optimizer.schedule.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.SGD("fast"), "learning_rate: given 'fast'"),
        (lambda: optimizers.SGD(clipnorm=-1.0), "clipnorm: given -1.0, expected a positive"),
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "at most one of the clipping"),
        (lambda: optimizers.SGD(momentum=2.0), "momentum: given 2.0"),
        (lambda: optimizers.SGD(use_ema=True, ema_momentum=2.0), "ema_momentum: given 2.0"),
        (lambda: optimizers.SGD(ema_overwrite_frequency=0), "ema_overwrite_frequency: given 0"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), "at least 2"),
        (lambda: optimizers.AdamW(weight_decay=None), "Use Adam"),
        (lambda: optimizers.Lion(beta_1=0.0), "beta_1: given 0.0"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1.0), "initial_accumulator_value"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.5), "at most 0"),
        (lambda: optimizers.ScheduleFreeAdamW(beta_1=0.0), "beta_1"),
        (lambda: optimizers.LossScaleOptimizer("sgd"), "expected an optimizer"),
        (lambda: optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0), "in the inner optimizer"),
        (lambda: optimizers.Optax(3), "expected an optax"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_wrong_gradients_are_refused_by_name():
    optimizer, params = optimizers.SGD(), {"w": jnp.zeros(2)}
    with pytest.raises(ValueError, match="gradients for \\['v'\\]"):
        optimizer.apply({"v": jnp.zeros(2)}, optimizer.init(params), params)
    with pytest.raises(ValueError, match='gradient of "w" has shape'):
        optimizer.apply({"w": jnp.zeros(3)}, optimizer.init(params), params)
    with pytest.raises(TypeError, match="apply_gradients\\(zip"):
        optimizer.apply([jnp.zeros(2)], optimizer.init(params), params)
    with pytest.raises(ValueError, match="given no params"):
        optimizer.update({"w": jnp.zeros(2)}, optimizer.init(params))
