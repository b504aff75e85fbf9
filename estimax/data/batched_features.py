"""`make_batched_features_dataset`: TFRecord files of Examples to batches of parsed features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from estimax.data.arguments import positive
from estimax.data.csv_datasets import files_matching
from estimax.data.dataset import Dataset
from estimax.data.features import AnyFeature
from estimax.data.file_datasets import TFRecordDataset
from estimax.data.parsing import parse_example
from estimax.data.prefetch import AUTOTUNE


def make_batched_features_dataset(
    file_pattern: Any,
    batch_size: int,
    features: Mapping[str, AnyFeature],
    reader: Callable[..., Dataset] = TFRecordDataset,
    label_key: str | None = None,
    reader_args: list[Any] | None = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    reader_num_threads: int = 1,
    drop_final_batch: bool = False,
) -> Dataset:
    """Batches of features parsed from files of serialized `Example`s: a dict, or `(features, label)`.

    Args:
        file_pattern: a path, URL or glob pattern, or several.
        batch_size: examples a batch.
        features: as in `parse_example`.
        reader: makes a dataset of serialized examples of a file name (and `reader_args`).
        label_key: the feature that becomes the label.
        num_epochs: passes over the files; None for no end.
        shuffle: whether files, and examples within `shuffle_buffer_size`, come in random order.
        shuffle_seed: makes the order the same for every run.
        prefetch_buffer_size: batches made ahead by a thread; AUTOTUNE if omitted, 0 for none.
        reader_num_threads: files read in turn.
        drop_final_batch: whether a last batch that is short is left out.

    Raises:
        FileNotFoundError: if no file matches.
        ValueError: if `label_key` is not among the features.

    Example:
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "a.tfrecord")
        >>> from estimax.data import Example, FixedLenFeature, TFRecordWriter
        >>> with TFRecordWriter(path) as writer:
        ...     writer.write(Example({"x": 1.5, "y": 1}).serialize())
        >>> spec = {"x": FixedLenFeature([], "float32"), "y": FixedLenFeature([], "int64")}
        >>> features, label = next(iter(make_batched_features_dataset(path, 1, spec, label_key="y", num_epochs=1)))
        >>> features["x"].tolist(), label.tolist()
        ([1.5], [1])

    Reference: https://www.tensorflow.org/api_docs/python/tf/data/experimental/make_batched_features_dataset
    """
    size = positive(batch_size, "make_batched_features_dataset: batch_size")
    if label_key is not None and label_key not in features:
        raise ValueError(f"make_batched_features_dataset: label_key {label_key!r} is not among the features {sorted(features)}")
    paths = files_matching(file_pattern, "make_batched_features_dataset")
    files = Dataset.list_files(paths, shuffle=shuffle, seed=shuffle_seed)
    extra = reader_args or []
    threads = positive(reader_num_threads, "make_batched_features_dataset: reader_num_threads")
    if threads == 1:
        dataset = files.flat_map(lambda path: reader(path, *extra))
    else:
        dataset = files.interleave(lambda path: reader(path, *extra), cycle_length=threads)
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, seed=shuffle_seed)
    dataset = dataset.repeat(num_epochs).batch(size, drop_remainder=drop_final_batch)

    def parse(serialized: Any) -> Any:
        parsed = parse_example(serialized, features)
        if label_key is None:
            return parsed
        label = parsed.pop(label_key)
        return parsed, label

    dataset = dataset.map(parse)
    ahead = AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size
    return dataset.prefetch(ahead) if ahead else dataset
