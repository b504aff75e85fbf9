"""Host halves of feature columns: strings hashed and looked up per second, and the census wide & deep columns whole.

Run: `python benchmarks/host_transform.py [--data FOLDER_OF_ADULT_DATA] [--seconds 2]`. Each figure is the median of several runs with the
quartiles; one thread, except for the last figure, which is of two threads as the engine's input threads work.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import pyarrow as pa

from estimax import feature_columns as fc
from estimax.core import Features, Frame, HostContext, HostTransform
from estimax.core.fingerprint import fingerprint64
from estimax.core.text import Text, text_from_arrow
from estimax.core.vocabulary import StringVocabulary

BATCH = 1024
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "gender",
    "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip


def rate(run: Callable[[], Any], items: int, seconds: float) -> tuple[float, float, float]:
    """Items per second: median and quartiles of repeated runs."""
    run()
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while len(rates) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        rates.append(items / (time.perf_counter() - start))
    low, middle, high = statistics.quantiles(rates, n=4)
    return middle, low, high


def show(what: str, found: tuple[float, float, float], bar: float | None = None) -> None:
    middle, low, high = (f"{r / 1e6:.2f}" for r in found)
    wanted = "" if bar is None else f"   bar {bar / 1e6:g}"
    print(f"{what:64} {middle:>7} M/s   [{low} .. {high}]{wanted}")


def random_strings(count: int, length: int, rng: np.random.Generator) -> pa.Array:
    letters = rng.integers(97, 123, (count, length), np.uint8)
    return pa.array(letters.view(f"S{length}").ravel().astype(f"U{length}"))


def hashes(text: Text) -> np.ndarray:
    return fingerprint64(text.data, text.starts, text.lengths)


def fresh(text: Text) -> Text:
    """The same strings as an object that does not remember their fingerprints."""
    return Text(text.data, text.starts, text.lengths)


def wide_and_deep_columns() -> tuple[list[Any], list[Any]]:
    """The columns of TensorFlow's wide & deep tutorial."""
    education = fc.categorical_column_with_vocabulary_list(
        "education",
        ["Bachelors", "HS-grad", "11th", "Masters", "9th", "Some-college", "Assoc-acdm", "Assoc-voc", "7th-8th", "Doctorate",
         "Prof-school", "5th-6th", "10th", "1st-4th", "Preschool", "12th"],
    )  # fmt: skip
    marital = fc.categorical_column_with_vocabulary_list(
        "marital_status",
        ["Married-civ-spouse", "Divorced", "Married-spouse-absent", "Never-married", "Separated", "Married-AF-spouse", "Widowed"],
    )
    relationship = fc.categorical_column_with_vocabulary_list(
        "relationship", ["Husband", "Not-in-family", "Wife", "Own-child", "Unmarried", "Other-relative"]
    )
    workclass = fc.categorical_column_with_vocabulary_list(
        "workclass",
        [
            "Self-emp-not-inc",
            "Private",
            "State-gov",
            "Federal-gov",
            "Local-gov",
            "?",
            "Self-emp-inc",
            "Without-pay",
            "Never-worked",
        ],
    )
    occupation = fc.categorical_column_with_hash_bucket("occupation", 1000)
    age = fc.numeric_column("age")
    ages = fc.bucketized_column(age, [18, 25, 30, 35, 40, 45, 50, 55, 60, 65])
    wide = [education, marital, relationship, workclass, occupation, ages]
    wide += [fc.crossed_column(["education", "occupation"], 1000), fc.crossed_column([ages, "education", "occupation"], 1000)]
    numbers = [fc.numeric_column(key) for key in ("education_num", "capital_gain", "capital_loss", "hours_per_week")]
    deep = [age, *numbers, *map(fc.indicator_column, (workclass, education, marital, relationship))]
    return wide, [*deep, fc.embedding_column(occupation, 8)]


def census(folder: Path | None) -> pa.Table:
    """The census table, repeated to 100 batches; random values of the same kind without the file."""
    if folder is not None and (folder / "adult.data").exists():
        from pyarrow import csv

        text = (folder / "adult.data").read_bytes().replace(b", ", b",")
        table = csv.read_csv(pa.BufferReader(text), read_options=csv.ReadOptions(column_names=list(COLUMNS)))
    else:
        rng = np.random.default_rng(0)
        count = 30_000
        numbers = {"age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"}
        words = random_strings(15, 9, rng).to_numpy(zero_copy_only=False)
        table = pa.table({c: rng.integers(0, 90, count) if c in numbers else pa.array(rng.choice(words, count)) for c in COLUMNS})
    rows = np.random.default_rng(1).integers(0, len(table), 100 * BATCH)
    return table.take(pa.array(rows)).combine_chunks()


def transform_of(columns: tuple[list[Any], list[Any]], sample: dict[str, Any]) -> HostTransform:
    """The host transform of a wide & deep model, as the engine finds it."""
    wide, deep = columns
    host = HostContext(sample=sample)
    features = Features({k: k for k in sample}, frozenset(sample))

    def forward(key: Any) -> Any:
        with Frame(creates="record", key=key, naming=True, host=host):
            return fc.LinearModel(wide)(features), fc.DenseFeatures(deep)(features)

    jax.eval_shape(forward, jax.random.key(0))
    return host.transform()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with adult.data of UCI Adult; random rows without it")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each figure")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"NumPy {np.__version__}, PyArrow {pa.__version__}, JAX {jax.__version__}")  # fmt: skip
    rng = np.random.default_rng(0)

    strings = text_from_arrow(random_strings(1_000_000, 13, rng))
    show("hash 1 million strings of 13 bytes", rate(lambda: hashes(strings), 1_000_000, options.seconds), 20e6)
    batches = [Text(strings.data, strings.starts[i : i + 4096], strings.lengths[i : i + 4096]) for i in range(0, 409_600, 4096)]
    show("  in batches of 4096", rate(lambda: [hashes(b) for b in batches], 409_600, options.seconds), 20e6)

    entries = random_strings(1_500_000, 13, rng)
    vocabulary = StringVocabulary(text_from_arrow(entries))
    words = [text_from_arrow(entries.take(pa.array(rng.integers(0, len(entries), 4096)))) for _ in range(100)]
    show(
        "look up in 1.5 million entries, batches of 4096",
        rate(lambda: [vocabulary.find(fresh(w)) for w in words], 409_600, options.seconds),
        5e6,
    )

    table = census(options.data)
    for kind in ("Arrow strings", "Arrow dictionaries"):
        if kind == "Arrow dictionaries":
            table = pa.table({c: table[c].dictionary_encode() if table[c].type == pa.string() else table[c] for c in COLUMNS})
        show_census(kind, table, options.seconds)


def show_census(kind: str, table: pa.Table, seconds: float) -> None:
    raw = [{c: table[c].chunk(0).slice(i, BATCH) for c in COLUMNS} for i in range(0, len(table), BATCH)]
    transform = transform_of(wide_and_deep_columns(), raw[0])
    show(
        f"census wide & deep, {kind}, batch {BATCH}, one thread",
        rate(lambda: [transform(r) for r in raw], len(table), seconds),
    )
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = rate(lambda: list(pool.map(transform, raw)), len(table), seconds)
    show(f"census wide & deep, {kind}, batch {BATCH}, two threads", found, 1e6)


if __name__ == "__main__":
    main()
