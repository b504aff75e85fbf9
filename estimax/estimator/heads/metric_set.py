"""Metrics that heads use beside those of `estimax.metrics`, and their names."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from estimax.metrics import Mean


class AccuracyBaseline(Mean):
    """The accuracy of always predicting the more frequent of two classes: `max(mean, 1 - mean)` of the labels, 0 without any."""

    def result(self) -> jax.Array:
        total, count = self.total.value, self.count.value
        # The greater of the two sums, not of the two means: as TensorFlow has it where weights add up to less than 0.
        return jnp.where(count == 0, 0.0, jnp.maximum(total, count - total) / jnp.where(count == 0, 1.0, count))


def metric_key(key: str, name: str | None) -> str:
    """A metric's name, with the head's name at its end.

    >>> metric_key("accuracy", "click"), metric_key("accuracy", None)
    ('accuracy/click', 'accuracy')
    """
    return f"{key}/{name}" if name else key
