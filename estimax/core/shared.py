"""Which variables are one: the rule of TensorFlow's variable scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimax.core.errors import ShapeError

AUTO_REUSE = "auto"


def shared_variable(reuse: bool | str, variable: Any, known: Mapping[str, Any]) -> Any:
    """The variable that a new one of the same path stands for; None if it is really new.

    Args:
        reuse: True (there must be one), `AUTO_REUSE` (if there is one), or False (there must be none).
        variable: the new one.
        known: earlier ones by path.

    Raises:
        ValueError: if there is none, or one that must not be there, or it has another shape.
    """
    found = known.get(variable.path)
    if found is None and reuse is True:
        raise ValueError(
            f'Variable "{variable.path}": reuse=True, but there is none of this name yet. Known: {sorted(known)[:20]}. Use AUTO_REUSE, or leave '
            "reuse out where the layer is called first."
        )
    if found is not None and reuse is False:
        raise ValueError(
            f'Variable "{variable.path}": there is one of this name already. To use it again: variable_scope(name, reuse=True); for another '
            "one give the scope or the layer another name."
        )
    if found is not None and (tuple(found.shape), found.dtype) != (tuple(variable.shape), variable.dtype):
        raise ShapeError(
            f'Variable "{variable.path}": given shape {variable.shape} ({variable.dtype}), but the variable that it is to share has '
            f"{found.shape} ({found.dtype}). Call the layer with inputs of the same width."
        )
    return found
