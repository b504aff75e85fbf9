"""Moving pixels: the one warp behind all geometric layers, and blurring."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

INTERPOLATIONS = {"nearest": 0, "bilinear": 1}
FILL_MODES = ("reflect", "wrap", "constant", "nearest")


@functools.partial(jax.jit, static_argnames=("interpolation", "fill_mode", "fill_value"), inline=True)
def sample(images: jax.Array, y: jax.Array, x: jax.Array, *, interpolation: str, fill_mode: str, fill_value: Any) -> jax.Array:
    """Pixels at fractional places.

    Args:
        images: `[batch, height, width, channels]`.
        y, x: places. Shape `[batch, out_height, out_width]`.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: what lies outside: `"reflect"`, `"wrap"`, `"constant"`, `"nearest"`, `"mirror"`.
        fill_value: for `"constant"`.

    Returns:
        `[batch, out_height, out_width, channels]`.
    """

    def channel(plane: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
        return jax.scipy.ndimage.map_coordinates(plane, [y, x], INTERPOLATIONS[interpolation], fill_mode, fill_value)

    image = jax.vmap(channel, in_axes=(-1, None, None), out_axes=-1)
    return jax.vmap(image)(images, y, x)


def grid(height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """Row and column of each pixel, with a batch axis in front. Shape `[1, height, width]`."""
    y, x = jnp.meshgrid(jnp.arange(height, dtype=jnp.float32), jnp.arange(width, dtype=jnp.float32), indexing="ij")
    return y[None], x[None]


def affine(images: jax.Array, matrix: jax.Array, **options: Any) -> jax.Array:
    """Each output pixel `(x, y)` is the input at `(a0 x + a1 y + a2, b0 x + b1 y + b2)`.

    Args:
        images: `[batch, height, width, channels]`.
        matrix: `[batch, 6]`: a0, a1, a2, b0, b1, b2.
        options: of `sample`.
    """
    y, x = grid(*images.shape[1:3])
    a0, a1, a2, b0, b1, b2 = (matrix[:, i, None, None].astype(jnp.float32) for i in range(6))
    return sample(images, b0 * x + b1 * y + b2, a0 * x + a1 * y + a2, **options)


def perspective(images: jax.Array, start: jax.Array, end: jax.Array, **options: Any) -> jax.Array:
    """The projection that moves four points `start` to `end`. Points `[batch, 4, 2]` as (x, y); options of `sample`."""
    sx, sy, ex, ey = start[..., 0], start[..., 1], end[..., 0], end[..., 1]
    one, zero = jnp.ones_like(ex), jnp.zeros_like(ex)
    rows_x = jnp.stack([ex, ey, one, zero, zero, zero, -sx * ex, -sx * ey], -1)
    rows_y = jnp.stack([zero, zero, zero, ex, ey, one, -sy * ex, -sy * ey], -1)
    equations, values = jnp.concatenate([rows_x, rows_y], 1), jnp.concatenate([sx, sy], 1)
    h = jnp.linalg.solve(equations, values[..., None])[..., 0]
    h = [h[:, i, None, None] for i in range(8)]
    y, x = grid(*images.shape[1:3])
    depth = h[6] * x + h[7] * y + 1
    return sample(images, (h[3] * x + h[4] * y + h[5]) / depth, (h[0] * x + h[1] * y + h[2]) / depth, **options)


def depthwise(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Every channel convolved with one kernel `[height, width]`; zeros outside, the size stays."""
    channels = images.shape[-1]
    kernel = jnp.broadcast_to(kernel[:, :, None, None], (*kernel.shape, 1, channels)).astype(images.dtype)
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=channels)


def gaussian_kernel(size: tuple[int, int], sigma: jax.Array) -> jax.Array:
    """A Gaussian of `size` and `sigma`, both as (width, height), with sum 1. Shape `[height, width]`."""

    def line(n: int, s: jax.Array) -> jax.Array:
        weights = jnp.exp(-0.5 * ((jnp.arange(n) - (n - 1) / 2) / s) ** 2)
        return weights / weights.sum()

    return jnp.outer(line(size[1], sigma[1]), line(size[0], sigma[0]))
