"""Pooling over all positions, or into a fixed number of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.input_spec import InputSpec
from estimax.layers.shapes import data_format_of, sizes_of, spatial_axes


class _GlobalPooling(Layer):
    """What the classes of all ranks share."""

    rank: int

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = data_format_of(self, data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> tuple[int, ...]:
        return spatial_axes(self.data_format, self.rank)


class _GlobalMaxPooling(_GlobalPooling):
    def call(self, inputs: jax.Array) -> jax.Array:
        """Takes the largest of each channel."""
        return jnp.max(inputs, self._axes, keepdims=self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    def call(self, inputs: jax.Array) -> jax.Array:
        """Takes the mean of each channel."""
        return jnp.mean(inputs, self._axes, keepdims=self.keepdims)


@register("keras.layers")
class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The largest element of each channel of a sequence.

    Args:
        data_format: `"channels_last"` (default) or `"channels_first"`.
        keepdims: whether pooled axes stay, with size 1.

    Inputs `[batch, steps, channels]`, output `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> GlobalMaxPooling1D()(jnp.array([[[1.0], [3.0]]])).tolist()
        [[3.0]]

    Reference: keras.layers.GlobalMaxPooling1D.
    """

    rank = 1


@register("keras.layers")
class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The largest element of each channel of an image.

    Arguments are those of `GlobalMaxPooling1D`. Inputs `[batch, height, width, channels]`, output `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> GlobalMaxPooling2D()(jnp.ones((2, 4, 4, 3))).shape
        (2, 3)

    Reference: keras.layers.GlobalMaxPooling2D.
    """

    rank = 2


@register("keras.layers")
class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The largest element of each channel of a volume.

    Arguments are those of `GlobalMaxPooling1D`. Inputs `[batch, depth, height, width, channels]`, output `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> GlobalMaxPooling3D(keepdims=True)(jnp.ones((2, 4, 4, 4, 3))).shape
        (2, 1, 1, 1, 3)

    Reference: keras.layers.GlobalMaxPooling3D.
    """

    rank = 3


@register("keras.layers")
class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of each channel of a sequence, over the steps that a mask leaves.

    Args:
        data_format: `"channels_last"` (default) or `"channels_first"`.
        keepdims: whether pooled axes stay, with size 1.

    Inputs `[batch, steps, channels]`, output `[batch, channels]`. The mask is used up: the output carries none. A
    sequence of which the mask leaves no step gives 0.

    Example:
        >>> import jax.numpy as jnp
        >>> GlobalAveragePooling1D()(jnp.array([[[1.0], [3.0]]]), mask=jnp.array([[True, False]])).tolist()
        [[1.0]]

    Reference: keras.layers.GlobalAveragePooling1D.
    """

    rank = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: jax.Array, mask: Any = None) -> jax.Array:
        """Takes the mean of each channel over the steps that are there."""
        if mask is None:
            return super().call(inputs)
        (axis,) = self._axes
        weights = jnp.expand_dims(jnp.asarray(mask, inputs.dtype), 3 - axis)
        total = jnp.sum(inputs * weights, axis, keepdims=self.keepdims)
        # A sequence without a step gives 0, where Keras divides 0 by 0 and the NaN spoils every weight.
        return total / jnp.maximum(jnp.sum(weights, axis, keepdims=self.keepdims), 1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """The output carries no mask."""
        return None


@register("keras.layers")
class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of each channel of an image.

    Arguments are those of `GlobalAveragePooling1D`. Inputs `[batch, height, width, channels]`, output `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> GlobalAveragePooling2D()(jnp.ones((2, 4, 4, 3))).shape
        (2, 3)

    Reference: keras.layers.GlobalAveragePooling2D.
    """

    rank = 2


@register("keras.layers")
class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean of each channel of a volume.

    Arguments are those of `GlobalAveragePooling1D`. Inputs `[batch, depth, height, width, channels]`, output `[batch, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> GlobalAveragePooling3D()(jnp.ones((2, 4, 4, 4, 3))).shape
        (2, 3)

    Reference: keras.layers.GlobalAveragePooling3D.
    """

    rank = 3


# Keras's shorter names.
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D


class _AdaptivePooling(Layer):
    """Splits each axis of positions into `output_size` windows that cover it, and pools them axis by axis."""

    rank: int
    pool: Callable[..., jax.Array]

    def __init__(self, output_size: int | Sequence[int], data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.output_size = sizes_of(self, "output_size", output_size, self.rank)
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Pools each axis in turn."""
        for axis, size in zip(spatial_axes(self.data_format, self.rank), self.output_size):
            inputs = type(self).pool(inputs, axis, size)
        return inputs


def _windows(size: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """First and end of each window: output `i` covers `floor(i * size / outputs)` to `ceil((i + 1) * size / outputs)`."""
    i = np.arange(outputs)
    return i * size // outputs, -(-(i + 1) * size // outputs)


def adaptive_mean(x: jax.Array, axis: int, outputs: int) -> jax.Array:
    """The means of the windows, as a product with a matrix of weights."""
    first, end = _windows(x.shape[axis], outputs)
    place = np.arange(x.shape[axis])
    inside = (place >= first[:, None]) & (place < end[:, None])
    weights = jnp.asarray(inside / (end - first)[:, None], x.dtype)
    return jnp.moveaxis(jnp.tensordot(x, weights, ((axis,), (1,))), -1, axis)


def adaptive_max(x: jax.Array, axis: int, outputs: int) -> jax.Array:
    """The largest of each window; shorter windows repeat their last element."""
    first, end = _windows(x.shape[axis], outputs)
    places = np.minimum(first[:, None] + np.arange((end - first).max()), end[:, None] - 1)
    return jnp.max(jnp.take(x, jnp.asarray(places), axis), axis + 1)


class _AdaptiveAveragePooling(_AdaptivePooling):
    pool = staticmethod(adaptive_mean)


class _AdaptiveMaxPooling(_AdaptivePooling):
    pool = staticmethod(adaptive_max)


@register("keras.layers")
class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """The means of a fixed number of windows that cover a sequence, whatever its length.

    Args:
        output_size: number of windows.
        data_format: `"channels_last"` (default) or `"channels_first"`.

    Inputs `[batch, steps, channels]`, output `[batch, output_size, channels]`.

    Raises:
        ValueError: if `output_size` is not positive, or the input has another rank.

    Example:
        >>> import jax.numpy as jnp
        >>> AdaptiveAveragePooling1D(2)(jnp.array([[[1.0], [3.0], [5.0]]])).ravel().tolist()
        [2.0, 4.0]

    Reference: keras.layers.AdaptiveAveragePooling1D.
    """

    rank = 1


@register("keras.layers")
class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """The means of a fixed number of windows that cover an image, whatever its size.

    Arguments are those of `AdaptiveAveragePooling1D`, with one integer or a pair for the size.
    Inputs `[batch, height, width, channels]`, output `[batch, *output_size, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AdaptiveAveragePooling2D((2, 3))(jnp.ones((1, 5, 7, 4))).shape
        (1, 2, 3, 4)

    Reference: keras.layers.AdaptiveAveragePooling2D.
    """

    rank = 2


@register("keras.layers")
class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """The means of a fixed number of windows that cover a volume, whatever its size.

    Arguments are those of `AdaptiveAveragePooling1D`, with one integer or three for the size.
    Inputs `[batch, depth, height, width, channels]`, output `[batch, *output_size, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AdaptiveAveragePooling3D(2)(jnp.ones((1, 5, 7, 4, 3))).shape
        (1, 2, 2, 2, 3)

    Reference: keras.layers.AdaptiveAveragePooling3D.
    """

    rank = 3


@register("keras.layers")
class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """The largest elements of a fixed number of windows that cover a sequence, whatever its length.

    Arguments are those of `AdaptiveAveragePooling1D`. Inputs `[batch, steps, channels]`, output `[batch, output_size, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AdaptiveMaxPooling1D(2)(jnp.array([[[1.0], [3.0], [5.0]]])).ravel().tolist()
        [3.0, 5.0]

    Reference: keras.layers.AdaptiveMaxPooling1D.
    """

    rank = 1


@register("keras.layers")
class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """The largest elements of a fixed number of windows that cover an image, whatever its size.

    Arguments are those of `AdaptiveAveragePooling2D`. Inputs `[batch, height, width, channels]`, output `[batch, *output_size, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AdaptiveMaxPooling2D((2, 3))(jnp.ones((1, 5, 7, 4))).shape
        (1, 2, 3, 4)

    Reference: keras.layers.AdaptiveMaxPooling2D.
    """

    rank = 2


@register("keras.layers")
class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """The largest elements of a fixed number of windows that cover a volume, whatever its size.

    Arguments are those of `AdaptiveAveragePooling3D`. Inputs `[batch, depth, height, width, channels]`, output
    `[batch, *output_size, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> AdaptiveMaxPooling3D(2)(jnp.ones((1, 5, 7, 4, 3))).shape
        (1, 2, 2, 2, 3)

    Reference: keras.layers.AdaptiveMaxPooling3D.
    """

    rank = 3
