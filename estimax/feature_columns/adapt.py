"""Filling normalizers, boundaries and vocabularies of columns from data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from estimax.core.errors import InputDataError
from estimax.feature_columns.base import FeatureColumn
from estimax.feature_columns.bucketized import BucketizedColumn
from estimax.feature_columns.from_data import FrequentValues, Quantiles
from estimax.feature_columns.numeric import NumericColumn
from estimax.feature_columns.summaries import Summary, summarize
from estimax.feature_columns.vocabularies import VocabularyListCategoricalColumn


def adapt(columns: Any, data: Any) -> list[Any]:
    """The same columns with what they lack filled from data, in one pass.

    What can be left to data: the normalizers `Standardize()` and `Rescale()` of numeric columns, `Quantiles(n)` as boundaries, and
    `FrequentValues(...)` as vocabulary list, also in columns inside other columns. Means and ranges are over all elements of a feature.
    Quantiles are exact up to 400 thousand values, above that those of a random sample of 200 thousand.

    Args:
        columns: any feature columns; they are not changed.
        data: a dict of columns, a pandas, polars or Arrow table, an iterable of batches (a `Dataset`), or an input_fn.

    Returns:
        New columns in the same order.

    Raises:
        ValueError: if the data have no rows or lack a feature, or a feature has no value to learn from.

    Example:
        >>> from estimax import feature_columns as fc
        >>> (age,) = fc.adapt([fc.numeric_column("age", normalizer_fn=fc.Standardize())], {"age": [20, 40]})
        >>> age.normalizer_fn
        Standardize(mean=30.0, std=10.0)
    """
    columns = list(columns)
    counted = _keys_to_count(columns)
    keys: dict[str, Callable[[Summary, Any], None]] = {}
    for key in [*_keys_of_numbers(columns), *counted]:
        keys[key] = _adder(key in counted)
    summaries = summarize(data, keys) if keys else {}
    return [_filled(c, summaries) for c in columns]


def _adder(want_counts: bool) -> Callable[[Summary, Any], None]:
    return lambda summary, raw: summary.add(raw, want_counts=want_counts)


def _inside(column: Any) -> list[FeatureColumn]:
    """A column and all columns inside it."""
    found = [column]
    for parent in column.parents:
        if isinstance(parent, FeatureColumn):
            found += _inside(parent)
    return found


def _keys_of_numbers(columns: list[Any]) -> list[str]:
    keys = []
    for column in (c for outer in columns for c in _inside(outer)):
        if isinstance(column, NumericColumn) and _is_unknown(column.normalizer_fn):
            keys.append(column.key)
        if isinstance(column, BucketizedColumn) and isinstance(column.boundaries, Quantiles):
            keys.append(column.source_column.key)
    return keys


def _keys_to_count(columns: list[Any]) -> list[str]:
    return [
        c.key
        for outer in columns
        for c in _inside(outer)
        if isinstance(c, VocabularyListCategoricalColumn) and isinstance(c.vocabulary_list, FrequentValues)
    ]


def _is_unknown(normalizer: Any) -> bool:
    return normalizer is not None and not getattr(normalizer, "is_adapted", True)


def _filled(column: Any, summaries: dict[str, Summary]) -> Any:
    given = column._given()
    changed: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, FeatureColumn):
            changed[name] = _filled(value, summaries)
        elif isinstance(value, tuple) and any(isinstance(v, FeatureColumn) for v in value):
            changed[name] = [_filled(v, summaries) if isinstance(v, FeatureColumn) else v for v in value]
    if isinstance(column, NumericColumn) and _is_unknown(column.normalizer_fn):
        changed["normalizer_fn"] = column.normalizer_fn.adapted(_with_numbers(summaries[column.key]))  # type: ignore[union-attr]
    if isinstance(column, BucketizedColumn) and isinstance(column.boundaries, Quantiles):
        source = changed["source_column"]
        changed["boundaries"] = _boundaries(column.boundaries, source, _with_numbers(summaries[source.key]))
    if isinstance(column, VocabularyListCategoricalColumn) and isinstance(column.vocabulary_list, FrequentValues):
        changed["vocabulary_list"] = frequent_values(summaries[column.key], column.vocabulary_list)
    return type(column)(**{**given, **changed}) if changed else column


def _with_numbers(summary: Summary) -> Summary:
    if summary.mean is None:
        raise InputDataError(f'Feature "{summary.key}": the data have no numbers of it to learn from (type {summary.kind}).')
    return summary


def _boundaries(wanted: Quantiles, source: NumericColumn, summary: Summary) -> list[float]:
    sample = summary.sample
    if source.normalizer_fn is not None:
        with jax.ensure_compile_time_eval():
            sample = np.asarray(source.normalizer_fn(jax.numpy.asarray(sample, jax.numpy.float32)))
    return quantile_boundaries(sample, wanted.num_buckets)


def quantile_boundaries(sample: np.ndarray, num_buckets: int) -> list[float]:
    """Ascending, different boundaries that cut a sample into ranges of about equally many values; at least one."""

    def at_quantiles(values: np.ndarray, pieces: int) -> np.ndarray:
        # float32, as the column compares.
        return np.unique(np.quantile(values, np.arange(1, pieces) / pieces).astype(np.float32))

    lowest = np.float32(sample.min())
    cuts = at_quantiles(sample, num_buckets)
    cuts = cuts[cuts > lowest]  # a cut at the smallest value would leave an empty range below it
    above = sample[sample.astype(np.float32) > lowest]
    if not len(cuts) and len(above):
        # Nearly all have the smallest value: it is a range of its own, and the others are cut.
        cuts = np.unique(np.append(at_quantiles(above, num_buckets - 1), np.float32(above.min())))
    return [float(f"{c:.7g}") for c in cuts] or [float(lowest)]


def frequent_values(summary: Summary, wanted: FrequentValues) -> list[Any]:
    """The vocabulary that `wanted` describes.

    Raises:
        ValueError: if no value is frequent enough.
    """
    values = [v for v, n in summary.counts() if n >= wanted.min_count and not (v == -1 and summary.layout in ("dense", "lists"))]
    if not values:
        raise InputDataError(
            f'Feature "{summary.key}": no value occurs at least {wanted.min_count} times in the data. Lower min_count.'
        )
    return values[: wanted.max_size]
