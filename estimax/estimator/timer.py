"""When a hook of one's own acts: TensorFlow's timer."""

from __future__ import annotations

import time


class SecondOrStepTimer:
    """Says whether a hook's turn has come: every so many steps, or every so many seconds.

    Args:
        every_secs: a number of seconds, or None.
        every_steps: a number of steps, or None.

    Raises:
        ValueError: unless exactly one is given.

    Example:
        >>> timer = SecondOrStepTimer(every_steps=10)
        >>> timer.should_trigger_for_step(3), timer.update_last_triggered_step(3)
        (True, (None, None))
        >>> timer.should_trigger_for_step(12), timer.should_trigger_for_step(13)
        (False, True)

    Reference: tf.estimator.SecondOrStepTimer.
    """

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None):
        if (every_secs is None) == (every_steps is None):
            raise ValueError(
                f"SecondOrStepTimer: given every_secs={every_secs!r} and every_steps={every_steps!r}, expected exactly one of them."
            )
        self._every_secs, self._every_steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """Forgets the last turn."""
        self._last_step: int | None = None
        self._last_time: float | None = None

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether to act at a step; always at the first one, never twice at the same one."""
        if self._last_step is None or self._last_time is None:
            return True
        if step == self._last_step:
            return False
        if self._every_steps is not None:
            return step >= self._last_step + self._every_steps
        return self._every_secs is not None and time.monotonic() >= self._last_time + self._every_secs

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Notes that the hook acts at a step.

        Returns:
            Seconds and steps since the last time; `(None, None)` the first time.
        """
        now = time.monotonic()
        passed = (
            (None, None)
            if self._last_time is None or self._last_step is None
            else (now - self._last_time, step - self._last_step)
        )
        self._last_step, self._last_time = step, now
        return passed

    def last_triggered_step(self) -> int | None:
        """The step of the last turn; None before the first."""
        return self._last_step
