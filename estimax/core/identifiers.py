"""What a user may write for a loss, metric, initializer...: a name, a config, a class, a function or the object."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from estimax.core.custom_objects import get_registered_name, get_registered_object
from estimax.core.serialization import deserialize


def resolve(
    identifier: Any,
    known: Mapping[str, Any],
    *,
    kind: str,
    module: str,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The object that an identifier stands for; None stays None and classes are called without arguments.

    Args:
        identifier: a key of `known` or `custom_objects`, a config as `serialize` writes it, a class, a callable, None.
        known: class or function by name.
        kind: what is looked up, for messages: `"loss"`.
        module: the module name that configs of this kind carry: `"keras.losses"`.
        custom_objects: further classes and functions by name.

    Raises:
        ValueError: if nothing of this name or form exists.
        TypeError: if the class that is named cannot be built without arguments.

    Example:
        >>> resolve("absolute", {"absolute": abs}, kind="function", module="keras.activations")(-1)
        1
    """
    if identifier is None:
        return None
    found = identifier
    if isinstance(identifier, Mapping):
        found = _from_config(dict(identifier), known, kind=kind, module=module, custom_objects=custom_objects)
    elif isinstance(identifier, str):
        found = _by_name(identifier, known, kind=kind, custom_objects=custom_objects)
    if isinstance(found, type):
        found = _build(found, identifier, kind)
    if not callable(found) and not hasattr(found, "get_config"):
        raise ValueError(
            f"{kind}: given {identifier!r} of type {type(identifier).__name__}, expected a name, a config, a class or "
            f"a callable. Names: {', '.join(sorted(known))}."
        )
    return found


def name_of(obj: Any, known: Mapping[str, Any]) -> str | None:
    """The name under which `obj` (a function) is known, its own name first; None if it is not."""
    own = getattr(obj, "__name__", "")
    if own in known and known[own] is obj:
        return own
    return next((name for name, value in known.items() if value is obj), None)


def function_config(fn: Callable) -> dict[str, Any]:
    """A function as Keras writes it into configs: by its name, never by its code."""
    return {"module": "builtins", "class_name": "function", "config": get_registered_name(fn), "registered_name": "function"}


def _by_name(name: str, known: Mapping[str, Any], *, kind: str, custom_objects: Mapping[str, Any] | None) -> Any:
    found = get_registered_object(name, custom_objects, known)
    if found is not None:
        return found
    close = difflib.get_close_matches(name, list(known), n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Names: {', '.join(sorted(known))}."
    raise ValueError(
        f"{kind}: given {name!r}, expected the name of a {kind} of estimax. {hint} "
        f"Pass your own {kind} as an object, or name it in custom_objects."
    )


def _from_config(
    config: dict[str, Any],
    known: Mapping[str, Any],
    *,
    kind: str,
    module: str,
    custom_objects: Mapping[str, Any] | None,
) -> Any:
    if "class_name" not in config:
        raise ValueError(
            f"{kind}: given a dictionary with the keys {sorted(config)}, expected the keys 'class_name' and 'config', "
            f"as {kind}s.serialize() writes them."
        )
    name = config["class_name"]
    if name == "function":
        return _by_name(config["config"], known, kind=kind, custom_objects=custom_objects)
    config = {"module": module, "config": {}, "registered_name": None} | config
    if config["module"] == module and not (custom_objects and name in custom_objects):
        # Short configs may name a class as users do ("glorot_uniform"); the table knows these names too.
        cls = _by_name(name, known, kind=kind, custom_objects=None)
        if isinstance(cls, type) and hasattr(cls, "_config_name"):
            config["class_name"] = cls._config_name
    return deserialize(config, custom_objects)


def _build(cls: type, identifier: Any, kind: str) -> Any:
    try:
        return cls()
    except TypeError as e:
        raise TypeError(
            f"{kind}: given {identifier!r}, but {cls.__name__} cannot be built without arguments ({e}). "
            f"Pass an object: {cls.__name__}(...)."
        ) from e
