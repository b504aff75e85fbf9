"""Regularizers by name, from configs and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from estimax.core import identifiers
from estimax.core import serialize as serialize_object
from estimax.regularizers.penalties import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

CLASSES = (L1, L1L2, L2, OrthogonalRegularizer)
REGULARIZERS: Mapping[str, type[Regularizer]] = {
    **{cls.__name__: cls for cls in CLASSES},
    "l1": L1,
    "l1l2": L1L2,
    "l2": L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def get(identifier: Any) -> Callable | None:
    """The regularizer of a name, config, class or function; None stays None.

    Raises:
        ValueError: if no regularizer has this name.

    Example:
        >>> get("l2")
        L2(l2=0.01)

    Reference: `keras.regularizers.get`.
    """
    return deserialize(identifier)


def serialize(regularizer: Callable) -> Any:
    """The config of a regularizer, the name of a function.

    Example:
        >>> serialize(L1(0.5))["config"]
        {'l1': 0.5}
    """
    return serialize_object(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable | None:
    """The regularizer of a name or a config written by `serialize`.

    Args:
        config: a name or config.
        custom_objects: further regularizers by name.

    Raises:
        ValueError: if no regularizer has this name.

    Example:
        >>> deserialize({"class_name": "L1", "config": {"l1": 0.5}})
        L1(l1=0.5)
    """
    return identifiers.resolve(
        config, REGULARIZERS, kind="regularizer", module="keras.regularizers", custom_objects=custom_objects
    )
