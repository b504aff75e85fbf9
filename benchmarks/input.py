"""The input side: rows a second, each against the plain way to do the same in this process.

Run `python benchmarks/input.py [--seconds 1.0] [--data FOLDER] [--stream-gb 0]`. TensorFlow is not needed; given the Python of
an environment that has it, `--tensorflow PYTHON` measures the same pipelines of tf.data in turns with ours, and nothing else.
Measured are:

    parse      tf.Example records of 13 floats, 26 texts and an integer, to arrays, batches of 1024
    records    TFRecord file to records, checksums checked
    memory     shuffle and batch of 39 columns in memory, batches of 1024: numbers; 13 numbers and 26 texts
    csv        the census columns from CSV to shuffled batches of 1024
    images     28 x 28 PNG images in TFRecords to shuffled batches of 128
    stream     CSV, TFRecord and Parquet files of some GB, streamed: rows a second and memory over the start
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import platform
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from estimax import data  # noqa: E402
from estimax.data import wire  # noqa: E402

CENSUS = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
    "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip


def machine() -> str:
    """What this runs on."""
    import pyarrow

    cpu = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf8") as file:
            cpu = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, pyarrow {pyarrow.__version__}"
    native = "google-crc32c" if data.crc32c._native() else "array operations"
    return f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}; CRC by {native}"


def speed(step: Callable[[], int], seconds: float, repeats: int = 5) -> tuple[float, float]:
    """Rows a second of CPU time: the median of some runs, and their spread (largest less smallest, over the median)."""
    step()
    runs = []
    for _ in range(repeats):
        rows, start = 0, time.process_time()
        while time.process_time() - start < seconds / repeats:
            rows += step()
        runs.append(rows / (time.process_time() - start))
    middle = statistics.median(runs)
    return middle, (max(runs) - min(runs)) / middle


def show(name: str, ours: tuple[float, float], plain: tuple[float, float] | None = None, bar: str = "") -> None:
    """One line of the result."""
    line = f"{name:<44} {ours[0]:>12,.0f} rows/s  +-{ours[1] / 2:>4.0%}"
    if plain is not None:
        line += f"   plain way {plain[0]:>10,.0f}   x {ours[0] / plain[0]:.1f}"
    print(line + (f"   {bar}" if bar else ""), flush=True)


def batches(dataset: data.Dataset, columns: str = "numpy") -> Callable[[], int]:
    """A step that draws one batch of an endless dataset."""
    iterator = dataset.make_iterator(columns=columns)

    def step() -> int:
        batch = next(iterator)
        features = batch[0] if isinstance(batch, tuple) else batch
        return len(next(iter(features.values())) if isinstance(features, dict) else features)

    return step


# ---- tf.Example ----


def criteo_like(count: int) -> list[bytes]:
    """Records with 13 floats, 26 texts and an integer."""
    source, out = random.Random(0), []
    for i in range(count):
        features: dict[str, Any] = {f"f{j}": [source.random()] for j in range(13)}
        features |= {f"c{j}": [b"%08x" % source.getrandbits(32)] for j in range(26)}
        out.append(data.Example({**features, "label": [i % 2]}).serialize())
    return out


def criteo_spec() -> dict[str, Any]:
    """How they are read."""
    spec: dict[str, Any] = {f"f{j}": data.FixedLenFeature([], "float32") for j in range(13)}
    spec |= {f"c{j}": data.FixedLenFeature([], "string") for j in range(26)}
    return {**spec, "label": data.FixedLenFeature([], "int64")}


def parse(seconds: float) -> None:
    """Batches of records to arrays."""
    records, spec = criteo_like(1024), criteo_spec()

    def plain() -> int:
        decoded = [wire.example(record) for record in records[:128]]
        for name in spec:
            values = [d[name.encode()][1][0] for d in decoded]
            np.array(values, object if name[0] == "c" else None)
        return 128

    reference = speed(plain, seconds)
    show("parse_example, batches of 1024", speed(lambda: len(data.parse_example(records, spec)["label"]), seconds), reference)
    one = iter(range(1 << 60))
    show(
        "parse_single_example",
        speed(lambda: len(data.parse_single_example(records[next(one) % 1024], spec)) // 40, seconds),
        reference,
    )


def plain_records(path: str) -> Iterator[bytes]:
    """A TFRecord file read the obvious way, checksums not checked."""
    with open(path, "rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack_from("<Q", header)
            yield file.read(length)
            file.read(4)


def records(seconds: float, folder: str) -> None:
    """A file of records."""
    path = os.path.join(folder, "criteo.tfrecord")
    with data.TFRecordWriter(path) as writer:
        for record in criteo_like(8192):
            writer.write(record)
    plain = speed(lambda: sum(1 for _ in plain_records(path)), seconds)
    show(
        "TFRecordDataset, batches of 1024",
        speed(lambda: sum(len(b) for b in data.TFRecordDataset(path).batch(1024)), seconds),
        plain,
    )
    parsed = data.TFRecordDataset(path).repeat().batch(1024).map(lambda r: data.parse_example(r, criteo_spec()))
    show("TFRecordDataset, batch, parse_example", speed(batches(parsed), seconds))


# ---- columns in memory ----


def memory(seconds: float) -> None:
    """Shuffled batches of columns."""
    n, random_ = 1_000_000, np.random.default_rng(0)
    numbers = {f"n{i}": random_.random(n, np.float32) for i in range(39)}
    labels = random_.integers(0, 2, n)
    order = random_.permutation(n)
    at = iter(range(1 << 60))

    def plain() -> int:
        k = next(at) % (n // 1024)
        rows = order[k * 1024 : (k + 1) * 1024]
        return len({name: column[rows] for name, column in numbers.items()}["n0"])

    reference = speed(plain, seconds)
    dataset = data.Dataset.from_tensor_slices((numbers, labels)).shuffle(n).repeat().batch(1024)
    show("shuffle, batch: 39 numbers", speed(batches(dataset), seconds), reference, "bar 1,500,000")
    names = np.array([f"value {i}" for i in range(1000)], object)
    mixed = {f"n{i}": numbers[f"n{i}"] for i in range(13)} | {f"s{i}": names[random_.integers(0, 1000, n)] for i in range(26)}
    dataset = data.Dataset.from_tensor_slices((mixed, labels)).shuffle(n).repeat().batch(1024)
    show("  13 numbers, 26 texts, encoded", speed(batches(dataset, "arrow"), seconds), reference, "bar 1,500,000")
    show("  13 numbers, 26 texts, as objects", speed(batches(dataset), seconds), reference)
    small = data.Dataset.from_tensor_slices((numbers, labels)).shuffle(10_000).repeat().batch(1024)
    show("shuffle(10000), batch: 39 numbers", speed(batches(small), seconds), reference)


# ---- files ----


def census_file(folder: str, given: str | None) -> str:
    """A file like `adult.data`."""
    if given is not None:
        for path in (Path(given) / "census" / "adult.data", Path(given) / "adult.data"):
            if path.exists():
                return str(path)
    path, source = Path(folder) / "adult.data", random.Random(0)
    with open(path, "w", encoding="utf8") as file:
        for _ in range(32_561):
            words = [f"word-{source.randrange(16)}" for _ in range(8)]
            n = [str(source.randrange(99)) for _ in range(6)]
            row = [n[0], words[0], n[1], words[1], n[2], *words[2:7], n[3], n[4], n[5], words[7], "<=50K"]
            file.write(", ".join(row) + "\n")
    return str(path)


def read_csv(seconds: float, folder: str, given: str | None) -> None:
    """The census columns from CSV."""
    path = census_file(folder, given)

    def plain() -> int:
        with open(path, encoding="utf8") as file:
            rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
        columns = dict(zip(CENSUS, zip(*rows)))
        for name in ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"):
            np.array(columns[name], np.int32)
        return len(rows)

    reference = speed(plain, seconds)

    def ours(columns: str, limit: int) -> Callable[[], int]:
        def step() -> int:
            data.csv.IN_MEMORY_BYTES, before = limit, data.csv.IN_MEMORY_BYTES
            dataset = data.make_csv_dataset(
                path,
                1024,
                column_names=CENSUS,
                header=False,
                label_name="income",
                num_epochs=1,
                prefetch_buffer_size=0,
                trim=True,
            )
            rows = sum(len(labels) for _, labels in dataset.make_iterator(columns=columns))
            data.csv.IN_MEMORY_BYTES = before
            return rows

        return step

    show("make_csv_dataset: census, encoded", speed(ours("arrow", 1 << 26), seconds), reference)
    show("  streamed", speed(ours("arrow", 0), seconds), reference)


def images(seconds: float, folder: str) -> None:
    """PNG images in records."""
    from PIL import Image

    path, source = os.path.join(folder, "images.tfrecord"), np.random.default_rng(0)
    with data.TFRecordWriter(path) as writer:
        for i in range(2000):
            file = io.BytesIO()
            shape = np.zeros((28, 28), np.uint8)
            shape[4:24, 6:22] = source.integers(0, 256, (20, 16))
            Image.fromarray(shape).save(file, "PNG")
            writer.write(data.Example({"image": file.getvalue(), "label": [i % 10]}).serialize())
    spec = {"image": data.FixedLenFeature([], "string"), "label": data.FixedLenFeature([], "int64")}

    def decode(serialized: bytes) -> tuple[np.ndarray, np.int64]:
        parsed = data.parse_single_example(serialized, spec)
        return data.decode_png(parsed["image"], channels=1), parsed["label"]

    def plain() -> int:
        out = []
        for record in plain_records(path):
            found = wire.example(record)
            out.append(np.asarray(Image.open(io.BytesIO(found[b"image"][1][0]))))
        return len(np.stack(out))

    dataset = data.TFRecordDataset(path).shuffle(2000).repeat().map(decode).batch(128)
    show("PNG in TFRecords, batches of 128", speed(batches(dataset), seconds), speed(plain, seconds))


def stream(gigabytes: float, folder: str) -> None:
    """Large files, each read once with a shuffle buffer in a process of its own."""
    for kind, write in {"csv": large_csv, "tfrecord": large_records, "parquet": large_parquet}.items():
        path = os.path.join(folder, f"large.{kind}")
        write(path, int(gigabytes * (1 << 30)))
        out = subprocess.run([sys.executable, __file__, "--stream-file", path], capture_output=True, text=True, check=True).stdout
        print(out, end="", flush=True)
        os.remove(path)


def large_csv(path: str, size: int) -> None:
    """20 numbers, a text of few values and one that is different in every row."""
    numbers = ",".join(f"{i}.25" for i in range(20))
    with open(path, "w", encoding="utf8") as file:
        file.write(",".join(f"c{i}" for i in range(22)) + "\n")
        row = 0
        while file.tell() < size:
            file.write("".join(f"{numbers},text {i % 9},row-{i:012d}\n" for i in range(row, row + 100_000)))
            row += 100_000


def large_records(path: str, size: int) -> None:
    """Records as `criteo_like` makes them, the same ones again and again."""
    with data.TFRecordWriter(path) as writer:
        for record in criteo_like(20_000):
            writer.write(record)
    block = Path(path).read_bytes()
    with open(path, "ab") as file:
        while file.tell() < size:
            file.write(block)


def large_parquet(path: str, size: int) -> None:
    """20 numbers and a text that is different in every row."""
    import pyarrow as pa
    from pyarrow import parquet

    random_, row, step = np.random.default_rng(0), 0, 200_000
    fields = [*((f"c{i}", pa.float64()) for i in range(20)), ("id", pa.string())]
    with parquet.ParquetWriter(path, pa.schema(fields), compression="none", use_dictionary=False) as writer:
        while not os.path.exists(path) or os.path.getsize(path) < size:
            columns = [pa.array(random_.random(step)) for _ in range(20)]
            columns.append(pa.array([f"row-{i:012d}" for i in range(row, row + step)]))
            writer.write_table(pa.table(columns, names=[name for name, _ in fields]))
            row += step


def stream_file(path: str) -> None:
    """Reads a file once and prints what it took."""
    kind = path.rpartition(".")[2]
    if kind == "csv":
        dataset = data.make_csv_dataset(path, 1024, num_epochs=1, shuffle_buffer_size=10_000)
    elif kind == "parquet":
        dataset = data.Dataset.from_parquet(path).shuffle(10_000).batch(1024)
    else:
        spec = criteo_spec()
        dataset = data.TFRecordDataset(path).shuffle(10_000).batch(1024).map(lambda r: data.parse_example(r, spec))
    first = dataset.make_iterator(columns="arrow")
    rows = len(next(iter(next(first).values())))  # what the libraries need is loaded now
    start_bytes, peak, start = _resident(), 0, time.perf_counter()
    for i, batch in enumerate(first):
        rows += len(next(iter(batch.values())))
        if i % 50 == 0:
            peak = max(peak, _resident())
    seconds, size = time.perf_counter() - start, os.path.getsize(path) / (1 << 30)
    print(
        f"stream of {size:.1f} GB of {kind}: {rows / seconds:,.0f} rows/s, {size / seconds * 1024:.0f} MB/s; "
        f"{(peak - start_bytes) / (1 << 20):.0f} MB over the start   bar 300"
    )


def _resident() -> int:
    with open("/proc/self/statm", encoding="utf8") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


# ---- against tf.data ----


class TensorFlow:
    """`input_tensorflow.py` in an environment that has TensorFlow."""

    def __init__(self, python: str, folder: str):
        script = str(Path(__file__).with_name("input_tensorflow.py"))
        self._process = subprocess.Popen(
            [python, script, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.version = self._answer()

    def _answer(self) -> str:
        line = self._process.stdout.readline().strip()  # type: ignore[union-attr]
        if not line:
            raise SystemExit("the process with TensorFlow has ended; run benchmarks/input_tensorflow.py by hand to see why")
        return line

    def rate(self, name: str, threads: int, seconds: float) -> float:
        """Rows a second."""
        self._process.stdin.write(f"{name}\t{threads}\t{seconds}\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return float(self._answer())

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()


def fashion_file(folder: str, given: str | None) -> None:
    """`images.tfrecord`: Fashion-MNIST as PNG, or images of noise where its files are not given."""
    from PIL import Image

    if given is not None:
        import estimax

        train, _ = estimax.datasets.fashion_mnist(given)
        pixels, labels = np.asarray(train[0]), np.asarray(train[1])
    else:
        source = np.random.default_rng(0)
        pixels, labels = np.zeros((6000, 28, 28), np.uint8), np.arange(6000) % 10
        pixels[:, 4:24, 6:22] = source.integers(0, 256, (6000, 20, 16))
    with data.TFRecordWriter(os.path.join(folder, "images.tfrecord")) as writer:
        for image, label in zip(pixels, labels):
            file = io.BytesIO()
            Image.fromarray(image.reshape(28, 28).astype(np.uint8)).save(file, "PNG")
            writer.write(data.Example({"image": file.getvalue(), "label": [int(label)]}).serialize())


def ours(name: str, threads: int, folder: str) -> data.Dataset:
    """The pipeline of a measurement, without end."""
    calls = None if threads == 1 else threads
    spec = criteo_spec()
    if name == "parse":
        records = np.array(list(data.tf_record_iterator(os.path.join(folder, "criteo.tfrecord"))), object)
        batches = data.Dataset.from_tensor_slices(records).batch(1024, drop_remainder=True).repeat()
        return batches.map(lambda r: data.parse_example(r, spec), num_parallel_calls=calls)
    if name == "read and parse":
        batches = data.TFRecordDataset(os.path.join(folder, "criteo.tfrecord")).repeat().batch(1024)
        return batches.map(lambda r: data.parse_example(r, spec), num_parallel_calls=calls)
    if name == "images":
        image = {"image": data.FixedLenFeature([], "string"), "label": data.FixedLenFeature([], "int64")}

        def decode(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            parsed = data.parse_example(records, image)
            return data.decode_png(parsed["image"], channels=1), parsed["label"]

        batches = data.TFRecordDataset(os.path.join(folder, "images.tfrecord")).repeat().batch(128)
        return batches.map(decode, num_parallel_calls=calls)
    # A dataset of its own for every pass: small files stay in memory, and would be read but once.
    return data.Dataset.range(1 << 60).flat_map(
        lambda number: data.make_csv_dataset(
            os.path.join(folder, "census.csv"),
            1024,
            column_names=CENSUS,
            header=False,
            label_name="income",
            num_epochs=1,
            prefetch_buffer_size=0 if threads == 1 else None,
        )
    )


def rate_of(iterator: Iterator[Any], seconds: float) -> float:
    """Rows a second by the clock."""
    rows, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        batch = next(iterator)
        if isinstance(batch, tuple):
            batch = batch[-1]
        rows += len(next(iter(batch.values())) if isinstance(batch, dict) else batch)
    return rows / (time.perf_counter() - start)


BARS = {"parse": 1.0, "read and parse": 1.0, "csv": 1.0, "images": 0.9}


def against_tensorflow(python: str, seconds: float, folder: str, given: str | None, names: list[str]) -> None:
    """Our pipelines and tf.data's in turns."""
    with data.TFRecordWriter(os.path.join(folder, "criteo.tfrecord")) as writer:
        for record in criteo_like(8192):
            writer.write(record)
    with open(census_file(folder, given), encoding="utf8") as file:
        lines = [line.strip().replace(", ", ",") for line in file if line.strip()]
    with open(os.path.join(folder, "census.csv"), "w", encoding="utf8") as file:
        file.write("\n".join(lines) + "\n")
    fashion_file(folder, given)
    reference = TensorFlow(python, folder)
    print(
        f"against tf.data of TensorFlow {reference.version}, in turns; rows a second by the clock, medians of 5; median of the ratios"
    )
    for name in names:
        for threads in (1, 2):
            iterator = ours(name, threads, folder).make_iterator()
            next(iterator)
            rounds = []
            for _ in range(5):
                theirs = reference.rate(name, threads, seconds / 2)
                rounds.append((rate_of(iterator, seconds / 2), theirs))
            iterator.close()
            mine, theirs = (statistics.median(values) for values in zip(*rounds))
            ratios = sorted(a / b for a, b in rounds)
            print(
                f"{name:<16} {threads} thread{'s' if threads > 1 else ' '} {mine:>12,.0f} against {theirs:>10,.0f}   "
                f"x {ratios[2]:.2f} [{ratios[0]:.2f} .. {ratios[-1]:.2f}]   bar {BARS[name]}",
                flush=True,
            )
    reference.close()


def main() -> None:
    """Prints one line for each measurement."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    arguments.add_argument("--data", help="a folder with census/adult.data; made up otherwise")
    arguments.add_argument(
        "--stream-gb", type=float, default=0.0, help="size of each streamed file; nothing else is measured then"
    )
    arguments.add_argument("--tensorflow", metavar="PYTHON", help="the Python of an environment with TensorFlow, to compare with")
    arguments.add_argument("--only", nargs="+", choices=BARS, default=list(BARS), help="with --tensorflow: what to compare")
    arguments.add_argument("--stream-file", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.stream_file:
        stream_file(given.stream_file)
        return
    print(machine())
    if given.tensorflow:
        with tempfile.TemporaryDirectory() as folder:
            against_tensorflow(given.tensorflow, given.seconds, folder, given.data, given.only)
        return
    if given.stream_gb:
        with tempfile.TemporaryDirectory() as folder:
            stream(given.stream_gb, folder)
        return
    print("rows a second of CPU time, median of 5 runs and half their spread")
    with tempfile.TemporaryDirectory() as folder:
        parse(given.seconds)
        records(given.seconds, folder)
        memory(given.seconds)
        read_csv(given.seconds, folder, given.data)
        images(given.seconds, folder)


if __name__ == "__main__":
    main()
