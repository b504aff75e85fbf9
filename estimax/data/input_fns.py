"""`numpy_input_fn` and `pandas_input_fn`, as in `tf.compat.v1.estimator.inputs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from estimax.data.dataset import Dataset


def _input_fn(
    tensors: Any,
    *,
    batch_size: int,
    num_epochs: int | None,
    shuffle: Any,
    seed: int | None,
    queue_capacity: int | None,
    num_threads: int,
) -> Callable[[], Dataset]:
    if not isinstance(shuffle, bool):
        raise ValueError(
            f"shuffle must be given as True or False, given {shuffle!r}: True to train, False to evaluate or predict"
        )
    source = Dataset.from_tensor_slices(tensors)  # checks the columns now, where the mistake would be

    def input_fn() -> Dataset:
        dataset = source.shuffle(queue_capacity, seed=seed) if shuffle else source
        batches = dataset.repeat(num_epochs).batch(batch_size)
        return batches.prefetch(num_threads) if num_threads > 1 else batches

    return input_fn


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int | None = None,
    num_threads: int = 1,
    *,
    seed: int | None = None,
) -> Callable[[], Dataset]:
    """An input_fn over arrays in memory.

    Args:
        x: a dict of arrays by feature name, or one array. Shapes `[rows, ...]`.
        y: labels, an array or a dict of arrays; None to predict.
        batch_size: rows a batch. Batches go on over the end of an epoch; only the very last may be short.
        num_epochs: passes over the rows; None for no end.
        shuffle: whether rows are drawn in random order; must be said.
        queue_capacity: rows to choose from when shuffling; all if omitted.
        num_threads: batches prepared ahead, if above 1.
        seed: makes the order the same for every run.

    Raises:
        ValueError: if `shuffle` is not said, x is empty, or numbers of rows differ.

    Example:
        >>> input_fn = numpy_input_fn({"a": np.arange(3)}, np.arange(3), batch_size=2, shuffle=False)
        >>> [labels.tolist() for features, labels in input_fn()]
        [[0, 1], [2]]

    Reference: https://www.tensorflow.org/api_docs/python/tf/compat/v1/estimator/inputs/numpy_input_fn
    """
    if isinstance(x, Mapping) and not x:
        raise ValueError("numpy_input_fn: x has no features; give a dict with at least one array")
    if not isinstance(x, Mapping | np.ndarray) and not hasattr(x, "__array__"):
        raise TypeError(f"numpy_input_fn: x must be an array or a dict of arrays, given {type(x).__name__}")
    if isinstance(y, Mapping) and not y:
        raise ValueError("numpy_input_fn: y is an empty dict; give None if there are no labels")
    tensors = dict(x) if isinstance(x, Mapping) else x
    if y is not None:
        tensors = (tensors, dict(y) if isinstance(y, Mapping) else y)
    return _input_fn(
        tensors,
        batch_size=batch_size,
        num_epochs=num_epochs,
        shuffle=shuffle,
        seed=seed,
        queue_capacity=queue_capacity,
        num_threads=num_threads,
    )


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int | None = None,
    num_threads: int = 1,
    target_column: str = "target",
    *,
    seed: int | None = None,
) -> Callable[[], Dataset]:
    """An input_fn over the columns of a pandas (or polars) data frame; missing text becomes the empty string.

    Args:
        x: a data frame of features.
        y: a series of labels, or a data frame of several; None to predict.
        batch_size, num_epochs, shuffle, queue_capacity, num_threads, seed: as in `numpy_input_fn`.
        target_column: must not be a column of x: under this name TensorFlow put y beside the features.

    Raises:
        TypeError: if x is no data frame.
        ValueError: if `shuffle` is not said, `target_column` is a feature, or the indices of x and y differ.

    Example:
        >>> import pandas as pd
        >>> input_fn = pandas_input_fn(pd.DataFrame({"a": [1, 2]}), pd.Series([0, 1]), shuffle=False)
        >>> [labels.tolist() for features, labels in input_fn()]
        [[0, 1]]

    Reference: https://www.tensorflow.org/api_docs/python/tf/compat/v1/estimator/inputs/pandas_input_fn
    """
    if not hasattr(x, "columns"):
        raise TypeError(f"pandas_input_fn: x must be a data frame, given {type(x).__name__}; for arrays use numpy_input_fn")
    if y is not None and target_column in x.columns:
        raise ValueError(
            f'pandas_input_fn: x already has a column "{target_column}"; drop it from the features, or name another target_column'
        )
    if y is not None and hasattr(x, "index") and hasattr(y, "index") and not callable(x.index) and not x.index.equals(y.index):
        raise ValueError("pandas_input_fn: x and y have different indices; align them first, for example y = y.loc[x.index]")
    return _input_fn(
        x if y is None else (x, y),
        batch_size=batch_size,
        num_epochs=num_epochs,
        shuffle=shuffle,
        seed=seed,
        queue_capacity=queue_capacity,
        num_threads=num_threads,
    )
