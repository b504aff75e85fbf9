"""A line on the terminal that shows how far a loop is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence


class Progbar:
    """Shows how far a loop is, with means of values.

    Args:
        target: the number of steps, None if unknown.
        width: of the bar, in characters.
        verbose: 0 for nothing, 1 for a bar, 2 for one line at the end.
        interval: least seconds between two showings.
        stateful_metrics: names of values that are shown as they are, not as means.
        unit_name: what is counted.

    Example:
        >>> bar = Progbar(2, verbose=2)
        >>> bar.update(1, [("loss", 4.0)])
        >>> bar.update(2, [("loss", 2.0)])  # doctest: +ELLIPSIS
        2/2 - ... - loss: 3.0000

    Reference: keras.utils.Progbar.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Sequence[str] | None = None,
        unit_name: str = "step",
    ):
        self.target, self.width, self.verbose, self.interval, self.unit_name = target, width, verbose, interval, unit_name
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self._totals: dict[str, tuple[float, float]] = {}  # sum and weight by name
        self._seen, self._start, self._shown = 0, time.monotonic(), 0.0

    def update(self, current: int, values: Iterable[tuple[str, float]] | None = None, finalize: bool | None = None) -> None:
        """Shows that so many steps are done.

        Args:
            current: steps done so far.
            values: pairs of name and value, each of all steps since the last call.
            finalize: whether this is the last call; by default when the target is reached.
        """
        steps = current - self._seen
        for name, value in values or ():
            if name in self.stateful_metrics:
                self._totals[name] = float(value), 1.0
            else:
                total, weight = self._totals.get(name, (0.0, 0.0))
                self._totals[name] = total + float(value) * max(steps, 1), weight + max(steps, 1)
        self._seen = current
        now = time.monotonic()
        is_last = (self.target is not None and current >= self.target) if finalize is None else finalize
        if self.verbose == 1 and (is_last or now - self._shown >= self.interval):
            self._shown = now
            sys.stdout.write("\r" + self._line(now, bar=True) + ("\n" if is_last else ""))
            sys.stdout.flush()
        elif self.verbose == 2 and is_last:
            sys.stdout.write(self._line(now, bar=False) + "\n")
            sys.stdout.flush()

    def add(self, n: int, values: Iterable[tuple[str, float]] | None = None) -> None:
        """Shows that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _line(self, now: float, *, bar: bool) -> str:
        parts = [f"{self._seen}/{self.target}" if self.target is not None else f"{self._seen}"]
        if bar and self.target:
            full = min(self.width, self.width * self._seen // self.target)
            parts[0] += " [" + "=" * full + "." * (self.width - full) + "]"
        seconds = now - self._start
        parts.append(f"{seconds:.0f}s {1000 * seconds / max(self._seen, 1):.0f}ms/{self.unit_name}")
        parts += [f"{name}: {total / weight:.4f}" for name, (total, weight) in self._totals.items()]
        return " - ".join(parts)
