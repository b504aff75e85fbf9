"""Datasets made of arrays: split in two, cut into windows of time."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from estimax.data import Dataset


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Dataset, Dataset]:
    """Two datasets of the rows of one, which are taken into memory.

    Args:
        dataset: a `Dataset` of rows that all have one shape, an array, or a tuple, list or dict of arrays.
        left_size, right_size: how many rows, or which share of them, go into the first and the second; one may be omitted.
        shuffle: whether rows are put in random order before.
        seed: of that order.

    Raises:
        ValueError: if no size is given, or the two do not fit.

    Example:
        >>> left, right = split_dataset(np.arange(10), left_size=0.8)
        >>> len(left), len(right)
        (8, 2)

    Reference: keras.utils.split_dataset.
    """
    if isinstance(dataset, Dataset):
        rows = list(dataset.as_numpy_iterator())
        if not rows:
            raise ValueError("split_dataset: the dataset is empty.")
        dataset = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    tree = jax.tree.map(np.asarray, dataset, is_leaf=lambda v: isinstance(v, list) and not hasattr(v[0], "shape"))
    total = len(jax.tree.leaves(tree)[0])
    left, right = _count("left_size", left_size, total), _count("right_size", right_size, total)
    if left is None and right is None:
        raise ValueError("split_dataset: given no size, expected left_size, right_size or both.")
    left = total - (right or 0) if left is None else left
    right = total - left if right is None else right
    if left + right > total:
        raise ValueError(f"split_dataset: left_size {left} and right_size {right} are more than the {total} rows.")
    order = np.random.default_rng(seed).permutation(total) if shuffle else np.arange(total)
    parts = order[:left], order[total - right :]
    first, second = (Dataset.from_tensor_slices(jax.tree.map(lambda a, rows=rows: a[rows], tree)) for rows in parts)
    return first, second


def _count(name: str, size: float | int | None, total: int) -> int | None:
    if size is None:
        return None
    if isinstance(size, float) and 0 < size < 1:
        return round(size * total)
    if isinstance(size, int) and not isinstance(size, bool) and 0 < size < total:
        return size
    raise ValueError(
        f"split_dataset: {name}: given {size!r}, expected a share between 0 and 1, or a number below the {total} rows."
    )


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> Dataset:
    """Windows over a series, in batches; each batch is one gather.

    Args:
        data: `[steps, ...]`.
        targets: of the window that starts at the same place, `[steps, ...]`; None for windows alone.
        sequence_length: steps of a window.
        sequence_stride: from one window's start to the next one's.
        sampling_rate: from one step of a window to the next one.
        batch_size: windows of a batch; None for single windows.
        shuffle: whether windows come in random order.
        seed: of that order.
        start_index, end_index: the part of `data` and `targets` that is used.

    Returns:
        A dataset of `windows [batch, sequence_length, ...]`, or of pairs of them and their targets.

    Raises:
        ValueError: if a number does not fit the series.

    Example:
        >>> dataset = timeseries_dataset_from_array(np.arange(6), np.arange(6) * 10, sequence_length=3, batch_size=2)
        >>> [(x.tolist(), y.tolist()) for x, y in dataset.as_numpy_iterator()][0]
        ([[0, 1, 2], [1, 2, 3]], [0, 10])

    Reference: keras.utils.timeseries_dataset_from_array.
    """
    steps = len(data)
    for name, value in (("sequence_stride", sequence_stride), ("sampling_rate", sampling_rate)):
        if not 0 < value < steps:
            raise ValueError(f"timeseries_dataset_from_array: {name}: given {value}, expected 1 to {steps - 1}.")
    start, end = start_index or 0, steps if end_index is None else end_index
    if not 0 <= start < end <= steps:
        raise ValueError(
            f"timeseries_dataset_from_array: given start_index {start} and end_index {end}, expected 0 to {steps}, in order."
        )
    series = np.asarray(data)[start:end]
    values = None if targets is None else np.asarray(targets)[start:end]
    count = end - start - (sequence_length - 1) * sampling_rate
    count = count if targets is None else min(count, len(targets))
    if count <= 0:
        raise ValueError(
            f"timeseries_dataset_from_array: {end - start} steps hold no window of {sequence_length} x {sampling_rate}."
        )
    starts = np.arange(0, count, sequence_stride)
    if shuffle:
        starts = np.random.default_rng(seed).permutation(starts)
    within = np.arange(sequence_length) * sampling_rate

    def window(first: np.ndarray) -> Any:
        x = series[np.asarray(first)[..., None] + within]
        return x if values is None else (x, values[first])

    places = Dataset.from_tensor_slices(starts)
    if batch_size is None:
        return places.map(window)
    if shuffle:
        places = places.shuffle(batch_size * 8, seed=seed)
    return places.batch(batch_size).map(window)
