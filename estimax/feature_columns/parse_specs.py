"""How to read the features of columns from `tf.train.Example`s, and ids for looking at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimax.feature_columns.base import CategoricalColumn, FeatureColumn, FeatureReader
from estimax.feature_columns.entries import Entries


def make_parse_example_spec(feature_columns: Any) -> dict[str, Any]:
    """The `features` argument of `estimax.data.parse_example` that reads what columns need.

    Args:
        feature_columns: any columns.

    Returns:
        `FixedLenFeature` or `VarLenFeature` by key.

    Raises:
        ValueError: if something is no column, or two columns read one key in different ways.

    Example:
        >>> from estimax import feature_columns as fc
        >>> sorted(fc.make_parse_example_spec([fc.numeric_column("age"), fc.categorical_column_with_hash_bucket("job", 10)]))
        ['age', 'job']

    Reference: tf.feature_column.make_parse_example_spec.
    """
    merged: dict[str, Any] = {}
    for column in feature_columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(
                f"make_parse_example_spec: given {column!r}, expected feature columns. Make them with the functions of this package."
            )
        for key, spec in column.parse_example_spec.items():
            if key in merged and merged[key] != spec:
                raise ValueError(
                    f'make_parse_example_spec: column "{column.name}" reads feature {key!r} as {spec}, another column as {merged[key]}. Make '
                    "their dtype, shape and default agree."
                )
            merged[key] = spec
    return merged


def ids_of(column: CategoricalColumn, features: Mapping[str, Any]) -> Entries:
    """The ids that a categorical column gives for raw features, on the host: to look at, or to test with.

    Args:
        column: any categorical column.
        features: raw features by name.

    Returns:
        `Entries`: `values` (ids), `indices()` (where they stand), `shape`, and `weights` of a weighted column.

    Raises:
        ValueError: if a feature is missing or of the wrong type.

    Example:
        >>> from estimax.feature_columns import categorical_column_with_hash_bucket, ids_of
        >>> found = ids_of(categorical_column_with_hash_bucket("tags", 10), {"tags": [["a", "bb"], [""]]})
        >>> found.values.tolist(), found.indices().tolist()
        ([9, 2], [[0, 0], [0, 1]])
    """
    return column.ids(FeatureReader(features)).evaluate({})
