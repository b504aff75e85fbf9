"""model_to_estimator, add_metrics, k-means, support vector machines, a user's own head."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import estimax as ex
from tests.estimator.data import E, columns, eval_fn, fc, line_fn, linear, rows, train_fn

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def _model() -> Any:
    model = ex.Sequential(
        [ex.layers.Input((3,)), ex.layers.Dense(4), ex.layers.BatchNormalization(), ex.layers.Dense(1, name="out")]
    )
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return model


def test_a_model_and_its_estimator_and_back(tmp_path):
    model = _model()
    before = model.predict(X, verbose=0)
    estimator = E.model_to_estimator(model, model_dir=str(tmp_path), metric_names_map={"mae": "error"})
    data = lambda: ex.data.Dataset.from_tensor_slices((X, Y)).batch(8)  # noqa: E731
    np.testing.assert_allclose(
        [r["out"] for r in estimator.predict(lambda: ex.data.Dataset.from_tensor_slices(X).batch(8))], before, atol=1e-6
    )
    estimator.train(lambda: data().repeat(), steps=10)
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
    result = estimator.evaluate(data)
    assert set(result) == {"loss", "error", "global_step"} and result["global_step"] == 10
    restored = E.model_to_estimator(_model(), model_dir=str(tmp_path))
    assert restored.evaluate(data)["loss"] == pytest.approx(result["loss"])
    loss, error = restored.to_model().evaluate(X, Y, verbose=0)
    assert error == pytest.approx(result["error"], rel=1e-5) and np.isfinite(loss)


def test_models_that_are_refused():
    with pytest.raises(ValueError, match="not compiled"):
        E.model_to_estimator(ex.Sequential([ex.layers.Dense(1)]))
    with pytest.raises(ValueError, match="exactly one"):
        E.model_to_estimator()
    with pytest.raises(ValueError, match="checkpoint_format"):
        E.model_to_estimator(_model(), checkpoint_format="saver")


def test_added_metrics(tmp_path):
    def metric_fn(labels: Any, predictions: Any) -> dict[str, Any]:
        mean = ex.metrics.Mean()
        mean.update_state(predictions["logistic"])
        return {"mean_logistic": mean, "label_sum": jnp.sum(labels)}

    base = linear(tmp_path).train(train_fn(), steps=2)
    more = E.add_metrics(base, metric_fn).evaluate(eval_fn(24))
    assert more["mean_logistic"] == pytest.approx(more["prediction/mean"], rel=1e-5)
    assert more["label_sum"] == rows()[1].sum() and "auc" in more
    with pytest.raises(ValueError, match="metric_fn"):
        E.add_metrics(base, lambda nonsense: {})


@pytest.mark.parametrize(
    "options", [{}, {"initial_clusters": "kmeans_plus_plus"}, {"distance_metric": "cosine"}, {"use_mini_batch": False}]
)
def test_kmeans_finds_clusters(options):
    rng = np.random.default_rng(0)
    centers = np.array([[4.0, 0.0], [0.0, 4.0], [-4.0, -4.0]])
    truth = np.repeat(np.arange(3), 20)
    points = (centers[truth] + rng.normal(size=(60, 2)) * 0.2).astype(np.float32)
    best = None
    for seed in range(3):  # random centers may start in one cluster
        kmeans = E.experimental.KMeans(3, seed=seed, relative_tolerance=1e-4, **options)
        kmeans.train(lambda: ex.data.Dataset.from_tensor_slices(points).repeat().batch(60), steps=15)
        score = kmeans.score(lambda: ex.data.Dataset.from_tensor_slices(points).batch(25))
        best = min(best, (score, seed, kmeans)) if best else (score, seed, kmeans)
    found = np.array(
        [int(i) for i in best[2].predict_cluster_index(lambda: ex.data.Dataset.from_tensor_slices(points).batch(25))]
    )
    assert all(len(set(found[truth == c])) == 1 for c in range(3)) and len(set(found)) == 3
    assert len(next(best[2].transform(lambda: points))) == 3 and best[2].cluster_centers().shape == (3, 2)


def test_kmeans_refuses():
    for options, message in (({"num_clusters": 0}, "num_clusters"), ({"num_clusters": 2, "distance_metric": "x"}, "distance_metric"),
                             ({"num_clusters": 2, "initial_clusters": np.zeros((3, 1))}, "initial_clusters")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            E.experimental.KMeans(**options)
    with pytest.raises(ValueError, match="larger batch"):
        E.experimental.KMeans(9).train(lambda: X[:4], steps=1)


def test_support_vector_machines():
    features, labels = rows(60)
    data = lambda: (features, labels)  # noqa: E731
    svm = E.experimental.LinearSVM([fc.numeric_column("x")], l2_regularization=0.01).train(data, steps=20)
    assert 0.5 < svm.evaluate(data)["accuracy"] <= 1.0 and "regularization_loss" in svm.evaluate(data)
    ring = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    inside = (np.linalg.norm(ring, axis=1) < 1.1).astype(np.int64)
    data = lambda: ({"p": ring}, inside)  # noqa: E731
    column = fc.numeric_column("p", shape=(2,))
    kernel = E.experimental.LinearSVM([column], fourier_features=100, optimizer="Adam").train(data, steps=60)
    assert (
        kernel.evaluate(data)["accuracy"]
        > 0.95
        > E.experimental.LinearSVM([column]).train(data, steps=60).evaluate(data)["accuracy"]
    )


def test_a_users_own_head():
    class MedianHead(E.Head):
        name, logits_dimension, loss_reduction = "median", 1, "sum_over_batch_size"

        def loss(
            self, labels: Any, logits: Any, features: Any = None, mode: Any = None, regularization_losses: Any = None
        ) -> Any:
            return jnp.mean(jnp.abs(logits - labels))

        def predictions(self, logits: Any, keys: Any = None) -> dict[str, Any]:
            return {"median": logits}

        def metrics(self, regularization_losses: Any = None) -> dict[str, Any]:
            return {"error": ex.metrics.MeanAbsoluteError()}

        def update_metrics(
            self, eval_metrics: Any, features: Any, logits: Any, labels: Any, mode: Any = None, regularization_losses: Any = None
        ) -> Any:
            eval_metrics["error"].update_state(labels, logits)
            return eval_metrics

    estimator = E.DNNEstimator(MedianHead(), [4], [fc.numeric_column("x")]).train(line_fn(), steps=3)
    assert set(estimator.evaluate(line_fn(repeat=False))) == {"loss", "error", "global_step"}
    assert set(next(estimator.predict(line_fn(repeat=False)))) == {"median"}


def test_weight_regularizers_are_part_of_the_loss_of_a_head():
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        net = ex.layers.Dense(1, kernel_initializer="ones", kernel_regularizer=ex.regularizers.L2(0.5))(features["x"])
        return E.RegressionHead().create_estimator_spec(features, mode, net, labels, optimizer="sgd")

    result = E.Estimator(model_fn).evaluate(line_fn(repeat=False))
    assert result["regularization_loss"] == 0.5 and result["loss"] == pytest.approx(result["average_loss"] + 0.5)


def test_columns_of_premade_models():
    with pytest.raises(ValueError, match="Wrap it"):
        E.DNNClassifier([2], columns())
    with pytest.raises(ValueError, match="dnn_hidden_units"):
        E.DNNLinearCombinedClassifier(dnn_feature_columns=[fc.numeric_column("x")])
    with pytest.raises(ValueError, match="exactly one of"):
        E.LinearClassifier(columns(), optimizer="ftrl")
    with pytest.raises(ValueError, match="n_classes"):
        E.LinearClassifier(columns(), n_classes=1)
    with pytest.raises(ValueError, match="units"):
        E.experimental.RNNClassifier([fc.sequence_numeric_column("s")])


def test_modules_of_other_libraries():
    def init(key: Any) -> dict[str, Any]:
        return {"layer": {"kernel": jax.random.normal(key, (1, 1)), "bias": jnp.zeros(1)}}

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        params = E.VariableTree("net", init)
        seen = E.VariableTree("seen", lambda key: [jnp.zeros(())], trainable=False)
        y = features["x"] @ params.value["layer"]["kernel"] + params.value["layer"]["bias"]
        if mode == "train":
            seen.assign([seen.value[0] + 1])
        return E.RegressionHead().create_estimator_spec(features, mode, y, labels, optimizer="sgd")

    estimator = E.Estimator(model_fn).train(line_fn(), steps=3)
    assert {"net/layer/kernel", "net/layer/bias", "seen/0"} <= set(estimator.get_variable_names())
    assert float(estimator.get_variable_value("seen/0")) == 3.0
    assert np.isfinite(estimator.evaluate(line_fn(repeat=False))["loss"])
    with pytest.raises(ValueError, match="no arrays"):
        E.VariableTree("empty", lambda key: {})


@pytest.mark.parametrize("third, first_weight", [([1], 7.0), ([], 0.0)], ids=["no row is empty", "a row is empty"])
def test_a_row_without_ids_counts_as_a_look_up_of_the_first_one(tmp_path, third, first_weight):
    # TensorFlow: FTRL works a weight out anew whenever it is looked up. Rows that only pad the last batch look nothing up.
    class Start(ex.training.Hook):
        def after_create_session(self, run: Any) -> None:
            run.set_variable("linear/linear_model/tags/weights", np.full((4, 1), 7.0, np.float32))

    column = fc.categorical_column_with_identity("tags", 4)
    estimator = E.LinearRegressor([column], model_dir=str(tmp_path))
    features = {"tags": pa.array([[1, 2], [2], third, [1, 1], [2]])}
    data = lambda: ex.data.Dataset.from_tensor_slices((features, np.ones((5, 1), np.float32))).batch(4)  # noqa: E731
    estimator.train(data, hooks=[Start()])
    weights = estimator.get_variable_value("linear/linear_model/tags/weights")[:, 0]
    assert weights[0] == first_weight and weights[3] == 7.0 and np.all(weights[1:3] < 7.0)
