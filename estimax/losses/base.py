"""What every loss is: a function of targets and predictions, and how its values are weighted and reduced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import is_float, register, row_mask, snake_case, standardize_dtype
from estimax.core.formulas.shapes import from_the_left, same_rank
from estimax.losses.reduction import check_reduction, reduce_weighted, rows_of


@register("keras.losses")
class Loss:
    """A loss; subclass it with `call(y_true, y_pred)`, which gives a loss for each row or position.

    Args:
        name: of the loss; by default that of the class (`mean_squared_error`).
        reduction: `"sum_over_batch_size"` (same as `"mean"`), `"sum"`, `"mean_with_sample_weight"`, `"none"` or None.
        dtype: float type to compute in; by default that of the predictions, but at least float32.

    Raises:
        ValueError: if the reduction is unknown.

    Example:
        >>> class Cubed(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return abs(y_true - y_pred) ** 3
        >>> print(Cubed()([0.0, 0.0], [1.0, 2.0]))
        4.5

    Reference: `keras.losses.Loss`.
    """

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        self.name = name or snake_case(type(self).__name__)
        self.reduction = check_reduction(reduction, type(self).__name__)
        self.dtype = None if dtype is None else standardize_dtype(dtype)

    def __call__(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> jax.Array:
        """The reduced loss.

        Args:
            y_true: targets. Shape `[batch, ...]`; any structure of arrays if `call` takes one.
            y_pred: predictions. Shape `[batch, ...]`.
            sample_weight: importance of each row or position. Shape `[batch]`, `[batch, 1]` or that of the losses.
            mask: True for rows or positions that count; the others change nothing and are not counted. Shape `[batch]` or
                that of the losses.

        Returns:
            A scalar, or the shape of the losses if `reduction` is none.
        """
        y_pred = jax.tree.map(jnp.asarray, y_pred, is_leaf=_is_nested_list)
        leaves = [leaf.dtype for leaf in jax.tree.leaves(y_pred) if is_float(leaf.dtype)]
        dtype = jnp.dtype(self.dtype) if self.dtype else jnp.result_type("float32", *leaves)
        y_true = jax.tree.map(lambda x: _cast(x, dtype), y_true, is_leaf=_is_nested_list)
        y_pred = jax.tree.map(lambda x: _cast(x, dtype), y_pred)
        given = None if mask is None else jnp.asarray(mask, bool)
        values = jnp.asarray(self.values(y_true, y_pred, given))
        mask = None if values.ndim == 0 else given
        for more in (self.valid(values, y_true, y_pred), _real_rows(values)):
            if more is not None:
                mask = more if mask is None else _both(mask, more)
        weight = None if sample_weight is None else jnp.asarray(sample_weight)
        return reduce_weighted(values, sample_weight=weight, mask=mask, reduction=self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> jax.Array:
        """The loss of each row or position, not reduced. Shape `[batch, ...]`."""
        raise TypeError(f'Loss "{self.name}": it has no formula. Define call(self, y_true, y_pred) in {type(self).__name__}.')

    def values(self, y_true: Any, y_pred: Any, mask: jax.Array | None) -> jax.Array:
        """What `call` gives; losses that mix rows override it to leave out those that the mask excludes."""
        return self.call(y_true, y_pred)

    def valid(self, values: jax.Array, y_true: Any, y_pred: Any) -> jax.Array | None:
        """True for losses that count, where the loss itself says so (an ignored class); None if all do."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments that build an equal loss."""
        config = {"name": self.name, "reduction": self.reduction}
        return config if self.dtype is None else {**config, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """The loss of a config that `get_config` wrote."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


class PlainLoss(Loss):
    """A built-in loss without arguments of its own: `reduction` first, as Keras orders them."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)


def _is_nested_list(x: Any) -> bool:
    """Whether a list or tuple is an array written out, not a structure of arrays."""
    return isinstance(x, (list, tuple)) and all(isinstance(leaf, (bool, int, float)) for leaf in jax.tree.leaves(x))


def _cast(x: Any, dtype: Any) -> jax.Array:
    x = jnp.asarray(x)
    # Class numbers above 256 do not fit into 16-bit floats.
    return x.astype(dtype if is_float(x.dtype) else jnp.promote_types(dtype, jnp.float32))


def _real_rows(values: jax.Array) -> jax.Array | None:
    """The padding rows of the surrounding compiled step, if the loss is known row by row."""
    if values.ndim == 0:
        return None
    rows = row_mask(is_loss=True)
    return None if rows is None else rows_of(values, rows)


def _both(a: jax.Array, b: jax.Array) -> jax.Array:
    a, b = same_rank(a, b)
    ndim = max(a.ndim, b.ndim)
    return from_the_left(a, ndim) & from_the_left(b, ndim)


def counting_rows(batch: int, mask: jax.Array | None) -> jax.Array | None:
    """True for the rows that a loss over the whole batch may look at, from a mask and the padding; None for all.

    Args:
        batch: number of rows.
        mask: bool `[batch, ...]` or None; a row counts if any of its positions does.
    """
    rows = row_mask(is_loss=True)
    if rows is not None and rows.shape[0] != batch:
        rows = rows_of(jnp.empty((batch,)), rows)
    if mask is None:
        return rows
    mask = mask.reshape(batch, -1).any(axis=1)
    return mask if rows is None else mask & rows
