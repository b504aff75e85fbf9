"""Layers that change the number of positions without weights: cropping, zero padding, upsampling, over 1, 2 or 3 axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.input_spec import InputSpec, shape_error
from estimax.layers.shapes import data_format_of, sizes_of, spatial_axes

# Numbers for both ends: one for all, one for each axis, or a pair for each axis.
Ends = int | Sequence[int] | Sequence[Sequence[int]]


def _ends(layer: Layer, argument: str, given: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """A checked pair for each axis."""
    pairs: Any = given
    if isinstance(given, int):
        pairs = ((given, given),) * rank
    elif rank == 1 and isinstance(given, (list, tuple)) and all(isinstance(n, int) for n in given):
        pairs = (given,) if len(given) == 2 else (tuple(given) * 2,)
    elif isinstance(given, (list, tuple)):
        pairs = tuple((n, n) if isinstance(n, int) else n for n in given)
    valid = isinstance(pairs, tuple) and len(pairs) == rank
    if not valid or any(
        not isinstance(p, (list, tuple)) or len(p) != 2 or any(not isinstance(n, int) or n < 0 for n in p) for p in pairs
    ):
        form = "an integer or a pair" if rank == 1 else f"an integer, {rank} integers, or {rank} pairs"
        raise ValueError(f"{type(layer).__name__}: {argument}: given {given!r}, expected {form}, each number at least 0.")
    return tuple((int(a), int(b)) for a, b in pairs)


class _Cropping(Layer):
    rank: int

    def __init__(self, cropping: Ends, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        pairs = _ends(self, "cropping", cropping, self.rank)
        self.cropping: Any = pairs[0] if self.rank == 1 else pairs
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._pairs = pairs

    def call(self, inputs: jax.Array) -> jax.Array:
        """Cuts both ends of each axis off."""
        index: list[Any] = [slice(None)] * inputs.ndim
        for axis, (first, last) in zip(spatial_axes(self.data_format, self.rank), self._pairs):
            if first + last >= inputs.shape[axis]:
                raise shape_error(self, f"more than {first + last} positions on axis {axis}, which are cut off", inputs.shape)
            index[axis] = slice(first, inputs.shape[axis] - last)
        return inputs[tuple(index)]


@register("keras.layers")
class Cropping1D(_Cropping):
    """Cuts steps off both ends of a sequence.

    Args:
        cropping: how many at both ends, or a pair.

    Inputs `[batch, steps, channels]`, output `[batch, fewer_steps, channels]`.

    Raises:
        ValueError: if a number is negative, or nothing would be left.

    Example:
        >>> import jax.numpy as jnp
        >>> Cropping1D((1, 0))(jnp.array([[[1.0], [2.0], [3.0]]])).ravel().tolist()
        [2.0, 3.0]

    Reference: keras.layers.Cropping1D.
    """

    rank = 1

    def __init__(self, cropping: Ends = (1, 1), **kwargs: Any):
        super().__init__(cropping, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "cropping": self.cropping}


@register("keras.layers")
class Cropping2D(_Cropping):
    """Cuts rows and columns off the borders of an image.

    Args:
        cropping: one number for all borders, one for each axis, or a pair for each axis.
        data_format: `"channels_last"` (default) or `"channels_first"`.

    Inputs `[batch, height, width, channels]`.

    Raises:
        ValueError: if a number is negative, or nothing would be left.

    Example:
        >>> import jax.numpy as jnp
        >>> Cropping2D(((1, 0), (1, 1)))(jnp.ones((1, 5, 5, 2))).shape
        (1, 4, 3, 2)

    Reference: keras.layers.Cropping2D.
    """

    rank = 2

    def __init__(self, cropping: Ends = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


@register("keras.layers")
class Cropping3D(_Cropping):
    """Cuts layers off the borders of a volume.

    Arguments are those of `Cropping2D`, for three axes. Inputs `[batch, depth, height, width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> Cropping3D(1)(jnp.ones((1, 5, 5, 5, 2))).shape
        (1, 3, 3, 3, 2)

    Reference: keras.layers.Cropping3D.
    """

    rank = 3

    def __init__(self, cropping: Ends = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class _ZeroPadding(Layer):
    rank: int

    def __init__(self, padding: Ends = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        pairs = _ends(self, "padding", padding, self.rank)
        self.padding: Any = pairs[0] if self.rank == 1 else pairs
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._pairs = pairs

    def call(self, inputs: jax.Array) -> jax.Array:
        """Puts zeros at both ends of each axis."""
        ends = [(0, 0)] * inputs.ndim
        for axis, pair in zip(spatial_axes(self.data_format, self.rank), self._pairs):
            ends[axis] = pair
        return jnp.pad(inputs, ends)


@register("keras.layers")
class ZeroPadding1D(_ZeroPadding):
    """Puts zeros at both ends of a sequence.

    Args:
        padding: how many at both ends, or a pair.
        data_format: `"channels_last"` (default) or `"channels_first"`.

    Inputs `[batch, steps, channels]`, output `[batch, more_steps, channels]`.

    Raises:
        ValueError: if a number is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> ZeroPadding1D((1, 0))(jnp.array([[[1.0], [2.0]]])).ravel().tolist()
        [0.0, 1.0, 2.0]

    Reference: keras.layers.ZeroPadding1D.
    """

    rank = 1


@register("keras.layers")
class ZeroPadding2D(_ZeroPadding):
    """Puts zeros around an image.

    Args:
        padding: one number for all borders, one for each axis, or a pair for each axis.
        data_format: `"channels_last"` (default) or `"channels_first"`.

    Inputs `[batch, height, width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> ZeroPadding2D(((1, 0), (1, 1)))(jnp.ones((1, 5, 5, 2))).shape
        (1, 6, 7, 2)

    Reference: keras.layers.ZeroPadding2D.
    """

    rank = 2


@register("keras.layers")
class ZeroPadding3D(_ZeroPadding):
    """Puts zeros around a volume.

    Arguments are those of `ZeroPadding2D`, for three axes. Inputs `[batch, depth, height, width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> ZeroPadding3D(1)(jnp.ones((1, 2, 2, 2, 2))).shape
        (1, 4, 4, 4, 2)

    Reference: keras.layers.ZeroPadding3D.
    """

    rank = 3


class _UpSampling(Layer):
    rank: int

    def __init__(self, size: int | Sequence[int] = 2, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._sizes = sizes_of(self, "size", size, self.rank)
        self.size: Any = size if self.rank == 1 else self._sizes
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeats each position."""
        for axis, times in zip(spatial_axes(self.data_format, self.rank), self._sizes):
            inputs = jnp.repeat(inputs, times, axis) if times > 1 else inputs
        return inputs


@register("keras.layers")
class UpSampling1D(_UpSampling):
    """Repeats each step of a sequence.

    Args:
        size: how often.

    Inputs `[batch, steps, channels]`, output `[batch, steps * size, channels]`.

    Raises:
        ValueError: if `size` is not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> UpSampling1D(2)(jnp.array([[[1.0], [2.0]]])).ravel().tolist()
        [1.0, 1.0, 2.0, 2.0]

    Reference: keras.layers.UpSampling1D.
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(size, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size}


_INTERPOLATIONS = {"bilinear": "bilinear", "bicubic": "bicubic", "lanczos3": "lanczos3", "lanczos5": "lanczos5"}


@register("keras.layers")
class UpSampling2D(_UpSampling):
    """Enlarges images by whole factors.

    Args:
        size: the factor, or one for each axis.
        data_format: `"channels_last"` (default) or `"channels_first"`.
        interpolation: `"nearest"` repeats; `"bilinear"`, `"bicubic"`, `"lanczos3"` and `"lanczos5"` interpolate.

    Inputs `[batch, height, width, channels]`.

    Raises:
        ValueError: if a factor is not positive, or the interpolation is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> UpSampling2D((2, 3))(jnp.ones((1, 2, 2, 4))).shape
        (1, 4, 6, 4)

    Reference: keras.layers.UpSampling2D.
    """

    rank = 2

    def __init__(
        self, size: int | Sequence[int] = 2, data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ):
        super().__init__(size, data_format, **kwargs)
        name = interpolation.lower() if isinstance(interpolation, str) else interpolation
        if name != "nearest" and name not in _INTERPOLATIONS:
            known = ", ".join(map(repr, ("nearest", *_INTERPOLATIONS)))
            raise ValueError(f"UpSampling2D: interpolation: given {interpolation!r}, expected one of {known}.")
        self.interpolation = name

    def call(self, inputs: jax.Array) -> jax.Array:
        """Enlarges."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        shape = list(inputs.shape)
        for axis, times in zip(spatial_axes(self.data_format, 2), self._sizes):
            shape[axis] *= times
        return jax.image.resize(inputs, shape, _INTERPOLATIONS[self.interpolation], antialias=False)


@register("keras.layers")
class UpSampling3D(_UpSampling):
    """Repeats each position of a volume along three axes.

    Args:
        size: how often, or a number for each axis.
        data_format: `"channels_last"` (default) or `"channels_first"`.

    Inputs `[batch, depth, height, width, channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> UpSampling3D((2, 1, 2))(jnp.ones((1, 2, 2, 2, 4))).shape
        (1, 4, 2, 4, 4)

    Reference: keras.layers.UpSampling3D.
    """

    rank = 3
