"""Heads over every step of a sequence: steps of padding count neither in losses nor in metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from estimax.core import HostValue, current_frame, is_host_array
from estimax.core.errors import ShapeError
from estimax.estimator.modes import ModeKeys
from estimax.estimator.spec import EstimatorSpec


def sequential_model_fn(head: Any, network: Callable, optimizer: Any, mask_name: str, owner: str) -> Callable:
    """The model_fn of a head that is applied to each step.

    Args:
        head: of one step: one of those with a `weight_column`.
        network: features to `(logits [batch, steps, logits_dimension], mask [batch, steps])`.
        optimizer: of all variables.
        mask_name: the feature that tells which steps are real, if there is one, and the prediction that does.
        owner: named in errors.
    """

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        logits, mask = network(features)
        if mask_name in features:
            mask = jnp.asarray(features[mask_name]).astype(bool)
            if mask.shape != logits.shape[:2]:
                raise ShapeError(
                    f"{owner}: sequence_mask {mask_name!r}: given shape {tuple(mask.shape)}, expected {list(logits.shape[:2])}, a value for "
                    "each step."
                )
        if mode == ModeKeys.PREDICT:
            predictions = {**head.predictions(logits), mask_name: mask}
            return EstimatorSpec(mode, predictions=predictions, export_outputs=head.export_outputs(predictions))
        steps = _label_steps(labels, owner)
        logits, mask = _cut(logits, steps), _cut(mask, steps)
        flat = {**features, **_flat_weights(head, features, steps, owner)}
        frame: Any = current_frame()  # the engine calls a model_fn inside of one
        rows = frame.row_mask
        # A step is a row: losses and metrics leave steps of padding out as they do with rows that fill up a batch.
        frame.row_mask = (mask if rows is None else mask & rows[:, None]).reshape(-1)
        try:
            return head.create_estimator_spec(
                flat, mode, logits.reshape(-1, logits.shape[-1]), jnp.asarray(labels).reshape(-1, 1), optimizer=optimizer
            )
        finally:
            frame.row_mask = rows

    return model_fn


def _label_steps(labels: Any, owner: str) -> int:
    if isinstance(labels, HostValue) or is_host_array(labels):
        raise ShapeError(
            f"{owner}: labels: given strings or rows of different lengths, expected class numbers [batch, steps] with return_sequences=True. "
            "Look names up before, and fill short rows with 0: steps after the end of a sequence do not count."
        )
    shape = jnp.shape(labels)
    if len(shape) == 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 2:
        raise ShapeError(f"{owner}: labels: given shape {tuple(shape)}, expected [batch, steps] with return_sequences=True.")
    return shape[1]


def _cut(x: Any, steps: int) -> Any:
    """The first steps of an array `[batch, steps, ...]`; zeros where it has fewer."""
    missing = max(steps - x.shape[1], 0)
    return jnp.pad(x[:, :steps], [(0, 0), (0, missing), *[(0, 0)] * (x.ndim - 2)])


def _flat_weights(head: Any, features: Any, steps: int, owner: str) -> dict[str, Any]:
    """The head's feature of weights with one row a step; a weight of a whole sequence is that of each of its steps."""
    column = head.weight_column
    key = getattr(column, "key", column)
    if column is None or key not in features:
        return {}
    weights = jnp.asarray(features[key])
    weights = weights.reshape(weights.shape[0], -1)
    if weights.shape[1] not in (1, steps):
        raise ShapeError(
            f"{owner}: weight_column {key!r}: given {weights.shape[1]} weights a sequence, expected 1 or {steps}, as labels have."
        )
    return {key: jnp.broadcast_to(weights, (weights.shape[0], steps)).reshape(-1, 1)}
