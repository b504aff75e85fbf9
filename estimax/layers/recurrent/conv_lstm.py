"""ConvLSTM over one, two or three spatial axes: an LSTM whose products are convolutions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax import activations
from estimax.core import register
from estimax.layers.input_spec import shape_error
from estimax.layers.recurrent.built_in import BuiltInRNN
from estimax.layers.recurrent.cells import RecurrentCell, forget_bias
from estimax.layers.recurrent.steps import ConvLSTMStep


def _sizes(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """One size an axis, from a number or a list."""
    sizes = (value,) * rank if isinstance(value, int) else tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(sizes) != rank or not all(isinstance(s, int) and s > 0 for s in sizes):
        raise ValueError(f"ConvLSTM{rank}D: {name}: given {value!r}, expected a positive integer or {rank} of them.")
    return sizes


class ConvLSTMCell(RecurrentCell):
    """One step of a ConvLSTM over `rank` spatial axes.

    Args:
        rank: number of spatial axes.
        filters: channels of each state and the output.
        kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the input.
        activation, recurrent_activation, use_bias, ...: as in `LSTMCell`.

    Reference: Shi et al., arXiv:1506.04214.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        self.rank = rank
        if not isinstance(filters, int) or filters <= 0:
            raise ValueError(f"ConvLSTM{rank}D: filters: given {filters!r}, expected a positive integer.")
        self.filters = filters
        self.kernel_size = _sizes(kernel_size, rank, "kernel_size")
        self.strides = _sizes(strides, rank, "strides")
        self.dilation_rate = _sizes(dilation_rate, rank, "dilation_rate")
        self.padding = padding.lower() if isinstance(padding, str) else padding
        self.data_format = data_format or "channels_last"
        if self.padding not in ("valid", "same"):
            raise ValueError(f"ConvLSTM{rank}D: padding: given {padding!r}, expected 'valid' or 'same'.")
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                f"ConvLSTM{rank}D: data_format: given {data_format!r}, expected 'channels_last' or 'channels_first'."
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"ConvLSTM{rank}D: given strides={strides} and dilation_rate={dilation_rate}, expected one of them to be 1."
            )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        super().__init__(
            filters, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
            recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
            recurrent_dropout, seed, **{"implementation": 1, **kwargs},
        )  # fmt: skip

    @property
    def step(self) -> ConvLSTMStep:
        """The pure step of this cell."""
        return ConvLSTMStep(
            self.activation, self.recurrent_activation, self.strides, self.padding, self.dilation_rate, self.data_format
        )

    @property
    def state_size(self) -> list[int]:
        """Channels of `h` and `c`."""
        return [self.filters, self.filters]

    def build(self, input_shape: Any) -> None:
        """Creates `kernel` `[*kernel_size, channels, 4 * filters]`, `recurrent_kernel` and `bias`."""
        channel_axis = 1 if self.data_format == "channels_first" else -1
        channels = input_shape[channel_axis]
        if any(d is None for d in input_shape[1:]):
            raise shape_error(self, "known sizes on all axes but the batch", tuple(input_shape))
        width = 4 * self.filters
        self.add_kernels((*self.kernel_size, channels, width), (*self.kernel_size, self.filters, width), (width,))
        self.state_shape = self.step_output_shape(tuple(input_shape))[1:]

    def initial_bias(self, shape: tuple, dtype: Any) -> jax.Array:
        """The bias at creation: 1 for the forget gate, if so asked."""
        return forget_bias(self.bias_initializer, self.filters, self.unit_forget_bias, dtype)

    def step_output_shape(self, step_shape: tuple) -> tuple:
        """The shape of a step's output from that of its input."""
        first = self.data_format == "channels_first"
        spatial = step_shape[2:] if first else step_shape[1:-1]
        sizes = []
        for size, kernel, stride, dilation in zip(spatial, self.kernel_size, self.strides, self.dilation_rate):
            if size is not None:
                size = -(-size // stride) if self.padding == "same" else (size - dilation * (kernel - 1) - 1) // stride + 1
            sizes.append(size)
        return (step_shape[0], self.filters, *sizes) if first else (step_shape[0], *sizes, self.filters)

    def get_initial_state(self, batch_size: int) -> list[jax.Array]:
        """Zeros for `h` and `c`."""
        return [jnp.zeros((batch_size, *self.state_shape), self.compute_dtype) for _ in range(2)]


class _ConvLSTM(BuiltInRNN):
    """What the ConvLSTM layers share; a subclass gives the rank."""

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ):
        cell = ConvLSTMCell(
            rank, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, recurrent_activation, use_bias,
            kernel_initializer, recurrent_initializer, bias_initializer, unit_forget_bias, kernel_regularizer,
            recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
            recurrent_dropout, seed, name="conv_lstm_cell", dtype=kwargs.get("dtype"), trainable=kwargs.get("trainable", True),
        )  # fmt: skip
        super().__init__(
            cell,
            ndim=rank + 3,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            **kwargs,
        )

    def step_output_shape(self, step_shape: tuple) -> tuple:
        """The shape of one step's output."""
        return self.cell.step_output_shape(step_shape)

    def state_shapes(self, step_shape: tuple) -> list:
        """The shapes of `h` and `c`."""
        return [self.cell.step_output_shape(step_shape)] * 2

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        config = super().get_config()
        del config["rank"], config["units"]
        return config


@register("keras.layers")
class ConvLSTM1D(_ConvLSTM):
    """ConvLSTM over sequences with one spatial axis: inputs `[batch, time, width, channels]`.

    Arguments are those of `ConvLSTM2D`.

    Example:
        >>> import jax.numpy as jnp
        >>> ConvLSTM1D(2, 3)(jnp.ones((1, 4, 5, 1))).shape
        (1, 3, 2)

    Reference: keras.layers.ConvLSTM1D.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **kwargs: Any):
        super().__init__(1, filters, kernel_size, strides, padding, **kwargs)


@register("keras.layers")
class ConvLSTM2D(_ConvLSTM):
    """ConvLSTM over sequences of images: inputs `[batch, time, height, width, channels]`.

    Args:
        filters: channels of each state and the output.
        kernel_size: of both convolutions; a number or one an axis.
        strides, padding, data_format, dilation_rate: of the convolution of the input.
        activation: of candidate and output.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
        unit_forget_bias: whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that are dropped while training; the same ones at every time step.
        recurrent_dropout: the same for the state.
        seed: of the dropout.
        return_sequences, return_state, go_backwards, stateful: as in `RNN`.

    Raises:
        ValueError: if a size is not positive, or both strides and dilation are larger than 1.

    Example:
        >>> import jax.numpy as jnp
        >>> ConvLSTM2D(2, 3, padding="same", return_sequences=True)(jnp.ones((1, 4, 5, 5, 1))).shape
        (1, 4, 5, 5, 2)

    Reference: keras.layers.ConvLSTM2D; Shi et al., arXiv:1506.04214.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **kwargs: Any):
        super().__init__(2, filters, kernel_size, strides, padding, **kwargs)


@register("keras.layers")
class ConvLSTM3D(_ConvLSTM):
    """ConvLSTM over sequences of volumes: inputs `[batch, time, depth, height, width, channels]`.

    Arguments are those of `ConvLSTM2D`.

    Example:
        >>> import jax.numpy as jnp
        >>> ConvLSTM3D(2, 2)(jnp.ones((1, 2, 3, 3, 3, 1))).shape
        (1, 2, 2, 2, 2)

    Reference: keras.layers.ConvLSTM3D.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **kwargs: Any):
        super().__init__(3, filters, kernel_size, strides, padding, **kwargs)
