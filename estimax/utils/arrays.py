"""Labels and sequences as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.core import errors


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Class numbers as one-hot rows, on the host.

    Args:
        x: integers from 0 on. Shape `[...]` or `[..., 1]`.
        num_classes: the length of a row; the largest number and one more if omitted.

    Returns:
        `[..., num_classes]`, float64.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> to_categorical([0, 2]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Reference: keras.utils.to_categorical. Inside of models use `ops.one_hot`.
    """
    ids = np.asarray(x).astype(np.int64)
    if ids.ndim > 1 and ids.shape[-1] == 1:
        ids = ids[..., 0]
    size = num_classes or int(ids.max(initial=-1)) + 1
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        raise ValueError(f"to_categorical: given numbers from {ids.min()} to {ids.max()}, expected 0 to {size - 1}.")
    rows = np.zeros((*ids.shape, size))
    np.put_along_axis(rows, ids[..., None], 1.0, -1)
    return rows


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """Vectors divided by their norm, on the host; those of norm 0 stay 0.

    Args:
        x: an array.
        axis: of the vectors.
        order: of the norm.

    Example:
        >>> normalize([3.0, 4.0]).tolist()
        [0.6, 0.8]

    Reference: keras.utils.normalize. Inside of models use `ops.normalize`.
    """
    x = np.asarray(x)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm)


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array.

    Args:
        sequences: lists or arrays.
        maxlen: the length of all; the longest one's if omitted.
        dtype: of the result.
        padding: where shorter ones get more elements: `"pre"` or `"post"`.
        truncating: where longer ones lose elements: `"pre"` or `"post"`.
        value: of the added elements.

    Returns:
        `[len(sequences), maxlen, ...]`.

    Raises:
        ValueError: if something is no sequence, shapes of elements differ, or a word is another one.

    Example:
        >>> pad_sequences([[1], [2, 3, 4]], maxlen=2).tolist()
        [[0, 1], [3, 4]]

    Reference: keras.utils.pad_sequences.
    """
    for name, word in (("padding", padding), ("truncating", truncating)):
        if word not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {name}: given {word!r}, expected 'pre' or 'post'.")
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OUS":
        raise ValueError(f"pad_sequences: value: given {value!r} for numbers of type {kind}. Pass dtype=object for text.")
    try:
        lengths = [len(s) for s in sequences]
    except TypeError:
        raise ValueError("pad_sequences: sequences: expected a list of lists or arrays.") from None
    size = max(lengths, default=0) if maxlen is None else maxlen
    inner = next((np.asarray(s).shape[1:] for s, n in zip(sequences, lengths) if n), ())
    out = np.full((len(lengths), size, *inner), value, dtype=kind)
    for row, sequence, length in zip(out, sequences, lengths):
        kept = np.asarray(sequence[max(length - size, 0) :] if truncating == "pre" else sequence[:size], dtype=kind)
        if not length or not size:
            continue
        if kept.shape[1:] != inner:
            raise errors.ShapeError(f"pad_sequences: given elements of shapes {inner} and {kept.shape[1:]}, expected one.")
        row[slice(size - len(kept), None) if padding == "pre" else slice(len(kept))] = kept
    return out
