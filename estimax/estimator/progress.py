"""What `train_and_evaluate` was doing, kept in model_dir, so that a killed process goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from estimax.training import Hook

PROGRESS = "train_and_evaluate.json"


class Progress:
    """The evaluation that is due and the step at which training ended, until both are dealt with.

    Each is noted before the checkpoint of its step is written, so that whoever finds that checkpoint finds the note too.

    Args:
        model_dir: the folder.
    """

    def __init__(self, model_dir: str | os.PathLike):
        self._path = Path(model_dir) / PROGRESS
        try:
            found = json.loads(self._path.read_text())
            self._notes = {k: int(v) for k, v in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self._notes = {}

    @property
    def evaluating(self) -> int | None:
        """The step whose evaluation and exports are due."""
        return self._notes.get("evaluating")

    @property
    def ended(self) -> int | None:
        """The step at which training ended by itself."""
        return self._notes.get("ended")

    def note(self, **steps: int) -> None:
        """Notes `evaluating=step` or `ended=step`."""
        self._write(self._notes | steps)

    def clear(self, *names: str) -> None:
        """Drops notes; all without names."""
        kept = {k: v for k, v in self._notes.items() if names and k not in names}
        if kept != self._notes:
            self._write(kept)

    def _write(self, notes: dict[str, int]) -> None:
        self._notes = notes
        if not notes:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(notes))
        os.replace(temporary, self._path)


class EndHook(Hook):
    """Notes the step at which training ends, before the last checkpoint is written.

    Args:
        progress: where to note it.
        max_steps: the step at which there is nothing left to train, so that nothing need be noted.
    """

    bounds_training = False

    def __init__(self, progress: Progress, max_steps: int | None):
        self._progress, self._max_steps = progress, max_steps

    def next_step(self, step: int) -> int | None:
        return None

    def end(self, run: Any) -> None:
        if run.step and run.step != self._max_steps:
            self._progress.note(ended=run.step)
