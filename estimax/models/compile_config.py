"""The arguments of `compile` as JSON, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from estimax import losses, metrics, optimizers
from estimax.core import plain, serialize
from estimax.core.custom_objects import get_registered_object


def serialize_compile(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `compile` in Keras's form; empty, with a warning, if one of them has no config."""
    try:
        return {k: _encode(v) for k, v in arguments.items()}
    except (TypeError, ValueError) as e:
        warnings.warn(
            f"The arguments of compile can't be saved: {e} The file will hold no compile arguments and no optimizer state: call compile "
            "after loading it.",
            UserWarning,
            stacklevel=3,
        )
        return {}


def _encode(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(v) for v in value]
    if getattr(value, "__name__", "") == "<lambda>":
        raise TypeError("a lambda has no name to be found by; make a named function of it.")
    return plain(serialize(value))


def compile_arguments(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The arguments of `compile` from their config.

    Raises:
        ValueError: if the config names classes or functions that neither estimax nor `custom_objects` has.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"compile_config: given {type(config).__name__}, expected a dictionary.")
    read = {"optimizer": optimizers.deserialize, "loss": losses.deserialize, "metrics": metrics.deserialize}
    read["weighted_metrics"] = read["metrics"]
    arguments = {}
    for key in (
        "optimizer",
        "loss",
        "loss_weights",
        "metrics",
        "weighted_metrics",
        "run_eagerly",
        "steps_per_execution",
        "jit_compile",
    ):
        if key in config:
            arguments[key] = _decode(config[key], read.get(key), custom_objects or {})
    if arguments.get("jit_compile") is False and not arguments.get("run_eagerly"):
        # Keras saves False for models that its other backends can't compile; here every model can be.
        arguments["jit_compile"] = "auto"
    return arguments


def _decode(value: Any, read: Any, custom: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return custom.get(value, value)
    if isinstance(value, Mapping):
        if value.get("class_name") == "function":
            return get_registered_object(value["config"], custom, {value["config"]: value["config"]})
        if "class_name" in value and read is not None:
            return read(dict(value), custom)
        return {k: _decode(v, read, custom) for k, v in value.items()}
    if isinstance(value, list):
        return [_decode(v, read, custom) for v in value]
    return value
