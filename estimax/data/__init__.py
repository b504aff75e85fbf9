"""Input pipelines with tf.data's names over columns: datasets, files, `tf.train.Example`, input functions."""

from estimax.data.batched_features import make_batched_features_dataset
from estimax.data.batches import Batches, as_batches, check_batch, empty_input
from estimax.data.csv_datasets import CsvDataset, make_csv_dataset, read_csv
from estimax.data.dataset import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset, Options
from estimax.data.decoding import (
    decode_csv,
    decode_image,
    decode_jpeg,
    decode_json_example,
    decode_png,
    decode_raw,
)
from estimax.data.errors import DataError, DataLossError, EmptyDatasetError, InvalidDataError, WorkerError
from estimax.data.example import Example, Feature, SequenceExample, bytes_feature, float_feature, int64_feature
from estimax.data.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    VarLenFeature,
)
from estimax.data.file_datasets import FixedLengthRecordDataset, TextLineDataset, TFRecordDataset
from estimax.data.input_fns import numpy_input_fn, pandas_input_fn
from estimax.data.iterator import Iterator
from estimax.data.oneshot import make_one_shot_iterator
from estimax.data.parsing import parse_example, parse_single_example
from estimax.data.prefetch import AUTOTUNE
from estimax.data.records import TFRecordWriter, tf_record_iterator
from estimax.data.sequences import parse_sequence_example, parse_single_sequence_example
from estimax.data.specs import DatasetSpec, RaggedTensorSpec, SparseTensorSpec, TensorSpec
from estimax.data.values import RaggedTensor, SparseTensor

__all__ = [
    "AUTOTUNE",
    "Batches",
    "CsvDataset",
    "DataError",
    "DataLossError",
    "Dataset",
    "DatasetSpec",
    "EmptyDatasetError",
    "Example",
    "Feature",
    "FixedLenFeature",
    "FixedLenSequenceFeature",
    "FixedLengthRecordDataset",
    "INFINITE_CARDINALITY",
    "InvalidDataError",
    "Iterator",
    "Options",
    "RaggedFeature",
    "RaggedTensor",
    "RaggedTensorSpec",
    "SequenceExample",
    "SparseFeature",
    "SparseTensor",
    "SparseTensorSpec",
    "TFRecordDataset",
    "TFRecordWriter",
    "TensorSpec",
    "TextLineDataset",
    "UNKNOWN_CARDINALITY",
    "VarLenFeature",
    "WorkerError",
    "as_batches",
    "bytes_feature",
    "check_batch",
    "decode_csv",
    "decode_image",
    "decode_jpeg",
    "decode_json_example",
    "decode_png",
    "decode_raw",
    "empty_input",
    "float_feature",
    "int64_feature",
    "make_batched_features_dataset",
    "make_csv_dataset",
    "make_one_shot_iterator",
    "numpy_input_fn",
    "pandas_input_fn",
    "parse_example",
    "parse_sequence_example",
    "parse_single_example",
    "parse_single_sequence_example",
    "read_csv",
    "tf_record_iterator",
]
