"""Host halves of feature columns: strings hashed and looked up per second, and the census wide & deep columns whole.

Run: `python benchmarks/host_transform.py [--data FOLDER_OF_ADULT_DATA]`. Hashing and look-up are of one thread; the census columns are in
batches of 1024 rows, alone and as the engine feeds them: one thread reads, transforms, pads and stacks while another takes what is ready.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np
import pyarrow as pa
from measure import header, interleaved, line, ratio, spread

from estimax import feature_columns as fc
from estimax.core.fingerprint import fingerprint64
from estimax.core.text import Text, text_from_arrow
from estimax.core.vocabulary import StringVocabulary
from estimax.training import Outputs, Program
from estimax.training.batches import flatten
from estimax.training.feeder import Feeder

BATCH = 1024
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "gender",
    "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip


def show(
    what: str, run: Callable[[], Any], items: int, *, bar: float | None = None, reference: Callable[[], Any] | None = None
) -> None:
    """Prints millions of items per second, beside those of a reference if there is one."""
    found = interleaved({"estimax": run} | ({} if reference is None else {"reference": reference}))
    rates = {name: [items / s for s in took] for name, took in found.items()}
    line(
        what,
        spread(rates["estimax"], 1e-6, " M/s"),
        "" if reference is None else spread(rates["reference"], 1e-6, " M/s"),
        None if reference is None else ratio(found["reference"], found["estimax"]),
        "" if bar is None else f"bar {bar / 1e6:g} M/s",
    )


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


def program_of(columns: tuple[list[Any], list[Any]]) -> Program:
    """A wide & deep model, as far as its features matter."""
    wide, deep = columns

    def forward(mode: str, features: Any, labels: Any, weights: Any) -> Outputs:
        wide_part, deep_part = fc.LinearModel(wide)(features), fc.DenseFeatures(deep)(features)
        return Outputs(predictions={"wide": wide_part, "deep": deep_part})

    return Program(forward)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with adult.data of UCI Adult; random rows without it")
    options = parser.parse_args()
    header("host halves of feature columns", "pyarrow")
    rng = np.random.default_rng(0)

    strings = text_from_arrow(random_strings(1_000_000, 13, rng))
    show("hash 1 million strings of 13 bytes", lambda: hashes(strings), 1_000_000, bar=20e6)
    batches = [Text(strings.data, strings.starts[i : i + 4096], strings.lengths[i : i + 4096]) for i in range(0, 409_600, 4096)]
    show("hash, in batches of 4096", lambda: [hashes(b) for b in batches], 409_600, bar=20e6)

    entries = random_strings(1_500_000, 13, rng)
    vocabulary = StringVocabulary(text_from_arrow(entries))
    taken = [entries.take(pa.array(rng.integers(0, len(entries), 4096))) for _ in range(25)]
    words = [text_from_arrow(t) for t in taken]
    numbers = {word: number for number, word in enumerate(entries.to_pylist())}
    python = [t.to_pylist() for t in taken]
    show(
        "look up in 1.5 million entries; a dict",
        lambda: [vocabulary.find(fresh(w)) for w in words],
        25 * 4096,
        bar=5e6,
        reference=lambda: [np.fromiter((numbers.get(w, -1) for w in b), np.int64, len(b)) for b in python],
    )

    table = census(options.data)
    encoded = {c: table[c].dictionary_encode() if pa.types.is_string(table[c].type) else table[c] for c in COLUMNS}
    for kind, rows in (("strings", table), ("dictionaries", pa.table(encoded))):
        show_census(f"census columns, Arrow {kind}", rows)


def show_census(what: str, table: pa.Table) -> None:
    raw = [{c: table[c].chunk(0).slice(i, BATCH) for c in COLUMNS} for i in range(0, len(table), BATCH)]
    plan = program_of(wide_and_deep_columns()).plan("infer", raw[0])
    columns = [flatten(r)[0] for r in raw]
    show(f"{what}, transform alone", lambda: [plan.transform(c) for c in columns], len(table), bar=1e6)

    def fed(group: int) -> int:
        return sum(sum(f.rows) for f in Feeder(iter(raw), plan, lambda: group, place=lambda arrays: arrays))

    show(f"{what}, through the engine's feeder", lambda: fed(16), len(table), bar=1e6)


if __name__ == "__main__":
    main()
