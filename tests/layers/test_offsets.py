from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax.layers.offsets import _native, convolve_channels_last


@pytest.mark.parametrize(
    "shape,kernel,strides,pads,dilation",
    [
        ((2, 9, 1), (3, 1, 4), (1,), [(2, 0)], (1,)),
        ((2, 7, 8, 1), (3, 2, 1, 4), (2, 1), "SAME", (1, 1)),
        ((2, 7, 8, 3), (3, 3, 3, 4), (1, 1), "VALID", (2, 1)),
        ((2, 7, 8, 6), (3, 3, 6, 4), (1, 2), "SAME", (1, 1)),
        ((1, 4, 5, 4, 2), (2, 2, 2, 2, 3), (1, 1, 1), "VALID", (1, 1, 1)),
    ],
)
def test_convolution_and_its_gradients_are_those_of_xla(
    shape: tuple, kernel: tuple, strides: tuple, pads: Any, dilation: tuple
) -> None:
    rng = np.random.default_rng(0)
    x, w = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in (shape, kernel))
    expected = _native(x, w, strides, pads, dilation)
    np.testing.assert_allclose(convolve_channels_last(x, w, strides, pads, dilation), expected, rtol=1e-5, atol=1e-5)
    weight = jnp.asarray(rng.normal(size=expected.shape), jnp.float32)
    ours, theirs = (
        jax.jit(jax.grad(lambda x, w, f=f: jnp.sum(f(x, w, strides, pads, dilation) * weight), argnums=(0, 1)))(x, w)
        for f in (convolve_channels_last, _native)
    )
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_convolution_is_differentiated_forward_and_by_rows() -> None:
    rng = np.random.default_rng(0)
    x, w = jnp.asarray(rng.normal(size=(3, 6, 2)), jnp.float32), jnp.asarray(rng.normal(size=(3, 2, 4)), jnp.float32)

    def f(x: jax.Array, w: jax.Array) -> jax.Array:
        return convolve_channels_last(x, w, (1,), "SAME", (1,))

    _, tangent = jax.jvp(f, (x, w), (x, w))
    np.testing.assert_allclose(tangent, 2 * f(x, w), rtol=1e-4, atol=1e-5)
    by_row = jax.vmap(lambda row: jax.grad(lambda w: jnp.sum(f(row[None], w)))(w))(x)
    np.testing.assert_allclose(by_row.sum(0), jax.grad(lambda w: jnp.sum(f(x, w)))(w), rtol=1e-4, atol=1e-4)
