"""What a separate evaluator process says of itself in model_dir, for the process that trains."""

from __future__ import annotations

import json
import logging
import os
import platform
from pathlib import Path
from typing import Any

logger = logging.getLogger("estimax")

STATUS = "evaluator.json"
_AGAIN = "Nothing of the training is lost. Start the evaluator again: it goes on with the latest checkpoint."


def write_status(model_dir: str, *, step: int | None, error: BaseException | None = None) -> None:
    """Notes which process evaluates, the step it evaluated last, and the error that ended it."""
    path = Path(model_dir) / STATUS
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    shown = None if error is None else f"{type(error).__name__}: {error}"
    temporary.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "global_step": step, "error": shown}))
    os.replace(temporary, path)


def clear_status(model_dir: str) -> None:
    """Called when the evaluator has done its work."""
    Path(model_dir, STATUS).unlink(missing_ok=True)


def read_status(model_dir: str) -> dict[str, Any] | None:
    """What `write_status` noted; None if there is nothing."""
    try:
        return dict(json.loads(Path(model_dir, STATUS).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def warn_of_dead_evaluator(model_dir: str) -> str | None:
    """Logs an error, and gives its text, if the evaluator failed or its process is gone."""
    status = read_status(model_dir)
    if status is None:
        return None
    if status.get("error"):
        message = f"The evaluator failed: {status['error']} (last evaluation: step {status.get('global_step')}). {_AGAIN}"
    elif status.get("host") == platform.node() and not _is_running(int(status["pid"])):
        message = (
            f"The evaluator, process {status['pid']}, has died (last evaluation: step {status.get('global_step')}). {_AGAIN}"
        )
    else:
        return None
    logger.error(message)
    return message


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
