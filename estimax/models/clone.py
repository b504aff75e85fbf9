"""Copies of models with new weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from estimax.layers import InputLayer, Layer
from estimax.models.functional import Functional, GraphReader
from estimax.models.model import Model
from estimax.models.sequential import Sequential


def clone_model(
    model: Model, clone_function: Callable[[Layer], Layer] | None = None, *, custom_objects: Mapping[str, Any] | None = None
) -> Model:
    """A model of the same structure, with new layers and new initial weights.

    Args:
        model: to copy.
        clone_function: makes the new layer of each layer, for changes on the way; by default from its config.
        custom_objects: classes and functions by name, for those that are not estimax's.

    Returns:
        The copy, not compiled.

    Raises:
        ValueError: if `clone_function` is given for a subclassed model, whose layers are its own matter.

    Example:
        >>> from estimax.layers import Dense, Input
        >>> model = Sequential([Input((3,)), Dense(2)])
        >>> clone_model(model).count_params()
        8

    Reference: keras.models.clone_model.
    """
    if not isinstance(model, (Sequential, Functional)):
        if clone_function is not None:
            raise ValueError(
                f"clone_model: {type(model).__name__} is subclassed, so clone_function can't be applied. Leave it out."
            )
        again = type(model).from_config(model.get_config(), custom_objects=custom_objects)
        assert isinstance(again, Model)
        return again

    def clone(layer: Layer) -> Layer:
        if clone_function is not None and not isinstance(layer, InputLayer):
            return clone_function(layer)
        return type(layer).from_config(layer.get_config(), custom_objects=custom_objects)

    if isinstance(model, Sequential):
        copy: Model = Sequential([clone(x) for x in model._stack], name=model.name)
    else:
        copy = GraphReader(model.get_config(), custom_objects, layers={x.name: clone(x) for x in model.operations}).model(
            Functional
        )
    if not model._trainable:
        copy._trainable = False
    return copy
