"""Input pipelines with tf.data's names over columns: datasets, files, `tf.train.Example`, input functions."""

from estimax.data.batches import Batches, as_batches, check_batch, empty_input
from estimax.data.dataset import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset
from estimax.data.errors import DataError, DataLossError, EmptyDatasetError, InvalidDataError, WorkerError
from estimax.data.input_fns import numpy_input_fn, pandas_input_fn
from estimax.data.iterator import Iterator
from estimax.data.prefetch import AUTOTUNE
from estimax.data.specs import DatasetSpec, RaggedTensorSpec, SparseTensorSpec, TensorSpec
from estimax.data.values import RaggedTensor, SparseTensor

__all__ = [
    "AUTOTUNE",
    "Batches",
    "DataError",
    "DataLossError",
    "Dataset",
    "DatasetSpec",
    "EmptyDatasetError",
    "INFINITE_CARDINALITY",
    "InvalidDataError",
    "Iterator",
    "RaggedTensor",
    "RaggedTensorSpec",
    "SparseTensor",
    "SparseTensorSpec",
    "TensorSpec",
    "UNKNOWN_CARDINALITY",
    "WorkerError",
    "as_batches",
    "check_batch",
    "empty_input",
    "numpy_input_fn",
    "pandas_input_fn",
]
