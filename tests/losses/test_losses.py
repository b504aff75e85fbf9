"""Losses: weights, masks and padding rows, names and configs, shapes that do not fit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import losses
from estimax.core import Frame
from estimax.losses.lookup import CLASSES

KEYS = np.random.default_rng(0)
PROBABILITIES = KEYS.dirichlet(np.ones(3), size=6).astype(np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 0]]
CLASS_NUMBERS = np.array([0, 1, 2, 0, 1, 0], np.int32)
UNIT = PROBABILITIES / np.linalg.norm(PROBABILITIES, axis=1, keepdims=True)
INPUTS = {
    losses.SparseCategoricalCrossentropy: (CLASS_NUMBERS, PROBABILITIES),
    losses.CategoricalGeneralizedCrossEntropy: (CLASS_NUMBERS, PROBABILITIES),
    losses.Circle: (CLASS_NUMBERS, UNIT),
    losses.CTC: (np.array([[1, 2]] * 6, np.int32), KEYS.normal(size=(6, 4, 3)).astype(np.float32)),
}
BUILT_IN = [cls for cls in CLASSES if cls is not losses.LossFunctionWrapper]


def inputs(cls: type) -> tuple[np.ndarray, np.ndarray]:
    return INPUTS.get(cls, (ONE_HOT, PROBABILITIES))


@pytest.mark.parametrize("cls", BUILT_IN)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_padding_rows_change_nothing(cls: type, reduction: str) -> None:
    """Rows that a mask, or the row mask of a compiled step, excludes: as if they were not there."""
    y_true, y_pred = inputs(cls)
    loss = cls(reduction=reduction)
    keep = np.array([True, True, True, True, False, False])

    @jax.jit
    def three_ways(y_true, y_pred):
        with Frame(row_mask=jnp.asarray(keep)) as frame:
            in_a_frame = loss(y_true, y_pred)
        assert frame.weighted
        return loss(y_true[:4], y_pred[:4]), loss(y_true, y_pred, mask=keep), in_a_frame

    want, by_mask, in_a_frame = three_ways(y_true, y_pred)
    np.testing.assert_allclose(by_mask, want, rtol=1e-5)
    np.testing.assert_allclose(in_a_frame, want, rtol=1e-5)


@pytest.mark.parametrize("cls", BUILT_IN)
def test_gradients_are_finite_also_for_predictions_of_0_and_1(cls: type) -> None:
    y_true, y_pred = inputs(cls)
    exact = ONE_HOT if y_pred.shape == ONE_HOT.shape else np.zeros_like(y_pred)
    exact = ONE_HOT + 1e-6 if cls is losses.CategoricalGeneralizedCrossEntropy else exact
    gradients = jax.jit(lambda *preds: [jax.grad(lambda p: cls()(y_true, p))(p) for p in preds])(y_pred, exact)
    assert all(np.all(np.isfinite(g)) for g in gradients)


@pytest.mark.parametrize("cls", BUILT_IN)
def test_dtypes_of_every_loss(cls: type) -> None:
    y_true, y_pred = inputs(cls)
    half = jax.eval_shape(cls(), y_true, jax.ShapeDtypeStruct(y_pred.shape, "bfloat16"))
    assert half.shape == () and half.dtype == "float32"
    with jax.enable_x64(True):
        double = jax.eval_shape(cls(), y_true, jax.ShapeDtypeStruct(y_pred.shape, "float64"))
    assert double.dtype == "float64"


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_by_name_and_back(cls: type) -> None:
    loss = losses.get("mse" if cls is losses.LossFunctionWrapper else cls.__name__)
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()


def test_weights_along_the_leading_axes_also_where_lengths_agree() -> None:
    """Keras would align weights [2] with the last of the axes [2, 2]."""
    loss = losses.MeanSquaredError(reduction="none")
    got = loss(np.zeros((2, 2, 1)), np.ones((2, 2, 1)), sample_weight=[1.0, 3.0])
    np.testing.assert_allclose(got, [[1.0, 1.0], [3.0, 3.0]])


def test_weight_zero_hides_an_infinite_loss() -> None:
    loss = losses.MeanSquaredError()
    assert float(loss([[0.0], [0.0]], [[1.0], [np.inf]], sample_weight=[1.0, 0.0])) == 0.5


def test_masks_and_weights_together() -> None:
    y_true, y_pred = np.zeros((2, 3, 1)), np.array([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]])
    mask = np.array([[True, True, False], [True, False, False]])
    weight = [1.0, 2.0]
    assert float(losses.MeanAbsoluteError()(y_true, y_pred, weight, mask)) == pytest.approx((1 + 2 + 8) / 3)
    by_weight = losses.MeanAbsoluteError(reduction="mean_with_sample_weight")
    assert float(by_weight(y_true, y_pred, weight, mask)) == pytest.approx((1 + 2 + 8) / 4)


def test_nothing_that_counts_gives_zero_and_a_finite_gradient() -> None:
    loss = losses.BinaryCrossentropy()
    value, grad = jax.value_and_grad(lambda p: loss([[1.0]], p, mask=[False]))(np.array([[0.5]], np.float32))
    assert value == 0 and np.all(grad == 0)


def test_flattened_rows_keep_their_padding() -> None:
    with Frame(row_mask=jnp.array([True, False])):
        assert float(losses.MeanSquaredError()(np.zeros((4, 1)), [[1.0], [1.0], [9.0], [9.0]])) == 1.0
        with pytest.raises(ValueError, match=r"losses of shape \(3,\) for a batch of 2 rows"):
            losses.MeanSquaredError()(np.zeros((3, 1)), np.zeros((3, 1)))


def test_user_losses() -> None:
    class Quartic(losses.Loss):
        def call(self, y_true, y_pred):
            return jnp.mean((y_true - y_pred) ** 4, axis=-1)

    assert float(Quartic()([[0.0]], [[2.0]])) == 16.0 and Quartic().name == "quartic"
    with pytest.raises(TypeError, match="Define call"):
        losses.Loss()([0.0], [0.0])

    def squared(y_true, y_pred):
        return (y_true - y_pred) ** 2

    wrapped = losses.get(squared)
    assert wrapped.name == "squared"
    np.testing.assert_allclose(wrapped([1.0, 2.0], [[1.0], [4.0]]), 2.0)
    again = losses.deserialize(losses.serialize(wrapped), {"squared": squared})
    assert again.fn is squared
    with pytest.raises(ValueError, match="'squared'"):
        losses.deserialize(losses.serialize(wrapped))


def test_a_structure_of_targets() -> None:
    class Both(losses.Loss):
        def call(self, y_true, y_pred):
            return abs(y_true["a"] - y_pred["a"]) + abs(y_true["b"] - y_pred["b"])

    assert float(Both()({"a": [1.0], "b": [0.0]}, {"a": [2.0], "b": [3.0]})) == 4.0


def test_names_that_keras_knows() -> None:
    for name, cls in {"bce": "binary_crossentropy", "MAE": "mean_absolute_error", "kld": "kl_divergence"}.items():
        assert losses.get(name).name == cls
    assert losses.get(None) is None
    assert losses.get(losses.Huber).get_config() == {"name": "huber_loss", "reduction": "sum_over_batch_size"}
    assert losses.get({"class_name": "Huber", "config": {"delta": 3.0}}).delta == 3.0
    assert losses.resolve("ce", (4, 1), (4, 1)).name == "binary_crossentropy"
    assert losses.resolve("crossentropy", (4, 1), (4, 3)).name == "sparse_categorical_crossentropy"
    assert losses.resolve("CE", (4, 3), (4, 3)).name == "categorical_crossentropy"
    assert losses.resolve("mse", (4, 3), (4, 3)).name == "mean_squared_error"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: losses.MeanSquaredError(reduction="average"), "reduction='average', expected one of"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), r"q in \(0, 1\), given 1.0"),
        (lambda: losses.CategoricalCrossentropy(axis=True), "Did you mean from_logits=True"),
        (lambda: losses.get("mean_square_error"), "Did you mean 'mean_squared_error'"),
        (lambda: losses.get(3), "given 3 of type int"),
        (lambda: losses.LossFunctionWrapper(3), "given fn=3"),
        (
            lambda: losses.CategoricalCrossentropy()(CLASS_NUMBERS, PROBABILITIES),
            r"y_true \(6,\) and y_pred \(6, 3\).*sparse_categorical",
        ),
        (lambda: losses.SparseCategoricalCrossentropy()(ONE_HOT, PROBABILITIES), "Use categorical_crossentropy"),
        (lambda: losses.BinaryCrossentropy()(np.zeros((2, 1)), np.zeros((2, 3))), "as many units"),
        (
            lambda: losses.Huber()(np.zeros((2, 3)), np.zeros((2, 2))),
            r"huber: given y_true \(2, 3\) and y_pred \(2, 2\)",
        ),
        (lambda: losses.CTC()(np.zeros(2), np.zeros((2, 3, 4))), r"labels \[batch, labels\]"),
    ],
)
def test_bad_arguments(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_alpha_of_tversky_weighs_what_was_missed() -> None:
    """As Keras 3.15 computes; its documentation says the opposite."""
    y_true, y_pred = np.array([[1.0, 1.0, 0.0]], np.float32), np.array([[0.5, 1.0, 0.25]], np.float32)
    overlap, missed, false_alarms = 1.5, 0.5, 0.25
    for alpha, beta in ((0.3, 0.7), (1.0, 0.0)):
        want = 1 - overlap / (overlap + alpha * missed + beta * false_alarms)
        np.testing.assert_allclose(losses.Tversky(alpha, beta)(y_true, y_pred), want, rtol=1e-5)
