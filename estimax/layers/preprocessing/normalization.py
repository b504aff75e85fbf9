"""Normalization: features shifted and scaled by the mean and variance of a data set."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import register
from estimax.core.errors import ShapeError
from estimax.layers.base import Layer
from estimax.layers.input_spec import layer_title
from estimax.layers.preprocessing.encoding import batches_of

EPSILON = 1e-7


@register("keras.layers")
class Normalization(Layer):
    """`(x - mean) / sqrt(variance)`, with numbers that are given or found by `adapt`.

    Args:
        axis: the axes whose positions have a mean and variance of their own; None for one of each.
        mean, variance: the numbers, if they are known. Shape of the kept axes, or scalars.
        invert: whether to compute `x * sqrt(variance) + mean` instead.

    Raises:
        ValueError: if only one of `mean` and `variance` is given, or their shapes differ or don't fit the axes.

    Example:
        >>> import numpy as np
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[5.0]])).tolist()
        [[3.0]]

    Reference: keras.layers.Normalization.
    """

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"Normalization: given mean={mean!r} and variance={variance!r}, expected both or none (then call adapt)."
            )
        if np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"Normalization: given mean of shape {np.shape(mean)} and variance of shape {np.shape(variance)}, expected equal shapes."
            )
        if mean is not None and np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"Normalization: mean: given {np.ndim(mean)} axes, expected at most {len(self.axis)}, as axis={self.axis}."
            )
        self.input_mean, self.input_variance = mean, variance
        self.invert = invert
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Creates `mean`, `variance` and `count`, if they are to be found by `adapt`."""
        shape = tuple(input_shape)
        kept = sorted(a + len(shape) if a < 0 else a for a in self.axis)
        if any(not 0 <= a < len(shape) for a in kept):
            raise ShapeError(
                f"{layer_title(self)}: axis {self.axis} is not in an input of shape {shape}. Give axes of the input."
            )
        if any(shape[a] is None for a in kept):
            raise ShapeError(
                f"{layer_title(self)}: expected known sizes on axes {self.axis}, given shape {shape}. Pass them to Input."
            )
        self._kept = tuple(kept)
        self._broadcast = tuple(size if a in kept else 1 for a, size in enumerate(shape))
        if self.input_mean is None:
            sizes = tuple(shape[a] for a in kept)
            self.adapt_mean = self.add_weight(sizes, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(sizes, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", "int32", trainable=False, name="count")

    def adapt(self, data: Any) -> None:
        """Finds mean and variance of a data set.

        Args:
            data: an array, or an iterable of batches.

        Raises:
            ValueError: if mean and variance were given, or a batch has another shape than before.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"{layer_title(self)}: adapt: mean and variance were given, so there is nothing to find. Leave them out."
            )
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for batch in batches_of(data):
            batch = np.asarray(batch, np.float64)
            if not self.built:
                self.build(batch.shape)
            reduced = tuple(a for a in range(batch.ndim) if a not in self._kept)
            if batch.ndim != len(self._broadcast) or any(batch.shape[a] != self._broadcast[a] for a in self._kept):
                raise ShapeError(
                    f"{layer_title(self)}: adapt: given a batch of shape {batch.shape}, expected {self._broadcast} (1: any)."
                )
            # Chan et al.: means and sums of squared differences of two parts merge exactly.
            size = int(np.prod([batch.shape[a] for a in reduced]))
            batch_mean = batch.mean(reduced)
            difference = batch_mean - mean
            total = count + size
            squares = (
                squares + ((batch - np.expand_dims(batch_mean, reduced)) ** 2).sum(reduced) + difference**2 * count * size / total
            )
            mean = mean + difference * size / total
            count = total
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(squares / count)

    @property
    def mean(self) -> jax.Array:
        """The mean, with axes of size 1 for those of the input that share it."""
        return self._stretched(self.input_mean if self.input_mean is not None else self.adapt_mean.value)

    @property
    def variance(self) -> jax.Array:
        """The variance, with axes of size 1 for those of the input that share it."""
        return self._stretched(self.input_variance if self.input_mean is not None else self.adapt_variance.value)

    def _stretched(self, value: Any) -> jax.Array:
        value = jnp.asarray(value, self.compute_dtype)
        shape = [1] * len(self._broadcast)
        for axis, size in zip(self._kept[len(self._kept) - value.ndim :], value.shape):
            shape[axis] = size
        return jnp.broadcast_to(value.reshape(shape), self._broadcast)

    def call(self, inputs: Any) -> jax.Array:
        """Shifts and scales."""
        x = jnp.asarray(inputs).astype(self.compute_dtype)
        scale = jnp.maximum(jnp.sqrt(self.variance), EPSILON)
        return self.mean + x * scale if self.invert else (x - self.mean) / scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; what `adapt` found is in the weights."""
        as_plain = lambda v: None if v is None else np.asarray(v).tolist()  # noqa: E731
        config = {"axis": self.axis, "invert": self.invert}
        return {**super().get_config(), **config, "mean": as_plain(self.input_mean), "variance": as_plain(self.input_variance)}
