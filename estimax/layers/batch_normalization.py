"""BatchNormalization: mean 0 and variance 1 over the batch, moving averages for inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax import initializers
from estimax.core import Variable, register, row_mask
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import InputSpec, shape_error


@register("keras.layers")
class BatchNormalization(Layer):
    """Scales each channel to mean 0 and variance 1: of the batch while training, of moving averages otherwise.

    Masked steps and rows that only pad the batch stay out of the statistics. In a step over several devices the statistics
    are those of the whole batch, whether or not `synchronized` is set. With `trainable=False` the layer infers also while training.

    Args:
        axis: of the channels; the last by default.
        momentum: of the moving averages: `average = momentum * average + (1 - momentum) * batch`.
        epsilon: added to the variance.
        center: whether `beta` is added.
        scale: whether the result is multiplied by `gamma`.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: first values.
        beta_regularizer, gamma_regularizer: penalties.
        beta_constraint, gamma_constraint: applied after each update.
        synchronized: kept for configs of Keras; see above.
        renorm: whether training corrects the batch's statistics towards moving ones (batch renormalization).
        renorm_clipping: the correction's limits: a dict of `rmin`, `rmax`, `dmax`.
        renorm_momentum: of the moving averages of `renorm`.

    Raises:
        ValueError: if an argument is out of range, or the input has no such axis.

    Example:
        >>> import jax.numpy as jnp
        >>> layer = BatchNormalization(epsilon=0.0)
        >>> layer(jnp.array([[1.0], [3.0]]), training=True).tolist()
        [[-1.0], [1.0]]

    Reference: keras.layers.BatchNormalization; Ioffe and Szegedy, arXiv:1502.03167; Ioffe, "Batch Renormalization", arXiv:1702.03275.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        synchronized: bool = False,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: float = 0.99,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(axis, int):
            raise ValueError(f"BatchNormalization: axis: given {axis!r}, expected an integer: the axis of the channels.")
        for what, value in (("momentum", momentum), ("renorm_momentum", renorm_momentum)):
            if not 0 <= value <= 1:
                raise ValueError(f"BatchNormalization: {what}: given {value!r}, expected a number between 0 and 1.")
        clipping = dict(renorm_clipping or {})
        if set(clipping) - {"rmin", "rmax", "dmax"}:
            raise ValueError(f"BatchNormalization: renorm_clipping: given {clipping}, expected the keys rmin, rmax and dmax.")
        if clipping.get("rmin", 0) > clipping.get("rmax", float("inf")) or clipping.get("dmax", 0) < 0:
            raise ValueError(f"BatchNormalization: renorm_clipping: given {clipping}, expected rmin <= rmax and dmax >= 0.")
        if clipping and not renorm:
            raise ValueError("BatchNormalization: renorm_clipping is given, but renorm is False. Pass renorm=True.")
        self.axis = axis
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.scale = center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizer_of(beta_regularizer)
        self.gamma_regularizer = regularizer_of(gamma_regularizer)
        self.beta_constraint = constraint_of(beta_constraint)
        self.gamma_constraint = constraint_of(gamma_constraint)
        self.synchronized = synchronized
        self.renorm = renorm
        self.renorm_clipping = clipping if renorm else None
        self.renorm_momentum = renorm_momentum
        self.supports_masking = True
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def build(self, input_shape: Any) -> None:
        """Creates `gamma`, `beta`, `moving_mean` and `moving_variance`, each `[channels]`."""
        rank = len(input_shape)
        if not -rank <= self.axis < rank:
            raise shape_error(self, f"an axis {self.axis}", tuple(input_shape), "Pass axis= of the channels.")
        channels = input_shape[self.axis]
        if channels is None:
            raise shape_error(self, f"a known size on axis {self.axis}", tuple(input_shape))
        shape = (channels,)
        if self.scale:
            self.gamma = self._weight("gamma", shape, self.gamma_initializer, self.gamma_regularizer, self.gamma_constraint)
        if self.center:
            self.beta = self._weight("beta", shape, self.beta_initializer, self.beta_regularizer, self.beta_constraint)
        self.moving_mean = self._average("moving_mean", shape, self.moving_mean_initializer)
        self.moving_variance = self._average("moving_variance", shape, self.moving_variance_initializer)
        if self.renorm:
            self.moving_stddev = self._average("moving_stddev", shape, initializers.Ones())
            self.renorm_mean = self._average("renorm_mean", shape, initializers.Zeros())
            self.renorm_stddev = self._average("renorm_stddev", shape, initializers.Ones())
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: channels})

    def _weight(self, name: str, shape: tuple, initializer: Any, regularizer: Any, constraint: Any) -> Variable:
        return self.add_weight(shape, initializer, name=name, regularizer=regularizer, constraint=constraint, autocast=False)

    def _average(self, name: str, shape: tuple, initializer: Any) -> Variable:
        return self.add_weight(shape, initializer, trainable=False, name=name, autocast=False)

    def call(self, inputs: jax.Array, training: bool = False, mask: Any = None) -> jax.Array:
        """Normalizes; while training with the batch's statistics, which then move the averages."""
        # Squares and sums of many 16-bit numbers lose too much.
        x = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
        axis = self.axis % x.ndim
        shape = [1] * x.ndim
        shape[axis] = x.shape[axis]
        corrected = False
        if training and self.trainable:
            mean, variance = self._moments(x, axis, mask)
            if self.renorm:
                corrected = True
                scale, shift = self._renormalize(mean, variance)
            self._move(self.moving_mean, mean, self.momentum)
            if not self.renorm:
                self._move(self.moving_variance, variance, self.momentum)
        else:
            mean, variance = self.moving_mean.value, self.moving_variance.value
        factor = jax.lax.rsqrt(variance + self.epsilon).astype(x.dtype)
        offset = -mean.astype(x.dtype) * factor
        if corrected:
            factor, offset = factor * scale, offset * scale + shift
        if self.gamma is not None:
            gamma = self.gamma.value.astype(x.dtype)
            factor, offset = factor * gamma, offset * gamma
        if self.beta is not None:
            offset = offset + self.beta.value.astype(x.dtype)
        y = x * factor.reshape(shape) + offset.reshape(shape)
        return y.astype(self.compute_dtype)

    @staticmethod
    def _move(average: Variable, value: jax.Array, momentum: float) -> None:
        average.assign(average.value * momentum + jax.lax.stop_gradient(value) * (1 - momentum))

    def _moments(self, x: jax.Array, axis: int, mask: Any) -> tuple[jax.Array, jax.Array]:
        """Mean and biased variance of each channel over all other axes, without masked steps and padding rows."""
        others = tuple(a for a in range(x.ndim) if a != axis)
        weights = self._weights(x, axis, mask)
        if weights is None:
            mean = jnp.mean(x, others, keepdims=True)
            return mean.reshape(-1), jnp.mean(jnp.square(x - mean), others)
        # Where weights has size 1, each of its elements stands for several of x.
        repeats = 1
        for a in others:
            repeats *= x.shape[a] // weights.shape[a]
        count = jnp.maximum(jnp.sum(weights) * repeats, 1)
        mean = jnp.sum(jnp.where(weights > 0, x, 0), others, keepdims=True) / count
        variance = jnp.sum(jnp.where(weights > 0, jnp.square(x - mean), 0), others) / count
        return mean.reshape(-1), variance

    def _weights(self, x: jax.Array, axis: int, mask: Any) -> jax.Array | None:
        """1 for what counts and 0 for the rest, broadcasting with `x`; None if all of it counts."""
        weights = None
        rows = row_mask()
        if rows is not None and axis != 0 and rows.shape[0] == x.shape[0]:
            weights = rows.reshape((-1,) + (1,) * (x.ndim - 1)).astype(x.dtype)
        if mask is not None:
            mask = jnp.asarray(mask)
            if mask.ndim > x.ndim or any(m not in (1, d) for m, d in zip(mask.shape, x.shape)):
                raise shape_error(self, f"shape {mask.shape}, that of its mask, on the first axes", x.shape)
            steps = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)).astype(x.dtype)
            weights = steps if weights is None else weights * steps
        return weights

    def _renormalize(self, mean: jax.Array, variance: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The correction `x * r + d` towards the moving statistics, which move afterwards."""
        limits = self.renorm_clipping or {}
        stddev = jnp.sqrt(variance + self.epsilon)
        r = stddev / self.renorm_stddev.value
        d = (mean - self.renorm_mean.value) / self.renorm_stddev.value
        if limits.get("rmin") is not None or limits.get("rmax") is not None:
            r = jnp.clip(r, limits.get("rmin"), limits.get("rmax"))
        if limits.get("dmax") is not None:
            d = jnp.clip(d, -limits["dmax"], limits["dmax"])
        self._move(self.renorm_mean, mean, self.renorm_momentum)
        self._move(self.renorm_stddev, stddev, self.renorm_momentum)
        self._move(self.moving_stddev, stddev, self.momentum)
        # With renorm the average is that of the standard deviation, and the variance follows from it.
        self.moving_variance.assign(jnp.maximum(jnp.square(self.moving_stddev.value) - self.epsilon, 0))
        return jax.lax.stop_gradient(r), jax.lax.stop_gradient(d)
