"""Bidirectional: a recurrent layer run forwards and backwards in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.nested import nested_config, nested_layer
from estimax.layers.recurrent.rnn import tensors_of

MERGE_MODES = ("sum", "mul", "ave", "concat", None)


@register("keras.layers")
class Bidirectional(Layer):
    """Runs a recurrent layer forwards and a second one backwards in time, and merges their outputs.

    The given layer is a pattern: two new layers are made from its config.

    Args:
        layer: an RNN layer, or one with the same arguments and `go_backwards`, `return_sequences`, `return_state`, `stateful`.
        merge_mode: `"concat"`, `"sum"`, `"mul"`, `"ave"`, or None for both outputs.
        weights: first values of the weights, the forward layer's half first.
        backward_layer: the layer for the other direction; by default like `layer`, in the other direction.

    Inputs and arguments as those of the layer. Backward outputs of all steps are turned back into the order of time. With
    `return_state`, the forward states and then the backward states follow the output.

    Raises:
        ValueError: if a layer is not one, both have the same direction or differ otherwise, or the mode is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import LSTM
        >>> Bidirectional(LSTM(4, return_sequences=True))(jnp.ones((2, 3, 5))).shape
        (2, 3, 8)

    Reference: keras.layers.Bidirectional.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ):
        for name, given in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(given, Layer) and not (name == "backward_layer" and given is None):
                raise ValueError(f"Bidirectional: {name}: given {given!r}, expected a layer, as LSTM(8).")
            lacks = [a for a in ("go_backwards", "return_sequences", "return_state", "stateful") if not hasattr(given, a)]
            if given is not None and lacks:
                raise ValueError(
                    f"Bidirectional: {name}: given a {type(given).__name__}, which has no {', '.join(lacks)}; expected a recurrent layer, "
                    "as LSTM(8)."
                )
        if merge_mode not in MERGE_MODES:
            raise ValueError(f"Bidirectional: merge_mode: given {merge_mode!r}, expected one of {MERGE_MODES}.")
        super().__init__(**kwargs)
        self.forward_layer: Any = _renamed(layer, "forward_")
        self.backward_layer: Any = backward_layer or _renamed(layer, "backward_", go_backwards=not layer.go_backwards)
        self._check_pair()
        sides: tuple[Any, Any] = (self.forward_layer, self.backward_layer)
        for side in sides:
            if hasattr(side, "zero_output_for_mask"):
                side.zero_output_for_mask = side.return_sequences
        self.merge_mode = merge_mode
        self.initial_weights = weights
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_pair(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"Bidirectional: both layers have go_backwards={forward.go_backwards}, expected one of each. Pass "
                "backward_layer with go_backwards=True."
            )
        for name in ("stateful", "return_sequences", "return_state"):
            given = getattr(forward, name), getattr(backward, name)
            if given[0] != given[1]:
                raise ValueError(
                    f"Bidirectional: {name}: given {given[0]} for the forward and {given[1]} for the backward layer, expected equal values."
                )

    def build(self, input_shape: Any) -> None:
        """Builds both layers."""
        for side in (self.forward_layer, self.backward_layer):
            if not side.built:
                side.build(input_shape)
        if self.initial_weights is not None:
            self.set_weights(self.initial_weights)
            self.initial_weights = None

    def call(self, sequences: jax.Array, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Runs both layers and merges their outputs."""
        options = {} if mask is None else {"mask": mask}
        first = second = None
        if initial_state is not None:
            half = len(initial_state) // 2
            first, second = list(initial_state[:half]), list(initial_state[half:])
        forward = self.forward_layer(sequences, initial_state=first, training=training, **options)
        backward = self.backward_layer(sequences, initial_state=second, training=training, **options)
        states: tuple = ()
        if self.return_state:
            states = (*forward[1:], *backward[1:])
            forward, backward = forward[0], backward[0]
        if self.return_sequences:
            backward = jnp.flip(backward, 1)
        merged = self._merge(forward, backward)
        if not self.return_state:
            return merged
        return (*merged, *states) if self.merge_mode is None else (merged, *states)

    def _merge(self, forward: jax.Array, backward: jax.Array) -> Any:
        if self.merge_mode is None:
            return forward, backward
        if self.merge_mode == "concat":
            return jnp.concatenate([forward, backward], -1)
        if self.merge_mode == "mul":
            return forward * backward
        total = forward + backward
        return total / 2 if self.merge_mode == "ave" else total

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's mask on sequences of outputs, none on last outputs or on states."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        mask = mask if self.return_sequences else None
        masks = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            masks += [None] * (2 * len(self.forward_layer.state_size))
        return masks if len(masks) > 1 else mask

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """The shape of the merged output, or of both, and those of the states if they are returned."""
        output = self.forward_layer.compute_output_shape(sequences_shape)
        states: tuple = ()
        if self.return_state:
            output, states = output[0], (*output[1:], *output[1:])
        if self.merge_mode is None:
            return (output, output, *states)
        if self.merge_mode == "concat":
            output = (*output[:-1], None if output[-1] is None else 2 * output[-1])
        return (output, *states) if self.return_state else output

    def compute_output_spec(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
        """The symbolic outputs of a call."""
        return tensors_of(self.compute_output_shape(sequences.shape), self.forward_layer.compute_dtype)

    def reset_state(self) -> None:
        """Sets the states of stateful layers to zeros."""
        for side in (self.forward_layer, self.backward_layer):
            side.reset_state()

    reset_states = reset_state

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": nested_config(self.forward_layer),
            "backward_layer": nested_config(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Bidirectional:
        """The layer of a config."""
        sides = {
            name: nested_layer(config[name], custom_objects)
            for name in ("layer", "backward_layer")
            if config.get(name) is not None
        }
        return cls(**{**config, **sides})


def _renamed(layer: Layer, prefix: str, **changes: Any) -> Layer:
    """A new layer from the config of another one."""
    config = {**layer.get_config(), **changes, "name": prefix + layer.name.removeprefix(prefix)}
    copy = type(layer).from_config(config)
    copy._build_shapes = dict(layer._build_shapes)
    return copy
