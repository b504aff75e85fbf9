"""What every benchmark prints: machine, versions, and medians with their spread; rival runs are interleaved."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any


def header(title: str, *packages: str) -> None:
    """Prints the title, the machine and the versions."""
    import jax

    names = ("jax", "numpy", "estimax", *packages)
    shown = ", ".join(f"{n} {version(n)}" for n in names)
    print(
        f"{title}\n  {platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}, Python {platform.python_version()}, {shown}"
    )


def seconds(run: Callable[[], Any]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def interleaved(runs: dict[str, Callable[[], Any]], *, rounds: int = 7) -> dict[str, list[float]]:
    """Seconds of each rival, run in turns so that what else the machine does hits all alike; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            took = seconds(run)
            if i:
                found[name].append(took)
    return found


def spread(values: list[float], scale: float = 1.0, unit: str = "") -> str:
    """Median and range, as `12.3 ms [11.9 .. 14.0]`."""
    v = sorted(x * scale for x in values)
    return f"{statistics.median(v):.4g}{unit} [{v[0]:.4g} .. {v[-1]:.4g}]"


def ratio(reference: list[float], ours: list[float]) -> float:
    """How many times faster than the reference: the median of the rounds' ratios."""
    return statistics.median(r / o for r, o in zip(reference, ours))


def line(what: str, ours: str, reference: str = "", times: float | None = None, bar: str = "") -> None:
    """Prints one result."""
    print(f"  {what:44} {ours:34} {reference:34} {'' if times is None else f'x {times:.2f}':>8}  {bar}")
