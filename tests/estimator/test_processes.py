"""Several processes at one model_dir: one that trains and one that evaluates, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimax import export
from estimax.estimator.evaluator_status import read_status, warn_of_dead_evaluator
from tests.estimator.data import E, eval_fn, linear, train_fn

ROOT = Path(__file__).parents[2]
CLUSTER = {"chief": ["a:1"], "evaluator": ["b:1"]}

SCRIPT = """
import json, logging, sys, time
from pathlib import Path
from tests.estimator.data import *
from estimax.training import Hook
folder = Path(sys.argv[1])
class Slow(Hook):
    def after_run(self, run):
        while run.step == 8 and not (folder / "go_on").exists():
            time.sleep(0.05)
train = E.TrainSpec(train_fn(), max_steps=12, hooks=[Slow()])
spec = E.EvalSpec(eval_fn(), start_delay_secs=0, throttle_secs=0)
metrics, _ = E.train_and_evaluate(linear(folder, save_checkpoints_steps=4), train, spec)
print(json.dumps(metrics and metrics["global_step"]))
"""


def start(folder: Path, role: str) -> subprocess.Popen:
    config = json.dumps({"cluster": CLUSTER, "task": {"type": role, "index": 0}})
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "TF_CONFIG": config}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], env=environment, **pipes)


def wait_for(condition: Any, *processes: subprocess.Popen) -> None:
    until = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < until and all(p.poll() is None for p in processes), [p.communicate() for p in processes]
        time.sleep(0.05)


def test_an_evaluator_that_dies_is_reported_and_started_again(tmp_path):
    history = tmp_path / "eval" / "evaluations.jsonl"
    chief, evaluator = start(tmp_path, "chief"), start(tmp_path, "evaluator")
    wait_for(lambda: history.exists() and (read_status(str(tmp_path)) or {}).get("global_step"), chief, evaluator)
    evaluator.send_signal(signal.SIGKILL)
    evaluator.communicate()
    (tmp_path / "go_on").touch()
    out, errors = chief.communicate(timeout=240)
    assert chief.returncode == 0 and json.loads(out) is None, errors
    assert f"The evaluator, process {evaluator.pid}, has died" in errors and "Start the evaluator again" in errors
    again = start(tmp_path, "evaluator")
    out, errors = again.communicate(timeout=240)
    assert again.returncode == 0 and json.loads(out) == 12, errors
    assert max(E.experimental.read_eval_metrics(str(tmp_path / "eval"))) == 12 and read_status(str(tmp_path)) is None


def test_an_evaluator_that_fails_is_reported(tmp_path, monkeypatch, caplog):
    def as_role(role: str) -> None:
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER, "task": {"type": role, "index": 0}}))

    def broken() -> Any:
        raise OSError("no such file: valid.csv")

    train = E.TrainSpec(train_fn(), max_steps=4)
    as_role("chief")
    E.train_and_evaluate(linear(tmp_path), train, E.EvalSpec(eval_fn()))
    as_role("evaluator")
    with pytest.raises(OSError, match="valid.csv"):
        E.train_and_evaluate(linear(tmp_path), train, E.EvalSpec(broken, start_delay_secs=0))
    assert "The evaluator failed: OSError: no such file: valid.csv" in (warn_of_dead_evaluator(str(tmp_path)) or "")
    assert "Nothing of the training is lost" in caplog.text
    metrics, _ = E.train_and_evaluate(linear(tmp_path), train, E.EvalSpec(eval_fn(), start_delay_secs=0))
    assert metrics["global_step"] == 4 and warn_of_dead_evaluator(str(tmp_path)) is None


@pytest.mark.parametrize("role", ["chief", "worker"])
def test_several_processes_that_train_are_refused(role, monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": role, "index": 0}}))
    with pytest.raises(ValueError, match="names 3 processes that train.*DataParallel"):
        linear().train(train_fn(), steps=1)


SHORT = """
import sys
from tests.estimator.data import *
estimator = linear(sys.argv[1])
for _ in range(3):
    estimator.train(train_fn(), steps=1)
"""


def test_a_process_that_ends_leaves_its_last_step(tmp_path):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", SHORT, str(tmp_path)], env=environment, check=True, capture_output=True)
    assert sorted(p.name for p in tmp_path.glob(".unsaved")) == []
    assert linear(tmp_path).get_variable_value("global_step") == 3


def test_whoever_asks_for_a_checkpoint_finds_the_last_step(tmp_path):
    estimator = linear(tmp_path)
    train = lambda: [estimator.train(train_fn(), steps=1) for _ in range(3)]  # noqa: E731
    train()
    assert estimator.evaluate(eval_fn(), checkpoint_path=tmp_path / "checkpoints" / "3")["global_step"] == 3
    train()
    assert estimator.evaluate(eval_fn(), checkpoint_path=tmp_path)["global_step"] == 6, "not what was read before"
    train()
    assert linear(tmp_path).evaluate(eval_fn())["global_step"] == 9
    train()
    receiver = E.export.build_raw_serving_input_receiver_fn({"x": np.zeros((1, 1), np.float32), "word": np.array(["a"])})
    path = estimator.export_saved_model(tmp_path / "exports", receiver, checkpoint_path=str(tmp_path / "checkpoints" / "12"))
    assert export.load(path).metadata["global_step"] == 12
