"""Laws over random inputs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from estimax import feature_columns as fc
from estimax.core import HostValue
from estimax.core.text import text_from_bytes
from estimax.core.vocabulary import IntegerVocabulary, StringVocabulary
from estimax.feature_columns.base import FeatureReader
from estimax.feature_columns.combine import lookup_combined
from tests.feature_columns import plain

WORD = st.sampled_from(["a", "bb", "ccc", "dddddddd", "ü", "a longer string than sixteen", "x" * 40, "", "zz"])
ROWS = st.lists(st.lists(WORD, max_size=4), min_size=1, max_size=6)
VOCABULARY = ["ccc", "a", "x" * 40]
BOUNDARIES = [-1.0, 0.5, 2.0]


def columns() -> dict[str, fc.CategoricalColumn]:
    return {
        "hash": fc.categorical_column_with_hash_bucket("s", 13),
        "list": fc.categorical_column_with_vocabulary_list("s", VOCABULARY, num_oov_buckets=4),
        "default": fc.categorical_column_with_vocabulary_list("s", VOCABULARY, default_value=2),
        "bucket": fc.bucketized_column(fc.numeric_column("n"), BOUNDARIES),
        "cross": fc.crossed_column([fc.bucketized_column(fc.numeric_column("n"), BOUNDARIES), "s", "i"], 17),
    }


def slow(kind: str, words: list[str], number: float, integer: int) -> list[int]:
    if kind == "hash":
        return [plain.hash_id(w, 13) for w in words]
    if kind == "list":
        return [plain.vocabulary_id(w, VOCABULARY, oov=4) for w in words]
    if kind == "default":
        return [plain.vocabulary_id(w, VOCABULARY, default=2) for w in words]
    if kind == "bucket":
        return [plain.bucket(np.float32(number), BOUNDARIES)]
    # Sparse inputs (buckets, lists of words) are hashed before the dense integer.
    return plain.cross_ids([[plain.bucket(np.float32(number), BOUNDARIES)], words, [integer]], 17)


def features(rows: list, numbers: list, integers: list) -> dict:
    return {"s": pa.array(rows, pa.list_(pa.string())), "n": np.array(numbers, np.float32), "i": np.array(integers)}


def ids_by_row(column: fc.CategoricalColumn, given_: dict) -> list[list[int]]:
    found = fc.ids_of(column, given_)
    rows: list[list[int]] = [[] for _ in range(found.shape[0])]
    for row, i in zip(found.rows().tolist(), found.values.tolist()):
        rows[row].append(i)
    return rows


@st.composite
def batches(draw):
    rows = draw(ROWS)
    n = len(rows)
    numbers = draw(st.lists(st.floats(-3, 3, width=32) | st.sampled_from([-1.0, 0.5, 2.0]), min_size=n, max_size=n))
    return rows, numbers, draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))


@settings(max_examples=25, deadline=None)
@given(batches())
def test_host_halves_equal_a_slow_reading_of_the_definition(batch):
    for kind, column in columns().items():
        want = [slow(kind, words, number, integer) for words, number, integer in zip(*batch)]
        assert ids_by_row(column, features(*batch)) == want, kind


@settings(max_examples=15, deadline=None)
@given(batches(), st.randoms())
def test_row_order_and_batch_split_do_not_matter(batch, random):
    rows = list(zip(*batch))
    order = list(range(len(rows)))
    random.shuffle(order)
    half = len(rows) // 2
    for column in columns().values():
        whole = ids_by_row(column, features(*batch))
        moved = ids_by_row(column, features(*[[part[i] for i in order] for part in batch]))
        assert moved == [whole[i] for i in order]
        if half:
            parts = [ids_by_row(column, features(*[p[a:b] for p in batch])) for a, b in ((0, half), (half, len(rows)))]
            assert parts[0] + parts[1] == whole


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(-1, 4), min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from(["mean", "sum", "sqrtn"]),
)
def test_absent_ids_and_zero_weights_change_nothing(rows, combiner):
    table, ids = jnp.arange(10, dtype=jnp.float32).reshape(5, 2) + 1, np.array(rows, np.int32)
    weights = np.linspace(0.5, 2.0, ids.size, dtype=np.float32).reshape(ids.shape)
    with_more_ids = np.concatenate([ids, np.full((len(ids), 1), -1, np.int32), np.full((len(ids), 1), 3, np.int32)], 1)
    with_more_weights = np.concatenate([weights, np.ones((len(ids), 1)), np.zeros((len(ids), 1))], 1).astype(np.float32)
    short = lookup_combined(table, ids, weights, combiner)
    np.testing.assert_allclose(lookup_combined(table, with_more_ids, with_more_weights, combiner), short, rtol=1e-6)
    # The formula, row by row.
    for row, (i, w) in enumerate(zip(ids, weights)):
        kept = [(table[a], b) for a, b in zip(i, w) if a >= 0]
        total = sum((e * b for e, b in kept), np.zeros(2))
        size = {"sum": 1, "mean": sum(b for _, b in kept), "sqrtn": sum(b * b for _, b in kept) ** 0.5}[combiner]
        np.testing.assert_allclose(short[row], total / size if kept else total, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=40), unique=True, min_size=1, max_size=60), st.lists(st.binary(max_size=40), max_size=20))
def test_a_vocabulary_finds_what_a_dictionary_finds(entries, others):
    asked = entries[::-1] + others
    numbers = {e: i for i, e in enumerate(entries)}
    found, _ = StringVocabulary(text_from_bytes(entries)).find(text_from_bytes(asked))
    assert found.tolist() == [numbers.get(a, -1) for a in asked]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, min_size=1, max_size=60), st.lists(st.integers(-5, 5), max_size=9))
def test_an_integer_vocabulary_finds_what_a_dictionary_finds(entries, others):
    asked = entries[::-1] + others
    numbers = {e: i for i, e in enumerate(entries)}
    found = IntegerVocabulary(np.array(entries, np.int64)).find(np.array(asked, np.int64))
    assert found.tolist() == [numbers.get(a, -1) for a in asked]


def test_a_large_vocabulary_with_long_chains():
    entries = np.random.default_rng(0).permutation(200_000) * 64
    vocabulary = IntegerVocabulary(entries)
    assert vocabulary.find(entries[::97]).tolist() == list(range(0, 200_000, 97))
    assert (vocabulary.find(entries[:1000] + 1) == -1).all()


def test_gradients_at_zero_rows_with_max_norm_are_finite():
    ids = np.array([[0, 1]], np.int32)
    gradient = jax.grad(lambda t: lookup_combined(t, ids, None, "mean", max_norm=1.0).sum())(jnp.zeros((2, 3)))
    assert np.isfinite(gradient).all() and (np.asarray(gradient) != 0).all()


def test_columns_that_read_one_feature_read_it_once():
    calls = []

    class Once:
        def __array__(self, dtype=None, copy=None):
            calls.append(1)
            return np.array(["a", "b"])

    reader = FeatureReader({"s": HostValue("s")})
    values = [
        c.ids(reader)
        for c in (fc.categorical_column_with_hash_bucket("s", 3), fc.categorical_column_with_vocabulary_list("s", ["a"]))
    ]
    memo: dict = {}
    for value in values:
        value.evaluate({"s": Once()}, memo)
    assert len(calls) == 1
