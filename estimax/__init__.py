"""estimax: the tf.estimator API and a Keras-like model API over one training engine on JAX.

Subpackages load when they are first used, so that `import estimax` costs little more than `import jax`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from estimax._version import __version__
from estimax.core import (
    Frame,
    Variable,
    embedding_lookup,
    errors,
    name_scope,
    remat,
    row_count,
    row_mask,
    scan,
    set_random_seed,
)

if TYPE_CHECKING:
    from estimax import (
        activations,
        callbacks,
        constraints,
        core,
        data,
        datasets,
        distribution,
        estimator,
        export,
        feature_columns,
        initializers,
        introspect,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        regularizers,
        summary,
        testing,
        training,
    )
    from estimax.layers import Input
    from estimax.models import Model, Sequential, load_model

_PACKAGES = (
    "activations", "callbacks", "constraints", "core", "data", "datasets", "distribution", "estimator", "export", "feature_columns",
    "initializers", "introspect", "layers", "losses", "metrics", "models", "optimizers", "regularizers", "summary", "testing",
    "training",
)  # fmt: skip
_NAMES = {"Input": "layers", "Model": "models", "Sequential": "models", "load_model": "models"}

__all__ = [
    "Frame", "Input", "Model", "Sequential", "Variable", "__version__", "activations", "callbacks", "constraints", "core", "data",
    "datasets", "distribution", "embedding_lookup", "errors", "estimator", "export", "feature_columns", "initializers", "introspect",
    "layers", "load_model", "losses", "metrics", "models", "name_scope", "optimizers", "regularizers", "remat", "row_count", "row_mask",
    "scan", "set_random_seed", "summary", "testing", "training",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"estimax.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"estimax.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'estimax' has no attribute {name!r}. Public names: {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return sorted(__all__)
