from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax.layers import MaxPooling1D, MaxPooling2D, MaxPooling3D


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "layer,size,strides,shape",
    [
        (MaxPooling1D, 3, 2, (2, 9, 3)),
        (MaxPooling2D, 2, None, (2, 7, 5, 3)),
        (MaxPooling2D, (3, 2), (1, 2), (2, 7, 8, 3)),
        (MaxPooling3D, 2, None, (1, 4, 5, 4, 3)),
    ],
)
def test_the_gradient_of_max_pooling_is_that_of_xla_also_where_elements_are_equal(
    layer: type, size: object, strides: object, shape: tuple[int, ...], data_format: str, padding: str
) -> None:
    pool = layer(size, strides, padding, data_format)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.integers(-2, 3, shape), jnp.float32)  # few values, so that many are equal
    weight = jnp.asarray(rng.normal(size=pool(x).shape), jnp.float32)

    def expected(x: jax.Array) -> jax.Array:
        sizes, steps, pads = pool._windows()
        return jnp.sum(jax.lax.reduce_window(x, -np.inf, jax.lax.max, sizes, steps, pads) * weight)

    np.testing.assert_allclose(jax.grad(lambda x: jnp.sum(pool(x) * weight))(x), jax.grad(expected)(x), rtol=1e-6, atol=1e-6)


def test_max_pooling_is_differentiated_forward_and_twice() -> None:
    pool = MaxPooling2D()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 4, 1)), jnp.float32)
    _, tangent = jax.jvp(pool, (x,), (2 * x,))
    np.testing.assert_allclose(tangent, 2 * pool(x))
    second = jax.hessian(lambda x: jnp.sum(pool(x) ** 2))(x).reshape(16, 16)
    assert float(jnp.trace(second)) == 8.0


def test_the_compiled_gradient_of_max_pooling_has_no_scatter() -> None:
    pool = MaxPooling2D()
    compiled = jax.jit(jax.grad(lambda x: jnp.sum(pool(x)))).lower(jnp.ones((2, 8, 8, 3))).as_text()
    assert "select_and_scatter" not in compiled
