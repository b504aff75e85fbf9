"""Recurrent layers: laws that Keras's cases do not cover, and errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import core, layers
from estimax.core.errors import ShapeError

RNG = np.random.default_rng(0)


def x(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


class Counter(layers.Layer):
    """A cell of our own, with a weight and a variable that counts its steps; its output is wider than its state."""

    state_size = 2

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 2), "ones", name="kernel")
        self.steps = self.add_weight((), "zeros", trainable=False, name="steps")

    def call(self, inputs, states, training=False):
        self.steps.assign_add(1.0)
        h = states[0] + inputs @ self.kernel.value
        return jnp.concatenate([h, h, h], -1), [h]


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_sequences_are_the_steps_of_the_cell(name):
    layer = getattr(layers, name)(3, return_sequences=True)
    inputs = x(2, 4, 5)
    outputs = layer(inputs)
    states = layer.cell.get_initial_state(2)
    for t in range(4):
        step, states = layer.cell(inputs[:, t], states)
        np.testing.assert_allclose(outputs[:, t], step, rtol=1e-5, atol=1e-6)


def test_a_cell_of_ones_own_keeps_its_state_through_the_scan():
    layer = layers.RNN(Counter(), return_sequences=True)
    layer(x(1, 3, 4))
    assert float(layer.cell.steps) == 3  # eager calls count too
    before = layer.values
    inputs = x(2, 5, 4)
    y, after = jax.jit(layer.apply)(before, inputs)
    assert y.shape == (2, 5, 6)
    np.testing.assert_allclose(y[:, -1, :2], np.broadcast_to(inputs.sum((1, 2))[:, None], (2, 2)), rtol=1e-5)
    assert float(after["rnn/counter/steps"]) == float(before["rnn/counter/steps"]) + 5


def test_masked_steps_of_a_cell_of_ones_own_repeat_its_output():
    layer = layers.RNN(Counter(), return_sequences=True)
    inputs = x(1, 3, 4)
    layer(inputs)
    y, _ = layer.apply(layer.values, inputs, mask=np.array([[True, False, True]]))
    np.testing.assert_array_equal(y[:, 1], y[:, 0])


@pytest.mark.parametrize("zero", [False, True])
def test_masked_steps_change_nothing(zero):
    layer = layers.GRU(3, return_state=True, zero_output_for_mask=zero)
    inputs = x(2, 4, 5)
    full, state = layer(inputs[:, :3])
    padded, padded_state = layer(inputs, mask=np.array([[True] * 3 + [False]] * 2))
    np.testing.assert_allclose(padded_state, state, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(padded, jnp.zeros_like(full) if zero else full, rtol=1e-5, atol=1e-6)


def test_dropout_draws_one_mask_for_all_steps():
    layer = layers.SimpleRNN(4, activation="linear", dropout=0.5, recurrent_initializer="zeros", return_sequences=True, seed=1)
    inputs = np.ones((1, 6, 8), np.float32)
    y = layer(inputs, training=True)
    np.testing.assert_allclose(y, np.broadcast_to(y[:, :1], y.shape), rtol=1e-5)
    assert not np.allclose(y, layer(inputs))
    np.testing.assert_array_equal(layer(inputs), layer(inputs, training=False))


@pytest.mark.parametrize("options", [{"implementation": 1}, {"recurrent_dropout": 0.5}])
def test_dropout_can_have_a_mask_for_each_gate(options):
    for name in ("LSTM", "GRU"):
        layer = getattr(layers, name)(4, dropout=0.5, **options)
        inputs = x(2, 3, 5)
        layer(inputs)
        masks = layer.cell.step_masks((2, 5), (2, 4), True)
        assert len(masks.inputs) == layer.cell.step.gates
        assert np.isfinite(layer(inputs, training=True)).all()


def test_a_stateful_layer_goes_on_where_it_stopped():
    layer = layers.LSTM(3, stateful=True)
    whole = layers.LSTM(3)
    inputs = x(2, 6, 4)
    whole(inputs)
    layer(inputs[:, :3])
    layer.set_weights(whole.get_weights())
    layer.reset_state()
    layer(inputs[:, :3])
    np.testing.assert_allclose(layer(inputs[:, 3:]), whole(inputs), rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="expected a batch of 2 rows, given 1"):
        layer(inputs[:1, :3])


def test_a_stateful_layer_needs_a_batch_size():
    with pytest.raises(ShapeError, match="known batch size"):
        layers.LSTM(3, stateful=True)(layers.Input((4, 2)))


def test_states_of_a_stateful_layer_are_variables_but_no_weights():
    layer = layers.GRU(3, stateful=True)
    layer(x(2, 3, 4))
    assert [v.name for v in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
    assert [v.name for v in layer.variables][-1] == "rnn_state"
    _, after = jax.jit(layer.apply)(layer.values, x(2, 3, 4))
    assert not np.array_equal(after["gru/rnn_state"], layer.values["gru/rnn_state"])


def test_stacked_cells_are_layers_one_after_the_other():
    cells = [layers.LSTMCell(3), layers.LSTMCell(2)]
    assert [c.name for c in layers.StackedRNNCells(cells).cells] == ["lstm_cell", "lstm_cell_1"]
    stacked = layers.RNN(cells)
    first, second = layers.RNN(cells[0], return_sequences=True), layers.RNN(cells[1])
    inputs = x(2, 4, 5)
    np.testing.assert_allclose(stacked(inputs), second(first(inputs)), rtol=1e-5, atol=1e-6)


def test_an_unrolled_scan_gives_the_same():
    inputs = x(2, 4, 5)
    rolled, unrolled = layers.LSTM(3, return_sequences=True), layers.LSTM(3, return_sequences=True, unroll=True)
    rolled(inputs), unrolled(inputs)
    unrolled.set_weights(rolled.get_weights())
    np.testing.assert_allclose(unrolled(inputs), rolled(inputs), rtol=1e-5, atol=1e-6)


def test_mixed_precision_computes_in_sixteen_bits():
    layer = layers.LSTM(3, dtype="mixed_bfloat16", return_state=True)
    outputs = layer(x(2, 4, 5))
    assert {y.dtype.name for y in outputs} == {"bfloat16"}
    assert {v.dtype for v in layer.weights} == {"float32"}


def test_a_frozen_layer_has_a_frozen_cell():
    layer = layers.LSTM(3, trainable=False)
    layer(x(1, 2, 3))
    assert layer.trainable_variables == []


def test_conv_lstm_is_the_same_in_both_data_formats():
    inputs = x(1, 2, 4, 5, 3)
    last, first = layers.ConvLSTM2D(2, 3), layers.ConvLSTM2D(2, 3, data_format="channels_first")
    y = last(inputs)
    first(np.moveaxis(inputs, -1, 2))
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(np.moveaxis(first(np.moveaxis(inputs, -1, 2)), 1, -1), y, rtol=1e-4, atol=1e-5)


def test_bidirectional_takes_first_weights_and_states():
    pattern = layers.SimpleRNN(2)
    layer = layers.Bidirectional(pattern, merge_mode="mul")
    inputs = x(2, 3, 4)
    y = layer(inputs)
    again = layers.Bidirectional(pattern, merge_mode="mul", weights=layer.get_weights())
    np.testing.assert_allclose(again(inputs), y, rtol=1e-6)
    states = [np.ones((2, 2), np.float32)] * 2
    assert not np.allclose(again(inputs, initial_state=states), y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.LSTM(2.5), "units: given 2.5, expected a positive integer"),
        (lambda: layers.GRU(2, dropout=2.0), "dropout: given 2.0, expected a share"),
        (lambda: layers.GRU(2, implementation=3), "implementation: given 3, expected 1 or 2"),
        (lambda: layers.LSTM(2, use_cudnn=True), "use_cudnn: given True"),
        (lambda: layers.RNN(layers.Dense(2)), "it has no `state_size`"),
        (lambda: layers.StackedRNNCells([]), "expected a list of cells"),
        (lambda: layers.Bidirectional(3), "layer: given 3, expected a layer"),
        (lambda: layers.Bidirectional(layers.GRU(2), backward_layer=layers.GRU(2)), "both layers have go_backwards=False"),
        (lambda: layers.ConvLSTM2D(2, 3, strides=2, dilation_rate=2), "expected one of them to be 1"),
        (lambda: layers.ConvLSTM1D(2, 3, padding="causal"), "padding: given 'causal'"),
        (lambda: layers.LSTM(2)(np.ones((2, 3), np.float32)), "expected input of 3 axes"),
    ],
)
def test_errors_name_argument_and_repair(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_eager_calls_of_equal_layers_compile_once():
    from estimax.layers.recurrent.steps import run_step

    layers.LSTM(3)(x(2, 4, 5))
    size = run_step._cache_size()
    layers.LSTM(3)(x(2, 4, 5))
    assert run_step._cache_size() == size


def test_no_traced_value_stays_behind():
    layer = layers.Bidirectional(layers.LSTM(2, dropout=0.5))
    layer(x(1, 2, 3))
    with jax.checking_leaks():
        jax.eval_shape(lambda v, a: layer.apply(v, a, training=True, key=jax.random.key(0)), layer.values, x(1, 2, 3))
    assert isinstance(core.current_frame(), type(None))


def test_bidirectional_names_what_a_layer_lacks():
    with pytest.raises(ValueError, match="given a Dense, which has no go_backwards, .*expected a recurrent layer"):
        layers.Bidirectional(layers.Dense(2))
    with pytest.raises(ValueError, match="layer: given 3, expected a layer"):
        layers.Bidirectional(3)
