"""What one training step takes and gives back."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that training changes; plain flat dicts of arrays, donated to the compiled step.

    Attributes:
        step: number of finished steps, int32 scalar.
        params: trainable arrays by path.
        model_state: the other variables by path (moving averages, counters).
        opt_state: the optimizer's state, a tree of arrays.
        key: random key of the run; a step folds its number into it.
    """

    step: jax.Array
    params: dict[str, jax.Array]
    model_state: dict[str, jax.Array]
    opt_state: Any
    key: jax.Array

    def replace(self, **changes: Any) -> TrainState:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)
