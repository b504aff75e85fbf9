"""Layers that rearrange elements: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.input_spec import InputSpec, shape_error
from estimax.layers.shapes import data_format_of


@register("keras.layers")
class Flatten(Layer):
    """Makes one axis of all but the batch axis.

    Args:
        data_format: `"channels_last"` (default); with `"channels_first"` channels are moved last before.

    Inputs `[batch, ...]`, output `[batch, elements]`.

    Example:
        >>> import jax.numpy as jnp
        >>> Flatten()(jnp.ones((2, 3, 4))).shape
        (2, 12)

    Reference: keras.layers.Flatten.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Flattens."""
        if self.data_format == "channels_first" and inputs.ndim > 1:
            inputs = jnp.moveaxis(inputs, 1, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))


@register("keras.layers")
class Reshape(Layer):
    """Gives the elements of each row another shape.

    Args:
        target_shape: without the batch axis; one axis may be -1, whose size is then worked out.

    Inputs `[batch, ...]`, output `[batch, *target_shape]`.

    Raises:
        ValueError: if the number of elements differs.

    Example:
        >>> import jax.numpy as jnp
        >>> Reshape((3, -1))(jnp.ones((2, 12))).shape
        (2, 3, 4)

    Reference: keras.layers.Reshape.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.target_shape = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        sizes = [d for d in self.target_shape if d != -1]
        if any(not isinstance(d, int) or d < 0 for d in sizes) or len(self.target_shape) - len(sizes) > 1:
            raise ValueError(f"Reshape: target_shape: given {target_shape!r}, expected sizes, of which one may be -1.")

    def call(self, inputs: jax.Array) -> jax.Array:
        """Reshapes."""
        elements, wanted = math.prod(inputs.shape[1:]), math.prod(d for d in self.target_shape if d != -1)
        if elements != wanted if -1 not in self.target_shape else (wanted == 0 or elements % wanted):
            raise shape_error(self, f"elements that fill {self.target_shape}", inputs.shape)
        shape = tuple(elements // wanted if d == -1 else d for d in self.target_shape)
        return inputs.reshape(inputs.shape[0], *shape)


@register("keras.layers")
class Permute(Layer):
    """Reorders axes.

    Args:
        dims: for each output axis, the number of the input axis, counted from 1 without the batch axis.

    Raises:
        ValueError: if `dims` is not an order of `1 .. n`.

    Example:
        >>> import jax.numpy as jnp
        >>> Permute((2, 1))(jnp.ones((2, 3, 4))).shape
        (2, 4, 3)

    Reference: keras.layers.Permute.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"Permute: dims: given {dims!r}, expected each of 1..{len(self.dims)} once; the batch axis is not counted."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Reorders."""
        return jnp.transpose(inputs, (0, *self.dims))


@register("keras.layers")
class RepeatVector(Layer):
    """Repeats each row along a new axis.

    Args:
        n: how often.

    Inputs `[batch, features]`, output `[batch, n, features]`.

    Raises:
        TypeError: if `n` is not an integer.

    Example:
        >>> import jax.numpy as jnp
        >>> RepeatVector(3)(jnp.ones((2, 4))).shape
        (2, 3, 4)

    Reference: keras.layers.RepeatVector.
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"RepeatVector: n: given {n!r}, expected an integer.")
        if n < 1:
            raise ValueError(f"RepeatVector: n: given {n}, expected at least 1.")
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Repeats."""
        return jnp.repeat(inputs[:, None], self.n, axis=1)
