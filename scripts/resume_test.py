"""Stops chains of `estimax.data` at random elements and continues each in a new process: what remains must be identical.

Run `python scripts/resume_test.py [--stops 200] [--seed 0]`. Ends with 1 if any element differs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402

from estimax import data  # noqa: E402

Dataset = data.Dataset


def write_files(folder: Path) -> None:
    """What the chains over files read."""
    import pyarrow as pa
    from pyarrow import parquet

    for i in range(4):
        with data.TFRecordWriter(str(folder / f"{i}.tfrecord"), "GZIP" if i % 2 else None) as writer:
            for j in range(90 + i):
                writer.write(data.Example({"x": [j], "s": [b"%d" % (j % 7)] * (j % 3)}).serialize())
        rows = [f"{j},{j / 2},t{j % 5}" for j in range(100 + i)]
        (folder / f"{i}.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
        parquet.write_table(
            pa.table({"a": np.arange(120), "c": [f"t{j % 5}" for j in range(120)]}), folder / f"{i}.parquet", row_group_size=50
        )


def examples(folder: Path) -> Dataset:
    """Parsed records of plain files."""
    spec = {"x": data.FixedLenFeature([], "int64"), "s": data.VarLenFeature("string")}
    names = np.array([str(folder / "0.tfrecord"), str(folder / "2.tfrecord")], object)
    records = Dataset.from_tensor_slices(names).shuffle(2, seed=3).interleave(data.TFRecordDataset, 2, 3)
    return records.shuffle(40, seed=1).repeat(6).batch(4).map(lambda r: data.parse_example(r, spec))


def columns(n: int = 500) -> dict[str, Any]:
    return {"x": np.arange(n), "s": np.array([f"t{i % 7}" for i in range(n)], object), "m": np.ones((n, 2), np.float32)}


def numbers() -> Any:
    return ({"i": i, "v": [float(i)]} for i in range(700))


CHAINS: dict[str, Callable[[Path], Dataset]] = {
    "whole shuffle": lambda p: Dataset.from_tensor_slices(columns()).shuffle(500, seed=1).repeat(3).batch(7),
    "buffer shuffle": lambda p: Dataset.from_tensor_slices(columns()).shuffle(33).repeat(3).batch(7),
    "records, interleaved": examples,
    "compressed records": lambda p: data.TFRecordDataset(
        [str(p / "1.tfrecord"), str(p / "3.tfrecord")], compression_type="GZIP"
    ).shuffle(20),
    "csv": lambda p: data.make_csv_dataset(str(p / "*.csv"), 3, num_epochs=2, shuffle_buffer_size=50, label_name="a"),
    "parquet": lambda p: Dataset.from_parquet(str(p / "*.parquet")).shuffle(64).repeat(2).batch(4),
    "generator": lambda p: Dataset.from_generator(numbers).shuffle(9).batch(3),
    "interleave": lambda p: Dataset.range(40).interleave(lambda x: Dataset.range(x * 10, x * 10 + 9).shuffle(5), 5, 2),
    "workers and prefetch": lambda p: Dataset.range(900).shuffle(90).map(lambda x: x * x, num_parallel_calls=3).batch(4).prefetch(3),
    "buckets": lambda p: (
        Dataset.range(700).shuffle(99).map(lambda x: np.arange(x % 13)).bucket_by_sequence_length(len, [3, 7], [2, 3, 2])
    ),
    "windows": lambda p: Dataset.range(600).shuffle(20).window(4, shift=2).flat_map(lambda w: w.batch(4)),
    "sampling": lambda p: Dataset.sample_from_datasets(
        [Dataset.range(300).shuffle(300), Dataset.range(1000, 1200).repeat()], [0.6, 0.4]
    ).take(400),
    "cache, unbatch, rebatch": lambda p: Dataset.range(300).map(lambda x: x + 1).shuffle(50).cache().repeat(2).batch(5).unbatch().batch(7).rebatch([3, 2]),
    "zip, filter, scan": lambda p: (
        Dataset.zip(Dataset.range(800).shuffle(80), Dataset.range(800))
        .filter(lambda a, b: a % 3 > 0)
        .scan(0, lambda s, x: (s + x[0], (s + x[0], x[1])))
    ),
}  # fmt: skip


def plain(element: Any) -> str:
    """An element as text that is equal only for equal elements."""
    if isinstance(element, dict):
        return str({key: plain(part) for key, part in element.items()})
    if isinstance(element, tuple):
        return str([plain(part) for part in element])
    if isinstance(element, data.SparseTensor):
        return str([plain(element.indices), plain(element.values), list(element.dense_shape)])
    array = np.asarray(element)
    return f"{array.dtype}{array.shape}{array.tolist()}"


def continued(name: str, folder: str, state: str, answer: Any) -> None:
    """In a new process: the elements after a state."""
    try:
        iterator = iter(CHAINS[name](Path(folder)))
        iterator.set_state(json.loads(state))
        answer.send([plain(element) for element in iterator])
    except BaseException as error:  # the parent reports it
        answer.send(f"{type(error).__name__}: {error}")


def main() -> int:
    """Prints one line for each chain."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--stops", type=int, default=200, help="of each chain")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    processes = multiprocessing.get_context(
        "forkserver"
    )  # every process is forked from one that has imported, and done, nothing else
    processes.set_forkserver_preload(["estimax.data"])
    source, wrong = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        for name, make in CHAINS.items():
            start = time.perf_counter()
            whole, states, elements = iter(make(Path(folder))), [], []
            states.append(json.dumps(whole.get_state()))
            for element in whole:
                elements.append(plain(element))
                states.append(json.dumps(whole.get_state()))
            stops = source.sample(range(len(states)), min(given.stops, len(states)))
            bad = 0
            for stop in stops:
                here, there = processes.Pipe(duplex=False)
                process = processes.Process(target=continued, args=(name, folder, states[stop], there))
                process.start()
                there.close()
                try:
                    rest = here.recv()
                except EOFError:
                    rest = "the process died"
                process.join()
                here.close()
                if rest != elements[stop:]:
                    bad += 1
                    print(f"  {name}: differs after element {stop}: {rest if isinstance(rest, str) else 'other elements'}")
            wrong += bad
            print(
                f"{name:<26} {len(elements):>5} elements, {len(stops)} stops, {bad} wrong, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
