"""Files that Keras 3 and estimax exchange: each opens the other's and predicts the same. Skipped where Keras is not installed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estimax as ex

os.environ.setdefault("KERAS_BACKEND", "jax")
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is not installed"),
    pytest.mark.filterwarnings("ignore"),
]

IMAGE, SERIES, ROW = (8, 8, 3), (5, 4), (6,)
# Layers of a Sequential model, by the shape of a row: `L` is the module of layers, Keras's or ours.
STACKS: dict[str, tuple[tuple[int, ...], str, Callable[[Any], list]]] = {
    "dense": (ROW, "float32", lambda L: [L.Dense(4, activation="gelu", kernel_regularizer="l2", bias_constraint="non_neg"), L.Dense(2)]),
    "dense lora": (ROW, "float32", lambda L: [L.Dense(4, lora_rank=2)]),
    "einsum": (SERIES, "float32", lambda L: [L.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d")]),
    "embedding": ((5,), "int32", lambda L: [L.Embedding(7, 3, mask_zero=True), L.GlobalAveragePooling1D(), L.Dense(2)]),
    "reversible embedding": ((5,), "int32", lambda L: [L.ReversibleEmbedding(7, 3)]),
    "activations": (ROW, "float32", lambda L: [L.Activation("tanh"), L.LeakyReLU(), L.PReLU(), L.ELU(0.5), L.ReLU(2.0), L.Softmax()]),
    "reshaping": (
        (4, 6),
        "float32",
        lambda L: [L.Permute((2, 1)), L.Reshape((3, 8)), L.Cropping1D(1), L.UpSampling1D(2), L.ZeroPadding1D(1), L.Flatten(), L.RepeatVector(2)],
    ),
    "images": (IMAGE, "float32", lambda L: [L.Cropping2D(1), L.UpSampling2D(2, interpolation="bilinear"), L.ZeroPadding2D(((0, 1), (1, 0)))]),
    "conv1d": (SERIES, "float32", lambda L: [L.Conv1D(3, 2, padding="causal"), L.Conv1DTranspose(2, 3, strides=2, padding="same")]),
    "conv2d": (
        IMAGE,
        "float32",
        lambda L: [L.Conv2D(4, 3, strides=2, padding="same", groups=1), L.DepthwiseConv2D(2, depth_multiplier=2), L.Conv2DTranspose(3, 2, strides=2)],
    ),
    "conv3d": ((3, 4, 4, 2), "float32", lambda L: [L.Conv3D(3, 2), L.Conv3DTranspose(2, 2), L.AveragePooling3D(2), L.GlobalMaxPooling3D()]),
    "separable": (IMAGE, "float32", lambda L: [L.SeparableConv2D(4, 2), L.Reshape((49, 4)), L.SeparableConv1D(3, 2), L.DepthwiseConv1D(2)]),
    "pooling": (IMAGE, "float32", lambda L: [L.MaxPooling2D(2), L.AveragePooling2D(2, padding="same"), L.AdaptiveAveragePooling2D(1), L.Flatten()]),
    "norms": (
        IMAGE,
        "float32",
        lambda L: [L.BatchNormalization(), L.LayerNormalization(), L.GroupNormalization(3), L.UnitNormalization(), L.RMSNormalization()],
    ),
    "renorm": (ROW, "float32", lambda L: [L.BatchNormalization(renorm=True)]),
    "spectral": (ROW, "float32", lambda L: [L.SpectralNormalization(L.Dense(3))]),
    "noise": (ROW, "float32", lambda L: [L.Dropout(0.2, seed=1), L.GaussianNoise(0.1), L.GaussianDropout(0.2), L.AlphaDropout(0.2), L.Dense(2)]),
    "spatial": (SERIES, "float32", lambda L: [L.SpatialDropout1D(0.2), L.ActivityRegularization(0.1), L.Dense(1)]),
    "masking": (SERIES, "float32", lambda L: [L.Masking(), L.LSTM(3, return_sequences=True), L.GRU(2, reset_after=False), L.Dense(1)]),
    "rnn": (SERIES, "float32", lambda L: [L.RNN([L.LSTMCell(3), L.GRUCell(2), L.SimpleRNNCell(2)], return_sequences=True), L.SimpleRNN(2)]),
    "one cell": (SERIES, "float32", lambda L: [L.RNN(L.LSTMCell(3, unit_forget_bias=False), go_backwards=True)]),
    "rnn options": (SERIES, "float32", lambda L: [L.LSTM(2, return_sequences=True, dropout=0.2, recurrent_dropout=0.1, seed=1), L.GRU(2, unroll=True)]),
    "bidirectional": (
        SERIES,
        "float32",
        lambda L: [L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode="sum"), L.Bidirectional(L.GRU(2), backward_layer=L.LSTM(2, go_backwards=True))],
    ),
    "time distributed": ((3, 6, 6, 2), "float32", lambda L: [L.TimeDistributed(L.Conv2D(2, 3)), L.TimeDistributed(L.Flatten()), L.Dense(1)]),
    "conv lstm": ((3, 6, 2), "float32", lambda L: [L.ConvLSTM1D(2, 2, return_sequences=True), L.ConvLSTM1D(2, 2)]),
    "conv lstm 2d": ((2, 5, 5, 1), "float32", lambda L: [L.ConvLSTM2D(2, 2, padding="same")]),
    "bidirectional conv lstm": ((3, 6, 2), "float32", lambda L: [L.ConvLSTM1D(2, 2, padding="same")]),
    "numbers": (ROW, "float32", lambda L: [L.Rescaling(0.5, 1.0), L.Normalization(mean=1.0, variance=4.0), L.Dense(2)]),
    "bins": (ROW, "float32", lambda L: [L.Discretization([-0.5, 0.0, 0.5], output_mode="multi_hot")]),
    "categories": ((3,), "int32", lambda L: [L.CategoryEncoding(5, output_mode="count"), L.Dense(2)]),
    "crops": (IMAGE, "float32", lambda L: [L.Resizing(6, 5), L.CenterCrop(4, 4)]),
    "augmentation": (
        IMAGE,
        "float32",
        lambda L: [
            *(L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom(0.1), L.RandomTranslation(0.1, 0.1), L.RandomContrast(0.1)),
            *(L.RandomBrightness(0.1), L.RandomHue(0.1), L.RandomSaturation(0.1), L.RandomSharpness(0.1)),
            *(L.RandomPosterization(4), L.RandomInvert(0.1), L.RandomGrayscale(0.1), L.RandomErasing(0.1), L.RandomGaussianBlur()),
            *(L.RandomPerspective(), L.RandomElasticTransform(), L.RandomColorJitter(), L.RandomColorDegeneration(0.1)),
            *(L.AugMix(), L.RandAugment(), L.CutMix(), L.MixUp(), L.Solarization()),
        ],
    ),
    "pipeline": (IMAGE, "float32", lambda L: [L.Pipeline([L.RandomFlip(), L.Rescaling(0.5)]), L.Flatten(), L.Dense(2)]),
    "spectrograms": ((64, 1), "float32", lambda L: [L.STFTSpectrogram(frame_length=16, frame_step=8)]),
    "mixed precision": (ROW, "float32", lambda L: [L.Dense(3, dtype="mixed_bfloat16"), L.Dense(2, dtype="float32")]),
    "channels first": ((3, 8, 8), "float32", lambda L: [L.ZeroPadding2D(1, data_format="channels_first"), L.Flatten(data_format="channels_first")]),
}  # fmt: skip


def stack(K: Any, name: str) -> Any:
    shape, dtype, parts = STACKS[name]
    return K.Sequential([K.Input(shape, dtype=dtype), *parts(K.layers)], name="stack")


def two_inputs(K: Any) -> Any:
    a, b = K.Input((4,), name="a"), K.Input((4,), name="b")
    shared = K.layers.Dense(3, name="shared")
    x, y = shared(a), shared(b)
    net = K.layers.Concatenate()([x, y, K.layers.Add()([x, y]), K.layers.Multiply()([x, y]), K.layers.Subtract()([x, y])])
    net = K.layers.Concatenate()(
        [net, K.layers.Dot(1)([x, y]), K.layers.Average()([x, y]), K.layers.Maximum()([x, y]), K.layers.Minimum()([x, y])]
    )
    return K.Model([a, b], [K.layers.Dense(2, name="first")(net), K.layers.Dense(1, name="second")(x)])


def dictionaries(K: Any) -> Any:
    inputs = {"a": K.Input((4,), name="a"), "b": K.Input((4,), name="b")}
    net = K.layers.Concatenate()([inputs["a"], inputs["b"]])
    return K.Model(inputs, {"x": K.layers.Dense(2)(net), "y": K.layers.Dense(1)(net)})


def nested(K: Any) -> Any:
    inner = K.Sequential([K.Input((4,)), K.layers.Dense(4, activation="relu"), K.layers.BatchNormalization()], name="inner")
    deep = K.Input((4,))
    tower = K.Model(deep, K.layers.Dense(3)(inner(deep)), name="tower")
    a = K.Input((4,))
    return K.Model(a, K.layers.Add()([tower(K.layers.Dense(4)(a)), tower(a)]), name="outer")


def attention(K: Any) -> Any:
    ids = K.Input((5,), dtype="int32")
    x = K.layers.Embedding(9, 8)(ids)
    y = K.layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    x = K.layers.LayerNormalization()(K.layers.Add()([x, y]))
    y = K.layers.GroupQueryAttention(4, 2, 1)(x, x)
    y = K.layers.Attention(use_scale=True)([y, x])
    y = K.layers.AdditiveAttention()([y, x])
    return K.Model(ids, K.layers.Dense(3)(K.layers.GlobalAveragePooling1D()(y)))


def masked(K: Any) -> Any:
    ids = K.Input((5,), dtype="int32")
    x = K.layers.Embedding(9, 8, mask_zero=True)(ids)
    y = K.layers.Dropout(0.3)(K.layers.MultiHeadAttention(2, 4)(x, x))
    y = K.layers.Bidirectional(K.layers.LSTM(3, return_sequences=True, dropout=0.1))(y)
    return K.Model(ids, K.layers.Dense(3)(K.layers.GlobalAveragePooling1D()(y)))


def images(K: Any) -> Any:
    image = K.Input((8, 8, 3))
    x = K.layers.RandomFlip()(K.layers.Resizing(6, 6)(image))
    x = K.layers.GaussianNoise(0.1)(K.layers.Conv2D(2, 3)(x))
    return K.Model(image, K.layers.Dense(1)(K.layers.Flatten()(x)))


def states(K: Any) -> Any:
    a = K.Input((5, 4))
    x, h, c = K.layers.LSTM(3, return_sequences=True, return_state=True)(a)
    y = K.layers.LSTM(3)(x, initial_state=[h, c])
    z, *finals = K.layers.Bidirectional(K.layers.GRU(2, return_state=True))(x)
    return K.Model(a, [y, z, finals[0], h])


GRAPHS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "two inputs": (two_inputs, [(4,), (4,)]),
    "dictionaries": (dictionaries, {"a": (4,), "b": (4,)}),
    "nested": (nested, (4,)),
    "attention": (attention, "ids"),
    "masked": (masked, "ids"),
    "image graph": (images, (8, 8, 3)),
    "states": (states, (5, 4)),
}
NAMES = [*STACKS, *GRAPHS]


def build(K: Any, name: str) -> Any:
    return stack(K, name) if name in STACKS else GRAPHS[name][0](K)


def data(name: str, rows: int = 3) -> Any:
    rng = np.random.default_rng(0)

    def one(shape: tuple[int, ...]) -> np.ndarray:
        return rng.normal(size=(rows, *shape)).astype("float32")

    if name in STACKS:
        shape, dtype, _ = STACKS[name]
        return rng.integers(0, 5, (rows, *shape)).astype(dtype) if dtype == "int32" else one(shape)
    shapes = GRAPHS[name][1]
    if shapes == "ids":
        return rng.integers(0, 5, (rows, 5)).astype("int32")
    if isinstance(shapes, dict):
        return {k: one(s) for k, s in shapes.items()}
    return [one(s) for s in shapes] if isinstance(shapes, list) else one(shapes)


def scramble(model: Any) -> None:
    rng = np.random.default_rng(1)
    model.set_weights([np.asarray(rng.uniform(0.1, 1.0, w.shape), np.float32) for w in model.get_weights()])


def same(got: Any, want: Any, tol: float = 2e-5) -> None:
    import jax

    got, want = jax.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want):
        np.testing.assert_allclose(np.asarray(g, np.float32), np.asarray(w, np.float32), rtol=max(1e-4, tol), atol=tol)


def tolerance(name: str) -> float:
    return 0.05 if name == "mixed precision" else 2e-5


@pytest.mark.parametrize("name", NAMES)
def test_keras_opens_our_files(name: str, tmp_path: Path) -> None:
    import keras

    keras.utils.clear_session()
    model, x = build(ex, name), data(name)
    scramble(model)
    want = model.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    same(keras.models.load_model(tmp_path / "m.keras").predict(x, verbose=0), want, tolerance(name))
    model.save_weights(tmp_path / "m.weights.h5")
    other = build(keras, name)
    other.load_weights(tmp_path / "m.weights.h5")
    same(other.predict(x, verbose=0), want, tolerance(name))


@pytest.mark.parametrize("name", NAMES)
def test_we_open_files_of_keras(name: str, tmp_path: Path) -> None:
    import keras

    keras.utils.clear_session()
    model, x = build(keras, name), data(name)
    scramble(model)
    want = model.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    same(ex.load_model(tmp_path / "m.keras").predict(x, verbose=0), want, tolerance(name))
    model.save_weights(tmp_path / "m.weights.h5")
    other = build(ex, name)
    other.load_weights(tmp_path / "m.weights.h5")
    same(other.predict(x, verbose=0), want, tolerance(name))


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda O: O.SGD(0.1, momentum=0.9),
    "Adam": lambda O: O.Adam(0.01),
    "AdamW": lambda O: O.AdamW(0.01, clipnorm=1.0, amsgrad=True),
    "RMSprop": lambda O: O.RMSprop(0.01, centered=True, momentum=0.5),
    "Nadam": lambda O: O.Nadam(0.01),
    "Adagrad": lambda O: O.Adagrad(0.1),
    "Adadelta": lambda O: O.Adadelta(0.5),
    "Adamax": lambda O: O.Adamax(0.01),
    "Ftrl": lambda O: O.Ftrl(0.1),
    "Lion": lambda O: O.Lion(0.01),
    "Lamb": lambda O: O.Lamb(0.01),
    "schedule": lambda O: O.Adam(O.schedules.CosineDecay(0.1, 20)),
    "ema": lambda O: O.SGD(0.1, use_ema=True, ema_momentum=0.8),
    "accumulation": lambda O: O.Adam(0.01, gradient_accumulation_steps=2),
}


def compiled(K: Any, name: str) -> Any:
    model = K.Sequential([K.Input((4,)), K.layers.Dense(3, activation="tanh"), K.layers.Dense(1)])
    model.compile(OPTIMIZERS[name](K.optimizers), loss=K.losses.Huber(), metrics=["mae"])
    return model


def fit_more(model: Any, epochs: int = 1) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(12, 4)).astype("float32")
    model.fit(x, x[:, :1], epochs=epochs, batch_size=4, shuffle=False, verbose=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("first", ["keras", "estimax"])
def test_training_goes_on_where_the_other_stopped(first: str, name: str, tmp_path: Path) -> None:
    import keras

    keras.utils.clear_session()
    if (first, name) == ("keras", "ema"):
        pytest.skip("Keras 3.15 cannot go on itself after a fit with averages")
    here, there = (keras, ex) if first == "keras" else (ex, keras)
    model = compiled(here, name)
    scramble(model)
    fit_more(model)
    model.save(tmp_path / "m.keras")
    loaded = there.models.load_model(tmp_path / "m.keras")
    for m in (model, loaded):
        fit_more(m, 2)
    for got, want in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5)
