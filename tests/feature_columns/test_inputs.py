"""One meaning in every container that users hold columns in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from estimax import data
from estimax import feature_columns as fc
from tests.feature_columns import plain

WORDS = ["b", "", "ünï", "a" * 70, "b"]
HASHED = fc.categorical_column_with_hash_bucket("x", 1000)
LIST = fc.categorical_column_with_vocabulary_list("x", ["ünï", "b"])


def strings() -> dict[str, object]:
    return {
        "list": WORDS,
        "str": np.array(WORDS),
        "bytes": np.array([w.encode() for w in WORDS]),
        "object": np.array(WORDS, object),
        "object of bytes": np.array([w.encode() for w in WORDS], object),
        "column": np.array(WORDS).reshape(-1, 1),
        "StringDType": np.array(WORDS, np.dtypes.StringDType()),
        "Arrow": pa.array(WORDS),
        "Arrow large": pa.array(WORDS, pa.large_string()),
        "Arrow view": pa.array(WORDS, pa.string_view()),
        "Arrow binary": pa.array([w.encode() for w in WORDS]),
        "Arrow slice": pa.array(["no", *WORDS, "no"]).slice(1, 5),
        "Arrow chunks": pa.chunked_array([WORDS[:2], WORDS[2:]]),
        "Arrow dictionary": pa.array(WORDS).dictionary_encode(),
        "Arrow dictionary slice": pa.array(["no", *WORDS]).dictionary_encode().slice(1),
        "pandas": pd.Series(WORDS),
        "pandas object": pd.Series(WORDS, dtype=object),
        "pandas Categorical": pd.Series(WORDS, dtype="category"),
        "polars": pl.Series(WORDS),
        "polars Categorical": pl.Series(WORDS, dtype=pl.Categorical),
    }


@pytest.mark.parametrize("kind", strings())
def test_strings(kind):
    value = strings()[kind]
    found = fc.ids_of(HASHED, {"x": value})
    assert found.values.tolist() == [plain.hash_id(w, 1000) for w in WORDS if w]
    assert found.indices().tolist() == [[0, 0], [2, 0], [3, 0], [4, 0]] and found.shape == (5, 1)
    assert fc.ids_of(LIST, {"x": value}).values.tolist() == [1, 0, -1, 1]


def nulls() -> dict[str, object]:
    return {
        "object": np.array(["b", None, "c"], object),
        "NaN": np.array(["b", float("nan"), "c"], object),
        "list": ["b", None, "c"],
        "Arrow": pa.array(["b", None, "c"]),
        "Arrow dictionary": pa.array(["b", None, "c"]).dictionary_encode(),
        "pandas": pd.Series(["b", None, "c"]),
        "pandas Categorical": pd.Series(["b", None, "c"], dtype="category"),
        "polars": pl.Series(["b", None, "c"]),
    }


@pytest.mark.parametrize("kind", nulls())
def test_a_null_string_is_what_an_empty_one_is(kind):
    found = fc.ids_of(HASHED, {"x": nulls()[kind]})
    assert found.indices().tolist() == [[0, 0], [2, 0]]
    assert found.values.tolist() == [plain.hash_id("b", 1000), plain.hash_id("c", 1000)]
    cross = fc.ids_of(fc.crossed_column(["x", "y"], 100), {"x": nulls()[kind], "y": ["k", "k", "k"]})
    assert cross.values.tolist() == [plain.cross_ids([[w], ["k"]], 100)[0] for w in ("b", "", "c")]


def integers() -> dict[str, object]:
    values = [3, -1, 7, 0]
    return {
        "list": values,
        "int64": np.array(values),
        "int8": np.array(values, np.int8),
        "object": np.array([3, None, 7, 0], object),
        "Arrow": pa.array(values),
        "Arrow nulls": pa.array([3, None, 7, 0]),
        "Arrow dictionary": pa.array(values).dictionary_encode(),
        "pandas": pd.Series(values),
        "pandas nullable": pd.Series([3, None, 7, 0], dtype="Int64"),
        "pandas Categorical": pd.Series([3, None, 7, 0], dtype="category").cat.set_categories([0, 3, 7]),
        "polars": pl.Series([3, None, 7, 0]),
    }


@pytest.mark.parametrize("kind", [k for k in integers() if k != "pandas Categorical"])
def test_integers(kind):
    value = integers()[kind]
    found = fc.ids_of(fc.categorical_column_with_identity("x", 10), {"x": value})
    assert found.values.tolist() == [3, 7, 0] and found.indices()[:, 0].tolist() == [0, 2, 3]
    hashed = fc.ids_of(fc.categorical_column_with_hash_bucket("x", 50, "int64"), {"x": value})
    assert hashed.values.tolist() == [plain.hash_id(v, 50) for v in (3, 7, 0)]
    listed = fc.ids_of(fc.categorical_column_with_vocabulary_list("x", [7, 0], num_oov_buckets=3), {"x": value})
    assert listed.values.tolist() == [plain.vocabulary_id(v, [7, 0], oov=3) for v in (3, 7, 0)]


def test_large_integers_keep_all_64_bits():
    value = np.array([2**62 + 1, 2**63 - 1])
    found = fc.ids_of(fc.categorical_column_with_hash_bucket("x", 2**62, "int64"), {"x": value})
    assert found.values.tolist() == [plain.hash_id(int(v), 2**62) for v in value]


def rows() -> dict[str, object]:
    rows_ = [["a", "b"], [], ["c"]]
    return {
        "lists": rows_,
        "Arrow": pa.array(rows_),
        "Arrow large": pa.array(rows_, pa.large_list(pa.string())),
        "Arrow slice": pa.array([["no"], *rows_]).slice(1),
        "Arrow null row": pa.array([["a", "b"], None, ["c", None]]),
        "Arrow of dictionary": pa.array(rows_, pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        "object": np.array([*rows_, None], object)[:3],
        "pandas": pd.Series(rows_),
        "polars": pl.Series(rows_),
        "ragged": data.RaggedTensor.from_rows([np.array(r, object) for r in rows_]),
        "COO": data.SparseTensor([[0, 0], [0, 1], [2, 0]], np.array(["a", "b", "c"]), [3, 2]),
        "COO out of order": data.SparseTensor([[2, 0], [0, 1], [0, 0]], np.array(["c", "b", "a"]), [3, 2]),
    }


@pytest.mark.parametrize("kind", rows())
def test_rows_of_several_strings(kind):
    found = fc.ids_of(HASHED, {"x": rows()[kind]})
    assert found.values.tolist() == [plain.hash_id(w, 1000) for w in "abc"]
    assert found.indices().tolist() == [[0, 0], [0, 1], [2, 0]] and found.shape == (3, 2)
    column = fc.indicator_column(fc.categorical_column_with_vocabulary_list("x", ["c", "a"]))
    assert np.asarray(fc.input_layer({"x": rows()[kind]}, [column])).tolist() == [[0, 1], [0, 0], [1, 0]]


def test_scipy_matrices_hold_ids_and_weights_and_numbers():
    ids = scipy.sparse.csr_array(([3, 1, 2], ([0, 0, 2], [0, 4, 1])), shape=(3, 5))
    found = fc.ids_of(fc.categorical_column_with_identity("x", 9), {"x": ids})
    assert found.values.tolist() == [3, 1, 2] and found.indices().tolist() == [[0, 0], [0, 4], [2, 1]]
    numbers = fc.input_layer({"x": ids}, [fc.numeric_column("x", shape=5)])
    np.testing.assert_array_equal(numbers, ids.toarray())


@pytest.mark.parametrize(
    "value",
    [
        [1, 2.5], np.array([1, 2.5], np.float16), np.array([[1], [2.5]]), pa.array([1, 2.5]), pd.Series([1.0, 2.5]), pl.Series([1.0, 2.5]),
        np.array([1, 2.5], object), pa.array([[1.0], [2.5]]), pa.array([[1.0], [2.5]], pa.list_(pa.float32(), 1)),
    ],
)  # fmt: skip
def test_numbers(value):
    assert np.asarray(fc.input_layer({"x": value}, [fc.numeric_column("x")])).tolist() == [[1.0], [2.5]]


@pytest.mark.parametrize("value", [pa.array([1.0, None]), pd.Series([1, None], dtype="Int64"), np.array([1.0, None], object)])
def test_null_numbers_take_the_default_or_are_refused(value):
    filled = fc.input_layer({"x": value}, [fc.numeric_column("x", default_value=7)])
    assert np.asarray(filled).tolist() == [[1.0], [7.0]]
    with pytest.raises(ValueError, match='"x": 1 of 2 values are null. Give the column a default_value'):
        fc.input_layer({"x": value}, [fc.numeric_column("x")])


def test_booleans_are_numbers_but_no_ids():
    assert np.asarray(fc.input_layer({"x": np.array([True, False])}, [fc.numeric_column("x")])).tolist() == [[1.0], [0.0]]
    with pytest.raises(ValueError, match="expected integers, given values of type bool"):
        fc.ids_of(fc.categorical_column_with_identity("x", 2), {"x": np.array([True])})


def test_lists_mean_the_same_whether_their_rows_are_equally_long_or_not():
    ragged = fc.ids_of(HASHED, {"x": [["a", ""], ["b"]]})
    equal = fc.ids_of(HASHED, {"x": [["a", ""], ["b", ""]]})
    assert ragged.values.tolist() == equal.values.tolist() == [plain.hash_id(w, 1000) for w in "ab"]


def test_a_column_of_nulls_only_is_all_missing():
    for column in (HASHED, fc.categorical_column_with_identity("x", 3)):
        assert fc.ids_of(column, {"x": pa.array([None, None])}).count == 0
        assert fc.ids_of(column, {"x": np.array([None, None], object)}).shape == (2, 1)


def test_dictionaries_are_learned_and_given_up_without_a_trace():
    from estimax.feature_columns.host_ops import ReadEntries

    rng = np.random.default_rng(0)
    few, many = [f"w{i}" for i in range(20)], [f"v{i}" for i in range(100_000)]
    batches = [rng.choice(few, 200), rng.choice([*few, "new", "ü", ""], 200), rng.choice(many, 200), rng.choice(few, 200)]
    for wrap in (lambda b: b, lambda b: pa.array(b.tolist()), lambda b: b.astype(object), lambda b: np.char.encode(b, "utf-8")):
        read, op = ReadEntries("x"), HASHED.make_op()
        learned = []
        for batch in batches:
            entries = read(wrap(batch))
            learned.append(entries.codes is not None)
            assert op(entries).values.tolist() == [plain.hash_id(w, 1000) for w in batch.tolist() if w]
        assert learned == [True, True, False, False]


def test_a_dictionary_is_transformed_once():
    column = fc.categorical_column_with_hash_bucket("x", 10)
    op, calls = column.make_op(), []
    original = op.ids_of
    op.ids_of = lambda values: calls.append(len(values)) or original(values)
    from estimax.feature_columns.host_ops import ReadEntries

    read = ReadEntries("x")
    table = pa.array([f"w{i % 7}" for i in range(100)]).dictionary_encode()
    for start in range(0, 100, 20):
        got = op(read(table.slice(start, 20))).values.tolist()
        assert got == [plain.hash_id(f"w{i % 7}", 10) for i in range(start, start + 20)]
    assert calls == [7]


@pytest.mark.parametrize(
    "empty", [[], np.zeros(0, "U3"), np.zeros(0, object), pa.array([], pa.string()), pa.array([], pa.list_(pa.string()))]
)
def test_an_empty_batch(empty):
    cross = fc.crossed_column(["x", "y"], 10)
    tags = fc.indicator_column(fc.categorical_column_with_vocabulary_list("x", ["a"], num_oov_buckets=1))
    columns = [tags, fc.embedding_column(cross, 2), fc.indicator_column(fc.bucketized_column(fc.numeric_column("n"), [0.0]))]
    features = {"x": empty, "y": np.zeros(0, np.int64), "n": np.zeros(0, np.float32)}
    assert fc.input_layer(features, columns).shape == (0, 6)


def test_batches_where_no_row_has_a_value():
    features = {"x": pa.array([[], None], pa.list_(pa.string())), "y": np.array(["", ""])}
    columns = [fc.embedding_column(HASHED, 2, combiner) for combiner in ("mean",)] + [
        fc.indicator_column(fc.crossed_column(["x", "y"], 4))
    ]
    assert np.asarray(fc.input_layer(features, columns)).tolist() == [[0.0] * 6] * 2
