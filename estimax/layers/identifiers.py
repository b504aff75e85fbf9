"""What layers accept for a regularizer or constraint: None, a name, a config, a function or the object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimax import constraints, regularizers


def regularizer_of(identifier: Any) -> Callable | None:
    """The regularizer that an identifier stands for, or None."""
    return identifier if identifier is None else regularizers.get(identifier)


def constraint_of(identifier: Any) -> Callable | None:
    """The constraint that an identifier stands for, or None."""
    return identifier if identifier is None else constraints.get(identifier)


def refuse_quantization(layer: Any, quantization_config: Any) -> None:
    """Keras's configs have this argument; estimax has no quantized layers, and says so instead of ignoring it."""
    if quantization_config is not None:
        raise ValueError(
            f"{type(layer).__name__}: quantization_config: given {quantization_config!r}, expected None. estimax does not train "
            "or load quantized weights; save the model in Keras without quantization."
        )
