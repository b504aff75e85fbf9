"""Ids with a weight each."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimax.core import HostValue, register
from estimax.core.errors import InputDataError
from estimax.data import VarLenFeature
from estimax.feature_columns.base import (
    MODULE,
    CategoricalColumn,
    FeatureReader,
    check_categorical,
    check_key,
    dtype_name,
    is_number,
)
from estimax.feature_columns.entries import Entries
from estimax.feature_columns.host_ops import ColumnOp


@register(MODULE)
class WithWeights(ColumnOp):
    """Joins ids and their weights. In a dense feature a weight of 0 is missing.

    Args:
        name: of the column, for messages.
        key: of the weights.
        dtype: of the weights.
    """

    pad_value = -1

    def __init__(self, name: str, key: str, dtype: str):
        self.name, self.key_in_features, self.dtype = name, key, dtype

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "key": self.key_in_features, "dtype": self.dtype}

    def __call__(self, ids: Entries, weights: Entries) -> Entries:
        whole = self.dtype.startswith(("int", "uint"))
        if weights.count and weights.kind != ("integer" if whole else "float"):
            raise InputDataError(
                f'column "{self.name}": weights "{self.key_in_features}" are of type {weights.kind}, expected {self.dtype}. Cast the '
                "feature, or give the column their dtype."
            )
        values = weights.values if weights.codes is None else weights.values[weights.codes]
        values = values.astype(np.float32)  # type: ignore[union-attr]
        present = values != 0 if weights.marks_missing else None
        if weights.nulls is not None:
            present = ~weights.nulls if present is None else present & ~weights.nulls
        found = weights.replace(values=values, codes=None)
        return ids.replace(weights=found if present is None or present.all() else found.keep(present))


@register(MODULE)
class WeightedCategoricalColumn(CategoricalColumn):
    """See `weighted_categorical_column`."""

    is_weighted = True

    def __init__(self, categorical_column: CategoricalColumn, weight_feature_key: str, dtype: Any = "float32"):
        self.categorical_column = check_categorical(categorical_column, "weighted_categorical_column")
        self.weight_feature_key = check_key(weight_feature_key)
        self.dtype = dtype_name(dtype)
        if not is_number(self.dtype):
            raise ValueError(f'column "{self.name}": dtype of the weights is {self.dtype}, expected an integer or floating type.')

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.categorical_column, self.weight_feature_key)

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        spec = dict(self.categorical_column.parse_example_spec)
        if self.weight_feature_key in spec:
            raise ValueError(
                f'column "{self.name}": the weights have the key of the ids, {self.weight_feature_key!r}. Rename one of them.'
            )
        return {**spec, self.weight_feature_key: VarLenFeature(self.dtype)}

    @property
    def dynamic(self) -> Any:
        return self.categorical_column.dynamic

    @property
    def num_buckets(self) -> int:
        return self.categorical_column.num_buckets

    def ids(self, features: FeatureReader) -> HostValue:
        if self.categorical_column.is_weighted:
            raise ValueError(
                f'column "{self.name}": "{self.categorical_column.name}" has weights already. Multiply them in input_fn and weigh its '
                "categorical column."
            )
        op = WithWeights(self.name, self.weight_feature_key, self.dtype)
        return HostValue(
            op=op, inputs=[self.categorical_column.ids_to_weigh(features), features.entries(self.weight_feature_key, self.name)]
        )


def weighted_categorical_column(
    categorical_column: CategoricalColumn, weight_feature_key: str, dtype: Any = "float32"
) -> WeightedCategoricalColumn:
    """A categorical column with a weight for each id.

    Args:
        categorical_column: the ids.
        weight_feature_key: name of the feature with the weights, in the same places. In dense features 0.0 is a missing weight, as -1
            and '' are missing ids: best give both as sparse or ragged values.
        dtype: of the weights.

    Raises:
        ValueError: if the dtype is not numeric or the column not categorical.

    Example:
        >>> from estimax import feature_columns as fc
        >>> terms = fc.weighted_categorical_column(fc.categorical_column_with_identity("term", 3), "count")
        >>> fc.input_layer({"term": [[0, 2]], "count": [[1.5, 2.0]]}, [fc.indicator_column(terms)]).tolist()
        [[1.5, 0.0, 2.0]]

    Reference: tf.feature_column.weighted_categorical_column.
    """
    return WeightedCategoricalColumn(categorical_column, weight_feature_key, dtype)
