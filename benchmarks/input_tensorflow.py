"""The tf.data side of `input.py`, run by it in an environment of its own: `python input_tensorflow.py FOLDER`.

Reads lines `NAME THREADS SECONDS` and answers each with rows a second. The files in the folder are those that `input.py` made.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf  # noqa: E402

FOLDER = sys.argv[1]
SPEC = {f"f{j}": tf.io.FixedLenFeature([], tf.float32) for j in range(13)}
SPEC |= {f"c{j}": tf.io.FixedLenFeature([], tf.string) for j in range(26)}
SPEC["label"] = tf.io.FixedLenFeature([], tf.int64)
IMAGES = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
CENSUS = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship", "race", "sex",
    "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
)  # fmt: skip


def file(name: str) -> str:
    return os.path.join(FOLDER, name)


def image(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    parsed = tf.io.parse_single_example(record, IMAGES)
    return tf.io.decode_png(parsed["image"], channels=1), parsed["label"]


def pipeline(name: str, threads: int) -> tf.data.Dataset:
    """The pipeline of a measurement, without end."""
    calls = None if threads == 1 else threads
    if name == "parse":
        records = list(tf.data.TFRecordDataset(file("criteo.tfrecord")).as_numpy_iterator())
        batches = tf.data.Dataset.from_tensor_slices(records).batch(1024, drop_remainder=True).cache().repeat()
        dataset = batches.map(lambda r: tf.io.parse_example(r, SPEC), num_parallel_calls=calls)
    elif name == "read and parse":
        batches = tf.data.TFRecordDataset(file("criteo.tfrecord")).repeat().batch(1024)
        dataset = batches.map(lambda r: tf.io.parse_example(r, SPEC), num_parallel_calls=calls)
    elif name == "images":
        dataset = tf.data.TFRecordDataset(file("images.tfrecord")).repeat().map(image, num_parallel_calls=calls).batch(128)
    elif name == "csv":
        dataset = tf.data.experimental.make_csv_dataset(
            file("census.csv"),
            1024,
            column_names=CENSUS,
            header=False,
            label_name="income",
            num_parallel_reads=threads,
            prefetch_buffer_size=0 if threads == 1 else tf.data.AUTOTUNE,
        )
    else:
        raise ValueError(f"no measurement {name!r}")
    if calls is not None:
        dataset = dataset.prefetch(2)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    return dataset.with_options(options)


def rows_in(batch: object) -> int:
    while not isinstance(batch, tf.Tensor):
        batch = batch[-1] if isinstance(batch, tuple) else next(iter(batch.values()))  # type: ignore[attr-defined]
    return int(batch.shape[0])


def main() -> None:
    iterators: dict[tuple[str, int], object] = {}
    print(tf.__version__, flush=True)
    for line in sys.stdin:
        name, threads, seconds = line.rstrip("\n").split("\t")
        key = (name, int(threads))
        if key not in iterators:
            iterators.clear()  # an idle pipeline would go on reading ahead
            iterators[key] = iter(pipeline(*key))
            next(iterators[key])  # type: ignore[call-overload]
        rows, start = 0, time.perf_counter()
        while time.perf_counter() - start < float(seconds):
            rows += rows_in(next(iterators[key]))  # type: ignore[call-overload]
        print(rows / (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
