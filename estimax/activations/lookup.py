"""Activations by name, from configs and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from estimax.activations import normalized, piecewise, smooth
from estimax.core.identifiers import name_of, resolve
from estimax.core.serialization import serialize as serialize_object

ACTIVATIONS: Mapping[str, Callable] = {
    name: fn
    for module in (piecewise, smooth, normalized)
    for name, fn in vars(module).items()
    if callable(fn) and not name.startswith("_") and getattr(fn, "__module__", "") == module.__name__
}


def get(identifier: Any) -> Callable:
    """The activation of a name, a config or a callable; `linear` for None.

    Raises:
        ValueError: if no activation has this name.

    Example:
        >>> get("relu").__name__, get(None).__name__
        ('relu', 'linear')
    """
    return piecewise.linear if identifier is None else deserialize(identifier)


def serialize(activation: Callable) -> Any:
    """The name of an activation of estimax, the config of an object that has one.

    Raises:
        ValueError: if it is a lambda, or a function without a name to find it by.

    Example:
        >>> serialize(get("swish"))
        'silu'
    """
    name = name_of(activation, ACTIVATIONS)
    if name is not None:
        return name
    if getattr(activation, "__name__", "") == "<lambda>":
        raise ValueError(
            "activation: given a lambda, expected something with a name to save it by. "
            "Define the function with `def` and pass it in custom_objects when loading."
        )
    return serialize_object(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable:
    """The activation of a name or config written by `serialize`; a callable stays as it is.

    Args:
        config: a name, a config or a callable.
        custom_objects: further activations by name.

    Raises:
        ValueError: if no activation has this name.

    Example:
        >>> deserialize("double", {"double": lambda x: 2 * x})(4)
        8
    """
    if isinstance(config, Mapping) and config.get("module") not in (None, "keras.activations", "builtins"):
        # A layer may stand where an activation is asked for: the register of classes finds it.
        return resolve(dict(config), {}, kind="activation", module="", custom_objects=custom_objects)
    return resolve(config, ACTIVATIONS, kind="activation", module="keras.activations", custom_objects=custom_objects)
