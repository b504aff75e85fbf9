"""Layers around a layer: Wrapper, TimeDistributed, SpectralNormalization."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax import initializers
from estimax.core import Variable, current_frame, register
from estimax.layers.base import Layer
from estimax.layers.input_spec import shape_error


@register("keras.layers")
class Wrapper(Layer):
    """Base of layers that change what another layer does.

    Args:
        layer: the layer inside.

    Raises:
        ValueError: if `layer` is no layer.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import Dense
        >>> class Twice(Wrapper):
        ...     def call(self, inputs):
        ...         return 2 * self.layer(inputs)
        >>> Twice(Dense(1, kernel_initializer="ones"))(jnp.ones((1, 3))).tolist()
        [[6.0]]

    Reference: keras.layers.Wrapper.
    """

    def __init__(self, layer: Layer, **kwargs: Any):
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__}: layer: given {layer!r}, expected a layer, as layers.Dense(4).")
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside for the same shape."""
        self.layer.build_from_shapes({"input_shape": input_shape})


@register("keras.layers")
class TimeDistributed(Wrapper):
    """Applies a layer to each step of a sequence, with the same weights.

    The steps are put into the batch axis and computed together.

    Args:
        layer: applied to arrays `[batch, ...]`.

    Inputs `[batch, steps, ...]`, or a list or dict of such; output `[batch, steps, ...]`.

    Raises:
        ValueError: if `layer` is no layer, or an input has fewer than 3 axes.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import Dense
        >>> TimeDistributed(Dense(2))(jnp.ones((4, 5, 3))).shape
        (4, 5, 2)

    Reference: keras.layers.TimeDistributed.
    """

    def __init__(self, layer: Layer, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside for one step."""
        shapes = [input_shape] if isinstance(input_shape, tuple) else jax.tree.leaves(input_shape, is_leaf=_is_shape)
        if any(len(s) < 3 for s in shapes):
            raise shape_error(self, "at least 3 axes [batch, steps, ...]", input_shape)
        one_step = jax.tree.map(lambda s: (s[0], *s[2:]), input_shape, is_leaf=_is_shape)
        self.layer.build_from_shapes({"input_shape": one_step})

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """Computes all steps."""
        batch, steps = jax.tree.leaves(inputs)[0].shape[:2]
        frame = current_frame()
        options: dict[str, Any] = {}
        if mask is not None:
            if tuple(mask.shape) != (batch, steps):
                raise shape_error(self, f"a mask of shape {(batch, steps)}", tuple(mask.shape))
            if self.layer.call_accepts("mask"):
                options["mask"] = jnp.asarray(mask).reshape(-1)
        rows = frame.row_mask if frame is not None else None
        if frame is not None and rows is not None:
            frame.row_mask = jnp.repeat(rows, steps)
        try:
            flat = jax.tree.map(lambda x: x.reshape(batch * steps, *x.shape[2:]), inputs)
            y = self.layer(flat, training=training, **options)
        finally:
            if frame is not None:
                frame.row_mask = rows
        return jax.tree.map(lambda a: a.reshape(batch, steps, *a.shape[1:]), y)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(d is None or isinstance(d, int) for d in value)


@register("keras.layers")
class SpectralNormalization(Wrapper):
    """Keeps the largest singular value of a layer's kernel near 1, by power iteration while training.

    Args:
        layer: with a `kernel` or `embeddings`.
        power_iterations: how often the estimate is improved in each training call.

    Raises:
        ValueError: if `power_iterations` is not positive, or the layer has no such weight.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import Dense
        >>> SpectralNormalization(Dense(2))(jnp.ones((4, 3))).shape
        (4, 2)

    Reference: keras.layers.SpectralNormalization; Miyato et al., arXiv:1802.05957.
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any):
        super().__init__(layer, **kwargs)
        if not isinstance(power_iterations, int) or power_iterations <= 0:
            raise ValueError(f"SpectralNormalization: power_iterations: given {power_iterations!r}, expected a positive integer.")
        self.power_iterations = power_iterations

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside, and creates `vector_u` `[1, outputs]`."""
        super().build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        kernel = getattr(self.layer, "embeddings", None) if kernel is None else kernel
        if kernel is None:
            raise ValueError(
                f'SpectralNormalization "{self.name}": {type(self.layer).__name__} has neither kernel nor embeddings, expected a '
                "layer with one of them."
            )
        self.kernel: Variable = kernel
        # Keras's order of weights: the kernel before vector_u, the layer's other weights after it.
        self._own_variables.append(self.kernel)
        self.vector_u = self.add_weight(
            (1, self.kernel.shape[-1]), initializers.TruncatedNormal(stddev=0.02), trainable=False, name="vector_u"
        )

    def call(self, inputs: jax.Array, training: bool = False) -> Any:
        """Calls the layer, while training with its kernel normalized before."""
        if training:
            self.normalize_weights()
        return self.layer(inputs)

    def normalize_weights(self) -> None:
        """Divides the kernel by the estimate of its largest singular value, and improves the estimate."""
        weights = self.kernel.value.reshape(-1, self.kernel.shape[-1])
        u = self.vector_u.value
        v = u
        for _ in range(self.power_iterations):
            v = _unit(u @ weights.T)
            u = _unit(v @ weights)
        u, v = jax.lax.stop_gradient(u), jax.lax.stop_gradient(v)
        sigma = (v @ weights @ u.T)[0, 0]
        self.vector_u.assign(u)
        self.kernel.assign(self.kernel.value / sigma)


def _unit(x: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(x)), 1e-12))
