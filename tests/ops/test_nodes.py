"""The functions on symbolic tensors: shapes, values, saving, and a file that Keras 3 wrote."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from estimax import Input, Model, Variable, layers, load_model, ops

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)

NODES = {
    "mean": lambda x: ops.mean(x, axis=1),
    "concatenate": lambda x: ops.concatenate([x, x], axis=-1),
    "stack": lambda x: ops.stack([x, 2 * x], axis=1),
    "where": lambda x: ops.where(x > 0, x, 0.0),
    "average": lambda x: ops.average(x, axis=1, weights=np.arange(4.0)),
    "einsum": lambda x: ops.einsum("bij,bkj->bik", x, x),
    "reshape": lambda x: ops.reshape(x, (ops.shape(x)[0], -1)),
    "split": lambda x: ops.split(x, 3, axis=-1)[1],
    "take": lambda x: ops.take(x, [0, 2], axis=1),
    "take_along_axis": lambda x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1),
    "cast": lambda x: ops.cast(x, "int32"),
    "clip": lambda x: ops.clip(x, x_min=-0.5, x_max=0.5),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)), constant_values=1.0),
    "meshgrid": lambda x: ops.meshgrid(x[0, :, 0], x[0, :, 1])[1],
    "top_k": lambda x: ops.top_k(x, k=2)[0],
    "layer_normalization": lambda x: ops.layer_normalization(x, gamma=np.ones(3, np.float32)),
    "attention": lambda x: ops.dot_product_attention(*[x[:, :, None]] * 3, mask=np.tri(4, dtype=bool)[None, None]),
    "rearrange": lambda x: ops.rearrange(x, "b (h w) c -> b h (w c)", h=2),
    "conv": lambda x: ops.conv(x, np.ones((2, 3, 5), np.float32), padding="same"),
    "max_pool": lambda x: ops.max_pool(x, 2),
    "resize": lambda x: ops.image.resize(x[..., None], (8, 6)),
    "fft": lambda x: ops.fft((x, x))[1],
    "cumsum": lambda x: ops.cumsum(x, axis=1),
    "norm": lambda x: ops.norm(x, axis=-1, keepdims=True),
    "full_like": lambda x: ops.full_like(x, 2.0),
    "slice": lambda x: ops.slice(x, (0, 1, 0), (1, 2, 3)),
    "unstack": lambda x: ops.unstack(x, axis=1)[3],
}


def model_of_all() -> Model:
    x = Input((4, 3), name="x")
    return Model(x, {name: make(x) for name, make in NODES.items()})


def test_nodes_have_the_shapes_and_values_of_arrays(tmp_path) -> None:  # noqa: ANN001
    model = model_of_all()
    outputs = model(X)
    model.save(tmp_path / "nodes.keras")
    again = load_model(tmp_path / "nodes.keras")(X)
    compiled = jax.jit(lambda x: {name: make(x) for name, make in NODES.items()})(X)
    for name, make in NODES.items():
        eager = np.asarray(make(X))
        symbolic = model.output[name]
        assert len(symbolic.shape) == eager.ndim and all(d in (None, n) for d, n in zip(symbolic.shape, eager.shape)), name
        for found in (outputs[name], again[name], compiled[name]):
            np.testing.assert_allclose(np.asarray(found), eager, rtol=2e-5, atol=2e-5, err_msg=name)


def test_configs_have_keras_names() -> None:
    x = Input((4, 3), name="x")
    config = Model(x, ops.average(ops.layer_normalization(x), axis=1, weights=[1.0, 1, 1, 1])).get_config()
    found = [(c["module"], c["class_name"], c["registered_name"]) for c in config["layers"][1:]]
    assert found == [("keras.src.ops.nn", "LayerNorm", "LayerNorm"), ("keras.src.ops.numpy", "Average", "Average")]


def test_functions_work_in_own_layers_and_train() -> None:
    class Standardize(layers.Layer):
        def build(self, input_shape):  # noqa: ANN001, ANN202
            self.scale = self.add_weight((input_shape[-1],), initializer="ones", name="scale")

        def call(self, inputs):  # noqa: ANN001, ANN202
            mean, variance = ops.moments(inputs, axes=[1], keepdims=True)
            return (inputs - mean) * ops.rsqrt(variance + 1e-6) * self.scale

    x = Input((4, 3))
    net = ops.reshape(Standardize()(x), (-1, 12))
    model = Model(x, ops.squeeze(layers.Dense(1)(ops.relu(net)), axis=-1))
    model.compile("sgd", "mse")
    history = model.fit(X, np.ones(2, np.float32), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert isinstance(model.layers[1].scale, Variable)


def test_what_depends_on_values_is_no_node() -> None:
    x = Input((3,))
    for call in (lambda: ops.nonzero(x), lambda: ops.unique(x)):
        with pytest.raises(ValueError, match="the shape of the result depends on them"):
            call()
    with pytest.raises(TypeError, match="which has no values"):
        ops.convert_to_numpy(x)
    assert ops.ndim(x) == 2 and ops.shape(x) == (None, 3) and ops.unique(x, size=2).shape == (2,)


def test_a_file_of_keras_opens() -> None:
    from pathlib import Path

    folder = Path(__file__).parent
    model = load_model(folder / "written_by_keras.keras")
    kept = np.load(folder / "written_by_keras.npz")
    outputs = model([kept[f"arr_{i}"] for i in range(3)])
    assert len(outputs) > 60
    for name, value in outputs.items():
        np.testing.assert_allclose(np.asarray(value, np.float64), kept[name], rtol=1e-4, atol=1e-5, err_msg=name)
