"""Recurrent cells: the weights of one step, its dropout, and the step itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax import activations, initializers
from estimax.core import SeedGenerator, register
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import shape_error
from estimax.layers.recurrent.steps import GRUStep, LSTMStep, Masks, SimpleStep


class RecurrentCell(Layer):
    """What the built-in cells share: `kernel`, `recurrent_kernel` and `bias`, joined over gates, and dropout.

    A subclass keeps its constructor's arguments and gives the pure `step`.
    """

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ):
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        if not isinstance(units, int) or units <= 0:
            raise ValueError(f"{type(self).__name__}: units: given {units!r}, expected a positive integer.")
        for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0 <= rate <= 1:
                raise ValueError(f"{type(self).__name__}: {name}: given {rate!r}, expected a share between 0 and 1.")
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer: Any = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.recurrent_regularizer = regularizer_of(recurrent_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.recurrent_constraint = constraint_of(recurrent_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        if implementation not in (1, 2):
            raise ValueError(f"{type(self).__name__}: implementation: given {implementation!r}, expected 1 or 2.")
        # As in Keras: masks a gate if asked for, and always where there is recurrent dropout.
        self.masks_per_gate = self.step.gates > 1 and (implementation == 1 or recurrent_dropout > 0)
        self.bias: Any = None

    @property
    def step(self) -> Any:
        """The pure step of this cell."""
        raise TypeError(f"{type(self).__name__} does not implement step.")

    @property
    def state_size(self) -> Any:
        """Size of each state."""
        return self.units

    @property
    def output_size(self) -> int:
        """Size of the output."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Creates `kernel` `[features, gates * units]`, `recurrent_kernel` `[units, gates * units]` and `bias`."""
        features = input_shape[-1]
        if features is None:
            raise shape_error(self, "a known size on the last axis", tuple(input_shape))
        width = self.step.gates * self.units
        self.add_kernels((features, width), (self.units, width), self.bias_shape(width))

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """The shape of the bias."""
        return (width,)

    def add_kernels(self, kernel: tuple, recurrent_kernel: tuple, bias: tuple) -> None:
        """Creates the three weights."""
        self.kernel = self.add_weight(
            kernel, self.kernel_initializer, name="kernel", regularizer=self.kernel_regularizer, constraint=self.kernel_constraint
        )
        self.recurrent_kernel = self.add_weight(
            recurrent_kernel,
            self.recurrent_initializer,
            name="recurrent_kernel",
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                bias, self.initial_bias, name="bias", regularizer=self.bias_regularizer, constraint=self.bias_constraint
            )

    def initial_bias(self, shape: tuple, dtype: Any) -> jax.Array:
        """The bias at creation."""
        return self.bias_initializer(shape, dtype)

    def step_weights(self) -> dict[str, Any]:
        """The weights as the step takes them."""
        bias = None if self.bias is None else self.bias.value
        return {"kernel": self.kernel.value, "recurrent_kernel": self.recurrent_kernel.value, "bias": bias}

    def step_masks(self, input_shape: tuple, state_shape: tuple, training: bool) -> Masks:
        """Dropout masks for one call, to be used at every time step."""

        def draw(rate: float, shape: tuple) -> Any:
            if not training or not 0 < rate < 1:
                return None
            count = self.step.gates if self.masks_per_gate else 1
            keep = jax.random.bernoulli(self.seed_generator.next(), 1 - rate, (count, *shape))
            scaled = keep.astype(self.compute_dtype) / (1 - rate)
            return tuple(scaled) if self.masks_per_gate else scaled[0]

        return Masks(draw(self.dropout, input_shape), draw(self.recurrent_dropout, state_shape))

    def call(self, inputs: jax.Array, states: Any, training: bool = False) -> tuple[jax.Array, Any]:
        """One step: the output and the new states, nested as the given states are."""
        nested = isinstance(states, (list, tuple))
        states = list(states) if nested else [states]
        masks = self.step_masks(inputs.shape, states[0].shape, training)
        weights = self.step_weights()
        output, states = self.step.advance(weights, self.step.project(weights, inputs, masks), states, masks)
        return output, states if nested else states[0]

    def get_initial_state(self, batch_size: int) -> list[jax.Array]:
        """Zeros for each state. Shape `[batch, units]` each."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [jnp.zeros((batch_size, size), self.compute_dtype) for size in sizes]


@register("keras.layers")
class SimpleRNNCell(RecurrentCell):
    """One step of `SimpleRNN`: `h' = activation(x @ kernel + h @ recurrent_kernel + bias)`.

    Args:
        units: size of the state and the output.
        activation: of the output.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that are dropped while training; the same ones at every time step.
        recurrent_dropout: the same for the state.
        seed: of the dropout.

    Raises:
        ValueError: if `units` is not positive or a share is outside `[0, 1]`.

    Example:
        >>> import jax.numpy as jnp
        >>> output, states = SimpleRNNCell(2)(jnp.ones((1, 3)), [jnp.zeros((1, 2))])
        >>> output.shape, len(states)
        ((1, 2), 1)

    Reference: keras.layers.SimpleRNNCell.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
            recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
            recurrent_dropout, seed, **kwargs,
        )  # fmt: skip

    @property
    def step(self) -> SimpleStep:
        """The pure step of this cell."""
        return SimpleStep(self.activation)


@register("keras.layers")
class LSTMCell(RecurrentCell):
    """One step of `LSTM`: states `[h, c]`, gates in the order input, forget, candidate, output.

    Args:
        units: size of each state and the output.
        activation: of candidate and output.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
        unit_forget_bias: whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that are dropped while training; the same ones at every time step.
        recurrent_dropout: the same for the state.
        seed: of the dropout.
        implementation: 1 draws a dropout mask for each gate, 2 one for all.

    Raises:
        ValueError: if `units` is not positive or a share is outside `[0, 1]`.

    Example:
        >>> import jax.numpy as jnp
        >>> cell = LSTMCell(2)
        >>> output, (h, c) = cell(jnp.ones((1, 3)), cell.get_initial_state(1))
        >>> output.shape, c.shape
        ((1, 2), (1, 2))

    Reference: keras.layers.LSTMCell; Hochreiter and Schmidhuber, "Long short-term memory", 1997.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
            recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
            recurrent_dropout, seed, **kwargs,
        )  # fmt: skip

    @property
    def step(self) -> LSTMStep:
        """The pure step of this cell."""
        return LSTMStep(self.activation, self.recurrent_activation)

    @property
    def state_size(self) -> list[int]:
        """Sizes of `h` and `c`."""
        return [self.units, self.units]

    def initial_bias(self, shape: tuple, dtype: Any) -> jax.Array:
        """The bias at creation: 1 for the forget gate, if so asked."""
        return forget_bias(self.bias_initializer, self.units, self.unit_forget_bias, dtype)


@register("keras.layers")
class GRUCell(RecurrentCell):
    """One step of `GRU`: one state, gates in the order update, reset, candidate.

    Args:
        units: size of the state and the output.
        activation: of the candidate.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias; it has two rows with `reset_after`.
        kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that are dropped while training; the same ones at every time step.
        recurrent_dropout: the same for the state.
        reset_after: whether the reset gate is applied after the product with `recurrent_kernel`.
        seed: of the dropout.
        implementation: 1 draws a dropout mask for each gate, 2 one for all.

    Raises:
        ValueError: if `units` is not positive or a share is outside `[0, 1]`.

    Example:
        >>> import jax.numpy as jnp
        >>> cell = GRUCell(2)
        >>> output, states = cell(jnp.ones((1, 3)), cell.get_initial_state(1))
        >>> output.shape, cell.bias.shape
        ((1, 2), (2, 6))

    Reference: keras.layers.GRUCell; Cho et al., arXiv:1406.1078.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ):
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after
        super().__init__(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
            recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
            recurrent_dropout, seed, **kwargs,
        )  # fmt: skip

    @property
    def step(self) -> GRUStep:
        """The pure step of this cell."""
        return GRUStep(self.activation, self.recurrent_activation, self.reset_after)

    def bias_shape(self, width: int) -> tuple[int, ...]:
        """The shape of the bias: rows for the input and the state with `reset_after`."""
        return (2, width) if self.reset_after else (width,)


def forget_bias(initializer: Any, units: int, unit_forget_bias: bool, dtype: Any) -> jax.Array:
    """The bias of an LSTM at creation. Shape `[4 * units]`."""
    if not unit_forget_bias:
        return initializer((4 * units,), dtype)
    return jnp.concatenate([initializer((units,), dtype), jnp.ones((units,), dtype), initializer((2 * units,), dtype)])
