"""Objects to JSON configs and back, in Keras 3's layout, by a register of classes; no code is ever read from a config."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from estimax.core.custom_objects import get_registered_name, get_registered_object

T = TypeVar("T", bound=type)

# Filled by the decorator while packages are imported, read-only afterwards.
_CLASSES: dict[tuple[str, str], type] = {}


def register(module: str, name: str | None = None) -> Callable[[T], T]:
    """Decorator: makes a class known to `serialize` and `deserialize`.

    Args:
        module: the module name written into configs, as `"keras.layers"` (Keras's) or `"estimax.feature_columns"`.
        name: the class name in configs, if it is not the class's own.
    """

    def decorate(cls: T) -> T:
        own = name or cls.__name__
        setattr(cls, "_config_module", module)  # noqa: B010 - the type checker knows nothing of these attributes
        setattr(cls, "_config_name", own)  # noqa: B010
        _CLASSES[module, own] = cls
        return cls

    return decorate


def plain(value: Any) -> Any:
    """A config value as JSON has it: tuples become lists, NumPy numbers Python numbers, objects their configs."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "get_config") and not isinstance(value, type):
        return serialize(value)
    return value


def serialize(obj: Any) -> Any:
    """`{"module", "class_name", "config", "registered_name"}` of an object, the name of a function; other values as they are.

    >>> serialize(None), serialize(3)
    (None, 3)
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (list, tuple, dict, np.ndarray, np.generic)):
        return plain(obj)
    cls = type(obj)
    if hasattr(obj, "get_config"):
        known = "_config_module" in cls.__dict__
        found = {
            "module": cls._config_module if known else cls.__module__,
            "class_name": cls._config_name if known else cls.__name__,
            "config": plain(obj.get_config()),
            "registered_name": cls.__dict__.get("_registered_name") if known else get_registered_name(cls),
        }
        for part in ("build_config", "compile_config"):  # only layers, only models have them
            more = getattr(obj, f"get_{part}", None)
            if more is not None and (more := more()) is not None:
                found[part] = plain(more)
        return found
    if callable(obj) and hasattr(obj, "__name__"):
        return get_registered_name(obj)
    raise TypeError(
        f"serialize: given a {cls.__name__}, expected an object with get_config(), a function, or a plain value. "
        "Add get_config() and from_config() to the class."
    )


def _home(module: str) -> str | None:
    """The package of estimax whose import registers the classes of a module that a config names."""
    parts = module.split(".")
    if module.startswith("keras.src.ops."):
        return "estimax.ops"
    return f"estimax.{parts[1]}" if parts[0] in ("keras", "estimax") and len(parts) == 2 else None


def find_class(module: str | None, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The class (or function) of a config.

    Raises:
        ValueError: if neither estimax nor `custom_objects` has it.
    """
    for key in (name, name.rsplit(">", 1)[-1]):
        if custom_objects and key in custom_objects:
            return custom_objects[key]
    registered = get_registered_object(name)
    if registered is not None:
        return registered
    if module is not None:
        if (module, name) not in _CLASSES and (home := _home(module)):
            try:
                importlib.import_module(home)
            except ImportError:
                pass
        if (module, name) in _CLASSES:
            return _CLASSES[module, name]
    if module is None or module.startswith("keras"):
        family = ".".join(module.split(".")[:2]) if module else ""
        found = {c for (m, n), c in _CLASSES.items() if n == name and m.startswith(family)}
        if len(found) == 1:
            return found.pop()
    raise ValueError(
        f"deserialize: unknown class {name!r} of module {module!r}. Expected a class of estimax, or one that the caller "
        f"names: pass custom_objects={{{name!r}: TheClass}}."
    )


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object of a config written by `serialize` (or by Keras 3); plain values as they are."""
    if isinstance(config, (list, tuple)):
        return [deserialize(c, custom_objects) for c in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {k: deserialize(v, custom_objects) for k, v in config.items()}
    name = config["class_name"]
    if name == "__tuple__":
        return tuple(deserialize(c, custom_objects) for c in config["config"])
    if name == "DTypePolicy":
        from estimax.core.dtypes import DTypePolicy

        return DTypePolicy(**config["config"])
    cls = find_class(config.get("module"), config.get("registered_name") or name, custom_objects)
    if not isinstance(cls, type):
        return cls
    inner = config["config"]
    if hasattr(cls, "from_config"):
        try:
            return cls.from_config(inner, custom_objects=custom_objects)
        except TypeError as e:
            if "custom_objects" not in str(e):
                raise
        return cls.from_config(inner)
    return cls(**inner)
