"""Linear models by dual coordinate ascent: solutions, the state of the duals, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estimax as ex
from tests.estimator.data import E, fc

SDCA = E.experimental.LinearSDCA


def rows(count: int = 40) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Features, logits and weights."""
    rng = np.random.default_rng(0)
    features = {
        "x": rng.normal(size=(count, 1)).astype(np.float32),
        "z": rng.normal(size=(count, 2)).astype(np.float32),
        "c": np.array(list("abcd"))[rng.integers(0, 4, count)],
        "id": np.array([f"e{i}" for i in range(count)]),
        "w": (rng.random((count, 1)) + 0.5).astype(np.float32),
    }
    logits = features["x"][:, 0] * 2 - features["z"][:, 1] + (features["c"] == "b") * 1.5 + rng.normal(size=count) * 0.7
    return features, logits.astype(np.float32), features["w"][:, 0]


def columns() -> list[Any]:
    x = fc.numeric_column("x")
    words = fc.categorical_column_with_vocabulary_list("c", list("abcd"))
    return [x, fc.numeric_column("z", shape=(2,)), words, fc.bucketized_column(x, [-0.5, 0.5])]


def trained(model: Any, labels: np.ndarray, steps: int = 600, size: int = 10) -> np.ndarray:
    """All weights of a model that was trained: bias, c, x, buckets of x, z."""
    data = ex.data.Dataset.from_tensor_slices((rows()[0], labels)).repeat().batch(size)
    model.train(lambda: data, steps=steps)
    names = ("bias_weights", "c/weights", "x/weights", "x_bucketized/weights", "z/weights")
    return np.concatenate([model.get_variable_value(f"linear/linear_model/{n}").ravel() for n in names])


def design() -> np.ndarray:
    features, _, _ = rows()
    one_hot = np.eye(4)[["abcd".index(c) for c in features["c"]]]
    buckets = np.eye(3)[np.digitize(features["x"][:, 0], [-0.5, 0.5])]
    return np.concatenate([np.ones((len(buckets), 1)), one_hot, features["x"], buckets, features["z"]], 1)


@pytest.mark.parametrize("weighted", [False, True])
def test_squared_losses_reach_the_closed_form(weighted):
    _, labels, weights = rows()
    weights = weights if weighted else np.ones_like(weights)
    model = E.LinearRegressor(columns(), weight_column="w" if weighted else None, optimizer=SDCA("id", max_examples=50))
    x = design()
    want = np.linalg.solve((x.T * weights) @ x + np.eye(x.shape[1]), (x.T * weights) @ labels)
    np.testing.assert_allclose(trained(model, labels), want, atol=2e-4)


# Solutions of tf.estimator 2.15's LinearSDCA on the same rows, after 600 steps.
@pytest.mark.parametrize(
    ("l1", "l2", "weight_column", "want"),
    [
        (0.0, 1.0, None, [0.1065, -0.3878, 1.0991, -0.0595, -0.5454, 1.3364, -0.5781, 0.2115, 0.4731, -0.4085, -1.0694]),
        (0.0, 1.0, "w", [0.2059, -0.3767, 1.1967, 0.0018, -0.6159, 1.3742, -0.4499, 0.2639, 0.3919, -0.3231, -1.1160]),
        (0.5, 1.0, None, [0.0, -0.1047, 0.9451, 0.0, -0.2442, 1.2926, -0.4080, 0.0711, 0.1879, -0.3114, -0.9090]),
        (0.0, 0.1, None, [0.2238, -1.0585, 2.7991, -0.6064, -0.9104, 3.4911, -0.1858, 0.3228, 0.0869, -0.5021, -2.0570]),
    ],
)
def test_cross_entropies_reach_what_tensorflow_reaches(l1, l2, weight_column, want):
    sdca = SDCA("id", symmetric_l1_regularization=l1, symmetric_l2_regularization=l2, max_examples=50)
    model = E.LinearClassifier(columns(), weight_column=weight_column, optimizer=sdca)
    np.testing.assert_allclose(trained(model, (rows()[1] > 0).astype(np.int64)), want, atol=3e-4)


def test_other_settings_reach_the_same_optimum():
    labels = rows()[1]
    plain = trained(E.LinearRegressor(columns(), optimizer=SDCA("id", max_examples=50)), labels)
    for options, size in (({"adaptive": True}, 10), ({"num_loss_partitions": 3, "num_table_shards": 2}, 7)):
        model = E.LinearRegressor(columns(), optimizer=SDCA("id", max_examples=50, **options))
        np.testing.assert_allclose(trained(model, labels, steps=900, size=size), plain, atol=5e-3)


def test_the_hinge_loss_of_a_support_vector_machine():
    labels = (rows()[1] > 0).astype(np.int64)
    model = E.experimental.LinearSVM(columns(), optimizer=SDCA("id", max_examples=50, symmetric_l2_regularization=0.5))
    weights = trained(model, labels, steps=2000)
    x, sign = design(), 2 * labels - 1

    def objective(w: np.ndarray) -> float:
        return np.maximum(0, 1 - sign * (x @ w)).sum() + 0.25 * (w**2).sum()

    best = objective(weights)
    rng = np.random.default_rng(1)
    assert all(objective(weights + rng.normal(size=len(weights)) * s) > best - 1e-3 for s in (0.3, 0.1, 0.01) for _ in range(50))


def test_duals_are_kept_in_checkpoints(tmp_path):
    def model(folder: str) -> Any:
        config = E.RunConfig(model_dir=str(tmp_path / folder), save_checkpoints_steps=5)
        return E.LinearRegressor(columns(), optimizer=SDCA("id", max_examples=50), config=config)

    labels = rows()[1]
    whole = trained(model("whole"), labels, steps=20)
    trained(model("halves"), labels, steps=12)
    features = rows()[0]
    rest = ex.data.Dataset.from_tensor_slices((features, labels)).repeat().batch(10).skip(12)
    second = model("halves").train(lambda: rest, steps=8)
    np.testing.assert_array_equal(second.get_variable_value("linear/linear_model/z/weights").ravel(), whole[-2:])
    assert int(second.get_variable_value("sdca/examples")) == 40


def test_more_examples_than_room_are_an_error():
    model = E.LinearRegressor(columns(), optimizer=SDCA("id", max_examples=30))
    with pytest.raises(ValueError, match="40 different ids.*max_examples=30"):
        trained(model, rows()[1], steps=8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SDCA(""), "example_id_column"),
        (lambda: SDCA("id", symmetric_l2_regularization=0.0), "above 0"),
        (lambda: SDCA("id", symmetric_l1_regularization=-1.0), "symmetric_l1"),
        (lambda: SDCA("id", num_loss_partitions=0), "num_loss_partitions"),
        (lambda: SDCA("id", num_table_shards=0), "num_table_shards"),
        (lambda: SDCA("id", max_examples=0), "max_examples"),
        (lambda: E.LinearClassifier(columns(), n_classes=3, optimizer=SDCA("id")), "two classes or of one number"),
        (lambda: E.LinearRegressor(columns(), label_dimension=2, optimizer=SDCA("id")), "two classes or of one number"),
        (lambda: E.LinearRegressor(columns(), sparse_combiner="mean", optimizer=SDCA("id")), "expected 'sum'"),
        (
            lambda: E.LinearRegressor([fc.embedding_column(columns()[2], 2)], optimizer=SDCA("id")),
            "not embeddings",
        ),
        (lambda: trained(E.LinearRegressor(columns(), optimizer=SDCA("nothing")), rows()[1], 1), "'nothing' is missing"),
        (
            lambda: trained(E.LinearRegressor(columns(), optimizer=SDCA("x")), rows()[1], 1),
            "expected one string or integer a row",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
