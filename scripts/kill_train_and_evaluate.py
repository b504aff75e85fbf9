"""Kills `train_and_evaluate` at random moments, starts it again, and compares all that it leaves with an undisturbed run.

    python scripts/kill_train_and_evaluate.py --kills 50

A small classifier is trained with two evaluations, a BestExporter and early stopping, in a process of its own that is
killed (SIGKILL) again and again: at a random time, or at the very moment when a checkpoint, an export or an event file is being written.
In the end the arrays of the last checkpoint, the history of both evaluations, the best result and the exports must equal those of the
undisturbed run bit for bit. At no time may there be half a checkpoint, export or history.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import estimax as ex
from estimax.estimator.exporters import BEST_FILE, exports_in
from estimax.training import Checkpointer, read_checkpoint

MOMENTS = ("time", "checkpoint", "export", "event")


def train(model_dir: str, max_steps: int, every: int) -> None:
    """What is killed."""
    fc, est = ex.feature_columns, ex.estimator
    rng = np.random.default_rng(0)
    x, word = rng.normal(size=(160, 1)).astype(np.float32), np.array(["a", "b", "c", "d"])[rng.integers(0, 4, 160)]
    rows = {"x": x, "word": word}, ((x[:, 0] > 0) ^ (word == "c") ^ (rng.random(160) < 0.2)).astype(np.int64)
    column = fc.categorical_column_with_vocabulary_list("word", ["a", "b", "c"], num_oov_buckets=1)
    config = est.RunConfig(
        model_dir=model_dir, save_checkpoints_steps=every, save_summary_steps=5, log_step_count_steps=5, keep_checkpoint_max=3
    )
    classifier = est.DNNClassifier(
        [16, 8],
        [fc.numeric_column("x"), fc.embedding_column(column, 3)],
        dropout=0.1,
        optimizer=ex.optimizers.Adam(0.02),
        config=config,
    )
    receiver = est.export.build_raw_serving_input_receiver_fn({"x": x[:1], "word": word[:1]})
    data = ex.data.Dataset.from_tensor_slices(rows)
    stop = est.experimental.stop_if_no_decrease_hook(
        classifier, "loss", 3 * every, classifier.eval_dir("valid"), run_every_secs=None, run_every_steps=every
    )
    common: dict[str, Any] = {"start_delay_secs": 0, "throttle_secs": 0, "steps": None}
    specs = [
        est.EvalSpec(
            lambda: data.skip(100).batch(25),
            name="valid",
            exporters=est.BestExporter("best", receiver, exports_to_keep=2),
            **common,
        ),
        est.EvalSpec(lambda: data.take(100).batch(32), name="seen", **common),
    ]
    spec = est.TrainSpec(lambda: data.take(100).shuffle(100, seed=3).repeat().batch(7), max_steps=max_steps, hooks=[stop])
    metrics, _ = est.train_and_evaluate(classifier, spec, specs)
    assert metrics["valid"]["global_step"] < max_steps, "early stopping did not stop: the test would say nothing about it"


def left_by(model_dir: Path) -> dict[str, Any]:
    """All that a finished run leaves, as comparable values."""
    checkpoints = Checkpointer(model_dir)
    step = checkpoints.latest_step()
    assert step is not None, f"{model_dir} has no checkpoint"
    found: dict[str, Any] = {"steps": checkpoints.all_steps()}
    found |= {f"checkpoint {k}": v for k, v in read_checkpoint(checkpoints.path(step))[0].items()}
    for name in ("valid", "seen"):
        found[f"history {name}"] = ex.estimator.experimental.read_eval_metrics(str(model_dir / f"eval_{name}"))
    found["best"] = json.loads((model_dir / "export" / "best" / BEST_FILE).read_text())["best_eval_result"]
    exports = model_dir / "export" / "best"
    for i, folder in enumerate(exports_in(str(exports))):
        found[f"export {i}"] = json.loads((Path(folder) / "estimax_model.json").read_text())["metadata"]["global_step"]
        # The compiled function names the lines of code that led to it, which a resumed run reached in another way: its answers count.
        answers = ex.export.load(folder)(
            {"x": np.linspace(-2, 2, 9, dtype=np.float32)[:, None], "word": np.array(list("abcdeabcd"))}
        )
        found |= {f"export {i} {k}": v for k, v in answers.items()}
        found |= {f"export {i} {k}": v for k, v in np.load(Path(folder) / "weights.npz").items()}
    found["others"] = sorted(p.name for p in exports.glob(".*"))
    return found


def check_whole(model_dir: Path) -> None:
    """What is there under its name must be whole, at any moment."""
    checkpoints = Checkpointer(model_dir)
    for step in checkpoints.all_steps():
        read_checkpoint(checkpoints.path(step))
    for folder in model_dir.glob("export/*/*"):
        if folder.name.isdigit():
            ex.export.load(folder)
    for events in model_dir.rglob("events.out.*"):
        left = events.read_bytes()
        while len(left) >= 8 and len(left) >= 16 + int.from_bytes(left[:8], "little"):
            left = left[16 + int.from_bytes(left[:8], "little") :]
        assert len(left) < 10_000, f"{events}: {len(left)} bytes at its end are no record"


def moments(model_dir: Path, kind: str) -> Iterator[bool]:
    """True each time that something of a kind is being written."""
    size = -1
    while True:
        if kind == "checkpoint":
            yield any("tmp" in p.name for p in (model_dir / "checkpoints").glob("*"))
        elif kind == "export":
            yield any(model_dir.glob("export/*/.exporting.json"))
        else:
            written = ("events.out.*", "eval_*/events.out.*", "eval_*/evaluations.jsonl")
            files = [path for pattern in written for path in model_dir.glob(pattern)]
            old, size = size, sum(p.stat().st_size for p in files)
            yield size != old and old >= 0


def kill_once(process: subprocess.Popen, model_dir: Path, kind: str, lifetime: float, rng: random.Random) -> bool:
    """Kills the process at a moment of a kind; False if it ended before."""
    if kind == "time":
        until = time.monotonic() + rng.uniform(0.1 * lifetime, lifetime)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.005)
    else:
        seen, wanted = 0, rng.randint(1, 12)  # how often the moment is to be seen before: the tenth checkpoint, say
        for now in moments(model_dir, kind):
            seen += now
            if seen >= wanted or process.poll() is not None:
                break
            time.sleep(0.002)
        time.sleep(rng.choice([0, 0, 0.002, 0.01]))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="how many kills in all")
    parser.add_argument("--kills-a-trial", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=400)
    parser.add_argument("--checkpoint-steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", help="train in this model_dir: what the processes do that are killed")
    args = parser.parse_args()
    if args.train:
        return train(args.train, args.max_steps, args.checkpoint_steps)
    rng, counted = random.Random(args.seed), collections.Counter()
    options = ["--max-steps", str(args.max_steps), "--checkpoint-steps", str(args.checkpoint_steps)]

    def start(model_dir: Path, errors: Any = None) -> subprocess.Popen:
        command = [sys.executable, __file__, "--train", str(model_dir), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=os.environ)

    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{folder}/cache")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        begun = time.monotonic()
        if start(Path(folder) / "whole").wait():
            raise SystemExit("the undisturbed run failed")
        lifetime = time.monotonic() - begun
        want = left_by(Path(folder) / "whole")
        steps = [step for step in want["history valid"]]
        print(
            f"undisturbed: {lifetime:.1f} s, {len(steps)} evaluations, stopped at step {steps[-1]}, {len(want)} values",
            flush=True,
        )
        number = 0
        while sum(counted.values()) < args.kills:
            model_dir = Path(folder) / f"trial{number}"
            for _ in range(min(args.kills_a_trial, args.kills - sum(counted.values()))):
                kind = rng.choice(MOMENTS)
                if not kill_once(start(model_dir, subprocess.DEVNULL), model_dir, kind, lifetime, rng):
                    break
                counted[kind] += 1
                check_whole(model_dir)
            with open(Path(folder) / "errors", "w+") as errors:
                if start(model_dir, errors).wait():
                    errors.seek(0)
                    raise SystemExit(
                        f"trial {number}: the process failed after {sum(counted.values())} kills:\n{errors.read()[-3000:]}"
                    )
            got = left_by(model_dir)
            differ = [k for k in {**want, **got} if k not in got or k not in want or not np.array_equal(want[k], got[k])]
            if differ:
                shown = "\n".join(f"{k}: {want.get(k)!r:.200} != {got.get(k)!r:.200}" for k in differ[:8])
                raise SystemExit(f"trial {number}: {len(differ)} values differ after {sum(counted.values())} kills:\n{shown}")
            number += 1
            print(f"trial {number}: all equal; kills so far: {dict(counted)}", flush=True)
        print(
            f"{sum(counted.values())} kills in {number} trials: weights, metrics and exports equal those of the undisturbed run"
        )


if __name__ == "__main__":
    main()
