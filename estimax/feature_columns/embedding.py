"""Ids as rows of a trained table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from estimax.core import HostValue, Variable, register
from estimax.feature_columns.base import (
    MODULE,
    CategoricalColumn,
    DenseColumn,
    FeatureReader,
    SequenceColumn,
    check_categorical,
    check_size,
    sequence_lengths,
)
from estimax.feature_columns.combine import check_combiner, lookup_combined
from estimax.feature_columns.warm_start import from_checkpoint
from estimax.initializers import TruncatedNormal, Zeros


class _TableColumn(DenseColumn, SequenceColumn):
    """What embedding columns with a table of their own and with a shared one have in common."""

    categorical_column: CategoricalColumn
    dimension: int
    combiner: str | None
    initializer: Callable | None
    ckpt_to_load_from: str | None
    tensor_name_in_ckpt: str | None
    max_norm: float | None
    trainable: bool
    use_safe_embedding_lookup: bool

    def _check(self) -> None:
        check_size(self.dimension, "dimension", self.name)
        if (self.ckpt_to_load_from is None) != (self.tensor_name_in_ckpt is None):
            raise ValueError(
                f'column "{self.name}": given only one of ckpt_to_load_from={self.ckpt_to_load_from!r} and '
                f"tensor_name_in_ckpt={self.tensor_name_in_ckpt!r}, expected both or neither."
            )
        if self.initializer is not None and not callable(self.initializer):
            raise ValueError(
                f'column "{self.name}": initializer is {self.initializer!r}, expected a function (shape, dtype) -> array, such as '
                "initializers.RandomNormal()."
            )

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.categorical_column,)

    @property
    def variable_shape(self) -> tuple[int, ...]:
        return (self.dimension,)

    def _initializer(self) -> Callable:
        if self.ckpt_to_load_from is not None:
            return from_checkpoint(self.ckpt_to_load_from, self.tensor_name_in_ckpt or "")
        return self.initializer or TruncatedNormal(0.0, 1 / math.sqrt(self.dimension))

    def _table(self, variables: Mapping[str, Variable]) -> Variable:
        raise TypeError(f"{type(self).__name__} does not say where its table is.")

    def dense(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        return self._combined(features, variables, "matrix")

    def sequence(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        return self._combined(features, variables, "sequence")

    def _combined(self, features: FeatureReader, variables: Mapping[str, Variable], form: str) -> jax.Array:
        combiner = "mean" if self.combiner is None else self.combiner
        check_combiner(combiner, f'column "{self.name}"')
        negative = "drop" if self.use_safe_embedding_lookup else "error"
        found = self.categorical_column.padded(features, variables, negative=negative, form=form)
        return lookup_combined(
            self._table(variables),
            found.ids,
            found.weights,
            combiner,
            max_norm=self.max_norm,
            drop_weights=self.use_safe_embedding_lookup,
            taken_over=found.taken_over,
            offsets=variables.get("embedding_offsets"),
        )

    def lengths(self, features: FeatureReader) -> HostValue:
        return sequence_lengths(self.categorical_column, features)


@register(MODULE)
class EmbeddingColumn(_TableColumn):
    """See `embedding_column`."""

    def __init__(
        self,
        categorical_column: CategoricalColumn,
        dimension: int,
        combiner: str | None = "mean",
        initializer: Callable | None = None,
        ckpt_to_load_from: str | None = None,
        tensor_name_in_ckpt: str | None = None,
        max_norm: float | None = None,
        trainable: bool = True,
        use_safe_embedding_lookup: bool = True,
    ):
        self.categorical_column = check_categorical(categorical_column, "embedding_column")
        self.dimension, self.combiner, self.initializer = dimension, combiner, initializer
        self.ckpt_to_load_from, self.tensor_name_in_ckpt = ckpt_to_load_from, tensor_name_in_ckpt
        self.max_norm, self.trainable = max_norm, trainable
        self.use_safe_embedding_lookup = use_safe_embedding_lookup
        self._check()

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_embedding"

    def create_variables(self, make: Callable[..., Variable]) -> dict[str, Variable]:
        shape = (self.categorical_column.num_buckets, self.dimension)
        variables = {"embedding_weights": make("embedding_weights", shape, self._initializer(), self.trainable)}
        dynamic = self.categorical_column.dynamic
        if dynamic is not None:
            variables |= {**dynamic.create_state(make), "embedding_offsets": make("embedding_offsets", shape, Zeros(), False)}
        return variables

    def _table(self, variables: Mapping[str, Variable]) -> Variable:
        return variables["embedding_weights"]


@register(MODULE)
class SharedEmbeddingColumn(_TableColumn):
    """One of the columns of `shared_embeddings`.

    Args:
        categorical_column: the ids.
        collection_name: of the table; columns of one layer with one collection name look up one table.
        dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable, use_safe_embedding_lookup: as of
            `shared_embeddings`.
    """

    def __init__(
        self,
        categorical_column: CategoricalColumn,
        collection_name: str,
        dimension: int,
        combiner: str | None = "mean",
        initializer: Callable | None = None,
        ckpt_to_load_from: str | None = None,
        tensor_name_in_ckpt: str | None = None,
        max_norm: float | None = None,
        trainable: bool = True,
        use_safe_embedding_lookup: bool = True,
    ):
        self.categorical_column = categorical_column
        self.collection_name = collection_name
        self.dimension, self.combiner, self.initializer = dimension, combiner, initializer
        self.ckpt_to_load_from, self.tensor_name_in_ckpt = ckpt_to_load_from, tensor_name_in_ckpt
        self.max_norm, self.trainable = max_norm, trainable
        self.use_safe_embedding_lookup = use_safe_embedding_lookup
        self._check()

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_shared_embedding"

    def create_variables(self, make: Callable[..., Variable]) -> dict[str, Variable]:
        shape = (self.categorical_column.num_buckets, self.dimension)
        variables = {self.collection_name: make(self.collection_name, shape, self._initializer(), self.trainable, True)}
        dynamic = self.categorical_column.dynamic
        if dynamic is not None:
            offsets = make(f"{self.collection_name}_embedding_offsets", shape, Zeros(), False, True)
            variables |= {**dynamic.create_state(make, self.collection_name), "embedding_offsets": offsets}
        return variables

    def _table(self, variables: Mapping[str, Variable]) -> Variable:
        return variables[self.collection_name]


def embedding_column(
    categorical_column: CategoricalColumn,
    dimension: int,
    combiner: str | None = "mean",
    initializer: Callable | None = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> EmbeddingColumn:
    """A dense column of trained vectors, one for each id.

    Args:
        categorical_column: the ids; with a `sequence_categorical_column_*`, for SequenceFeatures.
        dimension: of the vectors.
        combiner: `"mean"` (also if None), `"sqrtn"` or `"sum"`, how the vectors of a row with several ids become one. Unknown ids do not
            count, and a row without ids is zero.
        initializer: `(shape, dtype) -> array`; by default a truncated normal distribution of standard deviation 1/sqrt(dimension).
        ckpt_to_load_from, tensor_name_in_ckpt: checkpoint and name of a table to start from.
        max_norm: vectors longer than this are shortened before they are combined.
        trainable: whether training changes the table.
        use_safe_embedding_lookup: whether unknown ids, and (in means) ids with a weight of 0 or less, are left out, as they should. If
            not, unknown ids are an error, and weights of 0 or less count.

    Raises:
        ValueError: if the column is not categorical, `dimension` is below 1, the initializer is not callable, or only one of checkpoint
            and name is given; on use, if the combiner is unknown.

    Example:
        >>> from estimax import feature_columns as fc, initializers
        >>> tags = fc.categorical_column_with_identity("tag", 3)
        >>> column = fc.embedding_column(tags, 2, initializer=initializers.Ones())
        >>> fc.input_layer({"tag": [[0, 2], [-1, -1]]}, [column]).tolist()
        [[1.0, 1.0], [0.0, 0.0]]

    Reference: tf.feature_column.embedding_column.
    """
    return EmbeddingColumn(
        categorical_column, dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable,
        use_safe_embedding_lookup,
    )  # fmt: skip


def shared_embeddings(
    categorical_columns: Sequence[CategoricalColumn],
    dimension: int,
    combiner: str | None = "mean",
    initializer: Callable | None = None,
    shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> list[SharedEmbeddingColumn]:
    """Embedding columns that look up one table, as for items watched and items bought.

    Args:
        categorical_columns: of one type and with equally many buckets. Columns with a dynamic vocabulary learn one together.
        shared_embedding_collection_name: of the table; by default the sorted names of the columns, joined.
        dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable, use_safe_embedding_lookup: as of
            `embedding_column`.

    Returns:
        One column for each categorical column, in their order.

    Raises:
        ValueError: as of `embedding_column`, and if the columns differ in type, number of buckets or what they learn.

    Example:
        >>> from estimax import feature_columns as fc
        >>> columns = [fc.categorical_column_with_identity(key, 4) for key in ("watched", "bought")]
        >>> [c.name for c in fc.shared_embeddings(columns, 2)]
        ['watched_shared_embedding', 'bought_shared_embedding']

    Reference: tf.feature_column.shared_embeddings.
    """
    for column in categorical_columns:
        check_categorical(column, "shared_embeddings")
    first = categorical_columns[0]
    for column in categorical_columns[1:]:
        if _innermost(column) is not _innermost(first):
            raise ValueError(
                f'shared_embeddings: "{first.name}" is a {type(first).__name__} and "{column.name}" a {type(column).__name__}, expected columns '
                "of one type: ids of different kinds should not share rows."
            )
        if column.num_buckets != first.num_buckets:
            raise ValueError(
                f'shared_embeddings: "{first.name}" has {first.num_buckets} buckets and "{column.name}" {column.num_buckets}, expected as many.'
            )
        if first.dynamic is not None and not first.dynamic.shares_with(column.dynamic):
            raise ValueError(
                f'shared_embeddings: "{first.name}" and "{column.name}" learn one vocabulary, but differ in capacity, dtype, evict, num_oov_buckets or '
                "min_count. Give them the same."
            )
    name = shared_embedding_collection_name
    if name is None:
        name = "_".join(sorted(c.name for c in categorical_columns)) + "_shared_embedding"
    return [
        SharedEmbeddingColumn(
            c, name, dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable,
            use_safe_embedding_lookup,
        )
        for c in categorical_columns
    ]  # fmt: skip


def _innermost(column: Any) -> type:
    while hasattr(column, "categorical_column"):
        column = column.categorical_column
    return type(column)
