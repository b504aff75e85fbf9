"""StackedRNNCells: several cells as one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from estimax.core import first_free, register
from estimax.layers.base import Layer
from estimax.layers.nested import nested_config, nested_layer
from estimax.layers.recurrent.steps import Masks, StackedStep


def output_size_of(cell: Any) -> int:
    """The size of a cell's output: what it says, or its first state's."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
    return size[0] if isinstance(size, (list, tuple)) else size


@register("keras.layers")
class StackedRNNCells(Layer):
    """Cells one on top of the other, as one cell: each takes the output of the one below.

    Args:
        cells: from the one that sees the input to the one that gives the output.

    Raises:
        ValueError: if there is no cell, or one lacks `call` or `state_size`.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import RNN, LSTMCell
        >>> RNN(StackedRNNCells([LSTMCell(4), LSTMCell(2)]))(jnp.ones((1, 3, 5))).shape
        (1, 2)

    Reference: keras.layers.StackedRNNCells.
    """

    def __init__(self, cells: Any, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(f"StackedRNNCells: cells: given {cells!r}, expected a list of cells.")
        for cell in cells:
            for attribute in ("call", "state_size"):
                if not hasattr(cell, attribute):
                    raise ValueError(
                        f"StackedRNNCells: cells: {cell!r} has no `{attribute}`; a cell has `call` and `state_size`."
                    )
        self.cells = list(cells)
        used: set[str] = set()
        for cell in self.cells:
            if getattr(cell, "auto_named", False) and not cell.built:
                cell.name = first_free(cell.name, used)
            used.add(getattr(cell, "name", ""))

    @property
    def state_size(self) -> list:
        """The state size of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The output size of the last cell."""
        return output_size_of(self.cells[-1])

    @property
    def step(self) -> StackedStep | None:
        """The pure step of all cells, if each has one."""
        steps = tuple(getattr(cell, "step", None) if hasattr(cell, "step_masks") else None for cell in self.cells)
        return None if None in steps else StackedStep(steps)

    def step_weights(self) -> list:
        """The weights as the step takes them."""
        return [cell.step_weights() for cell in self.cells]

    def step_masks(self, input_shape: tuple, state_shape: tuple, training: bool) -> list[Masks]:
        """Dropout masks of each cell for one call."""
        masks = []
        for cell in self.cells:
            output_shape = (input_shape[0], output_size_of(cell))
            masks.append(cell.step_masks(input_shape, output_shape, training))
            input_shape = output_shape
        return masks

    def build(self, input_shape: Any) -> None:
        """Builds each cell for the output of the one below."""
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], output_size_of(cell))

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list]:
        """One step of all cells: the output of the last one and the new states of each."""
        new_states = []
        for cell, state in zip(self.cells, states):
            extra = {"training": training} if "training" in inspect.signature(cell.call).parameters else {}
            nested = isinstance(state, (list, tuple))
            step = cell if callable(cell) else cell.call
            inputs, state = step(inputs, list(state) if nested else [state], **extra)
            new_states.append(state if nested or not isinstance(state, (list, tuple)) else state[0])
        return inputs, new_states

    def get_initial_state(self, batch_size: int) -> list:
        """The states of each cell before the first step."""
        states = []
        for cell in self.cells:
            if hasattr(cell, "get_initial_state"):
                states.append(cell.get_initial_state(batch_size=batch_size))
            elif isinstance(cell.state_size, (list, tuple)):
                states.append([jnp.zeros((batch_size, size), self.compute_dtype) for size in cell.state_size])
            else:
                states.append(jnp.zeros((batch_size, cell.state_size), self.compute_dtype))
        return states

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        return {**super().get_config(), "cells": [nested_config(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> StackedRNNCells:
        """The layer of a config."""
        return cls(**{**config, "cells": [nested_layer(c, custom_objects) for c in config["cells"]]})
