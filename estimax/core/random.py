"""Random keys: inside a pure call folded from the call's key, outside drawn from the eager seed."""

from __future__ import annotations

import threading
from typing import Any

import jax
import numpy as np

from estimax.core.frame import current_frame


class _EagerSeed:
    """The seed of everything that happens outside a pure call; one of the two mutable module variables."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed: int | None = None
        self.count = 0

    def set(self, seed: int) -> None:
        with self.lock:
            self.seed, self.count = seed, 0

    def next(self) -> tuple[int, int]:
        with self.lock:
            if self.seed is None:
                self.seed = int(np.random.SeedSequence().generate_state(1)[0])
            self.count += 1
            return self.seed, self.count - 1


_eager = _EagerSeed()


def set_random_seed(seed: int) -> None:
    """Makes everything drawn outside pure calls repeatable: initial weights, eager dropout, default run seeds.

    Example:
        >>> set_random_seed(1)
        >>> a = next_key()
        >>> set_random_seed(1)
        >>> bool((a == next_key()).all())
        True

    Reference: keras.utils.set_random_seed (Python's and NumPy's generators are left alone here).
    """
    _eager.set(int(seed))


def next_key() -> jax.Array:
    """The next random key: the open call's, if it has one, else one of the eager seed."""
    frame = current_frame()
    if frame is not None and frame.key is not None:
        return frame.next_key()
    seed, count = _eager.next()
    with jax.ensure_compile_time_eval():
        return jax.random.fold_in(jax.random.key(seed), count)


def next_seed() -> int:
    """An integer seed drawn from the eager seed, for objects that store one."""
    seed, count = _eager.next()
    return int(np.random.SeedSequence([seed, count]).generate_state(1)[0])


class SeedGenerator:
    """Random keys from an integer seed: repeatable outside pure calls, folded with the call's key inside.

    Args:
        seed: an integer, or None for keys of the surrounding call or eager seed.

    Example:
        >>> a, b = SeedGenerator(3), SeedGenerator(3)
        >>> bool((a.next() == b.next()).all())
        True

    Reference: keras.random.SeedGenerator.
    """

    def __init__(self, seed: int | None = None):
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise ValueError(f"seed: given {seed!r}, expected an integer or None.")
        self.seed = seed
        self._count = 0

    def next(self) -> jax.Array:
        """The next key."""
        if self.seed is None:
            return next_key()
        frame = current_frame()
        if frame is not None and frame.key is not None:
            return jax.random.fold_in(frame.next_key(), self.seed)
        self._count += 1
        with jax.ensure_compile_time_eval():
            return jax.random.fold_in(jax.random.key(self.seed), self._count - 1)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}
