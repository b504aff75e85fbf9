"""Optimizers by name, config or object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimax.core import deserialize as _deserialize
from estimax.core import serialize as _serialize
from estimax.core.identifiers import resolve
from estimax.core.names import snake_case
from estimax.optimizers.adadelta import Adadelta
from estimax.optimizers.adafactor import Adafactor
from estimax.optimizers.adagrad import Adagrad, RowWiseAdagrad
from estimax.optimizers.adam import Adam, AdamW
from estimax.optimizers.adamax import Adamax
from estimax.optimizers.ftrl import Ftrl
from estimax.optimizers.lamb import Lamb
from estimax.optimizers.lion import Lion
from estimax.optimizers.loss_scale import LossScaleOptimizer
from estimax.optimizers.muon import Muon
from estimax.optimizers.nadam import Nadam
from estimax.optimizers.optax_adapter import Optax
from estimax.optimizers.optimizer import Optimizer
from estimax.optimizers.rmsprop import RMSprop
from estimax.optimizers.schedule_free import ScheduleFreeAdamW
from estimax.optimizers.sgd import SGD

_CLASSES = (
    Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, Ftrl, Lamb, Lion, LossScaleOptimizer, Muon, Nadam, RMSprop,
    RowWiseAdagrad, ScheduleFreeAdamW, SGD,
)  # fmt: skip
_BY_NAME = {name: cls for cls in _CLASSES for name in (cls.__name__, cls.__name__.lower(), snake_case(cls.__name__))}


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that an identifier stands for.

    Args:
        identifier: a name (`"adam"`, `"Adam"`), a class, a config, an optimizer, or an `optax.GradientTransformation`.
        custom_objects: further classes by name.

    Returns:
        An optimizer; None for None.

    Raises:
        ValueError: if there is none of this name or form.

    Example:
        >>> get("rmsprop").name
        'rm_sprop'

    Reference: keras.optimizers.get.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if not isinstance(identifier, (str, type, Mapping)) and hasattr(identifier, "init") and hasattr(identifier, "update"):
        return Optax(identifier)
    return resolve(identifier, _BY_NAME, kind="optimizer", module="keras.optimizers", custom_objects=custom_objects)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The config of an optimizer."""
    return _serialize(optimizer)


def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer of a config."""
    return _deserialize({"module": "keras.optimizers"} | config, custom_objects)
