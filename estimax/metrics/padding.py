"""Keeping rows that only pad a batch out of metrics, wherever they are updated inside a compiled step."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import row_mask


def without_padding(update_state: Callable[..., None]) -> Callable[..., None]:
    """An `update_state` that gives rows which only pad the batch a weight of 0.

    So a `model_fn` may write `metric.update_state(labels, predictions)` and get exact numbers. Outside a padded step, and for an
    update whose first array is not one of rows, nothing changes; nor for a method without `sample_weight`, which the engine gives
    batches without padding.

    Args:
        update_state: the method of a metric class.
    """
    signature = inspect.signature(update_state)
    if "sample_weight" not in signature.parameters:
        return update_state

    @functools.wraps(update_state)
    def masked(self: Any, *args: Any, **kwargs: Any) -> None:
        rows = row_mask()
        if rows is not None:
            bound = signature.bind(self, *args, **kwargs)
            weight = bound.arguments.pop("sample_weight", None)
            first = next((x for x in jax.tree.leaves(bound.args[1:]) if hasattr(x, "shape")), None)
            if first is not None and first.shape[:1] == rows.shape:
                weight = _joined(weight, rows.astype(jnp.float32))
            bound.arguments["sample_weight"] = weight
            args, kwargs = bound.args[1:], bound.kwargs
        update_state(self, *args, **kwargs)

    return masked


def _joined(weight: Any, rows: jax.Array) -> jax.Array:
    if weight is None:
        return rows
    weight = jnp.asarray(weight)
    return weight * rows.reshape(rows.shape + (1,) * (weight.ndim - 1))
