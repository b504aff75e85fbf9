"""Updates of some rows of a large table, in place: the cost is set by the batch, not by the table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core.apart import apart
from estimax.core.gradients import RowGradient

# Slot with the number of steps that each row has seen. Shape [rows], int32; only where rows catch up.
STEP = "row_step"
# A table with at most so many rows for each looked-up id is updated as a whole: that is faster than sorting the ids.
SMALL_TABLE_FACTOR = 16


@dataclasses.dataclass(frozen=True)
class IdleStep:
    """What a step of zero gradient does to a row: it shrinks slots, and moves the row by a shrinking amount.

    Args:
        slots: factor per slot; a slot that is not named stays.
        move: factor by which the row's motion shrinks per step; 0 if it does not move.
    """

    slots: Mapping[str, float]
    move: float

    def longest_replay(self) -> int | None:
        """After how many steps the motion has shrunk to 1e-9 of itself, below float32's resolution; None for never."""
        if self.move <= 0:
            return 0
        return None if self.move >= 1 else math.ceil(math.log(1e-9) / math.log(self.move))


def update_rows(
    rule: Callable[..., tuple[jax.Array, dict[str, jax.Array]]],
    grad: RowGradient,
    param: jax.Array,
    slots: dict[str, jax.Array],
    hyper: dict[str, jax.Array],
    *,
    catch_up: Callable[..., tuple[jax.Array, dict[str, jax.Array]]] | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Applies a rule to the rows that have a gradient.

    Args:
        rule: the optimizer's formula.
        grad: the gradient; repeated ids are added up first.
        param: the table. Shape `[rows, ...]`.
        slots: its slots, each `[rows, ...]`.
        hyper: the step's scalars.
        catch_up: function of (rows, slots of rows) that takes them over the steps they missed.

    Returns:
        The table and its slots; with donated inputs they are changed in place.
    """
    if grad.ids.shape[0] == 0:
        return param, slots
    if catch_up is None and STEP not in slots and param.shape[0] <= SMALL_TABLE_FACTOR * grad.ids.shape[0]:
        return _update_touched(rule, grad, param, slots, hyper)
    grad = grad.summed()
    ids = grad.ids

    def take(tables: Any, ids: jax.Array) -> Any:
        return jax.tree.map(lambda t: t.at[ids].get(mode="clip", unique_indices=True), tables)

    def put(table: jax.Array, rows: jax.Array) -> jax.Array:
        return table.at[ids].set(rows.astype(table.dtype), mode="drop", unique_indices=True)

    is_any = ids[0] >= 0
    rows, row_slots = apart(is_any, take, (param, slots), ids)
    if catch_up is not None:
        rows, row_slots = catch_up(rows, row_slots)
    step = row_slots.pop(STEP, None)
    rows, row_slots = apart(is_any, rule, grad.rows, rows, row_slots, hyper)
    if step is not None:
        row_slots = row_slots | {STEP: step + 1}
    return put(param, rows), {k: put(slots[k], v) for k, v in row_slots.items()}


def _update_touched(
    rule: Callable[..., tuple[jax.Array, dict[str, jax.Array]]],
    grad: RowGradient,
    param: jax.Array,
    slots: dict[str, jax.Array],
    hyper: dict[str, jax.Array],
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The same for a small table: the rule on all rows, kept where a row has a gradient. It needs no sorting of ids."""
    count = grad.ids.shape[0]
    ids = jnp.where(grad.ids < 0, param.shape[0], grad.ids)
    # One scatter gives the sums of gradients and, in a last column, how often each row occurs.
    columns = jnp.concatenate([grad.rows.reshape(count, -1), jnp.ones((count, 1), grad.rows.dtype)], axis=1)
    dense = jnp.zeros((param.shape[0], columns.shape[1]), columns.dtype).at[ids].add(columns, mode="drop")
    touched = (dense[:, -1] > 0).reshape((-1,) + (1,) * (param.ndim - 1))
    new, new_slots = rule(dense[:, :-1].reshape(param.shape), param, slots, hyper)
    return jnp.where(touched, new, param).astype(param.dtype), {k: jnp.where(touched, v, slots[k]) for k, v in new_slots.items()}


def replay(
    rule: Callable[..., tuple[jax.Array, dict[str, jax.Array]]],
    param: jax.Array,
    slots: dict[str, jax.Array],
    now: jax.Array,
    hyper_at: Callable[[jax.Array], dict[str, jax.Array]],
    idle: IdleStep,
    *,
    weight_decay: float | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Rows after the steps of zero gradient that they missed.

    While rows still move, steps are taken one by one, all rows at once; the rest is a power.

    Args:
        rule: the optimizer's formula, weight decay included.
        param: rows. Shape `[n, ...]`.
        slots: their slots, `STEP` among them.
        now: the step that they are to reach.
        hyper_at: the scalars of a step, elementwise in the step number.
        idle: what a step of zero gradient does.
        weight_decay: share that a step takes off, times the learning rate.

    Returns:
        `(rows, slots)`, with `STEP` equal to `now`.
    """
    step = slots[STEP]
    missed = now - step
    others = {k: v for k, v in slots.items() if k != STEP}
    column = (-1,) + (1,) * (param.ndim - 1)
    zero = jnp.zeros_like(param)
    rounds = jnp.max(missed, initial=0)
    longest = idle.longest_replay()
    if longest is not None:
        rounds = jnp.minimum(rounds, longest)

    def body(carry: Any) -> Any:
        i, param, others = carry
        new, new_others = rule(zero, param, others, hyper_at((step + i).reshape(column)))
        active = (i < missed).reshape(column)
        return i + 1, jnp.where(active, new, param), {k: jnp.where(active, new_others[k], others[k]) for k in others}

    _, param, others = jax.lax.while_loop(lambda c: c[0] < rounds, body, (jnp.zeros((), jnp.int32), param, others))
    if longest is not None:
        rest = jnp.maximum(missed - longest, 0).reshape(column).astype(param.dtype)
        for name, rate in idle.slots.items():
            if name in others and rate != 1:
                others[name] = others[name] * jnp.power(jnp.asarray(rate, param.dtype), rest)
        if weight_decay is not None:
            param = param * jnp.power(1 - weight_decay * hyper_at(now)["learning_rate"], rest)
    return param, others | {STEP: jnp.full_like(step, now)}
