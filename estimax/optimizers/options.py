"""The arguments that all optimizers share, and their checks."""

from __future__ import annotations

import math
from typing import Literal, TypedDict

import numpy as np

Rows = Literal["dense", "catch_up", "lazy"]


class OptionsButDecay(TypedDict, total=False):
    """`Options` of optimizers that name their weight decay themselves."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None
    rows: Rows | None


class Options(OptionsButDecay, total=False):
    """The keyword arguments that every optimizer takes; see `Optimizer`."""

    weight_decay: float | None


def check_clipping(owner: str, *, two_kinds: bool, **limits: float | None) -> None:
    """Refuses limits that are not positive, and more than one of them; with `two_kinds`, `clipvalue` may stand beside a norm.

    Raises:
        ValueError: for such arguments.
    """
    for name, limit in limits.items():
        if limit is not None and not (limit > 0 and math.isfinite(limit)):
            raise ValueError(f"{owner}: {name}: given {limit!r}, expected a positive number or None.")
    given = [name for name, limit in limits.items() if limit is not None]
    if len(given) > (2 if two_kinds and "clipvalue" in given else 1):
        raise ValueError(
            f"{owner}: given {' and '.join(given)}, expected at most one of the clipping arguments. Drop the others."
        )


def check_every(owner: str, name: str, steps: int | None, *, least: int) -> None:
    """Refuses numbers of steps that are no integers of at least `least`.

    Raises:
        ValueError: for such numbers.
    """
    if steps is not None and (not isinstance(steps, (int, np.integer)) or isinstance(steps, bool) or steps < least):
        raise ValueError(f"{owner}: {name}: given {steps!r}, expected an integer of at least {least}, or None.")


def check_rows(owner: str, rows: str | None, *, elementwise: bool, catches_up: bool) -> None:
    """Refuses ways of treating rows that an optimizer does not have.

    Raises:
        ValueError: for such a way.
    """
    if rows not in (None, "dense", "catch_up", "lazy"):
        raise ValueError(f'{owner}: rows: given {rows!r}, expected "dense", "catch_up", "lazy" or None.')
    if rows in ("catch_up", "lazy") and not elementwise:
        raise ValueError(f'{owner}: rows: given {rows!r}, expected "dense": its rule needs the whole array. Leave rows out.')
    if rows == "catch_up" and not catches_up:
        raise ValueError(
            f'{owner}: rows: given "catch_up", expected "dense" or "lazy": a step of zero gradient of {owner} is no plain '
            "decay, so missed steps can't be made up for."
        )
