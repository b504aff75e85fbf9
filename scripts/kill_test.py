"""Kills a training process at random moments, starts it again, and compares the final weights with those of an undisturbed run.

    python scripts/kill_test.py --data FOLDER_WITH_ADULT_DATA --kills 20

Each trial trains `examples/census.py` in a process of its own, which is killed (SIGKILL) at a random moment of its life, as often as it
takes until it ends by itself. Every array of the last checkpoint must equal the undisturbed run's bit for bit, the export must load, and
no checkpoint may be half there at any time.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from estimax import export
from estimax.training import Checkpointer, read_checkpoint

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "census.py"


def command(model_dir: Path, args: argparse.Namespace) -> list[str]:
    """The training process."""
    found = [sys.executable, str(EXAMPLE), "--model-dir", str(model_dir), "--steps", str(args.steps)]
    found += ["--checkpoint-steps", str(args.checkpoint_steps)]
    return found + (["--data", args.data] if args.data else [])


def final_arrays(model_dir: Path) -> dict[str, np.ndarray]:
    """All arrays of the newest checkpoint."""
    checkpoints = Checkpointer(model_dir)
    step = checkpoints.latest_step()
    assert step is not None, f"{model_dir} has no checkpoint"
    return read_checkpoint(checkpoints.path(step))[0]


def check_whole(model_dir: Path) -> None:
    """Every checkpoint and export that is there under its name must be whole."""
    checkpoints = Checkpointer(model_dir)
    for step in checkpoints.all_steps():
        read_checkpoint(checkpoints.path(step))
    for folder in model_dir.glob("export/*"):
        if folder.name.isdigit():
            export.load(folder)


def trial(model_dir: Path, args: argparse.Namespace, lifetime: float, rng: random.Random) -> tuple[int, float]:
    """Runs until the process ends by itself; gives the number of kills and the seconds that the last process took."""
    kills = 0
    while True:
        process = subprocess.Popen(command(model_dir, args), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait = rng.uniform(args.earliest, lifetime) if kills < args.kills_a_trial else None
        begun = time.monotonic()
        try:
            _, errors = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            check_whole(model_dir)
            continue
        if process.returncode != 0:
            raise SystemExit(f"after {kills} kills the process failed:\n{errors.decode()[-3000:]}")
        return kills, time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--kills", type=int, default=20, help="how many kills in all")
    parser.add_argument("--kills-a-trial", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--checkpoint-steps", type=int, default=100)
    parser.add_argument("--earliest", type=float, default=3.0, help="seconds before which nothing is killed")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        subprocess.run(command(Path(folder) / "whole", args), check=True, stdout=subprocess.DEVNULL)
        lifetime = time.monotonic() - begun
        want = final_arrays(Path(folder) / "whole")
        print(f"undisturbed: {lifetime:.1f} s, {len(want)} arrays", flush=True)
        kills = number = 0
        while kills < args.kills:
            model_dir = Path(folder) / f"trial{number}"
            more, took = trial(model_dir, args, lifetime, rng)
            kills += more
            lifetime = took if more == 0 else lifetime
            got = final_arrays(model_dir)
            differ = [k for k in want if k not in got or not np.array_equal(want[k], got[k])]
            if differ or set(got) != set(want):
                raise SystemExit(f"trial {number}: {len(differ)} arrays differ after {kills} kills: {differ[:5]}")
            check_whole(model_dir)
            number += 1
            print(f"trial {number}: equal bit for bit; {kills} kills so far", flush=True)
        print(f"{kills} kills in {number} trials: all final weights equal those of the undisturbed run, bit for bit")


if __name__ == "__main__":
    main()
