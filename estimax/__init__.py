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
        config,
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
        ops,
        optimizers,
        random,
        regularizers,
        saving,
        summary,
        testing,
        training,
        utils,
    )
    from estimax.layers import Input
    from estimax.models import Model, Sequential, load_model

_PACKAGES = (
    "activations", "callbacks", "config", "constraints", "core", "data", "datasets", "distribution", "estimator", "export",
    "feature_columns", "initializers", "introspect", "layers", "losses", "metrics", "models", "ops", "optimizers", "random",
    "regularizers", "saving", "summary", "testing", "training", "utils",
)  # fmt: skip
_NAMES = {"Input": "layers", "Model": "models", "Sequential": "models", "load_model": "models"}

# Where programs of TensorFlow look for things, and where they are.
_ELSEWHERE = {
    "compat": "leave out compat.v1: names are one level up",
    "train": "optimizers are ex.optimizers.legacy.train, hooks and get_global_step ex.estimator, Example ex.data",
    "feature_column": "it is ex.feature_columns",
    "io": "it is ex.data",
    "keras": "layers, losses, metrics, models, optimizers and callbacks are one level up",
    "nn": "activations are jax.nn; losses ex.losses.legacy",
    "math": "use jax.numpy",
    "logging": "use Python's logging; the logger is called estimax",
    "app": "call main() yourself",
    "gfile": "use os, glob and open",
    "placeholder": "give an ex.data.TensorSpec",
    "string": 'types are written "string", "float32", "int64"',
    "float32": "use numpy.float32 or jax.numpy.float32",
    "int64": "use numpy.int64 or jax.numpy.int32",
    "contrib": "it was gone in TensorFlow 2",
}

__all__ = [
    "Frame", "Input", "Model", "Sequential", "Variable", "__version__", "activations", "callbacks", "config", "constraints", "core",
    "data", "datasets", "distribution", "embedding_lookup", "errors", "estimator", "export", "feature_columns", "initializers",
    "introspect", "layers", "load_model", "losses", "metrics", "models", "name_scope", "ops", "optimizers", "random", "regularizers",
    "remat", "row_count", "row_mask", "saving", "scan", "set_random_seed", "summary", "testing", "training", "utils",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"estimax.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"estimax.{_NAMES[name]}"), name)
    if name in _ELSEWHERE:
        hint = f"{_ELSEWHERE[name]}. All names: docs/coming_from_tf_estimator.md."
        raise AttributeError(f"module 'estimax' has no attribute {name!r}: {hint}")
    raise AttributeError(f"module 'estimax' has no attribute {name!r}. Public names: {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return sorted(__all__)
