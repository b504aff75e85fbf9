"""Rows that only pad a batch count for nothing, wherever a metric is updated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from estimax import metrics
from estimax.core import Frame, row_mask
from estimax.training import Outputs, Run
from estimax.training.batches import flatten
from estimax.training.program import Program


def test_a_padded_frame_weights_rows() -> None:
    metric = metrics.Mean()
    totals = metric.initial_totals()
    with Frame(key=jax.random.key(0), row_mask=jnp.array([True, True, False])):
        totals = metric.updated_totals(totals, jnp.array([1.0, 3.0, jnp.nan]))
        totals = metric.updated_totals(totals, jnp.array([[2.0], [4.0], [9.0]]), jnp.array([[1.0], [3.0], [1.0]]))
        totals = metric.updated_totals(totals, jnp.array(5.0))  # no rows: counts as it is
    assert float(totals["count"]) == 7 and float(totals["total"]) == 1 + 3 + 2 + 12 + 5


def test_metrics_of_a_model_fn_ignore_the_padding_of_a_short_batch() -> None:
    def forward(mode, features, labels, weights):
        mask = row_mask(is_loss=True)
        mean, correct = metrics.Mean(), metrics.BinaryAccuracy()
        mean.update_state(features["x"])
        correct.update_state(labels, features["x"])
        return Outputs(loss=jnp.zeros(()) if mask is None else 0.0 * jnp.sum(mask), metrics={"mean": mean, "correct": correct})

    def batch(*x):
        x = np.array(x, np.float32)
        return {"x": x}, np.ones_like(x)

    program = Program(forward)
    run = Run(program, program.initial_state(*flatten(*batch(1.0)), "eval"))
    assert run.evaluate([batch(1.0, 1.0, 1.0), batch(0.0)]) == {"mean": 0.75, "correct": 0.75}
