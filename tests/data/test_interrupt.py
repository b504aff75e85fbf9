"""Ctrl-C ends a program that reads with threads and processes at once, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import operator, sys
from estimax.data import Dataset
dataset = Dataset.range(10**9).map(operator.neg, num_parallel_calls=2, workers="process")
dataset = dataset.map(operator.neg, num_parallel_calls=2).batch(10).prefetch(4)
for i, batch in enumerate(dataset):
    if i == 3:
        print("reading", flush=True)
"""


def members(group: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_control_c() -> None:
    shared = set(os.listdir("/dev/shm")) if Path("/dev/shm").exists() else set()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        assert len(members(process.pid)) >= 3  # the program and two workers
        start = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - start < 15
        assert "KeyboardInterrupt" in errors
        assert process.returncode != 0
        assert members(process.pid) == []
    finally:
        for left in members(process.pid):
            os.kill(left, signal.SIGKILL)
        process.wait()
    if shared:
        assert not [name for name in set(os.listdir("/dev/shm")) - shared if str(process.pid) in name]
