"""Ids as counts: one-hot, or multi-hot where a row has several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    sequence_lengths,
)
from estimax.feature_columns.combine import multi_hot


@register(MODULE)
class IndicatorColumn(DenseColumn, SequenceColumn):
    """See `indicator_column`."""

    def __init__(self, categorical_column: CategoricalColumn):
        self.categorical_column = check_categorical(categorical_column, "indicator_column")

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_indicator"

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.categorical_column,)

    @property
    def variable_shape(self) -> tuple[int, ...]:
        return (self.categorical_column.num_buckets,)

    def create_variables(self, make: Callable[..., Variable]) -> dict[str, Variable]:
        dynamic = self.categorical_column.dynamic
        return {} if dynamic is None else dynamic.create_state(make)

    def dense(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        found = self.categorical_column.padded(features, variables, too_large="drop")
        return multi_hot(found.ids, found.weights, self.categorical_column.num_buckets)

    def sequence(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        found = self.categorical_column.padded(features, variables, too_large="drop", form="sequence")
        return multi_hot(found.ids, found.weights, self.categorical_column.num_buckets)

    def lengths(self, features: FeatureReader) -> HostValue:
        return sequence_lengths(self.categorical_column, features)


def indicator_column(categorical_column: CategoricalColumn) -> IndicatorColumn:
    """A dense column that counts the ids of a categorical one, by their weights if it has any.

    Args:
        categorical_column: made by any `categorical_column_*`, `bucketized_column` or `crossed_column`; with a
            `sequence_categorical_column_*`, for SequenceFeatures.

    Raises:
        ValueError: if it is not categorical.

    Example:
        >>> from estimax import feature_columns as fc
        >>> color = fc.indicator_column(fc.categorical_column_with_vocabulary_list("color", ["R", "G"]))
        >>> fc.input_layer({"color": ["G", "B"]}, [color]).tolist()
        [[0.0, 1.0], [0.0, 0.0]]

    Reference: tf.feature_column.indicator_column.
    """
    return IndicatorColumn(categorical_column)
