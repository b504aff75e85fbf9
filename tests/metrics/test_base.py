"""Users' own metrics, variables and look-up by name."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import losses, metrics
from estimax.core import Frame, Variable


class Largest(metrics.Metric):
    """A metric whose variable does not start at 0."""

    def __init__(self, name=None, dtype=None):
        super().__init__(name, dtype)
        self.largest = self.add_variable((), lambda shape, dtype: jnp.full(shape, -jnp.inf, dtype), name="largest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(jnp.maximum(self.largest.value, jnp.max(y_pred)))

    def result(self):
        return self.largest.value


class Both(metrics.Metric):
    """A metric made of others, with a dictionary as its result."""

    def __init__(self):
        super().__init__()
        self.error = metrics.MeanAbsoluteError()
        self.all = [metrics.Sum(name="a"), metrics.Sum(name="b")]

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.error.update_state(y_true, y_pred, sample_weight)
        for metric, values in zip(self.all, (y_true, y_pred), strict=True):
            metric.update_state(values)

    def result(self):
        return {"error": self.error.result(), "sums": jnp.stack([m.result() for m in self.all])}


def test_a_user_metric_eager_and_compiled() -> None:
    metric = Largest()
    assert metric.name == "largest" and metric([0.0], jnp.array([-3.0])) == -3.0
    totals = jax.jit(metric.updated_totals)(metric.initial_totals(), jnp.array([0.0]), jnp.array([-5.0]))
    assert metric.result_of(totals) == -5.0 and metric.result() == -3.0
    metric.reset_state()
    assert metric.result() == -np.inf


def test_a_variable_as_the_result() -> None:
    class Total(metrics.Metric):
        def __init__(self):
            super().__init__()
            self.total = self.add_weight(name="total", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign_add(jnp.sum(y_pred))

        def result(self):
            return self.total

    metric = Total()
    totals = jax.jit(metric.updated_totals)(metric.initial_totals(), np.zeros(2), np.ones(2))
    assert isinstance(metric.result_of(totals), jax.Array) and metric.result_of(totals) == 2.0


def test_metrics_inside_a_metric() -> None:
    metric = Both()
    y_true, y_pred = jnp.array([[1.0], [2.0]]), jnp.array([[2.0], [4.0]])
    totals = jax.jit(metric.updated_totals)(metric.initial_totals(), y_true, y_pred)
    assert set(totals) == {"error/total", "error/count", "all_0/total", "all_1/total"}
    result = metric.result_of(totals)
    assert result["error"] == 1.5 and result["sums"].tolist() == [3.0, 6.0]
    assert metric(y_true, y_pred)["error"] == 1.5
    metric.reset_state()
    assert metric.result()["sums"].tolist() == [0.0, 0.0]


def test_variables_made_at_the_first_batch() -> None:
    class Columns(metrics.Metric):
        def update_state(self, values):
            if not self.variables:
                self.sums = self.add_variable(values.shape[1:], name="sums")
            self.sums.assign_add(jnp.sum(values, axis=0))

        def result(self):
            return self.sums.value

    metric = Columns()
    totals = metric.initial_totals(jax.ShapeDtypeStruct((4, 2), "float32"))
    totals = jax.jit(metric.updated_totals)(totals, jnp.ones((4, 2)))
    assert metric.result_of(totals).tolist() == [4.0, 4.0]
    metric.update_state(jnp.ones((1, 2)))
    assert metric.result().tolist() == [1.0, 1.0]


def test_a_variable_made_too_late_is_named() -> None:
    class Late(metrics.Sum):
        def update_state(self, values):
            super().update_state(values)
            self.add_variable((), name="extra")

    metric = Late()
    with pytest.raises(ValueError, match=r"made the variables \['extra'\] inside a compiled step"):
        metric.updated_totals(metric.initial_totals(), jnp.ones(2))


def test_values_of_a_model_stay_readable_inside() -> None:
    scale = Variable(2.0, name="scale")

    class Scaled(metrics.Sum):
        def update_state(self, values):
            super().update_state(values * scale.value)

    metric = Scaled()

    @jax.jit
    def run(scale_now):
        with Frame({"scale": scale_now}, {id(scale): "scale"}):
            return metric.result_of(metric.updated_totals(metric.initial_totals(), jnp.ones(3)))

    assert run(5.0) == 15.0


def test_totals_of_another_metric() -> None:
    with pytest.raises(ValueError, match=r"given totals \['total'\], expected \['count', 'total'\]"):
        metrics.Mean().result_of(metrics.Sum().initial_totals())


def test_names_and_other_identifiers() -> None:
    def span(y_true, y_pred):
        return jnp.max(y_pred, axis=-1) - jnp.min(y_pred, axis=-1)

    assert metrics.get(None) is None
    assert type(metrics.get("rmse")) is metrics.RootMeanSquaredError
    assert type(metrics.get("AUC")) is metrics.AUC
    assert metrics.get("kullback_leibler_divergence").fn is metrics.kl_divergence
    assert metrics.get(metrics.Recall).name == "recall"
    wrapped = metrics.get(span)
    assert wrapped.name == "span" and wrapped(np.zeros((2, 2)), np.array([[1.0, 3.0], [0.0, 0.0]])) == 1.0
    assert metrics.deserialize(metrics.serialize(wrapped), {"span": span}).fn is span
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        metrics.get("acuracy")
    with pytest.raises(TypeError, match=r"IoU cannot be built without arguments.*Pass an object: IoU\(...\)"):
        metrics.get("IoU")


def test_a_loss_as_a_metric_is_weighted_row_by_row() -> None:
    metric = metrics.get(losses.Huber(delta=0.5))
    assert metric.name == "huber_loss"
    assert metric([[0.0], [0.0]], [[1.0], [9.0]], sample_weight=[1.0, 0.0]) == 0.375


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "cls"),
    [
        ("accuracy", (8,), (8, 1), metrics.BinaryAccuracy),
        ("acc", (8, 1), (8, 10), metrics.SparseCategoricalAccuracy),
        ("Accuracy", (8, 10), (8, 10), metrics.CategoricalAccuracy),
        ("accuracy", (8,), (8,), metrics.BinaryAccuracy),
        ("crossentropy", (8, 5), (8, 5, 10), metrics.SparseCategoricalCrossentropy),
        ("ce", (8, 10), (8, 10), metrics.CategoricalCrossentropy),
        ("mae", (8, 10), (8, 10), metrics.MeanAbsoluteError),
    ],
)
def test_resolve(name: str, y_true: tuple, y_pred: tuple, cls: type) -> None:
    metric = metrics.resolve(name, y_true, y_pred, losses.BinaryCrossentropy(from_logits=True))
    assert type(metric) is cls and metric.name == name
    assert getattr(metric, "from_logits", True)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: metrics.AUC(curve="XY"), "curve='XY', expected 'ROC'"),
        (lambda: metrics.AUC(summation_method="middle"), "summation_method='middle'"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds > 1, given 1"),
        (lambda: metrics.AUC(num_labels=3), "without multi_label=True"),
        (lambda: metrics.AUC(multi_label=True)([1.0], [1.0]), r"y_pred \(1,\), expected \[batch, labels\]"),
        (lambda: metrics.Precision(thresholds=[0.5, 1.5]), r"given thresholds \[1.5\]"),
        (lambda: metrics.Precision(class_id=1)([1.0], [1.0]), "with class_id=1, expected"),
        (lambda: metrics.Precision()([[1.0, 0.0]], [[0.1, 0.2, 0.7]]), r"y_true \(1, 2\) and y_pred \(1, 3\)"),
        (lambda: metrics.PrecisionAtRecall(1.5), r"recall in \[0, 1\], given 1.5"),
        (lambda: metrics.RecallAtPrecision(0.5, num_thresholds=0), "num_thresholds > 0, given 0"),
        (lambda: metrics.IoU(2, [2]), r"target_class_ids \[2\], expected classes in \[0, 2\)"),
        (lambda: metrics.F1Score(average="median"), "average='median'"),
        (lambda: metrics.FBetaScore(beta=1), "beta to be a float above 0, given 1"),
        (lambda: metrics.F1Score(threshold=2.0), "threshold to be a float in"),
        (lambda: metrics.F1Score()([1.0], [1.0]), r"expected \[batch, classes\]"),
        (lambda: metrics.F1Score().result(), "no batch was added yet"),
        (lambda: metrics.R2Score(class_aggregation="sum"), "class_aggregation='sum'"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors >= 0, given -1"),
        (lambda: metrics.R2Score()([1.0], [1.0]), r"expected \[batch, outputs\]"),
        (lambda: metrics.BinaryAccuracy(threshold=None), "threshold=None"),
        (lambda: metrics.MeanMetricWrapper("huber"), "fn='huber'"),
        (lambda: metrics.Sum().add_variable((), "normal"), "initializer='normal', expected \"zeros\""),
        (lambda: metrics.MeanTensor(shape=(2,))([1.0, 2.0, 3.0]), r"shape \(3,\), expected \(2,\)"),
    ],
)
def test_bad_arguments(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_a_forgotten_constructor_call() -> None:
    class Forgotten(metrics.Metric):
        def __init__(self):
            self.total = self.add_variable((), name="total")

    with pytest.raises(RuntimeError, match=r"Call super\(\).__init__"):
        Forgotten()


def test_mean_tensor() -> None:
    metric = metrics.MeanTensor(shape=(2,))
    totals = metric.initial_totals()
    totals = metric.updated_totals(totals, np.array([1.0, np.nan], np.float32), sample_weight=[1.0, 0.0])
    totals = metric.updated_totals(totals, np.array([3.0, 5.0], np.float32))
    assert metric.result_of(totals).tolist() == [2.0, 5.0]


def test_weights_of_positions_and_of_rows() -> None:
    metric = metrics.Mean()
    metric.update_state([[1.0, 3.0], [5.0, 7.0]], sample_weight=[1.0, 3.0])
    assert metric.result() == 5.0
    metric.reset_state()
    metric.update_state([[1.0, 3.0], [5.0, 7.0]], sample_weight=[[1.0, 0.0], [1.0, 0.0]])
    assert metric.result() == 3.0
