"""Constraints by name, from configs and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from estimax.constraints.norms import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from estimax.core import identifiers
from estimax.core import serialize as serialize_object

CLASSES = (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)
CONSTRAINTS: Mapping[str, type[Constraint]] = {
    **{cls.__name__: cls for cls in CLASSES},
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


def get(identifier: Any) -> Callable | None:
    """The constraint of a name, config, class or function; None stays None.

    Raises:
        ValueError: if no constraint has this name.

    Example:
        >>> get("max_norm")
        MaxNorm(max_value=2, axis=0)

    Reference: `keras.constraints.get`.
    """
    return deserialize(identifier)


def serialize(constraint: Callable) -> Any:
    """The config of a constraint, the name of a function.

    Example:
        >>> serialize(UnitNorm(1))["config"]
        {'axis': 1}
    """
    return serialize_object(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable | None:
    """The constraint of a name or a config written by `serialize`.

    Args:
        config: a name or config.
        custom_objects: further constraints by name.

    Raises:
        ValueError: if no constraint has this name.

    Example:
        >>> deserialize({"class_name": "UnitNorm", "config": {"axis": 1}})
        UnitNorm(axis=1)
    """
    return identifiers.resolve(config, CONSTRAINTS, kind="constraint", module="keras.constraints", custom_objects=custom_objects)
