"""The methods of `Dataset` that make a dataset from others."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from estimax.data import batching, cache, grouping, joining, mapping, order, prefetch, snapshot
from estimax.data.arguments import integer, named, positive
from estimax.data.files import compression_of, path_of
from estimax.data.node import UNKNOWN, Node
from estimax.data.sources import ElementsNode, TableNode
from estimax.data.structure import as_element
from estimax.data.table import RangeTable

if TYPE_CHECKING:
    from estimax.data.dataset import Dataset


class Transformations(abc.ABC):
    """What can be done with a dataset; `Dataset` adds where it comes from and how it is iterated.

    Every method that makes a dataset takes `name=` too: what `explain` calls the step.
    """

    node: Node

    @abc.abstractmethod
    def _then(self, node: Node) -> Dataset:
        """The dataset that a further step gives."""

    # ---- order ----

    @named
    def take(self, count: int) -> Dataset:
        """The first `count` elements; all of them if it is -1."""
        count = integer(count, "take: count")
        return self._then(order.SliceNode(self.node, count=None if count < 0 else count, name="take"))

    @named
    def skip(self, count: int) -> Dataset:
        """All but the first `count` elements; none of them if it is -1."""
        count = integer(count, "skip: count")
        if count < 0:
            return self._then(order.SliceNode(self.node, count=0, name="take"))
        return self._then(order.SliceNode(self.node, start=count, name="skip"))

    @named
    def shard(self, num_shards: int, index: int) -> Dataset:
        """Every `num_shards`-th element, from number `index` on.

        Args:
            num_shards: the number of parts, for example `jax.process_count()`.
            index: which part, for example `jax.process_index()`.

        Raises:
            ValueError: unless 0 <= index < num_shards.
        """
        num_shards, index = positive(num_shards, "shard: num_shards"), integer(index, "shard: index")
        if not 0 <= index < num_shards:
            raise ValueError(f"shard: index must be at least 0 and below num_shards={num_shards}, given {index}")
        return self._then(order.SliceNode(self.node, start=index, step=num_shards, name="shard"))

    @named
    def repeat(self, count: int | None = None) -> Dataset:
        """The elements `count` times over; without end if it is omitted or -1.

        A shuffle below draws a new order for every pass, unless it was told not to.
        """
        return self._then(order.RepeatNode(self.node, -1 if count is None else integer(count, "repeat: count")))

    @named
    def shuffle(self, buffer_size: int | None, seed: int | None = None, reshuffle_each_iteration: bool | None = True) -> Dataset:
        """The elements in random order: each is drawn from the next `buffer_size` that have not been drawn.

        A buffer that holds all rows of columns in memory costs nothing but a permutation of row numbers.

        Args:
            buffer_size: number of elements to choose from; None for all.
            seed: makes the order the same for every run.
            reshuffle_each_iteration: whether every pass and every iterator draws another order.

        Raises:
            ValueError: if `buffer_size` is not positive.
        """
        size = -1 if buffer_size is None or buffer_size == UNKNOWN else positive(buffer_size, "shuffle: buffer_size")
        seed = None if seed is None else integer(seed, "shuffle: seed")
        reshuffle = True if reshuffle_each_iteration is None else bool(reshuffle_each_iteration)
        return self._then(order.ShuffleNode(self.node, size, seed, reshuffle))

    @named
    def concatenate(self, dataset: Dataset) -> Dataset:
        """The elements of this dataset, then those of another.

        Raises:
            TypeError: if the two have elements of different structure, kind or dtype.
        """
        if not isinstance(dataset, Transformations):
            raise TypeError(f"concatenate: expected a Dataset, given {type(dataset).__name__}")
        return self._then(order.ConcatenateNode(self.node, dataset.node))

    @named
    def enumerate(self, start: int = 0) -> Dataset:
        """Pairs `(number, element)`, counted from `start` in int64."""
        begin = integer(start, "enumerate: start")
        numbers = TableNode(RangeTable(range(begin, 2**63 - 1), np.dtype(np.int64)), "numbers")
        return self._then(joining.ZipNode((0, 0), [numbers, self.node]))

    # ---- batches ----

    @named
    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Consecutive elements stacked along a new first axis.

        Args:
            batch_size: elements a batch.
            drop_remainder: whether a last batch that is short is left out.
            num_parallel_calls: batches made ahead by a thread, as `prefetch` does.
            deterministic: taken for tf.data's sake; the order is kept always.

        Raises:
            ValueError: if `batch_size` is not positive; on use, if elements differ in shape.
        """
        size = positive(batch_size, "batch: batch_size")
        node: Node = batching.BatchNode(self.node, size, bool(drop_remainder))
        del deterministic  # one thread makes the batches, in order
        if num_parallel_calls is not None:
            node = prefetch.PrefetchNode(node, num_parallel_calls)
        return self._then(node)

    @named
    def padded_batch(
        self,
        batch_size: int,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
    ) -> Dataset:
        """Consecutive elements padded at the end of their axes to one shape and stacked.

        Args:
            batch_size: elements a batch.
            padded_shapes: the shape of each component, None (or -1) for an axis that is padded to the longest of the
                batch; all axes if omitted.
            padding_values: the fill of each component, or one for all; 0 or the empty string if omitted.
            drop_remainder: whether a last batch that is short is left out.

        Raises:
            ValueError: if `batch_size` is not positive; on use, if an element is larger than its padded shape.
        """
        size = positive(batch_size, "padded_batch: batch_size")
        node = batching.PaddedBatchNode(self.node, size, padded_shapes, padding_values, bool(drop_remainder))
        if node.has_static_spec():
            node.spec()
        return self._then(node)

    @named
    def ragged_batch(self, batch_size: int, drop_remainder: bool = False, row_splits_dtype: Any = np.int64) -> Dataset:
        """Consecutive elements, which may differ in length, as the rows of `RaggedTensor`s."""
        size = positive(batch_size, "ragged_batch: batch_size")
        return self._then(batching.RaggedBatchNode(self.node, size, bool(drop_remainder), row_splits_dtype))

    @named
    def unbatch(self) -> Dataset:
        """The rows of the elements as elements."""
        return self._then(batching.UnbatchNode(self.node))

    @named
    def rebatch(self, batch_size: int | list[int], drop_remainder: bool = False) -> Dataset:
        """Batches of another size over the rows of these; a list of sizes is used in turn."""
        sizes = [batch_size] if np.ndim(batch_size) == 0 else list(batch_size)  # type: ignore[arg-type]
        sizes = [integer(size, "rebatch: batch_size") for size in sizes]
        if min(sizes, default=0) < 0 or max(sizes, default=0) <= 0:
            raise ValueError(f"rebatch: batch_size must be positive (in a list also 0, but not only), given {batch_size}")
        return self._then(batching.RebatchNode(self.node, sizes, bool(drop_remainder)))

    @named
    def window(self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False) -> Dataset:
        """Runs of elements, each a dataset (for structured elements, the structure with a dataset for each leaf).

        Args:
            size: elements of a window.
            shift: distance from the start of one window to that of the next; `size` if omitted.
            stride: distance between the elements of a window.
            drop_remainder: whether windows that are short, at the end, are left out.

        Raises:
            ValueError: if a number is not positive.

        Example:
            >>> from estimax.data import Dataset
            >>> [[int(x) for x in w] for w in Dataset.range(5).window(3, shift=1, drop_remainder=True)]
            [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
        """
        size, stride = positive(size, "window: size"), positive(stride, "window: stride")
        shift = size if shift is None else positive(shift, "window: shift")
        return self._then(grouping.WindowNode(self.node, size, shift, stride, bool(drop_remainder), self._then))

    @named
    def group_by_window(
        self,
        key_func: Callable[..., Any],
        reduce_func: Callable[..., Any],
        window_size: int | None = None,
        window_size_func: Callable[[int], int] | None = None,
    ) -> Dataset:
        """Elements with the same key in groups.

        Args:
            key_func: gives the integer key of an element.
            reduce_func: `(key, dataset of the group) -> dataset`, whose elements come out.
            window_size: elements of a group; a group leaves as soon as it is full, what is left at the end of the input
                in the order of the keys.
            window_size_func: gives the number for a key; instead of window_size.

        Raises:
            ValueError: unless exactly one of `window_size` and `window_size_func` is given, and is positive.
        """
        if (window_size is None) == (window_size_func is None):
            raise ValueError("group_by_window: give exactly one of window_size and window_size_func")
        if window_size_func is None:
            fixed = positive(window_size, "group_by_window: window_size")
            return self._then(grouping.group_by_window(self.node, key_func, reduce_func, lambda key: fixed, self._then))
        return self._then(grouping.group_by_window(self.node, key_func, reduce_func, window_size_func, self._then))

    @named
    def bucket_by_sequence_length(
        self,
        element_length_func: Callable[..., Any],
        bucket_boundaries: list[int],
        bucket_batch_sizes: list[int],
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
    ) -> Dataset:
        """Batches of elements of similar length, so that little is padded.

        Args:
            element_length_func: gives the length of an element.
            bucket_boundaries: rising lengths; an element as long as a boundary is in the upper bucket.
            bucket_batch_sizes: the batch size of each bucket, one more than boundaries.
            padded_shapes, padding_values: as in `padded_batch`.
            pad_to_bucket_boundary: pad to the boundary less 1 instead of to the longest of the batch.
            no_padding: stack without padding; the elements of a bucket must then have one shape.
            drop_remainder: whether batches that are short, at the end, are left out.

        Raises:
            ValueError: if the numbers of boundaries and batch sizes do not fit, or boundaries do not rise.
        """
        if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
            raise ValueError(
                f"bucket_by_sequence_length: {len(bucket_boundaries)} boundaries make {len(bucket_boundaries) + 1} buckets "
                f"and need as many batch sizes, given {len(bucket_batch_sizes)}"
            )
        boundaries = [integer(b, "bucket_by_sequence_length: a boundary") for b in bucket_boundaries]
        if any(b <= a for a, b in zip(boundaries, boundaries[1:])):
            raise ValueError(f"bucket_by_sequence_length: boundaries must rise, given {boundaries}")
        node = grouping.bucket_by_length(
            self.node,
            element_length_func,
            boundaries,
            [positive(n, "bucket_by_sequence_length: a batch size") for n in bucket_batch_sizes],
            padded_shapes=padded_shapes,
            padding_values=padding_values,
            pad_to_boundary=pad_to_bucket_boundary,
            no_padding=no_padding,
            drop_remainder=drop_remainder,
        )
        return self._then(node)

    @named
    def unique(self) -> Dataset:
        """The first occurrence of every element."""
        return self._then(grouping.UniqueNode(self.node))

    @named
    def rejection_resample(
        self, class_func: Callable[..., Any], target_dist: Any, initial_dist: Any = None, seed: int | None = None
    ) -> Dataset:
        """Pairs `(class, element)` in which the classes have a wanted distribution; surplus elements are dropped.

        Args:
            class_func: gives the class number of an element.
            target_dist: the wanted share of each class. Shape `[classes]`.
            initial_dist: the share of each class in the input; estimated while reading if omitted.
            seed: makes the choice the same for every run.

        Raises:
            ValueError: if a distribution is negative or all 0, or sizes differ.
        """
        target = grouping.distribution(target_dist, "rejection_resample: target_dist")
        initial = None if initial_dist is None else grouping.distribution(initial_dist, "rejection_resample: initial_dist")
        if initial is not None and len(initial) != len(target):
            raise ValueError(
                f"rejection_resample: target_dist has {len(target)} classes and initial_dist {len(initial)}; both need the same"
            )
        return self._then(grouping.ResampleNode(self.node, class_func, target, initial, seed))

    # ---- functions ----

    @named
    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        *,
        vectorized: bool = False,
        workers: str = "thread",
    ) -> Dataset:
        """Each element through a function.

        Args:
            map_func: takes an element (a tuple as several arguments) and returns one. After `batch` that is a batch.
            num_parallel_calls: calls that run at a time; AUTOTUNE (-1) for one per core. Omitted: in the consumer.
            deterministic: False lets results overtake each other.
            vectorized: whether the function takes and returns many rows at once, although the elements are rows.
            workers: `"thread"`, right for functions that release the GIL (NumPy, decoding), or `"process"` for
                Python-heavy ones, which must then be defined at the top of a module.

        Raises:
            TypeError, ValueError: if the arguments do not fit; on use, what the function raises, with the element's
            number added.
        """
        if not callable(map_func):
            raise TypeError(f"map: expected a function, given {type(map_func).__name__}")
        if workers not in ("thread", "process"):
            raise ValueError(f"map: workers must be 'thread' or 'process', given {workers!r}")
        if num_parallel_calls is None:
            if workers == "process":
                raise ValueError("map(workers='process') needs num_parallel_calls, for example AUTOTUNE")
            return self._then(mapping.MapNode(self.node, map_func, vectorized=vectorized))
        if vectorized:
            raise ValueError("map: vectorized=True runs in the consumer; use batch, then map with num_parallel_calls")
        calls = integer(num_parallel_calls, "map: num_parallel_calls")
        if calls != prefetch.AUTOTUNE:
            positive(calls, "map: num_parallel_calls")
        node = prefetch.ParallelMapNode(
            self.node,
            map_func,
            num_parallel_calls=calls,
            deterministic=deterministic is not False,
            workers=workers,
        )
        return self._then(node)

    @named
    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements for which a function returns true."""
        return self._then(mapping.FilterNode(self.node, predicate))

    @named
    def ignore_errors(self, on_error: Callable[[Exception], None] | None = None) -> Dataset:
        """The elements that can be made; those for which a function of an earlier step fails are left out.

        Args:
            on_error: called with each error, for example `errors.append`.
        """
        return self._then(mapping.IgnoreErrorsNode(self.node, on_error))

    @named
    def take_while(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements before the first for which a function returns false."""
        return self._then(mapping.TakeWhileNode(self.node, predicate))

    @named
    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """The elements of the datasets that a function makes of the elements, one dataset after the other."""
        return self._then(joining.FlatMapNode(self.node, map_func))

    @named
    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Elements of several datasets at a time.

        Args:
            map_func: makes a dataset of an element.
            cycle_length: datasets open at a time; if omitted, 1 or, with num_parallel_calls, one per parallel call.
            block_length: consecutive elements taken of one; 1 if omitted.
            num_parallel_calls: elements made ahead by a thread, as `prefetch` does.
            deterministic: taken for tf.data's sake; the order is kept always.
        """
        del deterministic  # the order of the cycle is kept
        workers = None if num_parallel_calls is None else prefetch.worker_count(num_parallel_calls)
        if workers is not None:
            positive(workers, "interleave: num_parallel_calls")
        cycle = positive(cycle_length if cycle_length not in (None, -1) else workers or 1, "interleave: cycle_length")
        block = positive(1 if block_length is None else block_length, "interleave: block_length")
        if cycle_length not in (None, -1) and (num_parallel_calls or 0) > cycle:
            raise ValueError(f"interleave: num_parallel_calls={num_parallel_calls} must be at most cycle_length={cycle}")
        node: Node = joining.InterleaveNode(self.node, map_func, cycle, block)
        if workers is not None:
            node = prefetch.PrefetchNode(node, 64 * workers)
        return self._then(node)

    @named
    def scan(self, initial_state: Any, scan_func: Callable[..., Any]) -> Dataset:
        """The outputs of a function `(state, element) -> (state, output)` that carries a state along."""
        return self._then(mapping.ScanNode(self.node, initial_state, scan_func))

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any]) -> Any:
        """The last state of a function `(state, element) -> state`, over one pass.

        >>> from estimax.data import Dataset
        >>> int(Dataset.range(5).reduce(0, lambda total, x: total + x))
        10
        """
        state = as_element(initial_state)
        for element in self:  # type: ignore[attr-defined]
            state = as_element(reduce_func(state, element))
            mapping.check_state(initial_state, state, "reduce: the function")
        return state

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """What a function of a whole dataset gives.

        Raises:
            TypeError: if it does not return a dataset.
        """
        result = transformation_func(self)  # type: ignore[arg-type]
        if not isinstance(result, Transformations):
            raise TypeError(f"apply: the function must return a Dataset, returned {type(result).__name__}")
        return result  # type: ignore[return-value]

    # ---- speed ----

    @named
    def prefetch(self, buffer_size: int) -> Dataset:
        """The same elements, made ahead by a thread: up to `buffer_size` of them, AUTOTUNE (-1) for a good number."""
        size = integer(buffer_size, "prefetch: buffer_size")
        if size < -1:
            raise ValueError(f"prefetch: buffer_size must be at least 0, or AUTOTUNE (-1), given {size}")
        return self._then(prefetch.PrefetchNode(self.node, size))

    @named
    def cache(self, filename: Any = "") -> Dataset:
        """The same elements, kept from the first complete pass for all later ones.

        Args:
            filename: a directory to keep them in, also for later runs; in memory if omitted. It is filled as a whole by the
                first use, and is complete or absent.
        """
        if not filename:
            return self._then(cache.CacheNode(self.node))
        return self._then(snapshot.KeptNode(self.node, path_of(filename), "cache"))

    @named
    def snapshot(
        self,
        path: Any,
        compression: str | None = "AUTO",
        reader_func: Callable[[Dataset], Dataset] | None = None,
        shard_func: Callable[..., Any] | None = None,
    ) -> Dataset:
        """The same elements, written to a directory by the first use and read from there by later ones and later runs.

        Args:
            path: the directory.
            compression: `"AUTO"` and None for none, `"GZIP"`, `"ZLIB"`.
            reader_func: makes the elements from a dataset of datasets, one a shard; one after the other if omitted.
            shard_func: gives the number of the shard of an element; all in one if omitted.

        Raises:
            ValueError: if the compression is not known.
        """
        packed = compression_of(None if compression == "AUTO" else compression)
        arrange = None
        if reader_func is not None:
            read = reader_func

            def arrange(paths: list[str]) -> Node:
                shards = [self._then(snapshot.files_node([p], packed)) for p in paths]
                return read(self._then(ElementsNode(shards, name="shards"))).node

        node = snapshot.KeptNode(self.node, path_of(path), "snapshot", packed, shard_func, arrange)
        return self._then(node)
