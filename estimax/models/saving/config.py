"""Models from JSON: classes by name from estimax and from what the caller names, and nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import jax

from estimax.core import Frame, deserialize
from estimax.core.errors import CheckpointError
from estimax.models.model import Model

_SLACK_BYTES = 64 * 2**20


class _BudgetFrame(Frame):
    """A frame in which the variables of a model that is read may take only so much memory together."""

    def __init__(self, budget: int | None, name: str):
        super().__init__(creates="load" if budget is not None else "own")
        self.budget, self.file_name = budget, name
        self.taken = 0

    def add_variable(self, variable: Any, kind: str, make: Any) -> None:
        """Makes a variable's first value, if there is room for it."""
        # Exact, whatever size the config claims: 64-bit integers would wrap around.
        self.taken += math.prod(variable.shape) * jax.numpy.dtype(variable.dtype).itemsize
        if self.taken > self.budget:  # type: ignore[operator]
            raise CheckpointError(
                f"{self.file_name}: the config describes weights of more than {self.budget} bytes, which the file does not hold (at "
                f'"{variable.path}", shape {variable.shape}). It is damaged, or made to exhaust memory.'
            )
        # Concrete even while a layer's call is traced.
        creates, self.creates = self.creates, "own"
        try:
            with jax.ensure_compile_time_eval():
                variable.attach(make())
        finally:
            self.creates = creates


def model_from_config(
    config: Any, custom_objects: Mapping[str, Any] | None = None, *, name: str = "config", budget_bytes: int | None = None
) -> Model:
    """The model of a config, without weights.

    Args:
        config: as from `serialize(model)`.
        custom_objects: classes and functions by name.
        name: of the file, for messages.
        budget_bytes: how much memory its weights may take; no limit if None.

    Raises:
        CheckpointError: if the config is damaged.
        ValueError: if it names an unknown class, or holds code.
    """
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict) or "class_name" not in config:
        raise CheckpointError(f"{name}: expected a dictionary with 'class_name' and 'config'. It does not describe a model.")
    _refuse_code(config, name)
    try:
        with _BudgetFrame(None if budget_bytes is None else budget_bytes + _SLACK_BYTES, name):
            model = deserialize(config, custom_objects)
            if not isinstance(model, Model):
                raise CheckpointError(f"{name}: describes a {type(model).__name__}, expected a model.")
            if not model.built and config.get("build_config"):
                model.build_from_config(config["build_config"])
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as e:
        raise CheckpointError(f"{name}: does not describe a model that can be built: {type(e).__name__}: {e}") from e
    return model


def _refuse_code(value: Any, name: str) -> None:
    """Raises if a config holds Python code, which Keras puts into those of Lambda layers."""
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if part.get("class_name") in ("__lambda__", "__typespec__"):
                raise CheckpointError(
                    f"{name}: holds the code of a lambda, which is never run. Make a named function of it, save again, and pass it in "
                    "custom_objects."
                )
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def parse_json(text: str | bytes, name: str) -> Any:
    """JSON, or an error that names the file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise CheckpointError(f"{name}: no readable JSON: {e}") from None


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model that `model.to_json()` described, with new weights.

    Args:
        json_string: the description.
        custom_objects: classes and functions by name, for those that are not estimax's.

    Raises:
        ValueError: if it is damaged, names an unknown class, or holds code.

    Example:
        >>> from estimax.layers import Dense, Input
        >>> from estimax.models import Sequential
        >>> model_from_json(Sequential([Input((3,)), Dense(2)]).to_json()).count_params()
        8

    Reference: keras.models.model_from_json.
    """
    return model_from_config(parse_json(json_string, "model_from_json"), custom_objects, name="model_from_json")
