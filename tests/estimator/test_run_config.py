"""RunConfig: fields, the cluster of the environment, refusals; and EstimatorSpec's checks."""

from __future__ import annotations

import json

import jax.numpy as jnp
import pytest

import estimax as ex
from tests.estimator.data import E


def test_defaults_and_copies():
    config = E.RunConfig()
    assert (config.save_checkpoints_secs, config.save_checkpoints_steps, config.keep_checkpoint_max) == (600, None, 5)
    assert config.is_chief and config.num_worker_replicas == 1 and config.task_type == "worker"
    changed = config.replace(save_checkpoints_steps=7, model_dir="x", tf_random_seed=3)
    assert (changed.save_checkpoints_steps, changed.save_checkpoints_secs, changed.model_dir, changed.seed) == (7, None, "x", 3)
    assert config.model_dir is None, "the first is not changed"


def test_the_cluster_of_the_environment(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "evaluator": ["d:1"]}
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}, "model_dir": "there"})
    )
    config = E.RunConfig()
    assert (config.task_type, config.task_id, config.is_chief, config.global_id_in_cluster) == ("worker", 1, False, 2)
    assert config.num_worker_replicas == 3 and config.model_dir == "there"
    with pytest.raises(ValueError, match="TF_CONFIG names"):
        E.RunConfig("elsewhere")
    for broken, message in (
        ("{", "JSON"),
        ('{"task": {"type": "boss"}}', "boss"),
        ('{"task": {"type": "ps"}}', "parameter servers"),
    ):
        monkeypatch.setenv("TF_CONFIG", broken)
        with pytest.raises(ValueError, match=message):
            E.RunConfig()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"session_config": 1}, "session_config"),
        ({"device_fn": 1}, "device_fn"),
        ({"protocol": "grpc"}, "protocol"),
        ({"experimental_distribute": 1}, "train_distribute"),
        ({"experimental_max_worker_delay_secs": 1}, "workers"),
        ({"session_creation_timeout_secs": 1}, "session"),
        ({"checkpoint_save_graph_def": False}, "graph"),
        ({"save_checkpoints_steps": 1, "save_checkpoints_secs": 1}, "at most one"),
        ({"save_checkpoints_steps": 0}, "above 0"),
        ({"keep_checkpoint_max": -1}, "at least 0"),
        ({"tf_random_seed": "a"}, "tf_random_seed"),
        ({"model_dir": ""}, "empty"),
    ],
)
def test_fields_that_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        E.RunConfig(**fields)


def test_replace_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="task_id"):
        E.RunConfig().replace(task_id=1)


def test_a_model_dir_in_two_places_must_agree():
    columns = [ex.feature_columns.numeric_column("x")]
    with pytest.raises(ValueError, match="differs"):
        E.LinearClassifier(columns, "a", config=E.RunConfig("b"))
    assert E.LinearClassifier(columns, "a", config=E.RunConfig("a")).model_dir == "a"


LOSS = jnp.zeros(())
OP = ex.optimizers.SGD(0.1).minimize(LOSS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "test"}, "mode"),
        ({"mode": "train", "loss": LOSS}, "train_op is missing"),
        ({"mode": "eval"}, "loss is missing"),
        ({"mode": "infer"}, "predictions are missing"),
        ({"mode": "eval", "loss": jnp.zeros(2)}, "expected a scalar"),
        ({"mode": "infer", "predictions": {"a": "text"}}, "arrays"),
        ({"mode": "train", "loss": LOSS, "train_op": 3}, "minimize"),
        ({"mode": "train", "loss": LOSS, "train_op": OP, "training_hooks": [1]}, "training_hooks"),
        ({"mode": "eval", "loss": LOSS, "eval_metric_ops": {"a": jnp.zeros(2)}}, "metric object"),
        ({"mode": "infer", "predictions": LOSS, "export_outputs": {"a": 1}}, "ExportOutput"),
        ({"mode": "infer", "predictions": LOSS, "export_outputs": {}}, "empty"),
        (
            {"mode": "infer", "predictions": LOSS, "export_outputs": {k: E.export.PredictOutput(LOSS) for k in "ab"}},
            "serving_default",
        ),
        ({"mode": "infer", "predictions": LOSS, "scaffold": 1}, "Scaffold"),
    ],
)
def test_specs_that_are_refused(fields, message):
    with pytest.raises((ValueError, TypeError), match=message):
        E.EstimatorSpec(**fields)
