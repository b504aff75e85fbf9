"""RNN: a cell run over time."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import Frame, current_frame, next_key, register, scan
from estimax.core.errors import ShapeError
from estimax.layers.base import Layer
from estimax.layers.input_spec import InputSpec, layer_title
from estimax.layers.nested import nested_config, nested_layer
from estimax.layers.recurrent.stacked import StackedRNNCells, output_size_of
from estimax.layers.recurrent.steps import run_step, scan_time
from estimax.layers.symbolic import KerasTensor


@register("keras.layers")
class RNN(Layer):
    """Runs a cell over the time axis of its input.

    On accelerators a built-in cell's products with the input are computed for all time steps at once, before the scan over time. Any
    other layer works as a cell too, if it has `state_size` and `call(inputs, states) -> (output, new_states)`.

    Args:
        cell: a cell, or a list of cells to stack.
        return_sequences: whether the outputs of all steps are returned, or the last one only.
        return_state: whether the last states are returned after the output.
        go_backwards: whether time runs from the last step to the first; the outputs stay in the order of the steps.
        stateful: whether the last states of a batch are the first states of the next one; the batch size is then fixed.
        unroll: whether the scan is unrolled: a longer program, faster for a few steps.
        zero_output_for_mask: whether masked steps output zeros instead of the output before.

    Inputs `[batch, time, ...]`; `mask`: bool `[batch, time]`, False for steps to skip; `initial_state`: a list of arrays. Output
    `[batch, time, ...]` or `[batch, ...]`, in a tuple with the states if asked for.

    Raises:
        ValueError: if the cell lacks `call` or `state_size`, or a stateful layer sees another batch size.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import GRUCell
        >>> RNN([GRUCell(4), GRUCell(2)], return_sequences=True)(jnp.ones((1, 3, 5))).shape
        (1, 3, 2)

    Reference: keras.layers.RNN.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        for attribute in ("call", "state_size"):
            if not hasattr(cell, attribute):
                raise ValueError(
                    f"cell: given {cell!r}, expected an object with `call` and `state_size`; it has no `{attribute}`."
                )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.states: Any = None
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=3)

    @property
    def state_size(self) -> list:
        """Size of each state."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def build(self, input_shape: Any) -> None:
        """Builds the cell for one step of the input; makes the states of a stateful layer."""
        step_shape = (input_shape[0], *input_shape[2:])
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build(step_shape)
        if self.stateful and self.states is None:
            if input_shape[0] is None:
                raise ShapeError(
                    f"{layer_title(self)}: expected a known batch size, given shape {tuple(input_shape)}. A stateful layer keeps states "
                    "for each row of the batch: pass batch_shape=(batch, time, features) to Input, or leave out stateful=True."
                )
            self.states = jax.tree.map(self._add_state, self.get_initial_state(input_shape[0]))

    def _add_state(self, value: jax.Array) -> Any:
        variable = self.add_weight(value.shape, "zeros", self.variable_dtype, trainable=False, name="rnn_state")
        variable.transient = True  # type: ignore[attr-defined] # not among `weights`: Keras's saved files don't hold it
        return variable

    def get_initial_state(self, batch_size: int) -> list:
        """The states before the first step: what the cell says, or zeros."""
        if hasattr(self.cell, "get_initial_state"):
            states = self.cell.get_initial_state(batch_size=batch_size)
            return list(states) if isinstance(states, (list, tuple)) else [states]
        return [jnp.zeros((batch_size, size), self.compute_dtype) for size in self.state_size]

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zeros."""
        for v in jax.tree.leaves(self.states, is_leaf=lambda v: hasattr(v, "assign")):
            v.assign(jnp.zeros(v.shape, v.dtype))

    reset_states = reset_state

    def call(self, sequences: jax.Array, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Runs the cell over time."""
        states = self._first_states(sequences, initial_state)
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if mask is not None:
            mask = jnp.asarray(mask).astype(bool)
        options = {
            "go_backwards": self.go_backwards,
            "unroll": self.unroll,
            "zero_output": self.zero_output_for_mask,
            "keep_outputs": self.return_sequences,
        }
        if hasattr(self.cell, "step_masks") and self.cell.step is not None:
            step_shape = (sequences.shape[0], *sequences.shape[2:])
            masks = self.cell.step_masks(step_shape, jax.tree.leaves(states)[0].shape, training)
            weights = self.cell.step_weights()
            last, outputs, states = run_step(self.cell.step, weights, sequences, states, mask, masks, **options)
        else:
            last, outputs, states = self._run_cell(sequences, states, mask, training, options)
        last, outputs, states = jax.tree.map(lambda a: a.astype(self.compute_dtype), (last, outputs, states))
        if self.stateful:
            variables = jax.tree.leaves(self.states, is_leaf=lambda v: hasattr(v, "assign"))
            for variable, state in zip(variables, jax.tree.leaves(states)):
                variable.assign(state)
        output = outputs if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def _first_states(self, sequences: jax.Array, initial_state: Any) -> list:
        """The states before the first step, in the compute dtype."""
        if self.stateful:
            expected = jax.tree.leaves(self.states, is_leaf=lambda v: hasattr(v, "assign"))[0].shape[0]
            if sequences.shape[0] != expected:
                raise ShapeError(
                    f"{layer_title(self)}: expected a batch of {expected} rows, given {sequences.shape[0]}. A stateful layer keeps one "
                    "state a row: give batches of equal size (drop_remainder=True)."
                )
        if initial_state is None:
            if self.stateful:
                initial_state = jax.tree.map(lambda v: v.value, self.states, is_leaf=lambda v: hasattr(v, "assign"))
            else:
                initial_state = self.get_initial_state(sequences.shape[0])
        if not isinstance(initial_state, (list, tuple)):
            initial_state = [initial_state]
        return jax.tree.map(lambda a: jnp.asarray(a, self.compute_dtype), list(initial_state))

    def _run_cell(self, sequences: jax.Array, states: list, mask: Any, training: bool, options: dict) -> Any:
        """The way of cells that are any layer: the whole step inside the scan, which carries what the cell's variables become."""
        extra = {"training": training} if "training" in inspect.signature(self.cell.call).parameters else {}
        step = self.cell if callable(self.cell) else self.cell.call
        is_layer = isinstance(self.cell, Layer)
        values = self.cell.values if is_layer else {}
        bindings, kinds = (self.cell.bindings, self.cell.kinds) if is_layer else ({}, {})

        def pure(key: Any) -> Frame:
            return Frame(values, bindings, key=key, training=training, kinds=kinds)

        def advance(x: Any, states: list) -> tuple[Any, list]:
            output, new_states = step(x, states, **extra)
            return output, list(new_states) if isinstance(new_states, (list, tuple)) else [new_states]

        def output_shape(key: Any, x: Any, states: list) -> Any:
            with pure(key):
                return advance(x, states)[0]

        key = next_key()
        xs = jnp.swapaxes(sequences, 0, 1)
        shape = jax.eval_shape(output_shape, key, xs[0], states)
        first = jax.tree.leaves(states)[0]
        first = first.astype(shape.dtype) if first.shape == shape.shape else jnp.zeros(shape.shape, shape.dtype)
        mask = None if mask is None else mask.T
        # A pure call of its own, so that a cell with state works in eager calls too.
        with pure(key) as frame:
            last, outputs, states = scan_time(advance, xs, states, mask, first_output=first, scan=scan, **options)
        for variable in self.cell.variables if is_layer else []:
            if kinds[bindings[id(variable)]] != "params":
                variable.assign(frame.values[bindings[id(variable)]])
        outer = current_frame()
        if outer is not None:
            outer.losses.extend(frame.losses)
        return last, None if outputs is None else jnp.swapaxes(outputs, 0, 1), states

    # -- shapes, masks, config ----------------------------------------------------------------------------------------

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's mask on a sequence of outputs, none on the last output or on states."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        mask = mask if self.return_sequences else None
        return [mask, *(None for _ in self.state_size)] if self.return_state else mask

    def step_output_shape(self, step_shape: tuple) -> tuple:
        """The shape of one step's output."""
        return (step_shape[0], output_size_of(self.cell))

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """The shape of the output, and those of the states if they are returned."""
        batch, time, *rest = sequences_shape
        step = self.step_output_shape((batch, *rest))
        output = (batch, time, *step[1:]) if self.return_sequences else step
        return (output, *self.state_shapes((batch, *rest))) if self.return_state else output

    def state_shapes(self, step_shape: tuple) -> list:
        """The shape of each state, nested as `state_size` is."""
        return [
            [(step_shape[0], s) for s in size] if isinstance(size, (list, tuple)) else (step_shape[0], size)
            for size in self.state_size
        ]

    def compute_output_spec(
        self, sequences: KerasTensor, initial_state: Any = None, mask: Any = None, training: Any = None
    ) -> Any:
        """The symbolic outputs of a call."""
        return tensors_of(self.compute_output_shape(sequences.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        return {**self._flags(), "cell": nested_config(self.cell)}

    def _flags(self) -> dict[str, Any]:
        names = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> RNN:
        """The layer of a config."""
        config = dict(config)
        return cls(nested_layer(config.pop("cell"), custom_objects), **config)


def tensors_of(shapes: Any, dtype: str) -> Any:
    """Symbolic tensors for nested shapes."""
    if isinstance(shapes, list) or (shapes and isinstance(shapes[0], (tuple, list))):
        return type(shapes)(tensors_of(s, dtype) for s in shapes)
    return KerasTensor(shapes, dtype)
