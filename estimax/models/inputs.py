"""What a functional model accepts for its inputs: arrays by position or by name, in the ranks and types it was made for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostValue, canonical, current_frame, is_host_array
from estimax.core.errors import InputDataError, ShapeError
from estimax.layers import KerasTensor
from estimax.models.graph import Graph


def fit_inputs(model: Any, graph: Graph, inputs: Any) -> list[Any]:
    """The arrays for the flat inputs of a graph, from what the model was called on.

    Raises:
        InputDataError: if inputs are missing or their structure is another.
        ShapeError: if a shape does not fit.
    """
    given = [_fit(model, t, x) for t, x in zip(graph.flat_inputs, _by_structure(model, graph.inputs, inputs))]
    return given


def _by_structure(model: Any, expected: Any, inputs: Any) -> list[Any]:
    if isinstance(expected, KerasTensor):
        if isinstance(inputs, Mapping):
            # A model of one input takes a dict of one feature whatever its name, as Keras does.
            return [next(iter(inputs.values()))] if len(inputs) == 1 else _take(model, inputs, [expected.name])
        if isinstance(inputs, (list, tuple)) and len(inputs) == 1:
            return [inputs[0]]
        return [inputs]
    if isinstance(expected, dict):
        names = sorted(expected)
        if isinstance(inputs, Mapping):
            parts = _take(model, inputs, names)
        elif isinstance(inputs, (list, tuple)) and len(inputs) == len(names) and list(expected) == names:
            parts = list(inputs)
        else:
            raise _structure_error(model, expected, inputs)
        return [leaf for k, part in zip(names, parts) for leaf in _by_structure(model, expected[k], part)]
    if isinstance(inputs, Mapping):
        if not all(isinstance(t, KerasTensor) for t in expected):
            raise _structure_error(model, expected, inputs)
        return _take(model, inputs, [t.name for t in expected])
    if len(expected) == 1 and not isinstance(inputs, (list, tuple)):
        inputs = [inputs]
    if not isinstance(inputs, (list, tuple)) or len(inputs) != len(expected):
        raise _structure_error(model, expected, inputs)
    return [leaf for e, x in zip(expected, inputs) for leaf in _by_structure(model, e, x)]


def _take(model: Any, inputs: Mapping[str, Any], names: list[str]) -> list[Any]:
    missing = [n for n in names if n not in inputs]
    if missing:
        raise InputDataError(
            f'Model "{model.name}": input {missing[0]!r} is missing. Given: {sorted(map(str, inputs))}, expected {names}. Give each Input '
            "the name of its feature: Input((1,), name=...)."
        )
    return [inputs[n] for n in names]


def _structure_error(model: Any, expected: Any, inputs: Any) -> InputDataError:
    def show(x: Any) -> str:
        if isinstance(x, KerasTensor):
            return x.name
        if isinstance(x, Mapping):
            return "{" + ", ".join(f"{k!r}: {show(v)}" for k, v in x.items()) + "}"
        if isinstance(x, (list, tuple)):
            return "[" + ", ".join(show(v) for v in x) + "]"
        return f"array {tuple(np.shape(x))}" if not isinstance(x, HostValue) else "strings"

    return InputDataError(
        f'Model "{model.name}": given inputs {show(inputs)}, expected {show(expected)}. Pass them in the structure that Model(inputs, ...) '
        "was made with."
    )


def _fit(model: Any, tensor: KerasTensor, x: Any) -> Any:
    """One input in the rank and type of its symbolic tensor."""
    optional = getattr(tensor.node.layer, "optional", False) if tensor.node is not None else False
    if x is None:
        if not optional:
            raise InputDataError(
                f'Model "{model.name}": input {tensor.name!r} is None, expected an array. Only Input(optional=True) may be None.'
            )
        return None
    if isinstance(x, (HostValue, KerasTensor)) or is_host_array(x) or tensor.dtype == "string":
        return x
    y = x if isinstance(x, jax.Array) else jnp.asarray(x)
    expected = tensor.shape
    if y.ndim == len(expected) + 1 and y.shape[-1] == 1:
        y = jnp.squeeze(y, -1)
    elif y.ndim == len(expected) - 1 and expected and expected[-1] == 1:
        y = y[..., None]
    if y.ndim != len(expected) or any(e is not None and e != d for e, d in zip(expected[1:], y.shape[1:])):
        raise ShapeError(
            f'Model "{model.name}": input {tensor.name!r}: given shape {tuple(np.shape(x))}, expected {expected}. Reshape the data, or make '
            "the model for this shape."
        )
    if y.dtype != canonical(tensor.dtype):
        y = y.astype(canonical(tensor.dtype))
    if y is not x:
        frame = current_frame()
        mask = None if frame is None else frame.mask_of(x)
        if mask is not None:
            frame.set_mask(y, mask)  # type: ignore[union-attr]
    return y
