"""How to read features, label and weight from `tf.train.Example`s for an Estimator."""

from __future__ import annotations

from typing import Any

from estimax.data import FixedLenFeature
from estimax.feature_columns import make_parse_example_spec
from estimax.feature_columns.numeric import NumericColumn, numeric_column


def classifier_parse_example_spec(
    feature_columns: Any,
    label_key: str,
    label_dtype: Any = "int64",
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """The `features` argument of `estimax.data.parse_example` for a classifier.

    Args:
        feature_columns: of the estimator.
        label_key: name of the label in an example.
        label_dtype: of the label: an integer type, or `"string"` with a label vocabulary.
        label_default: for examples without a label.
        weight_column: name of the weights, or a `numeric_column`.

    Returns:
        `FixedLenFeature` or `VarLenFeature` by key.

    Raises:
        ValueError: if label or weight have the key of a feature, something is no feature column, or the weight column is none of both.

    Example:
        >>> from estimax import feature_columns as fc
        >>> spec = classifier_parse_example_spec([fc.numeric_column("age")], label_key="income")
        >>> spec["income"].dtype
        'int64'

    Reference: tf.estimator.classifier_parse_example_spec.
    """
    label = FixedLenFeature((1,), label_dtype, label_default)
    return _with_label(feature_columns, label_key, label, weight_column)


def regressor_parse_example_spec(
    feature_columns: Any,
    label_key: str,
    label_dtype: Any = "float32",
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """The `features` argument of `estimax.data.parse_example` for a regressor.

    Args:
        feature_columns: of the estimator.
        label_key: name of the label in an example.
        label_dtype: of the label.
        label_default: for examples without a label, one number for each dimension.
        label_dimension: numbers in a label.
        weight_column: name of the weights, or a `numeric_column`.

    Returns:
        `FixedLenFeature` or `VarLenFeature` by key.

    Raises:
        ValueError: if label or weight have the key of a feature, something is no feature column, or the weight column is none of both.

    Example:
        >>> from estimax import feature_columns as fc
        >>> spec = regressor_parse_example_spec([fc.numeric_column("age")], label_key="price", label_dimension=2)
        >>> tuple(spec["price"].shape)
        (2,)

    Reference: tf.estimator.regressor_parse_example_spec.
    """
    label = FixedLenFeature((label_dimension,), label_dtype, label_default)
    return _with_label(feature_columns, label_key, label, weight_column)


def _with_label(feature_columns: Any, label_key: str, label: Any, weight_column: Any) -> dict[str, Any]:
    spec = make_parse_example_spec(feature_columns)
    if label_key in spec:
        raise ValueError(f"label_key: {label_key!r} is also the key of a feature. A model that reads its label learns nothing; rename one.")
    spec[label_key] = label
    if weight_column is None:
        return spec
    if isinstance(weight_column, str):
        weight_column = numeric_column(weight_column)
    if not isinstance(weight_column, NumericColumn):
        raise ValueError(f"weight_column: given {weight_column!r}, expected the name of a feature or a numeric_column.")
    if weight_column.key in spec:
        raise ValueError(f"weight_column: {weight_column.key!r} is also the key of a feature or the label. Rename one.")
    spec.update(make_parse_example_spec([weight_column]))
    return spec
