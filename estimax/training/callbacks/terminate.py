"""TerminateOnNaN: ends training when the loss is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from estimax.training.hook import Hook


class TerminateOnNaN(Hook):
    """Ends `fit` at the first step whose loss is NaN or infinite. It looks at every step, which keeps steps from being grouped.

    Args:
        raise_error: whether an error is raised instead.

    Raises:
        RuntimeError: when training, if `raise_error` says so.

    Reference: keras.callbacks.TerminateOnNaN.
    """

    def __init__(self, raise_error: bool = False):
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"The loss is {loss} at batch {batch}. Lower the learning rate, clip gradients, or check the data for NaN."
            )
        print(f"Batch {batch}: the loss is {loss}, training ends.")
        self.model.stop_training = True
