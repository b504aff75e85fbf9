"""Initializers by name, from configs and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import serialize as serialize_object
from estimax.core import snake_case, standardize_dtype
from estimax.core.identifiers import resolve
from estimax.initializers.base import Initializer
from estimax.initializers.fixed import STFT, Constant, Identity, Ones, Zeros
from estimax.initializers.random import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from estimax.initializers.scaled import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)

CLASSES = (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    STFT,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)
INITIALIZERS: Mapping[str, type[Initializer]] = {
    **{cls.__name__: cls for cls in CLASSES},
    **{snake_case(cls.__name__): cls for cls in CLASSES},
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "STFTInitializer": STFT,
    "normal": RandomNormal,
    "one": Ones,
    "uniform": RandomUniform,
    "zero": Zeros,
}


def get(identifier: Any) -> Callable | None:
    """The initializer of a name, config, class, function `(shape, dtype)` or array; None stays None.

    Raises:
        ValueError: if no initializer has this name.

    Example:
        >>> get("zeros")
        Zeros()
    """
    if isinstance(identifier, (np.ndarray, np.generic, jax.Array)):
        return _Given(identifier)
    return deserialize(identifier)


def serialize(initializer: Callable) -> Any:
    """The config of an initializer, the name of a function.

    Example:
        >>> serialize(Zeros())["class_name"]
        'Zeros'
    """
    return serialize_object(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable | None:
    """The initializer of a name or a config written by `serialize`.

    Args:
        config: a name or config.
        custom_objects: further initializers by name.

    Raises:
        ValueError: if no initializer has this name.

    Example:
        >>> deserialize({"class_name": "Constant", "config": {"value": 2.0}})
        Constant(value=2.0)
    """
    return resolve(config, INITIALIZERS, kind="initializer", module="keras.initializers", custom_objects=custom_objects)


class _Given(Initializer):
    """The values of a given array, for exactly its shape."""

    def __init__(self, values: Any):
        self.values = values

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        if tuple(shape) != tuple(self.values.shape):
            raise ValueError(
                f"initializer: given an array of shape {tuple(self.values.shape)}, expected the weight's shape "
                f"{tuple(shape)}. Pass an array of that shape, or initializers.Constant(value) for a single value."
            )
        return jnp.asarray(self.values, standardize_dtype(dtype))

    def __repr__(self) -> str:
        return f"<values of shape {tuple(self.values.shape)}>"
