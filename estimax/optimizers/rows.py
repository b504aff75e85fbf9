"""Updates of some rows of a large table, in place: the cost is set by the batch, not by the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core.gradients import RowGradient

# Slot with the number of steps that each row has seen. Shape [rows], int32; only where rows catch up.
STEP = "row_step"

# After so many steps a momentum of 0.9 has shrunk to 1e-9 of itself: what it would still move a row is below
# float32's resolution, and only the slots are carried on, in closed form.
LONGEST_REPLAY = 200


def check_catch_up(owner: str, decays: Mapping[str, float] | None) -> None:
    """Refuses `rows="catch_up"` for optimizers that can't do it.

    Raises:
        ValueError: if `decays` is None.
    """
    if decays is None:
        raise ValueError(
            f'{owner}: rows: given "catch_up", expected "dense" or "lazy": a missed step of {owner} is no plain decay of its '
            "slots, so it can't be made up for."
        )


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
    grad = grad.summed()
    ids = grad.ids

    def take(table: jax.Array) -> jax.Array:
        return table.at[ids].get(mode="clip", unique_indices=True, indices_are_sorted=True)

    def put(table: jax.Array, rows: jax.Array) -> jax.Array:
        return table.at[ids].set(rows.astype(table.dtype), mode="drop", unique_indices=True, indices_are_sorted=True)

    rows, row_slots = take(param), {k: take(v) for k, v in slots.items()}
    if catch_up is not None:
        rows, row_slots = catch_up(rows, row_slots)
    step = row_slots.pop(STEP, None)
    rows, row_slots = rule(grad.rows, rows, row_slots, hyper)
    if step is not None:
        row_slots = row_slots | {STEP: step + 1}
    return put(param, rows), {k: put(slots[k], v) for k, v in row_slots.items()}


def replay(
    rule: Callable[..., tuple[jax.Array, dict[str, jax.Array]]],
    param: jax.Array,
    slots: dict[str, jax.Array],
    now: jax.Array,
    hyper_at: Callable[[jax.Array], dict[str, jax.Array]],
    decays: Mapping[str, float],
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Rows after the steps of zero gradient that they missed.

    At most `LONGEST_REPLAY` steps are taken one by one, all rows at once; the slots go through the rest in closed form.

    Args:
        rule: the optimizer's formula.
        param: rows. Shape `[n, ...]`.
        slots: their slots, `STEP` among them.
        now: the step that they are to reach.
        hyper_at: the scalars of a step, elementwise in the step number.
        decays: factor by which a step of zero gradient shrinks each slot; slots that are not named stay.

    Returns:
        `(rows, slots)`, with `STEP` equal to `now`.
    """
    step = slots[STEP]
    missed = now - step
    others = {k: v for k, v in slots.items() if k != STEP}
    column = (-1,) + (1,) * (param.ndim - 1)
    zero = jnp.zeros_like(param)
    rounds = jnp.minimum(jnp.max(missed, initial=0), LONGEST_REPLAY)

    def body(carry: Any) -> Any:
        i, param, others = carry
        new, new_others = rule(zero, param, others, hyper_at((step + i).reshape(column)))
        active = (i < missed).reshape(column)
        return i + 1, jnp.where(active, new, param), {k: jnp.where(active, new_others[k], others[k]) for k in others}

    _, param, others = jax.lax.while_loop(lambda c: c[0] < rounds, body, (jnp.zeros((), jnp.int32), param, others))
    rest = jnp.maximum(missed - LONGEST_REPLAY, 0).reshape(column).astype(param.dtype)
    for name, rate in decays.items():
        if name in others and rate != 1:
            factor = jnp.exp(rest * math.log(rate)) if rate > 0 else jnp.where(rest > 0, 0.0, 1.0)
            others[name] = others[name] * factor.astype(param.dtype)
    return param, others | {STEP: jnp.full_like(step, now)}
