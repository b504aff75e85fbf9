"""Normalization within each row: layer, group, root mean square, unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax import initializers
from estimax.core import Variable, register
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import InputSpec, shape_error


def _wide(x: jax.Array) -> jax.Array:
    """At least float32: squares and sums of many 16-bit numbers lose too much."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _axes(layer: Layer, axis: int | Sequence[int], shape: Sequence[int | None]) -> tuple[int, ...]:
    """Axes counted from the front, in order; each must exist and have a known size."""
    rank = len(shape)
    given = [axis] if isinstance(axis, int) else list(axis)
    for a in given:
        if not -rank <= a < rank or shape[a] is None:
            raise shape_error(layer, f"a known size on axis {a}", tuple(shape), "Pass axis= of the features.")
    return tuple(sorted(a % rank for a in given))


class _ScaledAndShifted(Layer):
    """Has the weights `gamma` and `beta`, and the arguments that concern them."""

    def __init__(
        self,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.center, self.scale = center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizer_of(beta_regularizer)
        self.gamma_regularizer = regularizer_of(gamma_regularizer)
        self.beta_constraint = constraint_of(beta_constraint)
        self.gamma_constraint = constraint_of(gamma_constraint)
        self.supports_masking = True
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def _add_weights(self, shape: tuple[int, ...], *, gamma: bool, beta: bool) -> None:
        for name, wanted in (("gamma", gamma), ("beta", beta)):
            if wanted:
                variable = self.add_weight(
                    shape,
                    getattr(self, f"{name}_initializer"),
                    name=name,
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                    autocast=False,
                )
                setattr(self, name, variable)

    def _scale_and_shift(self, x: jax.Array, shape: Sequence[int]) -> jax.Array:
        """`x * gamma + beta`, with the weights in a shape that broadcasts with `x`."""
        if self.gamma is not None:
            x = x * self.gamma.value.astype(x.dtype).reshape(shape)
        if self.beta is not None:
            x = x + self.beta.value.astype(x.dtype).reshape(shape)
        return x.astype(self.compute_dtype)


@register("keras.layers")
class LayerNormalization(_ScaledAndShifted):
    """Scales the features of each row to mean 0 and variance 1.

    Args:
        axis: of the features; several are normalized together.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether the result is multiplied by `gamma`.
        beta_initializer, gamma_initializer: first values.
        beta_regularizer, gamma_regularizer: penalties.
        beta_constraint, gamma_constraint: applied after each update.
        rms_scaling: divides by the standard deviation without subtracting the mean, and multiplies by `gamma` only.

    Raises:
        ValueError: if the input has no such axis.

    Example:
        >>> import jax.numpy as jnp
        >>> LayerNormalization(epsilon=0.0)(jnp.array([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]

    Reference: keras.layers.LayerNormalization; Ba et al., arXiv:1607.06450.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ):
        super().__init__(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        self.axis = [axis] if isinstance(axis, int) else sorted(axis)
        self.epsilon = epsilon
        self.rms_scaling = rms_scaling

    def build(self, input_shape: Any) -> None:
        """Creates `gamma` and `beta` of the shape of the normalized axes."""
        axes = _axes(self, self.axis, input_shape)
        shape = tuple(input_shape[a] for a in axes)
        self._add_weights(shape, gamma=self.scale or self.rms_scaling, beta=self.center and not self.rms_scaling)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={a: input_shape[a] for a in axes})

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalizes."""
        x = _wide(inputs)
        axes = tuple(a % x.ndim for a in self.axis)
        mean = jnp.mean(x, axes, keepdims=True)
        centered = x - mean
        factor = jax.lax.rsqrt(jnp.mean(jnp.square(centered), axes, keepdims=True) + self.epsilon)
        y = (x if self.rms_scaling else centered) * factor
        return self._scale_and_shift(y, [d if a in axes else 1 for a, d in enumerate(x.shape)])


@register("keras.layers")
class GroupNormalization(_ScaledAndShifted):
    """Splits the channels of each row into groups and scales each group to mean 0 and variance 1.

    Args:
        groups: number of groups; -1 makes each channel its own group (instance normalization), 1 takes all together.
        axis: of the channels.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether the result is multiplied by `gamma`.
        beta_initializer, gamma_initializer: first values.
        beta_regularizer, gamma_regularizer: penalties.
        beta_constraint, gamma_constraint: applied after each update.

    Raises:
        ValueError: if the number of channels is no multiple of `groups`.

    Example:
        >>> import jax.numpy as jnp
        >>> GroupNormalization(groups=2, epsilon=0.0)(jnp.array([[1.0, 3.0, 5.0, 9.0]])).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]

    Reference: keras.layers.GroupNormalization; Wu and He, arXiv:1803.08494.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        if not isinstance(groups, int) or groups == 0 or groups < -1:
            raise ValueError(
                f"GroupNormalization: groups: given {groups!r}, expected a positive integer, or -1 for each channel."
            )
        self.groups = groups
        self.axis = axis
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Creates `gamma` and `beta`, each `[channels]`."""
        (axis,) = _axes(self, self.axis, input_shape)
        channels = input_shape[axis]
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups:
            raise shape_error(self, f"a multiple of {self.groups} (groups) on axis {self.axis}", tuple(input_shape))
        self._add_weights((channels,), gamma=self.scale, beta=self.center)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalizes."""
        x = _wide(inputs)
        axis = self.axis % x.ndim
        channels = x.shape[axis]
        grouped = x.reshape(*x.shape[:axis], self.groups, channels // self.groups, *x.shape[axis + 1 :])
        axes = tuple(a for a in range(1, grouped.ndim) if a != axis)
        centered = grouped - jnp.mean(grouped, axes, keepdims=True)
        y = centered * jax.lax.rsqrt(jnp.mean(jnp.square(centered), axes, keepdims=True) + self.epsilon)
        return self._scale_and_shift(y.reshape(x.shape), [d if a == axis else 1 for a, d in enumerate(x.shape)])


@register("keras.layers")
class RMSNormalization(Layer):
    """Divides the features of each row by their root mean square, and multiplies by a trained `scale`.

    Args:
        axis: of the features; several are normalized together.
        epsilon: added to the mean square.

    Raises:
        ValueError: if the input has no such axis.

    Example:
        >>> import jax.numpy as jnp
        >>> RMSNormalization(epsilon=0.0)(jnp.array([[3.0, 3.0]])).tolist()
        [[1.0, 1.0]]

    Reference: keras.layers.RMSNormalization; Zhang and Sennrich, arXiv:1910.07467.
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = [axis] if isinstance(axis, int) else sorted(axis)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Creates `scale` of the shape of the normalized axes."""
        axes = _axes(self, self.axis, input_shape)
        self.scale = self.add_weight(tuple(input_shape[a] for a in axes), "ones", name="scale", autocast=False)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={a: input_shape[a] for a in axes})

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalizes."""
        x = _wide(inputs)
        axes = tuple(a % x.ndim for a in self.axis)
        y = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axes, keepdims=True) + self.epsilon)
        scale = self.scale.value.astype(x.dtype).reshape([d if a in axes else 1 for a, d in enumerate(x.shape)])
        return (y * scale).astype(self.compute_dtype)


@register("keras.layers")
class UnitNormalization(Layer):
    """Scales each row to length 1.

    Args:
        axis: of the elements of one vector; several axes make one vector.

    Raises:
        ValueError: if `axis` is not an integer or a sequence of them.

    Example:
        >>> import jax.numpy as jnp
        >>> UnitNormalization()(jnp.array([[0.0, 2.0]])).tolist()
        [[0.0, 1.0]]

    Reference: keras.layers.UnitNormalization.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise ValueError(f"UnitNormalization: axis: given {axis!r}, expected an integer or a list of integers.")
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.supports_masking = True

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalizes."""
        axes = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        return unit_length(inputs, axes)


def unit_length(x: jax.Array, axes: int | tuple[int, ...]) -> jax.Array:
    """`x` with vectors of length 1 along the axes; zero vectors stay zero."""
    wide = _wide(x)
    squares = jnp.sum(jnp.square(wide), axes, keepdims=True)
    return (wide * jax.lax.rsqrt(jnp.maximum(squares, _TINY))).astype(x.dtype)


# Below this squared length a vector counts as zero; 1e-12 as in tf.math.l2_normalize.
_TINY = 1e-12
