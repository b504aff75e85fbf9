"""Weights that an optimizer works out late (rows that catch up, moving averages): who reads them sees them whole."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import estimax as ex
from estimax import core
from estimax.estimator import Estimator, EstimatorSpec, RunConfig
from estimax.training import Hook

ROWS = 12


def input_fn():
    """No row is looked up again after a pause, so that only what is read in the end tells rows that were left behind."""
    for n in range(6):
        yield {"ids": np.array([[0 if n < 2 else 6 + n], [1 + n]], np.int32)}, np.array([1.0, 2.0], np.float32)


def look_up(features):
    table = core.Variable(lambda s, d: jnp.ones(s, d), (ROWS, 2), name="table", row_sparse=True)
    return core.embedding_lookup(table, features["ids"])[:, 0].sum(-1)


def estimator(folder, optimizer, **config):
    def model_fn(features, labels, mode):
        z = look_up(features)
        if mode == "infer":
            return EstimatorSpec(mode, predictions={"z": z})
        loss = jnp.mean((z - labels) ** 2)
        return EstimatorSpec(mode, loss=loss, predictions={"z": z}, train_op=optimizer.minimize(loss))

    return Estimator(model_fn, model_dir=str(folder), config=RunConfig(**config))


def all_rows(trained, **options):
    everything = lambda: [{"ids": np.arange(ROWS, dtype=np.int32)[:, None]}]  # noqa: E731
    return np.array([p["z"] for p in trained.predict(everything, **options)])


def exported_rows(trained, folder):
    receiver = ex.estimator.export.build_raw_serving_input_receiver_fn({"ids": ex.data.TensorSpec([None, 1], "int32")})
    loaded = ex.export.load(trained.export_saved_model(str(folder), receiver))
    return np.asarray(loaded({"ids": np.arange(ROWS, dtype=np.int32)[:, None]})["z"])


class EvaluateAt(Hook):
    """Predicts in the middle of training."""

    def __init__(self, step, trained):
        self.step, self.trained = step, trained

    def next_step(self, step):
        return self.step if step < self.step else None

    def after_run(self, run):
        self.seen = all_rows(self.trained)


def test_rows_that_catch_up_are_up_to_date_wherever_they_are_read(tmp_path):
    found = {}
    for rows in ("dense", "catch_up"):
        trained = estimator(tmp_path / rows, ex.optimizers.SGD(0.1, momentum=0.9, rows=rows), save_checkpoints_steps=3)
        middle = EvaluateAt(4, trained)
        trained.train(input_fn, hooks=[middle])
        paths = [str(tmp_path / rows / "checkpoints" / str(step)) for step in (3, 6)]
        found[rows] = [middle.seen, all_rows(trained), exported_rows(trained, tmp_path / f"export_{rows}")]
        found[rows] += [all_rows(trained, checkpoint_path=path) for path in paths]
        found[rows] += [all_rows(estimator(tmp_path / rows, ex.optimizers.SGD(0.1)))]
    for dense, caught_up in zip(*found.values(), strict=True):
        np.testing.assert_allclose(caught_up, dense, rtol=1e-6)
        assert len(set(dense.tolist())) >= 3


@pytest.mark.parametrize("scaled", [False, True])
def test_averages_are_what_is_evaluated_and_exported(tmp_path, scaled):
    optimizer = ex.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    trained = estimator(tmp_path / "model", ex.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer)
    trained.train(input_fn)
    average, table = None, np.ones((ROWS, 2))
    for features, labels in input_fn():
        ids = features["ids"][:, 0]
        gradient = np.zeros_like(table)
        np.add.at(gradient, ids, (table[ids].sum(1) - labels)[:, None])  # of the mean of two squares
        table = table - 0.1 * gradient
        average = table if average is None else 0.5 * average + 0.5 * table
    reader = estimator(tmp_path / "model", ex.optimizers.SGD(0.1))
    for found in (all_rows(trained), all_rows(reader), exported_rows(trained, tmp_path / "export")):
        np.testing.assert_allclose(found, average.sum(1), rtol=1e-5)
    np.testing.assert_allclose(trained.get_variable_value("table"), table, rtol=1e-5)
