"""Specs for parsing training Examples: features of columns, with label and weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from estimax import data
from estimax.feature_columns import make_parse_example_spec


def classifier_parse_example_spec(
    feature_columns: Sequence[Any],
    label_key: str,
    label_dtype: Any = "int64",
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """The spec that parses Examples for a classifier.

    Args:
        feature_columns: all columns of the model.
        label_key: feature of the label.
        label_dtype: `"int64"`, or `"string"` with a label_vocabulary.
        label_default: the label of Examples that have none.
        weight_column: feature of weights, by name or numeric column.

    Raises:
        ValueError: if the label or weight is a feature already.

    Example:
        >>> import estimax as ex
        >>> sorted(classifier_parse_example_spec([ex.feature_columns.numeric_column("x")], "y"))
        ['x', 'y']

    Reference: tf.estimator.classifier_parse_example_spec.
    """
    label = data.FixedLenFeature((1,), label_dtype, label_default)
    return _with_label(feature_columns, label_key, label, weight_column)


def regressor_parse_example_spec(
    feature_columns: Sequence[Any],
    label_key: str,
    label_dtype: Any = "float32",
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """The spec that parses Examples for a regressor.

    Args:
        feature_columns: all columns of the model.
        label_key: feature of the label.
        label_dtype: a number type.
        label_default: the label of Examples that have none.
        label_dimension: numbers a row.
        weight_column: feature of weights, by name or numeric column.

    Raises:
        ValueError: if the label or weight is a feature already.

    Reference: tf.estimator.regressor_parse_example_spec.
    """
    label = data.FixedLenFeature((label_dimension,), label_dtype, label_default)
    return _with_label(feature_columns, label_key, label, weight_column)


def _with_label(feature_columns: Sequence[Any], label_key: str, label: Any, weight_column: Any) -> dict[str, Any]:
    spec = dict(make_parse_example_spec(feature_columns))
    if label_key in spec:
        raise ValueError(
            f"label_key: {label_key!r} is a feature of a column already. Leave that column out, or give another label."
        )
    if label_key is None:
        raise ValueError("label_key: given None, expected the name of the label's feature.")
    spec[label_key] = label
    if weight_column is None:
        return spec
    if isinstance(weight_column, str):
        weight = {weight_column: data.FixedLenFeature((1,), "float32")}
    elif hasattr(weight_column, "normalizer_fn"):
        weight = dict(make_parse_example_spec([weight_column]))
    else:
        raise TypeError(f"weight_column: given {type(weight_column).__name__}, expected a feature's name or a numeric_column.")
    for name, feature in weight.items():
        if name in spec:
            raise ValueError(f"weight_column: {name!r} is a feature of a column, or the label, already. Give another name.")
        spec[name] = feature
    return spec
