"""Saving and loading under the names of `keras.saving`. No code is ever read from a file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from estimax import activations, core, models
from estimax.core.custom_objects import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from estimax.core.identifiers import function_config
from estimax.models.saving import load_weights, save_model, save_weights

CustomObjectScope = custom_object_scope


def load_model(
    filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> models.Model:
    """The model of a `.keras` archive; see `ex.load_model`.

    Args:
        filepath: of the archive.
        custom_objects: classes and functions by name, beside those that are registered.
        compile: whether the model is compiled as it was.
        safe_mode: only True: code in files is never run.

    Raises:
        ValueError: if `safe_mode` is False, or the file is none that can be read.

    Reference: keras.saving.load_model.
    """
    _only_safe("load_model", safe_mode)
    return models.load_model(filepath, custom_objects, compile)


def serialize_keras_object(obj: Any) -> Any:
    """The JSON config of an object with `get_config`, of a function its name; plain values as they are.

    Example:
        >>> from estimax import layers
        >>> serialize_keras_object(layers.ReLU(name="a"))["class_name"]
        'ReLU'

    Reference: keras.saving.serialize_keras_object.
    """
    return function_config(obj) if inspect.isfunction(obj) else core.serialize(obj)


def deserialize_keras_object(config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True) -> Any:
    """The object of a config; functions are found by their names.

    Args:
        config: as `serialize_keras_object` (or Keras 3) wrote it.
        custom_objects: classes and functions by name, beside those that are registered.
        safe_mode: only True: code in configs is never run.

    Raises:
        ValueError: if `safe_mode` is False, or the config names something unknown.

    Example:
        >>> from estimax import layers
        >>> deserialize_keras_object(serialize_keras_object(layers.Dense(3))).units
        3

    Reference: keras.saving.deserialize_keras_object.
    """
    _only_safe("deserialize_keras_object", safe_mode)
    if isinstance(config, Mapping) and config.get("class_name") == "function":
        return activations.deserialize(dict(config), custom_objects)
    return core.deserialize(config, custom_objects)


def _only_safe(function: str, safe_mode: bool) -> None:
    if not safe_mode:
        raise ValueError(f"{function}: safe_mode: given False, but code in files is never run. Name functions by custom_objects.")


__all__ = [
    "CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "get_custom_objects", "get_registered_name",
    "get_registered_object", "load_model", "load_weights", "register_keras_serializable", "save_model", "save_weights",
    "serialize_keras_object",
]  # fmt: skip
