"""SimpleRNN, LSTM and GRU: the layers that are an RNN of one built-in cell."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from estimax.core import register
from estimax.layers.input_spec import InputSpec
from estimax.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from estimax.layers.recurrent.rnn import RNN


class BuiltInRNN(RNN):
    """An RNN of one built-in cell, whose arguments are the cell's and RNN's; the cell's read as attributes of the layer."""

    config_has_activity_regularizer = True

    def __init__(self, cell: Any, *, use_cudnn: Any = False, ndim: int = 3, **kwargs: Any):
        if use_cudnn not in ("auto", False):
            raise ValueError(
                f"{type(self).__name__}: use_cudnn: given {use_cudnn!r}, expected 'auto' or False. Every layer runs in one compiled "
                "scan here, on all devices; there is no cuDNN kernel to ask for."
            )
        super().__init__(cell, **kwargs)
        self.input_spec = InputSpec(ndim=ndim)

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is None or name.startswith("_") or name not in inspect.signature(type(cell).__init__).parameters:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return getattr(cell, name)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        return {**self.cell.get_config(), **self._flags()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> RNN:
        """The layer of a config."""
        return super(RNN, cls).from_config(config, custom_objects)  # type: ignore[return-value]


@register("keras.layers")
class SimpleRNN(BuiltInRNN):
    """`h' = activation(x @ kernel + h @ recurrent_kernel + bias)` over time.

    Args:
        units: size of the state and the output.
        activation: of the output.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that are dropped while training; the same ones at every time step.
        recurrent_dropout: the same for the state.
        return_sequences, return_state, go_backwards, stateful, unroll: as in `RNN`.
        seed: of the dropout.

    Inputs `[batch, time, features]`, output `[batch, units]` or `[batch, time, units]`.

    Example:
        >>> import jax.numpy as jnp
        >>> SimpleRNN(4)(jnp.ones((2, 3, 5))).shape
        (2, 4)

    Reference: keras.layers.SimpleRNN.
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        cell = SimpleRNNCell(
            units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
            recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
            recurrent_dropout, seed, **_cell_options(kwargs, "simple_rnn_cell"),
        )  # fmt: skip
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; as in Keras, a seed only if there is one."""
        config = super().get_config()
        if config["seed"] is None:
            del config["seed"]
        return config


@register("keras.layers")
class LSTM(BuiltInRNN):
    """Long short-term memory over time; gates in the order input, forget, candidate, output.

    Args:
        units: size of each state and the output.
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
        return_sequences, return_state, go_backwards, stateful, unroll: as in `RNN`.
        use_cudnn: `"auto"` or False, which are the same here; for Keras's configs.

    Inputs `[batch, time, features]`, output `[batch, units]` or `[batch, time, units]`; states `[h, c]`.

    Example:
        >>> import jax.numpy as jnp
        >>> output, h, c = LSTM(4, return_state=True)(jnp.ones((2, 3, 5)))
        >>> output.shape, c.shape
        ((2, 4), (2, 4))

    Reference: keras.layers.LSTM; Hochreiter and Schmidhuber, "Long short-term memory", 1997.
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
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ):
        cell = LSTMCell(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
            bias_constraint, dropout, recurrent_dropout, seed, **_cell_options(kwargs, "lstm_cell"),
        )  # fmt: skip
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            use_cudnn=use_cudnn,
            **kwargs,
        )


@register("keras.layers")
class GRU(BuiltInRNN):
    """Gated recurrent unit over time; gates in the order update, reset, candidate.

    Args:
        units: size of the state and the output.
        activation: of the candidate.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias; it has two rows with `reset_after`.
        kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the output.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that are dropped while training; the same ones at every time step.
        recurrent_dropout: the same for the state.
        seed: of the dropout.
        return_sequences, return_state, go_backwards, stateful, unroll: as in `RNN`.
        reset_after: whether the reset gate is applied after the product with `recurrent_kernel`.
        use_cudnn: `"auto"` or False, which are the same here; for Keras's configs.

    Inputs `[batch, time, features]`, output `[batch, units]` or `[batch, time, units]`.

    Example:
        >>> import jax.numpy as jnp
        >>> GRU(4, return_sequences=True)(jnp.ones((2, 3, 5))).shape
        (2, 3, 4)

    Reference: keras.layers.GRU; Cho et al., arXiv:1406.1078.
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
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ):
        cell = GRUCell(
            units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint,
            dropout, recurrent_dropout, reset_after, seed, **_cell_options(kwargs, "gru_cell"),
        )  # fmt: skip
        super().__init__(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            use_cudnn=use_cudnn,
            **kwargs,
        )


def _cell_options(kwargs: dict[str, Any], name: str) -> dict[str, Any]:
    """What of a layer's further arguments goes to its cell."""
    options = {"name": name, "dtype": kwargs.get("dtype"), "trainable": kwargs.get("trainable", True)}
    if "implementation" in kwargs:
        options["implementation"] = kwargs.pop("implementation")
    return options
