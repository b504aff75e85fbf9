"""Columns as layers: DenseFeatures, SequenceFeatures, LinearModel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import HostValue, Variable, name_scope, register
from estimax.core.errors import ShapeError
from estimax.feature_columns.base import (
    MODULE,
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    FeatureReader,
    SequenceColumn,
    serialize_feature_columns,
)
from estimax.feature_columns.bucketized import BucketizedColumn
from estimax.feature_columns.combine import check_combiner, lookup_combined
from estimax.feature_columns.embedding import EmbeddingColumn, SharedEmbeddingColumn
from estimax.feature_columns.host_ops import AgreeingLengths
from estimax.feature_columns.indicator import IndicatorColumn
from estimax.feature_columns.sequence import SequenceCategoricalColumn, SequenceNumericColumn
from estimax.initializers import Zeros
from estimax.layers import KerasTensor, Layer


class _ColumnsLayer(Layer):
    """What the three layers have in common: sorted columns, their variables by name, and features that stay as they are."""

    def __init__(self, feature_columns: Any, *, trainable: bool = True, name: str | None = None, dtype: Any = None):
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.feature_columns = check_columns(feature_columns, type(self).__name__)
        self._sorted = sorted(self.feature_columns, key=lambda c: c.name)
        self._by_column: dict[str, dict[str, Variable]] = {}

    def _cast(self, x: Any) -> Any:
        # Raw features must reach the columns untouched: a cast to 32 bits would change ids.
        return x

    _convert_first = _cast

    def build(self, input_shape: Any) -> None:
        shared: dict[str, Variable] = {}
        for column in self._sorted:
            self._by_column[column.name] = self._create(column, shared)
        self._own()

    def _own(self) -> None:
        """Makes the columns' variables the layer's own, which is what files of weights hold, in the order of columns."""
        found = [v for variables in self._by_column.values() for v in variables.values()]
        self._own_variables = list({id(v): v for v in found}.values())

    def _create(self, column: Any, shared: dict[str, Variable]) -> dict[str, Variable]:
        return column.create_variables(self._maker(column, shared)) if isinstance(column, DenseColumn) else {}

    def _maker(self, column: Any, shared: dict[str, Variable]) -> Callable[..., Variable]:
        def make(
            name: str, shape: tuple[int, ...], initializer: Any, trainable: bool, shared_table: bool = False, dtype: Any = None
        ) -> Variable:
            if not shared_table:
                with name_scope(column.name):
                    return Variable(initializer, shape, dtype or self.variable_dtype, trainable, name)
            if name not in shared:
                shared[name] = Variable(initializer, shape, dtype or self.variable_dtype, trainable, name)
            return shared[name]

        return make

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments; columns as their configs."""
        return {**super().get_config(), "feature_columns": serialize_feature_columns(self.feature_columns)}


@register(MODULE)
class DenseFeatures(_ColumnsLayer):
    """Dense columns of raw features, joined into one array in the order of their names.

    Args:
        feature_columns: numeric, bucketized, indicator, embedding and shared embedding columns, each name once.
        trainable: whether tables are trained.
        name: of the layer.

    Raises:
        ValueError: if there is no column, one is categorical or a sequence, or two have one name; on use, if the batch sizes of features
            differ.

    Example:
        >>> from estimax import feature_columns as fc
        >>> age = fc.numeric_column("age")
        >>> fc.DenseFeatures([fc.bucketized_column(age, [40]), age])({"age": [30, 50]}).tolist()
        [[30.0, 1.0, 0.0], [50.0, 0.0, 1.0]]

    Reference: tf.keras.layers.DenseFeatures.
    """

    def __init__(self, feature_columns: Any, *, trainable: bool = True, name: str | None = None, dtype: Any = None):
        super().__init__(feature_columns, trainable=trainable, name=name, dtype=dtype)
        for column in self.feature_columns:
            check_dense(column, type(self).__name__)

    def call(self, features: Any, cols_to_output_tensors: dict[Any, jax.Array] | None = None) -> jax.Array:
        """The joined columns.

        Args:
            features: raw features by name.
            cols_to_output_tensors: a dict to fill with each column's own part.

        Returns:
            Shape `[batch, width]`, float32.
        """
        reader = FeatureReader(features)
        parts = []
        for column in self._sorted:
            part = column.dense(reader, self._by_column[column.name])
            parts.append(part.reshape(part.shape[0], column.num_elements))
            if cols_to_output_tensors is not None:
                cols_to_output_tensors[column] = parts[-1]
        check_batch_sizes(parts, self._sorted)
        joined = parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
        return joined.astype(self.compute_dtype)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> KerasTensor:
        """The symbolic output: its width is that of the columns."""
        return KerasTensor((None, sum(c.num_elements for c in self._sorted)), self.compute_dtype)


@register(MODULE)
class SequenceFeatures(_ColumnsLayer):
    """Sequence columns of raw features, joined into one array in the order of their names, and the lengths of the sequences.

    Args:
        feature_columns: `sequence_numeric_column`s, and embedding or indicator columns over `sequence_categorical_column_*`.
        trainable: whether tables are trained.
        name: of the layer.

    Raises:
        ValueError: if there is no column, one is no sequence column, or two have one name; on use, if columns differ in steps.

    Example:
        >>> from estimax import feature_columns as fc
        >>> output, lengths = fc.SequenceFeatures([fc.sequence_numeric_column("t")])({"t": [[1.0], [2.0, 3.0]]})
        >>> output.shape, lengths.tolist()
        ((2, 2, 1), [1, 2])

    Reference: tf.keras.experimental.SequenceFeatures.
    """

    def __init__(self, feature_columns: Any, *, trainable: bool = True, name: str | None = None, dtype: Any = None):
        super().__init__(feature_columns, trainable=trainable, name=name, dtype=dtype)
        for column in self.feature_columns:
            check_sequence(column, type(self).__name__)

    def call(self, features: Any) -> tuple[jax.Array, jax.Array]:
        """The joined columns, and lengths.

        Args:
            features: raw features by name. COO and padded values keep their width; ragged ones are padded to the next power of two.

        Returns:
            Shape `[batch, steps, width]`, float32, and `[batch]`, int32.
        """
        reader = FeatureReader(features)
        parts, lengths = [], []
        for column in self._sorted:
            part = column.sequence(reader, self._by_column[column.name])
            parts.append(part.reshape(*part.shape[:2], math.prod(part.shape[2:])))
            lengths.append(column.lengths(reader))
        check_batch_sizes(parts, self._sorted)
        for column, part in zip(self._sorted, parts):
            if part.shape[1] != parts[0].shape[1]:
                raise ShapeError(
                    f'SequenceFeatures: column "{self._sorted[0].name}" has {parts[0].shape[1]} steps and "{column.name}" {part.shape[1]}, '
                    "expected as many. Pad the features to one width."
                )
        agreed = HostValue(op=AgreeingLengths([c.name for c in self._sorted]), inputs=lengths).on_device()
        return jnp.concatenate(parts, axis=-1).astype(self.compute_dtype), agreed

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> tuple[KerasTensor, KerasTensor]:
        """The symbolic outputs."""
        width = sum(_size(c) for c in self._sorted)
        return KerasTensor((None, None, width), self.compute_dtype), KerasTensor((None,), "int32")


@register(MODULE)
class LinearModel(_ColumnsLayer):
    """A weighted sum of all columns and a bias.

    Args:
        feature_columns: categorical columns (one weight an id; several ids of a row are combined) and dense ones (one weight an element).
        units: number of outputs.
        sparse_combiner: `"sum"`, `"mean"` or `"sqrtn"`, how the weights of several ids become one.
        trainable: whether weights are trained.
        name: of the layer.

    Raises:
        ValueError: if there is no column, one is a shared embedding or sequence, two have one name, or the combiner is unknown.

    Example:
        >>> from estimax import feature_columns as fc
        >>> model = fc.LinearModel([fc.numeric_column("age")])
        >>> model({"age": [30, 50]}).tolist()
        [[0.0], [0.0]]
        >>> [v.path for v in model.variables]
        ['linear_model/age/weights', 'linear_model/bias_weights']

    Reference: tf.compat.v1.feature_column.linear_model.
    """

    def __init__(
        self,
        feature_columns: Any,
        units: int = 1,
        sparse_combiner: str = "sum",
        *,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(feature_columns, trainable=trainable, name=name, dtype=dtype)
        check_combiner(sparse_combiner, "LinearModel")
        self.units, self.sparse_combiner = units, sparse_combiner
        for column in self.feature_columns:
            check_linear(column, type(self).__name__)

    def build(self, input_shape: Any) -> None:
        shared: dict[str, Variable] = {}
        for column in self._sorted:
            rows = column.num_buckets if isinstance(column, CategoricalColumn) else column.num_elements
            with name_scope(column.name):
                weights = Variable(Zeros(), (rows, self.units), self.variable_dtype, True, "weights")
            own = {} if isinstance(column, BucketizedColumn) else self._create(column, shared)
            if isinstance(column, CategoricalColumn) and column.dynamic is not None:
                make = self._maker(column, shared)
                own = {
                    **column.dynamic.create_state(make),
                    "weight_offsets": make("weight_offsets", weights.shape, Zeros(), False),
                }
            self._by_column[column.name] = {"weights": weights, **own}
        self._own()
        self.bias = Variable(Zeros(), (self.units,), self.variable_dtype, True, "bias_weights")
        self._own_variables.append(self.bias)

    def call(self, features: Any, cols_to_output_tensors: dict[Any, jax.Array] | None = None) -> jax.Array:
        """The weighted sum.

        Args:
            features: raw features by name.
            cols_to_output_tensors: a dict to fill with each column's own part.

        Returns:
            Shape `[batch, units]`, float32.
        """
        reader = FeatureReader(features)
        parts = []
        for column in self._sorted:
            variables = self._by_column[column.name]
            parts.append(self._column_sum(column, reader, variables))
            if cols_to_output_tensors is not None:
                cols_to_output_tensors[column] = parts[-1]
        check_batch_sizes(parts, self._sorted)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return (total + self.bias.value).astype(self.compute_dtype)

    def _column_sum(self, column: Any, reader: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        if isinstance(column, CategoricalColumn):
            found = column.padded(reader, variables, form="flat")
            return lookup_combined(
                variables["weights"],
                found.ids,
                found.weights,
                self.sparse_combiner,
                taken_over=found.taken_over,
                offsets=variables.get("weight_offsets"),
            )
        array = column.dense(reader, variables)
        return array.reshape(array.shape[0], column.num_elements) @ variables["weights"].value

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> KerasTensor:
        """The symbolic output."""
        return KerasTensor((None, self.units), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "sparse_combiner": self.sparse_combiner}


def input_layer(
    features: Any,
    feature_columns: Any,
    *,
    trainable: bool = True,
    cols_to_output_tensors: dict[Any, jax.Array] | None = None,
    name: str = "input_layer",
) -> jax.Array:
    """`DenseFeatures` as a function, for a `model_fn`.

    Args:
        features: raw features by name.
        feature_columns: as of `DenseFeatures`.
        trainable: whether tables are trained.
        cols_to_output_tensors: a dict to fill with each column's own part.
        name: the first part of the paths of its variables.

    Returns:
        Shape `[batch, width]`, float32.

    Example:
        >>> from estimax import feature_columns as fc
        >>> fc.input_layer({"age": [30, 50]}, [fc.numeric_column("age")]).tolist()
        [[30.0], [50.0]]

    Reference: tf.compat.v1.feature_column.input_layer.
    """
    return DenseFeatures(feature_columns, trainable=trainable, name=name)(features, cols_to_output_tensors)


def linear_model(
    features: Any,
    feature_columns: Any,
    units: int = 1,
    sparse_combiner: str = "sum",
    *,
    trainable: bool = True,
    cols_to_output_tensors: dict[Any, jax.Array] | None = None,
    name: str = "linear_model",
) -> jax.Array:
    """`LinearModel` as a function, for a `model_fn`.

    Args:
        features: raw features by name.
        feature_columns, units, sparse_combiner: as of `LinearModel`.
        trainable: whether weights are trained.
        cols_to_output_tensors: a dict to fill with each column's own part.
        name: the first part of the paths of its variables.

    Returns:
        Shape `[batch, units]`, float32.

    Example:
        >>> from estimax import feature_columns as fc
        >>> fc.linear_model({"age": [30, 50]}, [fc.numeric_column("age")], units=2).shape
        (2, 2)

    Reference: tf.compat.v1.feature_column.linear_model.
    """
    layer = LinearModel(feature_columns, units, sparse_combiner, trainable=trainable, name=name)
    return layer(features, cols_to_output_tensors)


# ---- Checks -------------------------------------------------------------------------------------------------------


def check_columns(columns: Any, owner: str) -> list[Any]:
    """A list of columns with different names.

    Raises:
        ValueError: if it is empty, holds something else or a name twice, or a column has too many buckets.
    """
    if isinstance(columns, FeatureColumn):
        columns = [columns]
    columns = list(columns or ())
    if not columns:
        raise ValueError(f"{owner}: given no feature columns, expected at least one.")
    seen: dict[str, Any] = {}
    for column in columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(
                f'{owner}: given {column!r}, expected feature columns. Wrap a feature\'s name as numeric_column("name").'
            )
        if column.name in seen:
            same = "the same column twice" if seen[column.name] == column else f"{seen[column.name]!r} and {column!r}"
            raise ValueError(
                f'{owner}: two columns have the name "{column.name}": {same}. Remove one, or give its feature another name.'
            )
        seen[column.name] = column
        buckets = getattr(getattr(column, "categorical_column", column), "num_buckets", 0)
        if buckets > 2**31 - 1:
            raise ValueError(
                f'{owner}: column "{column.name}" has {buckets} buckets, expected at most 2147483647: no larger table can be looked up. Lower '
                "the number of buckets."
            )
    return columns


def check_dense(column: Any, owner: str) -> None:
    """Refuses what has no dense form.

    Raises:
        ValueError: if the column is categorical or a sequence.
    """
    inner = getattr(column, "categorical_column", None)
    if isinstance(inner, SequenceCategoricalColumn) or isinstance(column, (SequenceNumericColumn, SequenceCategoricalColumn)):
        raise ValueError(f'{owner}: column "{column.name}" is a sequence, expected one value a row. Use SequenceFeatures.')
    if not isinstance(column, DenseColumn):
        raise ValueError(
            f'{owner}: column "{column.name}" is categorical, expected dense columns. Wrap it: indicator_column(column) or '
            "embedding_column(column, dimension)."
        )


def check_sequence(column: Any, owner: str) -> None:
    """Refuses what has no steps.

    Raises:
        ValueError: if the column is not made of sequence columns.
    """
    inner = getattr(column, "categorical_column", None)
    is_sequence = isinstance(column, SequenceNumericColumn) or (
        isinstance(column, SequenceColumn) and isinstance(inner, SequenceCategoricalColumn)
    )
    if not is_sequence:
        raise ValueError(
            f'{owner}: column "{column.name}" is no sequence column, expected sequence_numeric_column, or embedding_column or '
            "indicator_column over a sequence_categorical_column_* (weighted columns have no sequences)."
        )


def check_linear(column: Any, owner: str) -> None:
    """Refuses what a linear model cannot sum.

    Raises:
        ValueError: if the column is a shared embedding or a sequence of vectors.
    """
    if isinstance(column, SharedEmbeddingColumn):
        raise ValueError(
            f'{owner}: column "{column.name}" is a shared embedding, which linear models do not take. Use embedding_column.'
        )
    if not isinstance(column, (CategoricalColumn, DenseColumn)):
        raise ValueError(f'{owner}: column "{column.name}" is a sequence, expected categorical or dense columns.')
    if isinstance(column, (EmbeddingColumn, IndicatorColumn)):
        check_dense(column, owner)


def check_batch_sizes(parts: Sequence[jax.Array], columns: Sequence[Any]) -> None:
    """Refuses features of different batch sizes.

    Raises:
        ValueError: if the first axes differ.
    """
    for part, column in zip(parts, columns):
        if part.shape[0] != parts[0].shape[0]:
            raise ShapeError(
                f'column "{columns[0].name}" has a batch of {parts[0].shape[0]} rows and "{column.name}" one of {part.shape[0]}, expected as '
                "many. Repair the features."
            )


def _size(column: Any) -> int:
    size = 1
    for d in column.variable_shape:
        size *= d
    return size
