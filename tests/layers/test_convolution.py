"""Convolution and pooling against a plain NumPy loop, and their errors."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import layers
from estimax.core.errors import ShapeError

RNG = np.random.default_rng(0)


def slow_convolution(x, kernel, stride, dilation):
    """Valid convolution `[batch, h, w, c]` with `[a, b, c, f]`, one output at a time."""
    a, b, _, f = kernel.shape
    height = (x.shape[1] - (a - 1) * dilation - 1) // stride + 1
    width = (x.shape[2] - (b - 1) * dilation - 1) // stride + 1
    y = np.zeros((len(x), height, width, f))
    for i, j in itertools.product(range(height), range(width)):
        top, left = i * stride, j * stride
        window = x[:, top : top + (a - 1) * dilation + 1 : dilation, left : left + (b - 1) * dilation + 1 : dilation]
        y[:, i, j] = np.einsum("nabc,abcf->nf", window, kernel)
    return y


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_convolution_is_its_definition(stride, dilation):
    x = RNG.normal(size=(2, 7, 6, 3)).astype("float32")
    layer = layers.Conv2D(4, (3, 2), strides=stride, dilation_rate=dilation, use_bias=False)
    y = layer(x)
    np.testing.assert_allclose(y, slow_convolution(x, layer.kernel.numpy(), stride, dilation), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_both_data_formats_give_the_same(padding):
    x = RNG.normal(size=(2, 5, 6, 4)).astype("float32")
    first = np.moveaxis(x, -1, 1)
    pairs = [
        lambda **k: layers.Conv2D(4, 3, groups=2, padding=padding, **k),
        lambda **k: layers.Conv2DTranspose(4, 3, strides=2, padding=padding, **k),
        lambda **k: layers.DepthwiseConv2D(3, depth_multiplier=2, padding=padding, **k),
        lambda **k: layers.SeparableConv2D(3, 3, padding=padding, **k),
        lambda **k: layers.AveragePooling2D(2, padding=padding, **k),
    ]
    for make in pairs:
        last_layer, first_layer = make(), make(data_format="channels_first")
        y = last_layer(x)
        first_layer(first)
        first_layer.set_weights(last_layer.get_weights())
        np.testing.assert_allclose(np.moveaxis(first_layer(first), 1, -1), y, rtol=1e-4, atol=1e-5)


def test_transposed_convolution_is_the_gradient_of_convolution():
    import jax

    x, y = RNG.normal(size=(1, 9, 2)).astype("float32"), RNG.normal(size=(1, 4, 3)).astype("float32")
    kernel = jnp.asarray(RNG.normal(size=(3, 2, 3)).astype("float32"))
    down, up = layers.Conv1D(3, 3, strides=2, use_bias=False), layers.Conv1DTranspose(2, 3, strides=2, use_bias=False)
    down(x), up(y)
    down.kernel.assign(kernel)
    up.kernel.assign(kernel)
    _, pullback = jax.vjp(lambda x: down(x), jnp.asarray(x))
    np.testing.assert_allclose(up(y), pullback(jnp.asarray(y))[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: layers.Conv2D(0, 3), "filters: given 0"),
        (lambda: layers.Conv2D(3, 3, groups=2), "multiple of groups"),
        (lambda: layers.Conv2D(3, (3, 3, 3)), "kernel_size: given"),
        (lambda: layers.Conv2D(3, 3, strides=2, dilation_rate=2), "at most one above 1"),
        (lambda: layers.Conv2D(3, 3, padding="causal"), "padding: given 'causal'"),
        (lambda: layers.Conv1D(3, 3, padding="causal", data_format="channels_first"), "expects data_format"),
        (lambda: layers.Conv2D(3, 3, data_format="NHWC"), "data_format: given 'NHWC'"),
        (lambda: layers.Conv2DTranspose(3, 3, strides=2, output_padding=2), "output_padding: given 2"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier: given 0"),
        (lambda: layers.MaxPooling2D(0), "pool_size: given 0"),
        (lambda: layers.AdaptiveMaxPooling1D(0), "output_size: given 0"),
        (lambda: layers.Cropping2D(-1), "cropping: given -1"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "padding: given"),
        (lambda: layers.UpSampling2D(2, interpolation="cubic"), "interpolation: given 'cubic'"),
    ],
)
def test_wrong_arguments(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "match"),
    [
        (layers.Conv2D(3, 3), (1, 5, 5), "4 axes"),
        (layers.Conv2D(3, 3), (1, 2, 5, 1), "the extent of the kernel"),
        (layers.Conv2D(4, 3, groups=2), (1, 5, 5, 3), "a multiple of 2"),
        (layers.MaxPooling1D(4), (1, 2, 1), "the size of the window"),
        (layers.Cropping1D(1), (1, 2, 1), "more than 2 positions"),
    ],
)
def test_wrong_shapes(layer, shape, match):
    with pytest.raises(ShapeError, match=match):
        layer(jnp.ones(shape))


def test_adaptive_pooling_covers_every_position():
    x = RNG.normal(size=(1, 7, 1)).astype("float32")
    mean = np.asarray(layers.AdaptiveAveragePooling1D(3)(x)).ravel()
    np.testing.assert_allclose(mean, [x[0, 0:3].mean(), x[0, 2:5].mean(), x[0, 4:7].mean()], rtol=1e-5)
    largest = np.asarray(layers.AdaptiveMaxPooling1D(3)(x)).ravel()
    np.testing.assert_allclose(largest, [x[0, 0:3].max(), x[0, 2:5].max(), x[0, 4:7].max()], rtol=1e-6)
