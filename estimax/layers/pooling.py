"""Pooling over windows of 1, 2 or 3 axes: the largest or the mean of each window."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.input_spec import InputSpec, shape_error
from estimax.layers.shapes import data_format_of, padding_of, sizes_of


class _Pooling(Layer):
    """What the classes of all ranks share."""

    rank: int

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.pool_size = sizes_of(self, "pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else sizes_of(self, "strides", strides, self.rank)
        self.padding = padding_of(self, padding)
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _windows(self) -> tuple[tuple[int, ...], tuple[int, ...], str]:
        """Size, stride and padding of windows over all axes, batch and channels included."""

        def whole(sizes: tuple[int, ...]) -> tuple[int, ...]:
            return (1, *sizes, 1) if self.data_format == "channels_last" else (1, 1, *sizes)

        return whole(self.pool_size), whole(self.strides), self.padding.upper()

    def _checked(self, x: jax.Array, y: jax.Array) -> jax.Array:
        if 0 in y.shape and 0 not in x.shape:
            raise shape_error(self, f"at least {self.pool_size} positions, the size of the window", x.shape)
        return y


class _MaxPooling(_Pooling):
    def call(self, inputs: jax.Array) -> jax.Array:
        """Takes the largest of each window."""
        windows = self._windows()
        pool = _largest_by_offsets if math.prod(self.pool_size) <= _OFFSETS else _largest
        return self._checked(inputs, pool(inputs, *windows))


# Windows of at most so many elements are differentiated offset by offset: XLA's own way, a scatter, took 25 times longer on a CPU
# (2 by 2 windows of [64, 26, 26, 16]: 20 ms against 0.9 ms).
_OFFSETS = 32


def _largest(x: jax.Array, sizes: tuple[int, ...], strides: tuple[int, ...], padding: str) -> jax.Array:
    # A NumPy scalar: JAX differentiates windows only if it sees that they start from the neutral element.
    return jax.lax.reduce_window(x, _lowest(x.dtype), jax.lax.max, sizes, strides, padding)


def _lowest(dtype: Any) -> Any:
    return np.array(-np.inf if jnp.issubdtype(dtype, jnp.floating) else np.iinfo(dtype).min, dtype)[()]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _largest_by_offsets(x: jax.Array, sizes: tuple[int, ...], strides: tuple[int, ...], padding: str) -> jax.Array:
    return _largest(x, sizes, strides, padding)


@_largest_by_offsets.defjvp
def _largest_by_offsets_jvp(
    sizes: tuple[int, ...], strides: tuple[int, ...], padding: str, primals: tuple, tangents: tuple
) -> tuple[jax.Array, jax.Array]:
    """The tangent of a window is that of its largest element, the first one if several are equal."""
    (x,), (dx,) = primals, tangents
    y = _largest_by_offsets(x, sizes, strides, padding)
    borders = [(low, high, 0) for low, high in jax.lax.padtype_to_pads(x.shape, sizes, strides, padding)]
    x = jax.lax.pad(x, jnp.asarray(_lowest(x.dtype)), borders)
    dx = jax.lax.pad(dx, jnp.zeros((), dx.dtype), borders)
    dy, is_open = jnp.zeros(y.shape, dx.dtype), jnp.ones(y.shape, bool)
    for offset in itertools.product(*map(range, sizes)):
        end = [o + s * (n - 1) + 1 for o, s, n in zip(offset, strides, y.shape)]
        here = is_open & (jax.lax.slice(x, offset, end, strides) == y)
        dy = jnp.where(here, jax.lax.slice(dx, offset, end, strides), dy)
        is_open = is_open & ~here
    return y, dy


class _AveragePooling(_Pooling):
    def call(self, inputs: jax.Array) -> jax.Array:
        """Takes the mean of each window, without padding."""
        windows, zero = self._windows(), np.zeros((), inputs.dtype)[()]
        total = self._checked(inputs, jax.lax.reduce_window(inputs, zero, jax.lax.add, *windows))
        if self.padding == "valid":
            count = 1
            for size in self.pool_size:
                count *= size
            return total / jnp.asarray(count, inputs.dtype)
        ones = jnp.ones(
            (1, *inputs.shape[1:-1], 1) if self.data_format == "channels_last" else (1, 1, *inputs.shape[2:]), inputs.dtype
        )
        return total / jax.lax.reduce_window(ones, zero, jax.lax.add, *windows)


@register("keras.layers")
class MaxPooling1D(_MaxPooling):
    """The largest element of each window of steps.

    Args:
        pool_size: steps of a window.
        strides: distance between windows; `pool_size` by default.
        padding: `"valid"` (whole windows only) or `"same"`.
        data_format: `"channels_last"` (default) or `"channels_first"`.

    Inputs `[batch, steps, channels]`, output `[batch, new_steps, channels]`.

    Raises:
        ValueError: if an argument is out of range, or the input has another rank.

    Example:
        >>> import jax.numpy as jnp
        >>> MaxPooling1D(2)(jnp.array([[[1.0], [3.0], [2.0], [0.0]]])).ravel().tolist()
        [3.0, 2.0]

    Reference: keras.layers.MaxPooling1D.
    """

    rank = 1


@register("keras.layers")
class MaxPooling2D(_MaxPooling):
    """The largest element of each window of positions of an image.

    Arguments are those of `MaxPooling1D`, with one integer or a pair for sizes and strides.

    Inputs `[batch, height, width, channels]`, output `[batch, new_height, new_width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> MaxPooling2D()(jnp.ones((1, 4, 6, 3))).shape
        (1, 2, 3, 3)

    Reference: keras.layers.MaxPooling2D.
    """

    rank = 2


@register("keras.layers")
class MaxPooling3D(_MaxPooling):
    """The largest element of each window of positions of a volume.

    Arguments are those of `MaxPooling1D`, with one integer or three for sizes and strides.

    Inputs `[batch, depth, height, width, channels]`, output `[batch, new_depth, new_height, new_width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> MaxPooling3D()(jnp.ones((1, 4, 4, 6, 3))).shape
        (1, 2, 2, 3, 3)

    Reference: keras.layers.MaxPooling3D.
    """

    rank = 3


@register("keras.layers")
class AveragePooling1D(_AveragePooling):
    """The mean of each window of steps; padding does not count.

    Arguments are those of `MaxPooling1D`.

    Inputs `[batch, steps, channels]`, output `[batch, new_steps, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AveragePooling1D(2)(jnp.array([[[1.0], [3.0], [2.0], [0.0]]])).ravel().tolist()
        [2.0, 1.0]

    Reference: keras.layers.AveragePooling1D.
    """

    rank = 1


@register("keras.layers")
class AveragePooling2D(_AveragePooling):
    """The mean of each window of positions of an image; padding does not count.

    Arguments are those of `MaxPooling1D`, with one integer or a pair for sizes and strides.

    Inputs `[batch, height, width, channels]`, output `[batch, new_height, new_width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AveragePooling2D()(jnp.ones((1, 4, 6, 3))).shape
        (1, 2, 3, 3)

    Reference: keras.layers.AveragePooling2D.
    """

    rank = 2


@register("keras.layers")
class AveragePooling3D(_AveragePooling):
    """The mean of each window of positions of a volume; padding does not count.

    Arguments are those of `MaxPooling1D`, with one integer or three for sizes and strides.

    Inputs `[batch, depth, height, width, channels]`, output `[batch, new_depth, new_height, new_width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AveragePooling3D()(jnp.ones((1, 4, 4, 6, 3))).shape
        (1, 2, 2, 3, 3)

    Reference: keras.layers.AveragePooling3D.
    """

    rank = 3


# Keras's shorter names.
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
