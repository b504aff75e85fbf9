"""Layers to configs and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimax import core
from estimax.layers.base import Layer


def serialize(layer: Layer) -> dict[str, Any]:
    """The config of a layer with its class, as JSON has it.

    Example:
        >>> from estimax.layers import Dense
        >>> serialize(Dense(2))["class_name"]
        'Dense'

    Reference: keras.layers.serialize.
    """
    return core.serialize(layer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer of a config written by `serialize` or by Keras 3; it is not built.

    Args:
        config: with the keys `class_name` and `config`.
        custom_objects: classes and functions by name, for those that are not estimax's.

    Raises:
        ValueError: if the class is unknown, or is no layer.

    Example:
        >>> from estimax.layers import Dense
        >>> deserialize(serialize(Dense(2))).units
        2

    Reference: keras.layers.deserialize.
    """
    layer = core.deserialize({"module": "keras.layers", "registered_name": None, **config}, custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(f"deserialize: the config makes a {type(layer).__name__}, expected a layer.")
    return layer
