"""Columns filled from data, and columns proposed from data."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from estimax import data
from estimax import feature_columns as fc
from estimax.feature_columns.adapt import quantile_boundaries
from estimax.feature_columns.summaries import Summary

RNG = np.random.default_rng(0)
TABLE = {
    "age": RNG.normal(40, 10, 1000).astype(np.float32),
    "job": RNG.choice(["cook", "smith", "baker", ""], 1000, p=[0.5, 0.3, 0.15, 0.05]),
    "zone": RNG.integers(0, 3, 1000),
}


def columns():
    age = fc.numeric_column("age", normalizer_fn=fc.Standardize())
    job = fc.categorical_column_with_vocabulary_list("job", fc.FrequentValues(max_size=2), num_oov_buckets=1)
    ages = fc.bucketized_column(fc.numeric_column("age"), fc.Quantiles(4))
    return [age, fc.embedding_column(job, 2), ages, fc.crossed_column([ages, "job"], 50), fc.numeric_column("zone")]


def batches(table, size=128):
    return [{k: v[i : i + size] for k, v in table.items()} for i in range(0, 1000, size)]


@pytest.mark.parametrize(
    "given",
    [
        TABLE, batches(TABLE), lambda: batches(TABLE), [(b, None) for b in batches(TABLE)], pd.DataFrame(TABLE), pl.DataFrame(TABLE),
        pa.table(TABLE), data.Dataset.from_tensor_slices(TABLE).batch(100),
    ],
    ids=["dict", "batches", "input_fn", "tuples", "pandas", "polars", "Arrow", "Dataset"],
)  # fmt: skip
def test_adapt_fills_what_is_left_to_data(given):
    age, embedded, ages, cross, zone = fc.adapt(columns(), given)
    assert age.normalizer_fn.mean == pytest.approx(TABLE["age"].astype(np.float64).mean(), rel=1e-9)
    assert age.normalizer_fn.std == pytest.approx(TABLE["age"].astype(np.float64).std(), rel=1e-9)
    assert embedded.categorical_column.vocabulary_list == ["cook", "smith"] and embedded.categorical_column.num_buckets == 3
    np.testing.assert_allclose(ages.boundaries, np.quantile(TABLE["age"], [0.25, 0.5, 0.75]), rtol=1e-5)
    assert cross.keys[0].boundaries == ages.boundaries and zone == fc.numeric_column("zone")
    normalized = np.asarray(fc.input_layer(TABLE, [age]))
    assert normalized.mean() == pytest.approx(0, abs=1e-5) and normalized.std() == pytest.approx(1, rel=1e-5)


def test_adapted_columns_survive_json_and_originals_are_unchanged():
    before = columns()
    after = fc.adapt(before, TABLE)
    assert isinstance(before[2].boundaries, fc.Quantiles) and before[0].normalizer_fn.mean is None
    again = fc.deserialize_feature_columns(json.loads(json.dumps(fc.serialize_feature_columns(after))))
    assert again[0].normalizer_fn == after[0].normalizer_fn and again[2].boundaries == after[2].boundaries
    assert isinstance(fc.deserialize_feature_columns(fc.serialize_feature_columns(before))[2].boundaries, fc.Quantiles)


def test_boundaries_follow_the_normalizer_of_the_source():
    source = fc.numeric_column("age", normalizer_fn=fc.Rescale())
    (column,) = fc.adapt([fc.bucketized_column(source, fc.Quantiles(2))], {"age": [0, 10, 20, 40]})
    assert column.boundaries == (0.375,) and column.source_column.normalizer_fn == fc.Rescale(0.0, 40.0)
    assert fc.ids_of(column, {"age": [14, 16]}).values.tolist() == [0, 1]


def test_integer_vocabularies_leave_out_missing_values():
    (column,) = fc.adapt(
        [fc.categorical_column_with_vocabulary_list("x", fc.FrequentValues(min_count=2))], {"x": [7, 7, -1, -1, 3, 5, 5, 5]}
    )
    assert column.vocabulary_list == [5, 7] and column.dtype == "int64"


@pytest.mark.parametrize(
    ("use", "match"),
    [
        (lambda: fc.input_layer(TABLE, columns()[:1]), "mean and std are not known yet. Fill it from data first"),
        (lambda: fc.ids_of(columns()[2], TABLE), r"Quantiles\(4\) has no content yet"),
        (lambda: fc.DenseFeatures(columns()[1:2])(TABLE), r"FrequentValues\(max_size=2, min_count=1\) has no content yet"),
        (lambda: fc.adapt(columns(), {"age": [1.0]}), "Feature 'job' is missing from the data"),
        (lambda: fc.adapt(columns(), []), "there are no rows"),
        (lambda: fc.adapt(columns(), [[1, 2]]), "given batches of list, expected dicts"),
        (lambda: fc.adapt(columns()[:1], {"age": ["a"]}), "have no numbers of it to learn from"),
        (
            lambda: fc.adapt([fc.categorical_column_with_vocabulary_list("job", fc.FrequentValues(min_count=9999))], TABLE),
            "Lower min_count",
        ),
        (lambda: fc.Quantiles(1), "num_buckets is 1, expected at least 2"),
    ],
)
def test_errors(use, match):
    with pytest.raises(ValueError, match=match):
        use()


def test_summaries_of_parts_join_to_that_of_the_whole():
    numbers = RNG.lognormal(0, 2, 5000)
    numbers[::100] = np.nan
    whole, parts = Summary("x"), Summary("x")
    whole.add(numbers)
    for part in np.array_split(numbers, 7):
        parts.add(part)
    present = numbers[~np.isnan(numbers)]
    for s in (whole, parts):
        np.testing.assert_allclose([s.mean, s.std, s.low, s.high], [present.mean(), present.std(), present.min(), present.max()])
        assert (s.nulls, s.entries, s.rows) == (50, 4950, 5000) and len(s.sample) == 4950


def test_quantiles_of_large_data_come_from_an_even_sample():
    summary = Summary("x")
    for start in range(10):
        summary.add(np.arange(start * 100_000, (start + 1) * 100_000))
    assert len(summary.sample) <= 400_000
    np.testing.assert_allclose(np.quantile(summary.sample, [0.1, 0.5, 0.9]), [1e5, 5e5, 9e5], rtol=0.03)


@pytest.mark.parametrize(
    ("sample", "want"),
    [([1, 2, 3, 4], [2.5]), ([5, 5, 5, 5], [5.0]), ([0] * 50 + [7], [7.0]), ([1, 1, 2], [1.0]), ([1, 2, 2], [2.0])],
)
def test_boundaries_leave_no_empty_range(sample, want):
    got = quantile_boundaries(np.array(sample, float), 2)
    if sample == [1, 1, 2]:
        want = [2.0]
    assert got == want


def suggestion_table():
    n = 600
    return {
        "age": RNG.normal(40, 10, n), "fare": np.where(RNG.random(n) < 0.1, np.nan, RNG.lognormal(2, 1, n)), "zone": RNG.integers(0, 5, n),
        "code": RNG.choice([100, 2000, -7], n), "job": RNG.choice(["cook", "smith's \"best\""], n), "user": RNG.choice([f"u{i}" for i in range(300)], n),
        "key": np.array([f"k{i}" for i in range(n)]), "row": np.arange(n), "same": np.ones(n), "none": np.array([None] * n, object),
        "tags": pa.array([["a", "b"], ["c"], []] * (n // 3)), "flag": RNG.random(n) < 0.5, "class": RNG.choice(["x", "y"], n),
        "two words": RNG.choice(["p", "q"], n), "label": RNG.integers(0, 2, n), "w": RNG.random(n),
    }  # fmt: skip


def test_suggest_proposes_columns_that_work_and_gives_reasons():
    table = suggestion_table()
    found = fc.suggest(table, label="label", weight="w")
    text = str(found)
    for key, reason in {
        "age": "standardized; 10 ranges at the deciles", "fare": "filled with the median", "zone": "ids as they are", "code": "a vocabulary",
        "job": "one-hot", "user": "hashed to 1024 ids", "key": "differs in nearly every row", "row": "a row number",
        "same": "the same value in every row", "none": "no value at all", "tags": "rows of several", "flag": "true or false",
        "class": "one-hot", "two words": "one-hot",
    }.items():  # fmt: skip
        (line,) = [x for x in text.splitlines() if x.startswith(f"# {key}: ")]
        assert reason in line, line
    assert "label" not in text and "class_ = " in text and "two_words = " in text
    features = {k: v for k, v in table.items()}
    wide, deep = (
        fc.linear_model(features, found.linear_columns),
        fc.input_layer({**features, "fare": np.nan_to_num(table["fare"])}, found.dnn_columns),
    )
    assert wide.shape == (600, 1) and deep.shape[0] == 600 and np.isfinite(deep).all()
    scope: dict = {}
    exec(text, scope)  # what is printed is what was made
    assert scope["dnn_columns"] == found.dnn_columns and scope["linear_columns"] == found.linear_columns


def test_suggest_reads_tables_and_batches_alike():
    table = {k: v for k, v in suggestion_table().items() if k in ("age", "job", "zone", "label")}
    codes = {
        str(fc.suggest(t, label="label"))
        for t in (
            table,
            pd.DataFrame(table),
            pa.table(table),
            [{k: v[a : a + 200] for k, v in table.items()} for a in (0, 200, 400)],
        )
    }
    assert len(codes) == 1


def test_suggest_errors():
    with pytest.raises(ValueError, match="label: 'y' is not in the table. Its columns: \\['x'\\]"):
        fc.suggest({"x": [1]}, label="y")
    with pytest.raises(ValueError, match="there are no rows or no features"):
        fc.suggest({"x": np.zeros(0)})


def test_code_of_hostile_names_is_only_text():
    name = 'x"); raise SystemExit("no'
    found = fc.suggest({name: ["a", "b"] * 40, "line\nbreak": ["c", "d"] * 40})
    assert [c.name for c in found.linear_columns] == [name, "line\nbreak"]
