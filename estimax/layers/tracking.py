"""What holds variables and layers in its attributes: finding them, their order, paths and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from estimax.core import Variable, unique_paths
from estimax.core.errors import ShapeError


class Tracked:
    """Base of layers: finds variables and layers in attributes, lists and dicts, in order of assignment."""

    name: str
    _own_variables: list[Variable]
    _trainable: bool

    def _children(self) -> Iterator[Variable | Tracked]:
        """Own variables, then variables and layers found in attributes, lists and dicts, in order of assignment."""
        yield from self._own_variables
        for key, value in self.__dict__.items():
            if key not in ("_own_variables", "nodes", "_losses_of", "_losses") and not key.startswith("_ref_"):
                yield from _found_in(value)

    @property
    def layers(self) -> list[Any]:
        """The direct sublayers."""
        return list({id(c): c for c in self._children() if isinstance(c, Tracked)}.values())

    def flatten_layers(self) -> list[Any]:
        """This layer and all below it, each once."""
        seen: dict[int, Any] = {}

        def walk(layer: Any) -> None:
            if id(layer) not in seen:
                seen[id(layer)] = layer
                for child in layer._children():
                    if isinstance(child, Tracked):
                        walk(child)

        walk(self)
        return list(seen.values())

    def _walk(self, trainable: bool, seen: dict[int, tuple[Variable, bool]], layers: set[int]) -> None:
        if id(self) in layers:
            return
        layers.add(id(self))
        trainable = trainable and self._trainable
        children = list(self._children())
        for child in children:
            if isinstance(child, Variable) and id(child) not in seen:
                seen[id(child)] = child, trainable and child.trainable
        for child in children:
            if isinstance(child, Tracked):
                child._walk(trainable, seen, layers)

    def _variables(self) -> list[tuple[Variable, bool]]:
        seen: dict[int, tuple[Variable, bool]] = {}
        self._walk(True, seen, set())
        return list(seen.values())

    @property
    def variables(self) -> list[Variable]:
        """All variables: trainable ones first, each group in order of creation."""
        return self.trainable_variables + self.non_trainable_variables

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes."""
        return [v for v, trainable in self._variables() if trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training leaves alone or changes only as state."""
        return [v for v, trainable in self._variables() if not trainable]

    @property
    def weights(self) -> list[Variable]:
        """All variables in order of creation, sublayer by sublayer, but for states that are no part of the trained model."""
        return [v for v, _ in self._variables() if not getattr(v, "transient", False)]

    trainable_weights = trainable_variables
    non_trainable_weights = non_trainable_variables

    @property
    def trainable(self) -> bool:
        """Whether training changes the variables; setting it sets it on all layers below."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.flatten_layers():
            layer._trainable = bool(value)

    def get_weights(self) -> list[np.ndarray]:
        """The values of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Sets the values of `weights`; nothing is changed if one does not fit.

        Raises:
            ValueError: if their number or a shape differs.
        """
        variables = self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f'{type(self).__name__} "{self.name}": expected {len(variables)} arrays, given {len(weights)}. The order is that of '
                f"layer.weights: {[v.path for v in variables]}."
            )
        for v, w in zip(variables, weights):
            if tuple(np.shape(w)) != v.shape:
                raise ShapeError(f'Variable "{v.path}": expected a value of shape {v.shape}, given {np.shape(w)}.')
        for v, w in zip(variables, weights):
            v.assign(w)

    def count_params(self) -> int:
        """The number of elements of all variables."""
        return sum(v.size for v in self.weights)

    @property
    def bindings(self) -> dict[int, str]:
        """The path of each variable below this layer, by identity."""
        return unique_paths(self.variables)

    @property
    def kinds(self) -> dict[str, str]:
        """`"params"` or `"state"` by path: whether training changes the variable now."""
        paths = self.bindings
        return {paths[id(v)]: "params" if trainable else "state" for v, trainable in self._variables()}

    @property
    def values(self) -> dict[str, jax.Array]:
        """The arrays of all variables by path."""
        paths = self.bindings
        return {paths[id(v)]: v.value for v in self.variables}


def _found_in(value: Any) -> Iterator[Variable | Tracked]:
    if isinstance(value, (Variable, Tracked)):
        yield value
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _found_in(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from _found_in(v)
