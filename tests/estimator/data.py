"""Small data and models that the tests of this folder share."""

from __future__ import annotations

from typing import Any

import numpy as np

import estimax as ex

E, fc = ex.estimator, ex.feature_columns


def rows(count: int = 24, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A number, a word, and a label that depends on both."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 1)).astype(np.float32)
    word = np.array(["a", "b", "c"])[rng.integers(0, 3, count)]
    return {"x": x, "word": word}, ((x[:, 0] > 0) ^ (word == "c")).astype(np.int64)


def train_fn(size: int = 8, count: int = 24) -> Any:
    """Endless batches in a shuffled, repeatable order."""
    return lambda: ex.data.Dataset.from_tensor_slices(rows(count)).shuffle(count, seed=1).repeat().batch(size)


def eval_fn(size: int = 10, count: int = 24) -> Any:
    """One pass, with a short last batch."""
    return lambda: ex.data.Dataset.from_tensor_slices(rows(count)).batch(size)


def columns() -> list[Any]:
    return [fc.numeric_column("x"), fc.categorical_column_with_vocabulary_list("word", ["a", "b", "c"])]


def linear(model_dir: Any = None, **config: Any) -> Any:
    """A linear classifier with quiet settings."""
    return E.LinearClassifier(columns(), config=E.RunConfig(model_dir=None if model_dir is None else str(model_dir), **config))


def regression_fn(features: Any, labels: Any, mode: str, params: Any) -> Any:
    """A model_fn on layers."""
    net = ex.layers.Dense(params.get("units", 1))(features["x"])
    return E.RegressionHead().create_estimator_spec(features, mode, net, labels, optimizer=ex.optimizers.SGD(0.1))


def line_fn(count: int = 16, size: int = 8, repeat: bool = True) -> Any:
    """Batches of a straight line."""
    x = np.linspace(-1, 1, count, dtype=np.float32)[:, None]
    dataset = ex.data.Dataset.from_tensor_slices(({"x": x}, 3 * x + 1))
    return lambda: (dataset.repeat() if repeat else dataset).batch(size)
