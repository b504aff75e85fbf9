"""`Dataset`: tf.data's chains over columns."""

from __future__ import annotations

import dataclasses
import itertools
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from estimax.data import sources, table
from estimax.data.errors import InvalidDataError
from estimax.data.explain import Plan, explain
from estimax.data.files import compression_of, matching, path_of
from estimax.data.grouping import distribution
from estimax.data.iterator import Iterator
from estimax.data.joining import ChooseNode, RandomChoicesNode, ZipNode, leaves_as_nodes
from estimax.data.node import INFINITE, UNKNOWN, Context, Node
from estimax.data.oneshot import OneShotIterator
from estimax.data.parquet import ParquetNode
from estimax.data.prefetch import PrefetchNode
from estimax.data.snapshot import KeptNode, LoadedNode
from estimax.data.specs import TensorSpec
from estimax.data.structure import as_element, map_leaves
from estimax.data.transformations import Transformations

INFINITE_CARDINALITY = INFINITE
"""What `cardinality()` gives for a dataset without end."""

UNKNOWN_CARDINALITY = UNKNOWN
"""What `cardinality()` gives if the number of elements can't be known before they are drawn."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What holds for a whole dataset.

    Args:
        seed: of all steps that were not given their own.
        prefetch_batches: elements that a thread makes ahead.

    Example:
        >>> Dataset.range(3).with_options(Options(seed=1)).options().seed
        1
    """

    seed: int | None = None
    prefetch_batches: int | None = None


class Dataset(Transformations):
    """A sequence of elements and the steps that make it, with tf.data's names and order.

    Elements are nested dicts and tuples of NumPy values (text: `str` or `bytes`, as given). A dataset can be iterated
    many times. Chains of slices, shuffles, repeats and batches over columns in memory are index arithmetic and one
    gather per column and batch.

    Example:
        >>> dataset = Dataset.from_tensor_slices({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]})
        >>> for batch in dataset.skip(1).batch(2):
        ...     print(batch["x"].tolist(), batch["y"].tolist())
        [2.0, 3.0] [1, 0]

    Reference: https://www.tensorflow.org/api_docs/python/tf/data/Dataset
    """

    def __init__(self, node: Node):
        if not isinstance(node, Node):
            raise TypeError(f"use Dataset.from_tensor_slices or another source to make a dataset; given {type(node).__name__}")
        self.node = node
        self._seed = secrets.randbits(63)
        self._iterations = itertools.count()
        self._options = Options()

    def _then(self, node: Node) -> Dataset:
        return Dataset(node)

    # ---- sources ----

    @staticmethod
    def from_tensor_slices(tensors: Any, *, name: str | None = None) -> Dataset:
        """The rows of arrays, one element a row.

        Args:
            tensors: nested dicts and tuples of arrays, lists, `SparseTensor`s, `RaggedTensor`s, pandas or polars series,
                Arrow arrays; a data frame or Arrow table is the dict of its columns. All have as many rows.
            name: shown by `explain`.

        Raises:
            ValueError: if a component has no axis, or numbers of rows differ.
        """
        return Dataset(sources.TableNode(table.Table(tensors), name or "from_tensor_slices"))

    @staticmethod
    def from_tensors(tensors: Any, *, name: str | None = None) -> Dataset:
        """One element, as given.

        >>> len(list(Dataset.from_tensors([1, 2, 3])))
        1
        """
        return Dataset(sources.ElementsNode([as_element(table.as_arrays(tensors))], name=name or "from_tensors"))

    @staticmethod
    def range(*args: int, output_type: Any = np.int64, name: str | None = None) -> Dataset:
        """The integers of Python's `range` with the same arguments, int64 unless `output_type` says otherwise.

        >>> [int(x) for x in Dataset.range(1, 10, 3)]
        [1, 4, 7]
        """
        numbers = table.RangeTable(range(*(int(a) for a in args)), np.dtype(output_type))
        return Dataset(sources.TableNode(numbers, name or "range"))

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_signature: Any = None,
        *,
        output_types: Any = None,
        output_shapes: Any = None,
        args: tuple[Any, ...] = (),
        name: str | None = None,
    ) -> Dataset:
        """The elements of a generator function, called anew for every pass.

        Args:
            generator: a function that returns an iterable. A saved iterator state is restored by running it again and
                leaving out what was handed out, so it must give the same elements every time.
            output_signature: the `element_spec`; elements are checked and converted. If it is omitted, elements pass as
                they are and `element_spec` is found from the first two.
            output_types, output_shapes: tf.data's older form of the same.
            args: arguments of the function.
            name: shown by `explain`.

        Raises:
            TypeError: if `generator` is not callable, or (on use) an element does not have the signature.
        """
        if not callable(generator):
            raise TypeError(
                f"from_generator needs a function that returns an iterable, given {type(generator).__name__}; "
                "pass the function itself, without calling it, so that every pass can start anew"
            )
        if output_signature is not None and (output_types is not None or output_shapes is not None):
            raise TypeError("from_generator: give output_signature or output_types and output_shapes, not both")
        if output_types is None and output_shapes is not None:
            raise TypeError("from_generator: output_shapes needs output_types")
        if output_types is not None:
            output_signature = (
                map_leaves(lambda t: TensorSpec(None, t), output_types)
                if output_shapes is None
                else map_leaves(lambda t, s: TensorSpec(s, t), output_types, _shapes(output_types, output_shapes))
            )
        node = sources.GeneratorNode(generator, output_signature, tuple(args))
        node.name = name or node.name
        return Dataset(node)

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Elements of several datasets side by side, until the shortest ends.

        Args:
            *args: datasets, or one nested structure of them.
            datasets: the same, by name.
            name: shown by `explain`.

        Example:
            >>> [(int(a), int(b)) for a, b in Dataset.zip(Dataset.range(2), Dataset.range(5, 9))]
            [(0, 5), (1, 6)]
        """
        if bool(args) == (datasets is not None):
            raise TypeError("zip: give datasets either as positional arguments or as datasets=")
        structure = datasets if datasets is not None else (args if len(args) > 1 else args[0])
        if isinstance(structure, list):
            structure = tuple(structure)
        node = ZipNode(structure, leaves_as_nodes(structure, "zip"))
        node.name = name or node.name
        return Dataset(node)

    @staticmethod
    def from_arrow(data: Any, *, name: str | None = None) -> Dataset:
        """The rows of an Arrow table, a pandas or polars data frame, or anything with the Arrow stream interface (such as a
        DuckDB result), as dicts of columns.

        Raises:
            TypeError: if it is none of these.
        """
        if hasattr(data, "fetch_arrow_table"):
            data = data.fetch_arrow_table()
        columns = table.as_columns(data)
        if not isinstance(columns, dict) and hasattr(data, "__arrow_c_stream__"):
            import pyarrow as pa

            columns = table.as_columns(pa.table(data))
        if not isinstance(columns, dict):
            raise TypeError(f"from_arrow: expected an Arrow table or a data frame, given {type(data).__name__}")
        return Dataset.from_tensor_slices(columns, name=name or "from_arrow")

    @staticmethod
    def from_parquet(paths: Any, *, columns: Sequence[str] | None = None) -> Dataset:
        """The rows of Parquet files as dicts of columns.

        Args:
            paths: a path, URL or glob pattern, or several.
            columns: names of the columns to read; all if omitted.

        Raises:
            FileNotFoundError: if no file matches.
            ValueError: if a column does not exist.
        """
        patterns = [paths] if isinstance(paths, str | bytes) or hasattr(paths, "__fspath__") else list(paths)
        found = [path for pattern in patterns for path in matching(path_of(pattern))]
        if not found:
            raise FileNotFoundError(f"from_parquet: no file matches {paths!r}")
        return Dataset(ParquetNode(found, columns))

    @staticmethod
    def from_grain(source: Any) -> Dataset:
        """The elements of a dataset of the library grain: `MapDataset` (by index), `IterDataset`, `DataLoader`.

        Also anything else with `__len__` and `__getitem__`, such as a PyTorch map-style dataset.

        Raises:
            TypeError: if it can neither be indexed nor iterated.
        """
        if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
            return Dataset(sources.SequenceNode(source))
        if not hasattr(source, "__iter__"):
            raise TypeError(f"from_grain: expected a dataset that can be indexed or iterated, given {type(source).__name__}")
        return Dataset.from_generator(lambda: source, name="from_grain")

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: int | None = None) -> Dataset:
        """The names of the files that match one or several glob patterns, as `str`.

        Args:
            file_pattern: a pattern or several, local or as URLs.
            shuffle: whether in a new random order for every pass (the default); else sorted.
            seed: makes the order the same for every run.

        Raises:
            FileNotFoundError: if no file matches.
        """
        patterns = (
            [file_pattern] if isinstance(file_pattern, str | bytes) or hasattr(file_pattern, "__fspath__") else file_pattern
        )
        found = [path for pattern in patterns for path in matching(path_of(pattern))]
        if not found:
            raise FileNotFoundError(f"list_files: no file matches {file_pattern!r}")
        dataset = Dataset.from_tensor_slices(np.array(found, object), name="list_files")
        return dataset if shuffle is False else dataset.shuffle(len(found), seed=seed)

    @staticmethod
    def random(seed: int | None = None, rerandomize_each_iteration: bool | None = None) -> Dataset:
        """Endless random integers in [0, 2^32), int64.

        Args:
            seed: makes the numbers the same for every run.
            rerandomize_each_iteration: whether every pass draws others; False unless it is True.
        """
        return Dataset(sources.RandomNode(seed, bool(rerandomize_each_iteration)))

    @staticmethod
    def choose_from_datasets(datasets: Sequence[Dataset], choice_dataset: Dataset, stop_on_empty_dataset: bool = True) -> Dataset:
        """Elements of several datasets in the order of another, whose elements are their numbers.

        Args:
            datasets: at least one; all with elements of one type.
            choice_dataset: int64 scalars, each the number of a dataset.
            stop_on_empty_dataset: whether all ends when the chosen one has no element left; else it is left out.

        Raises:
            ValueError: if `datasets` is empty.
            TypeError: if element types differ, or choices are no int64 scalars.
        """
        nodes = leaves_as_nodes(tuple(datasets), "choose_from_datasets")
        if not nodes:
            raise ValueError("choose_from_datasets: give at least one dataset")
        choice = leaves_as_nodes(choice_dataset, "choose_from_datasets")[0]
        return Dataset(ChooseNode(nodes, choice, stop_on_empty_dataset))

    @staticmethod
    def sample_from_datasets(
        datasets: Sequence[Dataset],
        weights: Any = None,
        seed: int | None = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Elements of several datasets, each drawn from one chosen at random.

        Args:
            datasets: at least one; all with elements of one type.
            weights: how often each is chosen; equal if omitted. A dataset of vectors gives new weights for every draw.
            seed: makes the choices the same for every run.
            stop_on_empty_dataset: whether all ends when the chosen one has no element left; else it is left out.
            rerandomize_each_iteration: whether every pass draws other choices; True unless it is False.

        Raises:
            ValueError: if `datasets` is empty or `weights` do not fit.
        """
        nodes = leaves_as_nodes(tuple(datasets), "sample_from_datasets")
        if not nodes:
            raise ValueError("sample_from_datasets: give at least one dataset")
        if isinstance(weights, Dataset):
            drawn: Any = weights.node
        else:
            drawn = distribution([1.0] * len(nodes) if weights is None else weights, "sample_from_datasets: weights")
            if len(drawn) != len(nodes):
                raise ValueError(f"sample_from_datasets: {len(nodes)} datasets need as many weights, given {len(drawn)}")
            kept = [i for i, weight in enumerate(drawn) if weight]
            nodes, drawn, datasets = [nodes[i] for i in kept], drawn[kept], [datasets[i] for i in kept]
        if len(nodes) == 1:
            return datasets[0]
        choices = RandomChoicesNode(drawn, seed, reshuffle=rerandomize_each_iteration is not False)
        node = ChooseNode(nodes, choices, stop_on_empty_dataset)
        node.name = "sample_from_datasets"
        return Dataset(node)

    # ---- iteration ----

    def make_iterator(self, *, seed: int | None = None, columns: str = "numpy") -> Iterator:
        """An iterator with more control than `iter(dataset)`.

        Args:
            seed: for all steps that were not given their own; random if omitted. Recorded in the iterator's state.
            columns: `"numpy"`, or `"arrow"`: text columns that are dictionary-encoded in memory come out of `batch` as
                `pyarrow.DictionaryArray`, on which work can be done once per distinct value.

        Raises:
            ValueError: if `columns` is neither.
        """
        if columns not in ("numpy", "arrow"):
            raise ValueError(f"columns must be 'numpy' or 'arrow', given {columns!r}")
        iteration = next(self._iterations)
        return Iterator(self.node, Context(self._seed if seed is None else seed, iteration, columns=columns))

    def __iter__(self) -> Iterator:
        return self.make_iterator()

    def as_numpy_iterator(self) -> Iterator:
        """An iterator over elements of NumPy values: here the same as `iter(dataset)`."""
        return self.make_iterator()

    def make_one_shot_iterator(self) -> OneShotIterator:
        """An iterator for input_fns written for TensorFlow 1: what `get_next()` gives stands for every batch there."""
        return OneShotIterator(self.make_iterator())

    make_initializable_iterator = make_one_shot_iterator

    def __len__(self) -> int:
        n = self.cardinality()
        if n < 0:
            raise TypeError(
                "this dataset has no end" if n == INFINITE else "the number of elements is unknown before they are drawn"
            )
        return n

    def __bool__(self) -> bool:
        return True

    def save(self, path: Any, compression: str | None = None) -> None:
        """Writes all elements to a directory, from which `Dataset.load` reads them.

        Args:
            path: the directory; what another `save` wrote there is replaced.
            compression: None, `"GZIP"` or `"ZLIB"`.
        """
        KeptNode(self.node, path_of(path), "save", compression_of(compression)).write(Context(self._seed))

    @staticmethod
    def load(path: Any, compression: str | None = None) -> Dataset:
        """The elements that `save` wrote to a directory.

        Raises:
            FileNotFoundError: if there is none.
        """
        kept = KeptNode(sources.ElementsNode([], ()), path_of(path), "load", compression_of(compression))
        if kept.shards() is None:
            raise FileNotFoundError(f"load: {path_of(path)} holds no dataset that was saved")
        return Dataset(LoadedNode(kept))

    def get_single_element(self) -> Any:
        """The only element.

        Raises:
            InvalidDataError: if there is none, or more than one.
        """
        elements = list(self.take(2))
        if len(elements) != 1:
            raise InvalidDataError(f"get_single_element: the dataset has {'no' if not elements else 'more than one'} element")
        return elements[0]

    # ---- looking ----

    @property
    def element_spec(self) -> Any:
        """What an element looks like: the structure with a spec for each leaf.

        After a user function it is found by running the function on the first two elements (and on made-up ones).
        """
        return self.node.spec()

    def cardinality(self) -> int:
        """The number of elements; INFINITE_CARDINALITY (-1) or UNKNOWN_CARDINALITY (-2)."""
        return self.node.cardinality()

    def explain(self, *, elements: int = 200, seconds: float = 2.0, consumer_seconds: float | None = None) -> Plan:
        """Runs the chain for a while and shows its steps with rows a second and the share of time of each.

        Args:
            elements: how many to draw at most.
            seconds: how long to draw at most.
            consumer_seconds: time that the consumer (a training step) takes for an element; if given, the plan says whether
                input or device is the bottleneck.

        Returns:
            The plan; print it.
        """
        return explain(self.node, self._seed, elements, seconds, consumer_seconds)

    def options(self) -> Options:
        """The options that `with_options` set."""
        return self._options

    def with_options(self, options: Options) -> Dataset:
        """The same dataset with other options."""
        if not isinstance(options, Options):
            raise TypeError(f"with_options: expected estimax.data.Options, given {type(options).__name__}")
        node = self.node
        if options.prefetch_batches is not None and not isinstance(node, PrefetchNode):
            node = PrefetchNode(node, options.prefetch_batches)
        dataset = Dataset(node)
        dataset._options = options
        if options.seed is not None:
            dataset._seed = options.seed
        return dataset

    def __repr__(self) -> str:
        return f"<Dataset {self.node.describe()}>"


def _shapes(types: Any, shapes: Any) -> Any:
    """`output_shapes` with its lists of sizes as leaves (a shape may be a tuple, which is no structure here)."""
    if isinstance(types, dict):
        return {key: _shapes(types[key], shapes[key]) for key in types}
    if isinstance(types, tuple):
        return tuple(_shapes(t, s) for t, s in zip(types, shapes))
    return None if shapes is None else list(shapes)
