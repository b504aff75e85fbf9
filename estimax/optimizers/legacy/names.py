"""The optimizer names of tf.estimator's premade models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from estimax.optimizers.legacy.accumulating import Adagrad, Ftrl
from estimax.optimizers.legacy.averaging import SGD, Adam, RMSprop
from estimax.optimizers.optimizer import Optimizer
from estimax.optimizers.registry import get

_NAMES: dict[str, Any] = {"Adagrad": Adagrad, "Adam": Adam, "Ftrl": Ftrl, "RMSProp": RMSprop, "SGD": SGD}


def get_estimator_optimizer(identifier: Any, learning_rate: float | None = None) -> Optimizer:
    """The optimizer that a premade Estimator's `optimizer` argument stands for.

    Args:
        identifier: exactly "Adagrad", "Adam", "Ftrl", "RMSProp" or "SGD"; an optimizer, an optax transformation, or a
            function without arguments that returns one (so that a schedule may be made inside).
        learning_rate: for names; each model has its own.

    Returns:
        The optimizer; a name gives a new one.

    Raises:
        ValueError: for another name.

    Example:
        >>> get_estimator_optimizer("Ftrl", 0.2).learning_rate  # doctest: +ELLIPSIS
        0.2000000...

    Reference: tf.estimator.DNNLinearCombinedClassifier, argument `dnn_optimizer`.
    """
    if isinstance(identifier, str):
        if identifier not in _NAMES:
            close = [n for n in _NAMES if n.lower() == identifier.lower()]
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise ValueError(
                f"optimizer: given {identifier!r}, expected exactly one of {', '.join(_NAMES)}. {hint}Or pass an object."
            )
        return _NAMES[identifier]() if learning_rate is None else _NAMES[identifier](learning_rate)
    if isinstance(identifier, Callable) and not isinstance(identifier, type) and not hasattr(identifier, "init"):  # type: ignore[arg-type]
        identifier = identifier()
    return get(identifier)
