"""The `train_op` of a `model_fn`."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class MinimizeOp:
    """What `optimizer.minimize(loss)` returns: a description that the engine turns into a compiled step.

    Args:
        optimizer: the optimizer.
        loss: the scalar to minimise, as the model_fn computed it.
        var_list: variables or paths to train; None for all trainable ones.
    """

    optimizer: Any
    loss: Any
    var_list: tuple[Any, ...] | None = None
