"""Classes and functions of a program by the names under which configs have them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

# Filled by the decorator below while a program's modules are imported, as `serialization`'s register of classes is.
_REGISTERED: dict[str, Any] = {}


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Decorator: configs may name a class or function, and loading finds it without `custom_objects`.

    Args:
        package: put before the name, `"package>name"`, so that names of different programs differ.
        name: by default that of the class or function.

    Raises:
        ValueError: if a class has no `get_config`.

    Example:
        >>> @register_keras_serializable("my_package")
        ... def cube(x):
        ...     return x**3
        >>> get_registered_name(cube)
        'my_package>cube'
        >>> from estimax import activations
        >>> activations.get("my_package>cube")(2)
        8

    Reference: keras.saving.register_keras_serializable.
    """

    def decorate(item: T) -> T:
        own: Any = item
        if inspect.isclass(item) and not hasattr(item, "get_config"):
            raise ValueError(
                f"register_keras_serializable: {own.__name__} has no get_config(). Add it: what the constructor needs, as a dictionary."
            )
        _REGISTERED[f"{package}>{name or own.__name__}"] = item
        return item

    return decorate


def get_custom_objects() -> dict[str, Any]:
    """The registered classes and functions by name; what is put into it is found by loading.

    Example:
        >>> get_custom_objects()["halve"] = lambda x: x / 2
        >>> get_registered_object("halve")(4)
        2.0
        >>> del get_custom_objects()["halve"]

    Reference: keras.saving.get_custom_objects.
    """
    return _REGISTERED


def get_registered_name(obj: Any) -> str:
    """The name under which a class or function is registered, else its own.

    Example:
        >>> get_registered_name(dict)
        'dict'

    Reference: keras.saving.get_registered_name.
    """
    return next((name for name, value in _REGISTERED.items() if value is obj), obj.__name__)


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """The class or function of a name, None if there is none.

    Args:
        name: as `get_registered_name` gives it.
        custom_objects: looked into first.
        module_objects: looked into last.

    Example:
        >>> get_registered_object("missing") is None
        True

    Reference: keras.saving.get_registered_object.
    """
    for table in (custom_objects, _REGISTERED, module_objects):
        if table and name in table:
            return table[name]
    return None


@contextlib.contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any]) -> Iterator[None]:
    """Within the block loading finds these classes and functions, in all threads.

    Args:
        custom_objects: by name.

    Example:
        >>> with custom_object_scope({"halve": lambda x: x / 2}):
        ...     print(get_registered_object("halve")(4))
        2.0
        >>> get_registered_object("halve") is None
        True

    Reference: keras.saving.custom_object_scope.
    """
    before = dict(_REGISTERED)
    _REGISTERED.update(custom_objects)
    try:
        yield
    finally:
        for name in custom_objects:
            if name in before:
                _REGISTERED[name] = before[name]
            else:
                _REGISTERED.pop(name, None)
