"""Vocabularies that are learned while training."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from estimax import feature_columns as fc
from estimax.core import HostValue
from estimax.feature_columns.base import FeatureReader
from estimax.feature_columns.dynamic import WAYS, _find, _learn, _wait
from tests.feature_columns import plain


class Slow:
    """The definition, value by value: sets of WAYS rows, the weakest goes."""

    def __init__(self, rows: int, by_age: bool):
        self.sets = [[None] * WAYS for _ in range(rows // WAYS)]
        self.counts, self.seen, self.by_age, self.step = {}, {}, by_age, 0

    def see(self, value: str) -> int:
        self.step += 1
        low = max(plain.fingerprint(value.encode()), 1) & 0xFFFFFFFF
        number = low % len(self.sets)
        ways = self.sets[number]
        if value not in ways:
            if None in ways:
                way = ways.index(None)
            else:
                strength = (
                    (lambda v: (self.seen[v], self.counts[v])) if self.by_age else (lambda v: (self.counts[v], self.seen[v]))
                )
                way = min(range(WAYS), key=lambda w: strength(ways[w]))
            ways[way] = value
            self.counts[value] = 0
        self.counts[value] += 1
        self.seen[value] = self.step
        return number * WAYS + ways.index(value)


def step(state, keys, by_age=False):
    present = (keys != 0).any(-1)
    found = _find(state[0], keys, present)
    found, taken, *state = _learn(*state, keys, present & (found < 0), found, evict_by_age=by_age)
    return state, np.asarray(found), np.asarray(taken)


def start(rows):
    return [jnp.zeros((rows, 2), jnp.int32), jnp.zeros(rows, jnp.int32), jnp.zeros(rows, jnp.int32), jnp.int32(0)]


def keys_of(values):
    hashes = [max(plain.fingerprint(v.encode()), 1) if v else 0 for v in values]
    return np.array(hashes, np.uint64).view(np.int32).reshape(-1, 2)


@pytest.mark.parametrize("by_age", [False, True])
def test_one_value_a_step_equals_the_definition(by_age):
    rng = np.random.default_rng(0)
    slow, state = Slow(16, by_age), start(16)
    for number in rng.zipf(1.3, 300) % 60:
        state, found, _ = step(state, keys_of([f"v{number}"]), by_age)
        assert int(found[0]) == slow.see(f"v{number}")
    assert int(state[3]) == 300 and int(state[1].sum()) == sum(slow.counts[v] for s in slow.sets for v in s if v is not None)


def test_a_batch_gives_equal_values_one_row_and_different_ones_different_rows():
    rng = np.random.default_rng(1)
    state = start(64)
    for _ in range(20):
        values = [f"v{n}" if n else "" for n in rng.integers(0, 90, 40)]
        state, found, taken = step(state, keys_of(values))
        rows: dict = {}
        for value, row in zip(values, found.tolist()):
            if value:
                assert rows.setdefault(value, row) == row
            else:
                assert row == -1
        given = [r for r in rows.values() if r >= 0]
        assert len(given) == len(set(given)) > 20
        stored = np.asarray(state[0])
        for value, row in rows.items():
            if row >= 0:
                np.testing.assert_array_equal(stored[row], keys_of([value])[0])
        assert not taken[np.asarray(found) < 0].any()


def test_rows_of_the_same_batch_are_never_taken_and_the_rest_waits():
    state, found, _ = step(start(WAYS), keys_of([f"v{i}" for i in range(12)]))
    assert sorted(found.tolist()) == [-1] * 4 + list(range(WAYS))
    state, found, taken = step(state, keys_of([f"v{i}" for i in range(12)]))
    assert (found >= 0).sum() == WAYS and not taken.any()


USERS = fc.categorical_column_with_dynamic_vocabulary("user", capacity=8)


def test_learning_is_part_of_the_layers_state_and_only_in_training():
    layer = fc.DenseFeatures([fc.embedding_column(USERS, 2)])
    batch = {"user": ["a", "b", "a"]}
    assert not layer(batch).any()
    out, values = layer.apply(layer.values, batch, training=True)
    assert (out[0] == out[2]).all() and (out != 0).all() and not layer(batch).any()
    assert sorted(p.rpartition("/")[2] for p in values) == [
        "embedding_offsets", "embedding_weights", "vocabulary_counts", "vocabulary_keys", "vocabulary_seen", "vocabulary_steps",
    ]  # fmt: skip
    assert values["dense_features/user_embedding/vocabulary_counts"].sum() == 3
    known, _ = layer.apply(values, batch)
    np.testing.assert_array_equal(known, out)
    assert len(layer.trainable_variables) == 1


def test_a_row_that_changes_hands_starts_from_zero_and_trains_on():
    layer = fc.DenseFeatures([fc.embedding_column(USERS, 2)])
    layer({"user": [f"u{i}" for i in range(8)]}, training=True)
    layer({"user": [f"u{i}" for i in range(1, 8)]}, training=True)
    before = layer({"user": ["u1"]})
    new = {"user": ["new"]}

    table = "dense_features/user_embedding/embedding_weights"

    def loss(rows):
        out, values = layer.apply({**layer.values, table: rows}, new, training=True)
        return out.sum(), (out, values)

    (_, (out, values)), gradient = jax.value_and_grad(loss, has_aux=True)(layer.values[table])
    assert out.tolist() == [[0.0, 0.0]]  # u0, the rarest, gave its row
    assert gradient.sum() == 2.0
    values[table] = values[table] - 0.5 * gradient
    np.testing.assert_allclose(layer.apply(values, new)[0], [[-0.5, -0.5]], rtol=1e-5)
    np.testing.assert_array_equal(layer.apply(values, {"user": ["u1"]})[0], before)
    assert layer.apply(values, {"user": ["u0"]})[0].tolist() == [[0.0, 0.0]]


def test_in_linear_models_indicators_weights_and_sequences():
    batch = {"user": pa.array([["a", "b"], ["b"]]), "w": pa.array([[1.0, 2.0], [3.0]])}
    model = fc.LinearModel([USERS])
    model(batch, training=True)
    model._by_column["user"]["weights"].assign(jnp.ones((8, 1)))
    assert model(batch).tolist() == [[2.0], [1.0]] and model({"user": ["zzz", None]}).tolist() == [[0.0], [0.0]]
    weighted = fc.DenseFeatures([fc.indicator_column(fc.weighted_categorical_column(USERS, "w"))])
    assert sorted(np.asarray(weighted(batch, training=True)).ravel().tolist())[-3:] == [1.0, 2.0, 3.0]


def test_a_value_gets_a_row_once_it_occurred_often_enough():
    """Waiting equals the definition: counts by value, over steps and within one, until a value is let in."""
    rng = np.random.default_rng(2)
    waiting = [jnp.zeros((2**14, 2), jnp.int32), jnp.zeros(2**14, jnp.int32)]
    counts: dict[str, int] = {}
    for _ in range(30):
        values = [f"v{n}" if n else "" for n in rng.zipf(1.5, 20) % 40]
        candidates = np.array([v != "" for v in values])
        let_in, *waiting = _wait(*waiting, keys_of(values), jnp.asarray(candidates), min_count=4)
        for v in values:
            counts[v] = counts.get(v, 0) + 1
        want = [v != "" and counts[v] >= 4 for v in values]
        assert let_in.tolist() == want
        for v, is_in in zip(values, want, strict=True):
            if is_in:
                counts[v] = 0
    held = np.asarray(waiting[1])
    assert sorted(held[held > 0].tolist()) == sorted(c for v, c in counts.items() if v and c)


def test_waiting_values_that_crowd_are_let_in_late_never_early():
    waiting = [jnp.zeros((2, 2), jnp.int32), jnp.zeros(2, jnp.int32)]
    seen: dict[str, int] = {}
    for n in range(200):
        value = f"v{n * n % 7}"
        seen[value] = seen.get(value, 0) + 1
        let_in, *waiting = _wait(*waiting, keys_of([value]), jnp.array([True]), min_count=2)
        assert not let_in[0] or seen[value] >= 2
        if let_in[0]:
            seen[value] = 0


def test_min_count_in_a_layer_counts_in_training_only_and_over_steps():
    users = fc.categorical_column_with_dynamic_vocabulary("user", capacity=8, min_count=3)
    layer = fc.DenseFeatures([fc.embedding_column(users, 2)])
    values = layer({"user": ["a"]}) is not None and layer.values
    for batch, known in ((["a", "b"], []), (["a", "c"], []), (["a", "b", "b"], ["a", "b"]), (["c"], ["a", "b"])):
        layer.apply(values, {"user": batch}, training=False)
        _, values = layer.apply(values, {"user": batch}, training=True)
        out, _ = layer.apply(values, {"user": ["a", "b", "c"]})
        assert [v for v, row in zip("abc", np.asarray(out), strict=True) if row.any()] == known
    assert values["dense_features/user_embedding/vocabulary_waiting_counts"].sum() == 2  # "c", seen twice
    (again,) = fc.deserialize_feature_columns(fc.serialize_feature_columns([users]))
    assert again == users and again.min_count == 3


def test_shared_columns_learn_one_vocabulary_and_leave_each_others_rows_of_a_step_alone():
    watched, bought = (fc.categorical_column_with_dynamic_vocabulary(key, capacity=8) for key in ("watched", "bought"))
    layer = fc.DenseFeatures(fc.shared_embeddings([watched, bought], 2))
    names = [str(i) for i in range(12)]
    out = np.asarray(layer({"watched": names[:6], "bought": names[3:9]}, training=True)).reshape(6, 2, 2)  # bought, watched
    np.testing.assert_array_equal(out[:3, 0], out[3:, 1])
    # Eight rows are given, none of them to two values of a step: one of the three that only the second column has goes without.
    assert out[:, 0].any(-1).all() and out[3:, 1].any(-1).all() and out[:3, 1].any(-1).sum() == 2
    values = layer.values
    prefix = "dense_features/bought_watched_shared_embedding"
    assert int(values[f"{prefix}_vocabulary_steps"]) == 1 and int(values[f"{prefix}_vocabulary_counts"].sum()) == 11
    assert len(values) == 6 and values[prefix].shape == (8, 2)
    again = np.asarray(layer({"watched": names[3:5], "bought": names[3:5]})).reshape(2, 2, 2)
    np.testing.assert_array_equal(again[:, 0], again[:, 1])


def test_integers_and_buckets_for_values_without_a_row():
    column = fc.categorical_column_with_dynamic_vocabulary("id", 8, "int64", evict="age", num_oov_buckets=3)
    layer = fc.DenseFeatures([fc.indicator_column(column)])
    out = np.asarray(layer({"id": np.array([2**40, 7, -1])}))
    assert out.shape == (3, 11) and out[:2, :8].sum() == 0 and out[:2].sum() == 2 and out[2].sum() == 0
    out = np.asarray(layer({"id": np.array([2**40, 7, -1])}, training=True))
    assert out[:2, :8].sum() == 2


def test_columns_survive_json_and_the_host_half_gives_keys():
    (again,) = fc.deserialize_feature_columns(fc.serialize_feature_columns([USERS]))
    assert again == USERS
    keys = HostValue(
        op=USERS.ids(FeatureReader({"user": ["a", ""]})).op, inputs=USERS.ids(FeatureReader({"user": ["a", ""]})).inputs
    )
    assert keys.evaluate({}).values.view(np.uint64).tolist() == [plain.fingerprint(b"a")]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: fc.categorical_column_with_dynamic_vocabulary("a", 0), "capacity is 0"),
        (lambda: fc.categorical_column_with_dynamic_vocabulary("a", 8, evict="size"), 'expected "count"'),
        (lambda: fc.categorical_column_with_dynamic_vocabulary("a", 8, num_oov_buckets=-1), "num_oov_buckets is -1"),
        (lambda: fc.categorical_column_with_dynamic_vocabulary("a", 8, "float32"), "dtype is float32"),
        (lambda: fc.crossed_column([USERS, "b"], 5), "ids that change while training. Give its key, 'user'"),
        (lambda: fc.categorical_column_with_dynamic_vocabulary("a", 8, min_count=0), "min_count is 0"),
        (
            lambda: fc.shared_embeddings([USERS, fc.categorical_column_with_dynamic_vocabulary("b", 8, min_count=2)], 2),
            '"user" and "b" learn one vocabulary, but differ',
        ),
    ],
)
def test_errors(make, match):
    with pytest.raises(ValueError, match=match):
        make()
