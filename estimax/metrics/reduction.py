"""Means and sums over batches, and metrics that are means of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from estimax.core import deserialize, errors, register, serialize, snake_case
from estimax.core.formulas.names import FUNCTIONS
from estimax.core.formulas.shapes import from_the_left, same_rank
from estimax.core.identifiers import function_config, resolve
from estimax.metrics.base import Metric


def weighted(values: jax.Array, weight: jax.Array) -> jax.Array:
    """`values * weight`, and 0 where the weight is, whatever the value: padding may hold anything."""
    return jnp.where(weight == 0, 0, values) * weight


def ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a / b`, and 0 where `b` is 0."""
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))


def by_sample(
    values: ArrayLike, sample_weight: ArrayLike | None, reduce: Callable[..., jax.Array], dtype: str
) -> tuple[jax.Array, jax.Array | None]:
    """Weighted values and weights, one a row, of values of any rank.

    Args:
        values: shape `[batch, ...]`, or a scalar.
        sample_weight: a shape that broadcasts to that of `values` along the leading axes, or None.
        reduce: `jnp.mean` or `jnp.sum`, over the axes after the first.
        dtype: to compute in.

    Returns:
        Both of shape `[batch]`, or scalars.
    """
    values = jnp.asarray(values, dtype)
    if sample_weight is None:
        return reduce(values, axis=tuple(range(1, values.ndim))), None
    weight = jnp.asarray(sample_weight, dtype)
    if values.ndim == 0:  # one number for all rows
        values = jnp.broadcast_to(values, weight.shape)
    values, weight = same_rank(values, weight)
    if values.ndim > weight.ndim:
        # The mean of a row that does not count may be undefined.
        values = jnp.where(from_the_left(weight, values.ndim) == 0, 0, values)
        values = reduce(values, axis=tuple(range(weight.ndim, values.ndim)))
    weight = jnp.broadcast_to(weight, values.shape)
    axes = tuple(range(1, values.ndim))
    return reduce(weighted(values, weight), axis=axes), reduce(weight, axis=axes)


@register("keras.metrics")
class Sum(Metric):
    """The weighted sum of values.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(Sum()([1.0, 3.0], sample_weight=[1.0, 0.5]))
        2.5

    Reference: `keras.metrics.Sum`.
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None):
        super().__init__(name, dtype)
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds values `[batch, ...]`."""
        values, _ = by_sample(values, sample_weight, jnp.sum, self.dtype)
        self.total.assign_add(jnp.sum(values))

    def result(self) -> jax.Array:
        return self.total.value


class RunningMean(Metric):
    """Base of metrics that are a weighted mean: their `update_state` calls `add`."""

    def __init__(self, name: str | None = None, dtype: Any = None):
        super().__init__(name, dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def add(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds values `[batch, ...]`, each row by its mean, with weights that broadcast along the leading axes."""
        values, weight = by_sample(values, sample_weight, jnp.mean, self.dtype)
        self.total.assign_add(jnp.sum(values))
        self.count.assign_add(jnp.sum(weight) if weight is not None else values.size)

    def result(self) -> jax.Array:
        return ratio(self.total.value, self.count.value)


@register("keras.metrics")
class Mean(RunningMean):
    """The weighted mean of values; 0 before any.

    Args:
        name: of the metric.
        dtype: see `Metric`.

    Example:
        >>> print(Mean()([1.0, 4.0], sample_weight=[2.0, 1.0]))
        2.0

    Reference: `keras.metrics.Mean`.
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None):
        super().__init__(name, dtype)

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds values `[batch, ...]`, each row by its mean."""
        self.add(values, sample_weight)


@register("estimax.metrics")
class MeanTensor(Metric):
    """The weighted mean of each element of arrays of one shape.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        shape: of the arrays; by default that of the first.

    Example:
        >>> metric = MeanTensor()
        >>> metric.update_state([0.0, 2.0])
        >>> metric([2.0, 4.0]).tolist()
        [1.0, 3.0]

    Reference: `tf.keras.metrics.MeanTensor`.
    """

    def __init__(self, name: str | None = "mean_tensor", dtype: Any = None, shape: Sequence[int] | None = None):
        super().__init__(name, dtype)
        self.shape = None if shape is None else tuple(shape)
        if self.shape is not None:
            self.build(jax.ShapeDtypeStruct(self.shape, "float32"))

    def build(self, values: Any, sample_weight: Any = None) -> None:
        if not self.variables:
            self.total = self.add_variable(np.shape(values), "zeros", name="total")
            self.count = self.add_variable(np.shape(values), "zeros", name="count")

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds an array, whose weights broadcast to its shape."""
        values = jnp.asarray(values, self.dtype)
        self.build(values)
        if values.shape != self.total.shape:
            raise errors.ShapeError(
                f'Metric "{self.name}": given values of shape {values.shape}, expected {self.total.shape} as before.'
            )
        weight = jnp.ones_like(values) if sample_weight is None else jnp.asarray(sample_weight, self.dtype)
        weight = jnp.broadcast_to(from_the_left(weight, values.ndim), values.shape)
        self.total.assign_add(weighted(values, weight))
        self.count.assign_add(weight)

    def result(self) -> jax.Array:
        if not self.variables:
            raise ValueError(f'Metric "{self.name}": no array was added yet. Call update_state, or pass shape=.')
        return ratio(self.total.value, self.count.value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shape": self.shape}


@register("keras.metrics")
class MeanMetricWrapper(RunningMean):
    """The weighted mean of a function `fn(y_true, y_pred, **kwargs)` that gives a value for each row or position.

    Args:
        fn: the function, or a loss, which is then taken unreduced.
        name: of the metric; by default that of this class.
        dtype: see `Metric`.
        **kwargs: further arguments of the function.

    Example:
        >>> metric = MeanMetricWrapper(lambda y_true, y_pred: abs(y_true - y_pred), name="error")
        >>> print(metric(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
        1.0

    Reference: `keras.metrics.MeanMetricWrapper`.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any):
        if not callable(fn):
            raise ValueError(f"MeanMetricWrapper: given fn={fn!r}, expected a function (y_true, y_pred) -> values.")
        super().__init__(name or snake_case(type(self).__name__), dtype)
        self.fn = fn
        self.kwargs = kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets and predictions `[batch, ...]`."""
        if not isinstance(y_true, dict) and not isinstance(y_pred, dict):
            y_true, y_pred = same_rank(jnp.asarray(y_true), jnp.asarray(y_pred))
        # A loss gives one number for the batch when it is called, one for each row by its method.
        fn = self.fn.call if hasattr(self.fn, "reduction") and hasattr(self.fn, "call") else self.fn
        self.add(fn(y_true, y_pred, **self.kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        fn = function_config(self.fn) if hasattr(self.fn, "__name__") else serialize(self.fn)
        return {**super().get_config(), "fn": fn, **{k: serialize(v) for k, v in self.kwargs.items()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> MeanMetricWrapper:
        config = dict(config)
        fn = resolve(config.pop("fn"), FUNCTIONS, kind="metric", module="keras.losses", custom_objects=custom_objects)
        return cls(fn, **{k: deserialize(v, custom_objects) for k, v in config.items()})


class FunctionMetric(RunningMean):
    """Base of built-in metrics that are the mean of a formula: subclasses define `values(y_true, y_pred)`."""

    def __init__(self, name: str | None = None, dtype: Any = None):
        super().__init__(name or snake_case(type(self).__name__), dtype)

    def values(self, y_true: jax.Array, y_pred: jax.Array) -> jax.Array:
        """The value of each row or position. Shape `[batch, ...]`."""
        raise TypeError(f"{type(self).__name__}: define values(self, y_true, y_pred).")

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Adds a batch of targets and predictions `[batch, ...]`."""
        self.add(self.values(jnp.asarray(y_true), jnp.asarray(y_pred)), sample_weight)
