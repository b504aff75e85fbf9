"""Columns with steps: sequences of ids or numbers, for SequenceFeatures."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostValue, Variable, register
from estimax.core.errors import InputDataError
from estimax.data import VarLenFeature
from estimax.feature_columns.base import (
    MODULE,
    CategoricalColumn,
    FeatureColumn,
    FeatureReader,
    SequenceColumn,
    check_key,
    dtype_name,
    is_number,
    sequence_ids,
)
from estimax.feature_columns.entries import Entries
from estimax.feature_columns.hashed import HashedCategoricalColumn
from estimax.feature_columns.host_ops import ColumnOp, round_up
from estimax.feature_columns.identity import IdentityCategoricalColumn
from estimax.feature_columns.numeric import check_shape
from estimax.feature_columns.vocabularies import VocabularyFileCategoricalColumn, VocabularyListCategoricalColumn


@register(MODULE)
class SequenceCategoricalColumn(CategoricalColumn):
    """A categorical column whose values `[batch, steps]` or `[batch, steps, width]` are steps of sequences.

    Args:
        categorical_column: how values become ids.
    """

    def __init__(self, categorical_column: CategoricalColumn):
        self.categorical_column = categorical_column

    @property
    def name(self) -> str:
        return self.categorical_column.name

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.categorical_column,)

    @property
    def dynamic(self) -> Any:
        return self.categorical_column.dynamic

    @property
    def num_buckets(self) -> int:
        return self.categorical_column.num_buckets

    def ids(self, features: FeatureReader) -> HostValue:
        return sequence_ids(self.categorical_column, features)

    def ids_to_weigh(self, features: FeatureReader) -> HostValue:
        return self.categorical_column.ids(features)  # with weights, steps are values of one row, as in TensorFlow


@register(MODULE)
class SequenceNumbers(ColumnOp):
    """Entries to numbers by step, and where they are.

    Args:
        name: of the column, for messages.
        shape: of one step; a row of several steps is given flat, or as `[steps, size]`.
        dtype: of the column.

    Returns:
        `{"values", "present"}`, float32 or int32 and bool. Shape `[batch, steps, *shape]`.
    """

    def __init__(self, name: str, shape: Sequence[int], dtype: str):
        self.name, self.shape, self.dtype = name, tuple(shape), dtype

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype}

    def __call__(self, entries: Entries) -> dict[str, np.ndarray]:
        if entries.layout == "dense":
            raise InputDataError(
                f'column "{self.name}": given a dense array, expected sparse or ragged values, which tell how long each sequence is. Give an '
                "Arrow list column, estimax.data.RaggedTensor or SparseTensor."
            )
        if entries.kind not in ("integer", "float", "bool"):
            raise InputDataError(f'column "{self.name}": given {entries.kind} values, expected numbers.')
        batch = entries.shape[0]
        width = math.prod(entries.shape[1:])
        size = math.prod(self.shape)
        if entries.layout == "sparse" and width % size:
            raise InputDataError(
                f'column "{self.name}": given sparse values of width {width}, expected a multiple of {size}, the numbers in a step. Set '
                "dense_shape to whole steps."
            )
        steps = -(-width // size)
        if entries.layout != "sparse":
            steps = round_up(steps)
        dtype = np.int32 if self.dtype.startswith(("int", "uint")) else np.float32
        row, at = np.divmod(entries.positions(), max(width, 1))
        values = np.zeros((batch, steps * size), dtype)
        present = np.zeros((batch, steps * size), bool)
        values[row, at] = entries.values if entries.codes is None else entries.values[entries.codes]  # type: ignore[assignment]
        present[row, at] = True
        shape = (batch, steps, *self.shape)
        return {"values": values.reshape(shape), "present": present.reshape(shape)}


@register(MODULE)
class NumberLengths(ColumnOp):
    """The length of each sequence of numbers, in steps. Shape `[batch]`, int32.

    Args:
        name: of the column, for messages.
        size: numbers in a step, where a row is given flat.
    """

    def __init__(self, name: str, size: int):
        self.name, self.size = name, size

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "size": self.size}

    def __call__(self, entries: Entries) -> np.ndarray:
        indices = entries.indices()
        lengths = np.zeros(entries.shape[0], np.int32)
        np.maximum.at(lengths, indices[:, 0], indices[:, 1].astype(np.int32) + 1)
        return lengths if len(entries.shape) > 2 else -(-lengths // np.int32(self.size))


@register(MODULE)
class SequenceNumericColumn(FeatureColumn, SequenceColumn):
    """See `sequence_numeric_column`."""

    def __init__(
        self,
        key: str,
        shape: Sequence[int] | int = (1,),
        default_value: float = 0.0,
        dtype: Any = "float32",
        normalizer_fn: Callable | None = None,
    ):
        self.key = check_key(key)
        self.shape = check_shape(shape, key)
        self.default_value = default_value
        self.dtype = dtype_name(dtype)
        if not is_number(self.dtype):
            raise ValueError(f'column "{key}": dtype is {self.dtype}, expected an integer or floating type.')
        if normalizer_fn is not None and not callable(normalizer_fn):
            raise TypeError(f'column "{key}": normalizer_fn is {normalizer_fn!r}, expected a function of an array.')
        self.normalizer_fn = normalizer_fn

    @property
    def name(self) -> str:
        return self.key

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.key,)

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: VarLenFeature(self.dtype)}

    @property
    def variable_shape(self) -> tuple[int, ...]:
        """The shape of one step."""
        return self.shape

    def sequence(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        if not self.dtype.startswith("float") and isinstance(self.default_value, float):
            raise TypeError(
                f'column "{self.name}": default_value is {self.default_value}, expected an integer for dtype {self.dtype}. Write '
                f"default_value={int(self.default_value)}."
            )
        op = SequenceNumbers(self.name, self.shape, self.dtype)
        found = HostValue(op=op, inputs=[features.entries(self.key, self.name)]).on_device()
        values = found["values"]
        if self.normalizer_fn is not None:
            values = jnp.asarray(self.normalizer_fn(values))
        values = values.astype(jnp.float32)
        return jnp.where(found["present"], values, jnp.float32(self.default_value))

    def lengths(self, features: FeatureReader) -> HostValue:
        op = NumberLengths(self.name, math.prod(self.shape))
        return HostValue(op=op, inputs=[features.entries(self.key, self.name)])


def sequence_numeric_column(
    key: str,
    shape: Sequence[int] | int = (1,),
    default_value: float = 0.0,
    dtype: Any = "float32",
    normalizer_fn: Callable | None = None,
) -> SequenceNumericColumn:
    """A column of sequences of numbers, for SequenceFeatures.

    Args:
        key: name of the feature, of sparse or ragged values.
        shape: of one step: a row of n numbers makes n / size steps.
        default_value: fills the places without a number.
        dtype: of the feature; the output is float32. An integer type needs an integer `default_value`.
        normalizer_fn: applied to the numbers `[batch, steps, *shape]`, element by element, before they are filled up.

    Raises:
        ValueError: if a dimension is below 1 or the dtype is not numeric.
        TypeError: if the normalizer is not callable.

    Example:
        >>> from estimax import feature_columns as fc
        >>> output, lengths = fc.SequenceFeatures([fc.sequence_numeric_column("t")])({"t": [[1.0, 2.0], [3.0]]})
        >>> output.tolist(), lengths.tolist()
        ([[[1.0], [2.0]], [[3.0], [0.0]]], [2, 1])

    Reference: tf.feature_column.sequence_numeric_column.
    """
    return SequenceNumericColumn(key, shape, default_value, dtype, normalizer_fn)


def sequence_categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> SequenceCategoricalColumn:
    """As `categorical_column_with_identity`, for sequences.

    Example:
        >>> from estimax import feature_columns as fc
        >>> steps = fc.indicator_column(fc.sequence_categorical_column_with_identity("step", 2))
        >>> fc.SequenceFeatures([steps])({"step": [[1, 0], [1, -1]]})[0].tolist()
        [[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]

    Reference: tf.feature_column.sequence_categorical_column_with_identity.
    """
    return SequenceCategoricalColumn(IdentityCategoricalColumn(key, num_buckets, default_value))


def sequence_categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = "string"
) -> SequenceCategoricalColumn:
    """As `categorical_column_with_hash_bucket`, for sequences.

    Example:
        >>> from estimax.feature_columns import ids_of, sequence_categorical_column_with_hash_bucket
        >>> ids_of(sequence_categorical_column_with_hash_bucket("word", 10), {"word": [["a", "bb"]]}).values.tolist()
        [9, 2]

    Reference: tf.feature_column.sequence_categorical_column_with_hash_bucket.
    """
    return SequenceCategoricalColumn(HashedCategoricalColumn(key, hash_bucket_size, dtype))


def sequence_categorical_column_with_vocabulary_list(
    key: str, vocabulary_list: Sequence[Any], dtype: Any = None, default_value: int = -1, num_oov_buckets: int = 0
) -> SequenceCategoricalColumn:
    """As `categorical_column_with_vocabulary_list`, for sequences.

    Example:
        >>> from estimax.feature_columns import ids_of, sequence_categorical_column_with_vocabulary_list
        >>> ids_of(sequence_categorical_column_with_vocabulary_list("word", ["a", "b"]), {"word": [["b", "a"]]}).values.tolist()
        [1, 0]

    Reference: tf.feature_column.sequence_categorical_column_with_vocabulary_list.
    """
    return SequenceCategoricalColumn(VocabularyListCategoricalColumn(key, vocabulary_list, dtype, default_value, num_oov_buckets))


def sequence_categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: str | os.PathLike[str],
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = "string",
) -> SequenceCategoricalColumn:
    """As `categorical_column_with_vocabulary_file`, for sequences; the order of the arguments is TensorFlow's.

    Reference: tf.feature_column.sequence_categorical_column_with_vocabulary_file.
    """
    return SequenceCategoricalColumn(
        VocabularyFileCategoricalColumn(key, vocabulary_file, vocabulary_size, dtype, default_value, num_oov_buckets)
    )
