"""What a process that ended in the middle of train_and_evaluate leaves, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimax import export
from estimax.estimator.early_stopping import append_eval_metrics
from estimax.estimator.exporters import exports_in, read_best
from estimax.estimator.progress import PROGRESS, Progress
from tests.estimator.data import E, eval_fn, linear, train_fn

ROOT = Path(__file__).parents[2]


class Breaks(E.Exporter):
    """Ends the process, as far as a test can, at one step."""

    name = "breaks"

    def __init__(self, at: int):
        self.at = at

    def export(self, estimator: Any, eval_result: Any, **kwargs: Any) -> None:
        if eval_result["global_step"] == self.at:
            raise KeyboardInterrupt


def run(folder: Path, breaks_at: int = -1, max_steps: int = 30) -> Any:
    """Training with early stopping, at step 12."""
    estimator = linear(folder, save_checkpoints_steps=4)
    stop = E.experimental.stop_if_lower_hook(estimator, "loss", 10.0, run_every_secs=None, run_every_steps=4, min_steps=8)
    receiver = E.export.build_raw_serving_input_receiver_fn({"x": np.zeros((1, 1), np.float32), "word": np.array(["a"])})
    exporters = [E.BestExporter("best", receiver), Breaks(breaks_at)]
    spec = E.EvalSpec(eval_fn(), start_delay_secs=0, throttle_secs=0, exporters=exporters)
    train = E.TrainSpec(train_fn(), max_steps=max_steps, hooks=[stop])
    return E.train_and_evaluate(estimator, train, spec)


def left(folder: Path) -> tuple[Any, ...]:
    steps = [export.load(e).metadata["global_step"] for e in exports_in(str(folder / "export" / "best"))]
    return E.experimental.read_eval_metrics(str(folder / "eval")), read_best(str(folder / "export" / "best")), steps


def test_an_interrupted_evaluation_is_done_again(tmp_path):
    metrics, _ = run(tmp_path / "whole")
    assert metrics["global_step"] == 12 and list(left(tmp_path / "whole")[0]) == [4, 8, 12]
    for step in (4, 12):
        folder = tmp_path / f"broken{step}"
        with pytest.raises(KeyboardInterrupt):
            run(folder, breaks_at=step)
        noted = json.loads((folder / PROGRESS).read_text())
        assert noted == ({"evaluating": 4} if step == 4 else {"ended": 12, "evaluating": 12})
        assert run(folder)[0] == metrics
        assert left(folder) == left(tmp_path / "whole") and not (folder / PROGRESS).exists()
    # What has ended by early stopping stays so, as what has reached max_steps does.
    assert run(tmp_path / "whole")[0] == metrics


def test_evaluations_of_steps_without_a_checkpoint_are_dropped(tmp_path):
    linear(tmp_path).train(train_fn(), max_steps=4)
    for step in (3, 6, 8):
        append_eval_metrics(str(tmp_path / "eval"), step, {"loss": 20.0})
    Progress(tmp_path).note(evaluating=6, ended=6)
    run(tmp_path, max_steps=8)
    history = left(tmp_path)[0]
    assert list(history) == [3, 8] and history[8]["loss"] < 20


def test_what_a_killed_exporter_left_is_removed(tmp_path):
    run(tmp_path)
    folder = tmp_path / "export" / "best"
    done = exports_in(str(folder))
    (folder / ".exporting.json").write_text(json.dumps([os.path.basename(e) for e in done]))
    later = folder / str(int(time.time()) + 1000)
    for name in (later.name, ".removed-1", f".{later.name}.tmp-abc"):
        (folder / name).mkdir()
    (folder / "best_eval_result.json").write_text(json.dumps({"best_eval_result": {"loss": 9.0}, "export": "gone"}))
    run(tmp_path)
    assert str(later) not in exports_in(str(folder)) and len(exports_in(str(folder))) == len(done) + 1
    assert sorted(p.name for p in folder.glob(".*")) == []


def test_killed_processes_end_as_an_undisturbed_one(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "kill_train_and_evaluate.py"), "--kills", "2", "--kills-a-trial", "2"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, "--max-steps", "120"], env=environment, capture_output=True, text=True, check=False)
    assert "weights, metrics and exports equal those of the undisturbed run" in done.stdout, done.stdout + done.stderr
