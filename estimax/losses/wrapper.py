"""Losses made of plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from estimax.core import deserialize, register, serialize, snake_case
from estimax.core.formulas.names import FUNCTIONS
from estimax.core.formulas.shapes import same_rank
from estimax.core.identifiers import function_config, resolve
from estimax.losses.base import Loss


@register("keras.losses")
class LossFunctionWrapper(Loss):
    """A loss made of a function `fn(y_true, y_pred, **kwargs)` that gives a loss for each row or position.

    Targets and predictions that differ by an axis of length 1 are brought to the same rank first.

    Args:
        fn: the function.
        reduction: see `Loss`.
        name: of the loss; by default that of the function.
        dtype: see `Loss`.
        **kwargs: further arguments of the function.

    Example:
        >>> print(LossFunctionWrapper(lambda t, p, power: abs(t - p) ** power, power=3)([0.0, 0.0], [1.0, 2.0]))
        4.5

    Reference: `keras.losses.Loss`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        if not callable(fn):
            raise ValueError(f"LossFunctionWrapper: given fn={fn!r}, expected a function (y_true, y_pred) -> losses.")
        super().__init__(name=name or _name_of(fn), reduction=reduction, dtype=dtype)
        self.fn = fn
        self.kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> jax.Array:
        if isinstance(y_true, jax.Array) and isinstance(y_pred, jax.Array):
            y_true, y_pred = same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self.kwargs)

    def get_config(self) -> dict[str, Any]:
        fn = function_config(self.fn) if hasattr(self.fn, "__name__") else serialize(self.fn)
        return {**super().get_config(), "fn": fn, **{k: serialize(v) for k, v in self.kwargs.items()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> LossFunctionWrapper:
        config = dict(config)
        fn = resolve(config.pop("fn"), FUNCTIONS, kind="loss", module="keras.losses", custom_objects=custom_objects)
        return cls(fn, **{k: deserialize(v, custom_objects) for k, v in config.items()})


def _name_of(fn: Callable) -> str:
    name = getattr(fn, "__name__", None) or snake_case(type(fn).__name__)
    return name if name.isidentifier() else "loss"
