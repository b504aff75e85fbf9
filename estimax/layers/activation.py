"""Activation functions as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from estimax import activations, initializers
from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import InputSpec, shape_error


@register("keras.layers")
class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: name or function.

    Raises:
        ValueError: if there is no activation of this name.

    Example:
        >>> import jax.numpy as jnp
        >>> Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]

    Reference: keras.layers.Activation.
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.supports_masking = True

    def call(self, inputs: Any) -> jax.Array:
        """Computes the output."""
        return self.activation(inputs)


@register("keras.layers")
class ReLU(Layer):
    """`max(x, 0)`, with an optional upper bound, slope and threshold.

    Args:
        max_value: upper bound; none by default.
        negative_slope: slope below the threshold.
        threshold: below it the slope applies.

    Raises:
        ValueError: if an argument is negative.

    Example:
        >>> import jax.numpy as jnp
        >>> ReLU(max_value=6.0)(jnp.array([-1.0, 2.0, 9.0])).tolist()
        [0.0, 2.0, 6.0]

    Reference: keras.layers.ReLU.
    """

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        for what, value in (("max_value", max_value), ("negative_slope", negative_slope), ("threshold", threshold)):
            if (value is None and what != "max_value") or (value is not None and value < 0):
                raise ValueError(f"ReLU: {what}: given {value!r}, expected a number of at least 0.")
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold
        self.supports_masking = True

    def call(self, inputs: Any) -> jax.Array:
        """Computes the output."""
        return activations.relu(inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold)


@register("keras.layers")
class LeakyReLU(Layer):
    """`x` where positive, `negative_slope * x` elsewhere.

    Args:
        negative_slope: slope of the negative side.

    Raises:
        ValueError: if the slope is None or negative.

    Example:
        >>> import jax.numpy as jnp
        >>> LeakyReLU(negative_slope=0.5)(jnp.array([-2.0, 2.0])).tolist()
        [-1.0, 2.0]

    Reference: keras.layers.LeakyReLU; Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(f"LeakyReLU: negative_slope: given {negative_slope!r}, expected a number of at least 0.")
        self.negative_slope = negative_slope
        self.supports_masking = True

    def call(self, inputs: Any) -> jax.Array:
        """Computes the output."""
        return activations.leaky_relu(inputs, negative_slope=self.negative_slope)


@register("keras.layers")
class PReLU(Layer):
    """`x` where positive, `alpha * x` elsewhere, with a trained `alpha`.

    Args:
        alpha_initializer: first value of the slopes.
        alpha_regularizer: penalty on the slopes.
        alpha_constraint: applied to the slopes after each update.
        shared_axes: axes along which one slope is shared, counted with the batch axis as 0.

    Example:
        >>> import jax.numpy as jnp
        >>> PReLU(alpha_initializer="ones")(jnp.array([[-2.0, 2.0]])).tolist()
        [[-2.0, 2.0]]

    Reference: keras.layers.PReLU; He et al., arXiv:1502.01852.
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizer_of(alpha_regularizer)
        self.alpha_constraint = constraint_of(alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else None if shared_axes is None else list(shared_axes)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Creates `alpha`, of the input's shape without the batch axis, 1 on shared axes."""
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            shape[axis - 1 if axis > 0 else axis] = 1
        if None in shape:
            raise shape_error(self, "known sizes on axes that are not in shared_axes", tuple(input_shape))
        self.alpha = self.add_weight(
            tuple(shape),
            self.alpha_initializer,
            name="alpha",
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        axes = {a: d for a, d in enumerate(input_shape) if a and a not in (self.shared_axes or ())}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs: Any) -> jax.Array:
        """Computes the output."""
        return jax.nn.relu(inputs) - self.alpha.value * jax.nn.relu(-inputs)


@register("keras.layers")
class ELU(Layer):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere.

    Args:
        alpha: minus the limit for large negative numbers.

    Example:
        >>> import jax.numpy as jnp
        >>> ELU()(jnp.array([0.0, 2.0])).tolist()
        [0.0, 2.0]

    Reference: keras.layers.ELU; Clevert et al., arXiv:1511.07289.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True

    def call(self, inputs: Any) -> jax.Array:
        """Computes the output."""
        return activations.elu(inputs, alpha=self.alpha)


@register("keras.layers")
class Softmax(Layer):
    """Shares that add up to 1.

    Args:
        axis: along which they add up; several axes are allowed.

    Example:
        >>> import jax.numpy as jnp
        >>> Softmax()(jnp.array([[0.0, 0.0]]), mask=jnp.array([[True, False]])).tolist()
        [[1.0, 0.0]]

    Reference: keras.layers.Softmax.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> jax.Array:
        """Computes the shares; elements that are False in the mask get (nearly) none."""
        if mask is not None:
            mask = jnp.asarray(mask)
            mask = mask.reshape(mask.shape + (1,) * (inputs.ndim - mask.ndim)).astype(inputs.dtype)
            # Keras's number: large enough to vanish in exp, small enough for 16 bits.
            inputs = inputs + (1 - mask) * jnp.asarray(-3e4 if inputs.dtype == jnp.float16 else -1e9, inputs.dtype)
        return jax.nn.softmax(inputs, self.axis if isinstance(self.axis, int) else tuple(self.axis))
