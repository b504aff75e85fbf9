"""Losses by name, from configs and back, and what `"crossentropy"` stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from estimax.core import identifiers
from estimax.core import serialize as serialize_object
from estimax.core.formulas.names import FUNCTIONS
from estimax.losses.base import Loss
from estimax.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    SparseCategoricalCrossentropy,
)
from estimax.losses.divergence import KLDivergence, Poisson
from estimax.losses.focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from estimax.losses.margin import CategoricalHinge, Hinge, SquaredHinge
from estimax.losses.overlap import Dice, Tversky
from estimax.losses.regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)
from estimax.losses.sequence import CTC
from estimax.losses.similarity import Circle, CosineSimilarity
from estimax.losses.wrapper import LossFunctionWrapper

CLASSES = (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CTC,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    Circle,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    LossFunctionWrapper,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
)
LOSSES: Mapping[str, Any] = {**{cls.__name__: cls for cls in CLASSES}, **FUNCTIONS}


def get(identifier: Any) -> Loss | None:
    """The loss of a name, config, class, function `(y_true, y_pred)` or loss; None stays None.

    Unlike Keras's, it always gives a `Loss`, also for the name of a function and for a function.

    Raises:
        ValueError: if no loss has this name.

    Example:
        >>> get("mse").name, get("BinaryCrossentropy").name, get(lambda t, p: t - p).name
        ('mean_squared_error', 'binary_crossentropy', 'loss')

    Reference: `keras.losses.get`.
    """
    return deserialize(identifier)


def serialize(loss: Any) -> Any:
    """The config of a loss, or the name of a function.

    Example:
        >>> serialize(get("mse"))["config"]["name"]
        'mean_squared_error'
    """
    return identifiers.name_of(loss, FUNCTIONS) or serialize_object(loss)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Loss | None:
    """The loss of a name or a config written by `serialize`.

    Args:
        config: a name or config.
        custom_objects: further losses by name.

    Raises:
        ValueError: if no loss has this name.

    Example:
        >>> deserialize({"class_name": "Huber", "config": {"delta": 2.0}}).delta
        2.0
    """
    found = identifiers.resolve(config, LOSSES, kind="loss", module="keras.losses", custom_objects=custom_objects)
    if found is None or isinstance(found, Loss):
        return found
    return LossFunctionWrapper(found)


def resolve(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> Loss | None:
    """Like `get`, but `"crossentropy"` and `"ce"` become the cross entropy that fits the shapes.

    Args:
        identifier: see `get`.
        y_true_shape: shape of the targets.
        y_pred_shape: shape of the predictions. Binary for one value, sparse where targets lack the class axis.

    Raises:
        ValueError: if no loss has this name.

    Example:
        >>> resolve("crossentropy", (8,), (8, 10)).name
        'sparse_categorical_crossentropy'

    Reference: `keras.Model.compile`.
    """
    if not isinstance(identifier, str) or identifier.lower() not in ("crossentropy", "ce"):
        return get(identifier)
    if y_pred_shape[-1] == 1:
        return BinaryCrossentropy()
    if len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1:
        return SparseCategoricalCrossentropy()
    return CategoricalCrossentropy()
