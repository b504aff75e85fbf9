"""A saved iterator continues at the very next element, in every kind of chain, also in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimax.data import Dataset, InvalidDataError, TextLineDataset, TFRecordDataset, TFRecordWriter

STOPS = int(os.environ.get("ESTIMAX_RESUME_STOPS", "6"))  # random places tried in each chain; 200 tries all


def columns(n: int = 40) -> dict[str, np.ndarray]:
    return {"x": np.arange(n), "s": np.array([f"t{i % 7}" for i in range(n)], object)}


def records(folder: Path) -> list[str]:
    paths = [str(folder / f"{i}.tfrecord") for i in range(3)]
    for i, path in enumerate(paths):
        if not Path(path).exists():
            with TFRecordWriter(path) as writer:
                for j in range(15):
                    writer.write(b"%d-%d" % (i, j))
            Path(path + ".txt").write_text("\n".join(f"{i} {j}" for j in range(10 + i)))
    return paths


CHAINS: dict[str, Callable[[Path], Dataset]] = {
    "whole shuffle": lambda p: Dataset.from_tensor_slices(columns()).shuffle(100).repeat(3).batch(7),
    "buffer shuffle": lambda p: Dataset.from_tensor_slices(columns()).shuffle(5).repeat(3).batch(7),
    "shard of shuffle": lambda p: Dataset.range(90).shuffle(90).shard(3, 1).skip(2).take(20).repeat(2),
    "stream shuffle": lambda p: TFRecordDataset(records(p)).shuffle(8).repeat(2).batch(4),
    "element shuffle": lambda p: Dataset.range(40).map(lambda x: x + 1).shuffle(6).repeat(2),
    "interleave": lambda p: Dataset.range(6).interleave(lambda x: Dataset.range(x * 10, x * 10 + 5).shuffle(5), 3, 2),
    "interleaved files": lambda p: Dataset.from_tensor_slices(np.array(records(p), object)).interleave(TFRecordDataset, 2),
    "flat_map": lambda p: Dataset.range(7).flat_map(lambda x: Dataset.range(x).map(lambda y: y * 2)),
    "generator": lambda p: Dataset.from_generator(lambda: ({"i": i, "v": [float(i)]} for i in range(30))).shuffle(4).batch(3),
    "prefetch and workers": lambda p: (
        Dataset.range(50).shuffle(9).map(lambda x: x * x, num_parallel_calls=3).batch(4).prefetch(3)
    ),
    "any order": lambda p: (
        Dataset.range(20).map(lambda x: x, num_parallel_calls=2, deterministic=True).filter(lambda x: x % 3 > 0)
    ),
    "unbatch and rebatch": lambda p: Dataset.range(33).batch(5).unbatch().batch(4).rebatch([3, 2]),
    "padded groups": lambda p: Dataset.range(1, 30).map(lambda x: np.arange(x % 6)).bucket_by_sequence_length(len, [3], [2, 3]),
    "windows": lambda p: Dataset.range(20).window(4, shift=2).flat_map(lambda w: w.batch(4)),
    "cache": lambda p: Dataset.range(12).map(lambda x: x + 1).shuffle(12).cache().repeat(3).batch(5),
    "sampling": lambda p: Dataset.sample_from_datasets([Dataset.range(20).shuffle(20), Dataset.range(100, 130)], [0.4, 0.6]),
    "zip and scan": lambda p: Dataset.zip(Dataset.range(20).shuffle(20), Dataset.range(20)).scan(
        0, lambda s, x: (s + x[0], s + x[1])
    ),
    "lines": lambda p: TextLineDataset([r + ".txt" for r in records(p)], skip_lines=1).enumerate().shuffle(4).batch(3),
    "unique": lambda p: Dataset.range(30).map(lambda x: x % 11).unique().repeat(2),
}


def plain(element: Any) -> Any:
    if isinstance(element, dict):
        return {k: plain(v) for k, v in element.items()}
    if isinstance(element, tuple):
        return [plain(v) for v in element]
    return element.tolist() if hasattr(element, "tolist") else element


@pytest.mark.parametrize("name", CHAINS)
def test_continues_at_the_next_element(name: str, tmp_path: Path) -> None:
    whole = iter(CHAINS[name](tmp_path))
    states, elements = [whole.get_state()], []
    for element in whole:
        elements.append(plain(element))
        states.append(whole.get_state())
    assert len(elements) > 3
    random = np.random.default_rng(0)
    stops = {0, 1, len(elements) - 1, len(elements), *random.integers(0, len(elements), STOPS).tolist()}
    for stop in stops:
        again = iter(CHAINS[name](tmp_path))
        if stop % 2:
            next(again)  # a used iterator can be set, too
        again.set_state(json.loads(json.dumps(states[stop])))
        assert [plain(e) for e in again] == elements[stop:], f"after {stop} elements"


def test_continues_in_another_process(tmp_path: Path) -> None:
    chain = "Dataset.from_tensor_slices({'x': np.arange(50)}).shuffle(10).repeat(2).map(lambda f: f['x'] + 1).batch(7)"
    dataset = eval(chain)  # noqa: S307 - the same text runs in the other process
    iterator = iter(dataset)
    for _ in range(5):
        next(iterator)
    state = json.dumps(iterator.get_state())
    rest = [batch.tolist() for batch in iterator]
    code = (
        "import json, sys, numpy as np\nfrom estimax.data import Dataset\n"
        f"it = iter({chain})\nit.set_state(sys.argv[1])\nprint(json.dumps([b.tolist() for b in it]))"
    )
    out = subprocess.run([sys.executable, "-c", code, state], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == rest


def test_state_of_columns_in_memory_is_small_and_cheap() -> None:
    iterator = iter(Dataset.range(1_000_000).shuffle(1_000_000).repeat().batch(100))
    for _ in range(50):
        next(iterator)
    assert iterator.get_state()["where"] == [5000]


def test_states_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidDataError, match=r"get_state\(\)"):
        iter(Dataset.range(3)).set_state({"where": 1})
    state = iter(Dataset.range(3).map(lambda x: x).flat_map(Dataset.range)).get_state()
    with pytest.raises(InvalidDataError, match="does not fit"):
        iter(Dataset.range(3).zip(Dataset.range(3), Dataset.range(4))).set_state(state)
    source = Dataset.from_generator(lambda: iter(range(5)))
    used = iter(source)
    list(used)
    with pytest.raises(InvalidDataError, match="ended before"):
        iter(Dataset.from_generator(lambda: iter(range(2)))).set_state({**used.get_state(), "where": 4, "ended": False})


def test_seed_of_the_iterator_fixes_all_steps() -> None:
    dataset = Dataset.range(30).shuffle(30)
    first = [int(x) for x in dataset.make_iterator(seed=5)]
    other = [int(x) for x in Dataset.range(30).shuffle(30).make_iterator(seed=5)]
    assert first == other
