"""Names, configs and errors of columns."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from estimax import data, initializers
from estimax import feature_columns as fc

AGE = fc.numeric_column("age")
ZONE = fc.categorical_column_with_identity("zone", 3)


def dense(features, *columns):
    return np.asarray(fc.DenseFeatures(list(columns))(features)).tolist()


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: fc.numeric_column(3), ValueError, "key: given 3 of type int, expected the name of a feature"),
        (lambda: fc.numeric_column("a", shape=0), ValueError, 'column "a": shape is 0, expected positive dimensions'),
        (lambda: fc.numeric_column("a", shape=[1.5]), TypeError, "expected integers"),
        (lambda: fc.numeric_column("a", dtype="string"), ValueError, "dtype is string, expected an integer or floating type"),
        (lambda: fc.numeric_column("a", default_value="x"), TypeError, "expected numbers of type float32"),
        (lambda: fc.numeric_column("a", 2, [1, 2, 3]), ValueError, r"has shape \(3,\), expected a number or shape \(2,\)"),
        (lambda: fc.numeric_column("a", normalizer_fn=3), TypeError, "expected a function"),
        (lambda: fc.bucketized_column("age", [1]), ValueError, "source_column is 'age', expected a numeric_column"),
        (lambda: fc.bucketized_column(AGE, []), ValueError, "expected a list of numbers"),
        (lambda: fc.bucketized_column(AGE, [2, 1]), ValueError, r"boundaries is \[2, 1\], expected strictly ascending"),
        (lambda: fc.bucketized_column(fc.numeric_column("a", (2, 2)), [1]), ValueError, r"shape \(2, 2\) cannot be bucketized"),
        (lambda: fc.categorical_column_with_identity("a", -3), ValueError, "num_buckets is -3, expected an integer of at least 1"),
        (lambda: fc.categorical_column_with_identity("a", 3, 3), ValueError, r"default_value is 3, expected an id in \[0, 3\)"),
        (lambda: fc.categorical_column_with_hash_bucket("a", None), ValueError, "hash_bucket_size is None"),
        (lambda: fc.categorical_column_with_hash_bucket("a", 5, "float32"), ValueError, 'dtype is float32, expected "string" or'),
        (lambda: fc.categorical_column_with_vocabulary_list("a", []), ValueError, "vocabulary_list is empty"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", "dynamic"), ValueError, "use categorical_column_with_dynamic_vocabulary"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", ["x", "x"]), ValueError, "has the entry 'x' twice"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", ["x", 1]), ValueError, "only strings or only integers"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", [1.5]), ValueError, "only strings or only integers"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", [True]), ValueError, "values of type bool"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", ["x"], "int64"), ValueError, "dtype is int64 but vocabulary_list holds"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", ["x"], None, 0, 2), ValueError, "expected only one of them"),
        (lambda: fc.categorical_column_with_vocabulary_list("a", ["x"], num_oov_buckets=-1), ValueError, "num_oov_buckets is -1"),
        (lambda: fc.categorical_column_with_vocabulary_file("a", ""), ValueError, "expected the path of a text file"),
        (lambda: fc.categorical_column_with_vocabulary_file("a", "/absent.txt"), ValueError, 'column "a": vocabulary_file .* cannot be read'),
        (lambda: fc.crossed_column(["a"], 5), ValueError, "expected a list of at least two"),
        (lambda: fc.crossed_column(["a", AGE], 5), ValueError, "Bucketize numbers first"),
        (lambda: fc.crossed_column(["a", fc.categorical_column_with_hash_bucket("b", 5)], 5), ValueError, "Give its key, 'b', instead"),
        (lambda: fc.crossed_column(["a", "b"], 0), ValueError, "hash_bucket_size is 0"),
        (lambda: fc.indicator_column(AGE), ValueError, "expected a categorical column"),
        (lambda: fc.embedding_column(AGE, 2), ValueError, "expected a categorical column"),
        (lambda: fc.embedding_column(ZONE, 0), ValueError, 'column "zone_embedding": dimension is 0'),
        (lambda: fc.embedding_column(ZONE, 2, initializer="ones"), ValueError, "initializer is 'ones', expected a function"),
        (lambda: fc.embedding_column(ZONE, 2, ckpt_to_load_from="x"), ValueError, "expected both or neither"),
        (lambda: fc.weighted_categorical_column(AGE, "w"), ValueError, "expected a categorical column"),
        (lambda: fc.weighted_categorical_column(ZONE, "w", "string"), ValueError, "dtype of the weights is string"),
        (lambda: fc.shared_embeddings([ZONE, fc.categorical_column_with_identity("b", 9)], 2), ValueError, '"zone" has 3 buckets and "b" 9'),
        (lambda: fc.shared_embeddings([ZONE, fc.categorical_column_with_hash_bucket("b", 3)], 2), ValueError, "columns of one type"),
        (lambda: fc.sequence_numeric_column("a", 0), ValueError, "expected positive dimensions"),
        (lambda: fc.sequence_numeric_column("a", normalizer_fn=1), TypeError, "expected a function"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused_where_it_is_given(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(
    ("columns", "features", "match"),
    [
        ([ZONE], {"zone": [1]}, "Wrap it: indicator_column"),
        ([], {"a": [1]}, "given no feature columns"),
        (["age"], {"age": [1]}, 'Wrap a feature\'s name as numeric_column'),
        ([AGE, fc.numeric_column("age", 2)], {"age": [1]}, 'two columns have the name "age": NumericColumn.* and NumericColumn'),
        ([AGE, AGE], {"age": [1]}, "the same column twice"),
        ([fc.sequence_numeric_column("a")], {"a": [1]}, 'column "a" is a sequence'),
        ([AGE], {"other": [1]}, "Feature 'age' is missing from the input. Given features: \\['other'\\]"),
        ([AGE], [1, 2], "features: given list, expected a dict of features by name"),
        ([AGE], {"age": ["1"]}, 'Feature "age": given string values, expected numbers'),
        ([AGE], {"age": [[1.0, 2.0]]}, r"given values of shape \['batch', 2\], expected \['batch', 1\]"),
        ([AGE], {"age": [[1.0], [1.0, 2.0]]}, "given lists values, expected a dense array"),
        ([AGE], {"age": data.SparseTensor([[0, 0]], [1.0], [1, 1])}, "given sparse values, expected a dense array"),
        ([AGE], {"age": 3.0}, "given a scalar .*expected one value or list of values for each row"),
        ([AGE], {"age": np.array(["2020-01-01"], "datetime64[D]")}, "Convert dates to numbers or strings first"),
        ([AGE], {"age": np.array([1, "a"], object)}, "given an object array of mixed types"),
        ([fc.indicator_column(ZONE)], {"zone": ["a"]}, "expected integers, given values of type string. Cast the feature to integers"),
        ([fc.indicator_column(ZONE)], {"zone": [0.0]}, "floats, also those that pandas makes of integers with gaps"),
        ([fc.embedding_column(ZONE, 2)], {"zone": [7]}, r'column "zone": id 7 is not in \[0, 3\)'),
        ([fc.embedding_column(ZONE, 2, "max")], {"zone": [1]}, "combiner is 'max', expected one of mean, sqrtn, sum"),
        ([fc.indicator_column(ZONE)], {"zone": np.zeros((1, 2, 2), int)}, "Values with steps need a sequence_categorical_column"),
        ([AGE, fc.indicator_column(ZONE)], {"age": [1, 2], "zone": [1, 2, 0]}, 'column "age" has a batch of 2 rows and "zone_indicator" one'),
        (
            [fc.indicator_column(fc.weighted_categorical_column(ZONE, "w"))],
            {"zone": [[1, 2]], "w": [[1.0, 0.0]]},
            'column "zone_weighted_by_w": 2 ids but 1 weights',
        ),
        (
            [fc.indicator_column(fc.weighted_categorical_column(ZONE, "w"))],
            {"zone": [1], "w": ["x"]},
            'weights "w" are of type string, expected float32',
        ),
        ([fc.indicator_column(fc.crossed_column(["a", "b"], 5))], {"a": ["x"], "b": ["x", "y"]}, "with one batch size"),
        (
            [fc.indicator_column(fc.crossed_column([fc.weighted_categorical_column(ZONE, "w"), "a"], 5))],
            {"zone": [1], "w": [1.0], "a": ["x"]},
            '"zone_weighted_by_w" has weights, which a cross has no use for',
        ),
    ],
)  # fmt: skip
def test_a_wrong_input_names_column_and_repair(columns, features, match):
    with pytest.raises((ValueError, TypeError), match=match):
        dense(features, *columns)


@pytest.mark.parametrize(
    ("lines", "size", "match"),
    [
        ("a\n\nb\n", None, "line 2 of vocabulary_file .* is blank"),
        ("a\nb\na\n", None, "the entry b'a' is repeated"),
        ("a\nb\n", 3, "has 2 lines, expected at least vocabulary_size=3"),
    ],
)
def test_a_broken_vocabulary_file_is_refused_on_use(tmp_path, lines, size, match):
    path = tmp_path / "words.txt"
    path.write_text(lines)
    column = fc.categorical_column_with_vocabulary_file("x", path, size)
    with pytest.raises(ValueError, match=match):
        fc.ids_of(column, {"x": ["a"]})


def test_a_vocabulary_file_of_integers_with_a_wrong_line(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("1\ntwo\n")
    with pytest.raises(ValueError, match="invalid literal.*Repair the line, or use dtype='string'"):
        fc.ids_of(fc.categorical_column_with_vocabulary_file("x", path, dtype="int64"), {"x": [1]})


def test_a_table_beyond_32_bits_is_refused_but_its_ids_are_not():
    column = fc.categorical_column_with_hash_bucket("x", 2**40)
    assert fc.ids_of(column, {"x": ["a"]}).values.dtype == np.int64
    with pytest.raises(ValueError, match="has 1099511627776 buckets, expected at most 2147483647"):
        fc.linear_model({"x": ["a"]}, [column])


def test_sequence_errors():
    steps = fc.sequence_categorical_column_with_identity("s", 3)
    with pytest.raises(ValueError, match="is no sequence column"):
        fc.SequenceFeatures([fc.indicator_column(ZONE)])
    with pytest.raises(ValueError, match="is no sequence column"):
        fc.SequenceFeatures([fc.indicator_column(fc.weighted_categorical_column(steps, "w"))])
    with pytest.raises(ValueError, match='column "s_indicator" is a sequence'):
        fc.DenseFeatures([fc.indicator_column(steps)])
    numbers = fc.sequence_numeric_column("n")
    with pytest.raises(ValueError, match="given a dense array, expected sparse or ragged values"):
        fc.SequenceFeatures([numbers])({"n": np.ones((2, 2))})
    with pytest.raises(ValueError, match="sparse values of width 3, expected a multiple of 2"):
        pairs = fc.sequence_numeric_column("n", 2)
        fc.SequenceFeatures([pairs])({"n": data.SparseTensor([[0, 0]], np.ones(1), [1, 3])})
    with pytest.raises(TypeError, match="expected an integer for dtype int64. Write default_value=0"):
        fc.SequenceFeatures([fc.sequence_numeric_column("n", dtype="int64")])({"n": [[1]]})
    with pytest.raises(ValueError, match="sequences of different lengths"):
        fc.SequenceFeatures([numbers, fc.indicator_column(steps)])({"n": [[1.0, 2.0], [1.0]], "s": [[1], [1, 2]]})


def test_linear_model_errors():
    with pytest.raises(ValueError, match="is a shared embedding, which linear models do not take"):
        fc.LinearModel(fc.shared_embeddings([ZONE, fc.categorical_column_with_identity("b", 3)], 2))
    with pytest.raises(ValueError, match="combiner is 'max'"):
        fc.LinearModel([ZONE], sparse_combiner="max")


def test_two_specs_for_one_key():
    columns = [fc.categorical_column_with_hash_bucket("a", 5), fc.categorical_column_with_identity("a", 5)]
    with pytest.raises(ValueError, match="reads feature 'a' as .* another column as"):
        fc.make_parse_example_spec(columns)
    with pytest.raises(ValueError, match="given 'a', expected feature columns"):
        fc.make_parse_example_spec(["a"])


def every_column(folder):
    path = folder / "words.txt"
    path.write_text("a\nb\n")
    words = fc.categorical_column_with_vocabulary_list("word", ["a", b"\xff"], num_oov_buckets=2)
    return [
        fc.numeric_column("n", shape=(2,), default_value=[1.0, 2.0]),
        fc.bucketized_column(AGE, [1.0, 2.0]),
        ZONE,
        words,
        fc.categorical_column_with_vocabulary_file("line", path, default_value=1),
        fc.categorical_column_with_hash_bucket("hash", 10, "int64"),
        fc.crossed_column([fc.bucketized_column(AGE, [1]), "b"], 7, hash_key=3),
        fc.weighted_categorical_column(ZONE, "w", "int64"),
        fc.indicator_column(words),
        fc.embedding_column(ZONE, 2, "sqrtn", initializers.RandomNormal(stddev=2.0), max_norm=1.5, trainable=False),
        *fc.shared_embeddings([ZONE, fc.categorical_column_with_identity("b", 3)], 2),
        fc.sequence_numeric_column("sn", (2,), 1.0),
        fc.embedding_column(fc.sequence_categorical_column_with_identity("s", 3), 2),
    ]


def test_weighted_and_plain_columns_may_share_a_table():
    other = fc.categorical_column_with_identity("b", 3)
    columns = fc.shared_embeddings([fc.weighted_categorical_column(ZONE, "w"), other], 2, "sum", initializers.Ones())
    assert dense({"zone": [1], "w": [2.5], "b": [0]}, *columns) == [[1.0, 1.0, 2.5, 2.5]]


def test_columns_survive_json(tmp_path):
    columns = every_column(tmp_path)
    again = fc.deserialize_feature_columns(json.loads(json.dumps(fc.serialize_feature_columns(columns))))
    assert [c.name for c in again] == [c.name for c in columns]
    assert [type(c) for c in again] == [type(c) for c in columns]
    assert json.dumps(fc.serialize_feature_columns(again)) == json.dumps(fc.serialize_feature_columns(columns))
    features = {"word": np.array([b"a", b"\xff", b"q"], object)}
    np.testing.assert_array_equal(fc.ids_of(again[3], features).values, fc.ids_of(columns[3], features).values)


def double(x):
    return 2 * x


def test_functions_of_configs_come_from_custom_objects():
    configs = fc.serialize_feature_columns([fc.numeric_column("a", normalizer_fn=double)])
    with pytest.raises(ValueError, match="names the function 'double', which is not stored"):
        fc.deserialize_feature_columns(configs)
    (column,) = fc.deserialize_feature_columns(configs, {"double": double})
    assert dense({"a": [2.0]}, column) == [[4.0]]


def test_equal_columns_are_equal():
    assert fc.crossed_column(["a", ZONE], 5) == fc.crossed_column(["a", fc.categorical_column_with_identity("zone", 3)], 5)
    assert fc.numeric_column("a") != fc.numeric_column("a", 2) and len({fc.numeric_column("a"), fc.numeric_column("a")}) == 1
    assert "key='zone'" in repr(ZONE)


def test_a_normalizer_gets_integers_as_such_and_beyond_32_bits_an_error():
    seen = []

    def remember(x):
        seen.append(x.dtype)
        return x // 2

    column = fc.numeric_column("a", dtype="int64", normalizer_fn=remember)
    assert dense({"a": [5]}, column) == [[2.0]] and seen == [jnp.int32]
    with pytest.raises(ValueError, match="expected 32 bits. Scale them in input_fn"):
        dense({"a": [2**40]}, column)
    assert dense({"a": [2**40]}, fc.numeric_column("a", dtype="int64")) == [[float(2**40)]]


def test_ragged_widths_are_rounded_so_that_a_step_is_compiled_few_times():
    from estimax.feature_columns.base import FeatureReader

    column = fc.categorical_column_with_hash_bucket("x", 5)
    widths = set()
    for width in range(1, 17):
        ids = column.padded(FeatureReader({"x": pa.array([["w"] * width, []])}), {}).ids
        widths.add(ids.shape[1])
    assert widths == {1, 2, 4, 8, 16}


def test_a_vocabulary_may_be_an_array():
    column = fc.categorical_column_with_vocabulary_list("city", np.array(["Oslo", "Rome"]))
    assert column.vocabulary_list == ["Oslo", "Rome"]
    assert fc.categorical_column_with_vocabulary_list("n", np.array([3, 5])).vocabulary_list == [3, 5]
    with pytest.raises(ValueError, match="vocabulary_list is empty"):
        fc.categorical_column_with_vocabulary_list("city", np.array([], str))


def test_without_safe_look_up_an_unknown_value_is_an_error():
    words = fc.categorical_column_with_vocabulary_list("w", ["a", "b"])
    for safe in (True, False):
        layer = fc.DenseFeatures([fc.embedding_column(words, 1, use_safe_embedding_lookup=safe)])
        if safe:
            assert layer({"w": [["a", "x"]]}).shape == (1, 1)
        else:
            with pytest.raises(ValueError, match="unknown value"):
                layer({"w": [["a", "x"]]})


def test_an_embedding_without_combiner_means():
    ids = fc.categorical_column_with_identity("i", 3)
    columns = [fc.embedding_column(ids, 2, combiner=c, initializer=initializers.RandomNormal(seed=1)) for c in (None, "mean")]
    got = [fc.input_layer({"i": [[0, 2], [1, 1]]}, [c]) for c in columns]
    np.testing.assert_array_equal(got[0], got[1])


def test_a_max_norm_of_zero_leaves_zeros():
    ids = fc.categorical_column_with_identity("i", 3)
    column = fc.embedding_column(ids, 2, max_norm=0.0, combiner="sum")
    np.testing.assert_array_equal(np.abs(fc.input_layer({"i": [[0, 2], [1, -1]]}, [column])), np.zeros((2, 2)))


def test_weights_are_of_the_columns_dtype():
    column = fc.weighted_categorical_column(fc.categorical_column_with_identity("i", 3), "w")
    with pytest.raises(ValueError, match="weights .* are of type integer, expected float32"):
        fc.ids_of(column, {"i": [[1]], "w": [[2]]})
    twice = fc.weighted_categorical_column(column, "v")
    with pytest.raises(ValueError, match="has weights already"):
        fc.ids_of(twice, {"i": [[1]], "w": [[2.0]], "v": [[2.0]]})


def test_ids_of_weighted_columns_are_those_of_tensorflow():
    # The elements of a bucketized vector share ids there, and the steps of a sequence are the values of a row.
    vector = fc.bucketized_column(fc.numeric_column("x", shape=(2,)), [0.0])
    features = {"x": np.array([[-1.0, 1.0]], np.float32), "w": np.array([[1.0, 2.0]], np.float32)}
    assert fc.ids_of(vector, features).values.tolist() == [0, 3]
    assert fc.ids_of(fc.weighted_categorical_column(vector, "w"), features).values.tolist() == [0, 1]
    steps = fc.weighted_categorical_column(fc.sequence_categorical_column_with_identity("i", 3), "w")
    assert fc.ids_of(steps, {"i": [[1, 2]], "w": [[1.0, 2.0]]}).shape == (1, 2)


def test_crosses_take_booleans_negative_hash_keys_and_empty_batches():
    cross = fc.crossed_column(["a", "b"], 10)
    integers = {"a": np.array([[1], [0]]), "b": np.array([[5], [6]])}
    np.testing.assert_array_equal(
        fc.ids_of(cross, {**integers, "a": np.array([[True], [False]])}).values, fc.ids_of(cross, integers).values
    )
    wrapped = [fc.ids_of(fc.crossed_column(["a", "b"], 10, hash_key=k), integers).values for k in (-5, 2**64 - 5)]
    np.testing.assert_array_equal(*wrapped)
    assert fc.ids_of(cross, {k: v[:0] for k, v in integers.items()}).shape == (0, 0)


def test_sequences_without_rows_or_steps():
    steps = fc.indicator_column(fc.sequence_categorical_column_with_identity("i", 3))
    numbers = fc.sequence_numeric_column("n", shape=(2,))
    for shape in ((0, 4), (3, 0)):
        empty = {k: data.SparseTensor(np.zeros((0, 2)), np.zeros(0, t), shape) for k, t in (("i", np.int64), ("n", np.float32))}
        output, lengths = fc.SequenceFeatures([steps])(empty)
        assert (output.shape, lengths.shape) == ((*shape, 3), shape[:1])
        assert fc.SequenceFeatures([numbers])(empty)[0].shape == (shape[0], shape[1] // 2, 2)


def test_sparse_numbers_that_do_not_fill_steps_are_refused():
    values = data.SparseTensor([[0, 0, 0]], np.ones(1, np.float32), (1, 2, 4))
    with pytest.raises(ValueError, match="width 8, expected a multiple of 3"):
        fc.SequenceFeatures([fc.sequence_numeric_column("n", shape=3)])({"n": values})


def test_a_sparse_value_of_one_axis_has_a_value_a_row():
    ids = fc.ids_of(fc.categorical_column_with_identity("i", 5), {"i": data.SparseTensor([[0], [2]], np.array([3, 4]), (3,))})
    assert (ids.shape, ids.indices().tolist(), ids.values.tolist()) == ((3, 1), [[0, 0], [2, 0]], [3, 4])
