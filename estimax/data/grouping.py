"""Steps that gather elements by position, key or length: windows, group_by_window, buckets, unique, resampling."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from estimax.data.batching import BatchNode, PaddedBatchNode, leaf_shapes, pad
from estimax.data.collate import stack
from estimax.data.errors import InvalidDataError
from estimax.data.mapping import call, function_name, noted, result_spec
from estimax.data.node import UNKNOWN, Context, Cursor, Node, ReplayCursor
from estimax.data.order import SameElementsNode
from estimax.data.sources import ElementsCursor, ElementsNode
from estimax.data.specs import DatasetSpec, TensorSpec, describe
from estimax.data.structure import as_element, flatten, map_leaves, rebuild

MakeDataset = Callable[[Node], Any]  # what turns steps into a Dataset, which this rank of files does not import


class WindowNode(Node):
    """Runs of elements, each run a dataset (for structured elements one dataset per leaf)."""

    name = "window"

    def __init__(self, source: Node, size: int, shift: int, stride: int, drop_remainder: bool, make: MakeDataset):
        self.inputs, self.source, self.make = (source,), source, make
        self.size, self.shift, self.stride, self.drop_remainder = size, shift, stride, drop_remainder

    def spec(self) -> Any:
        return map_leaves(DatasetSpec, self.source.spec())

    def cardinality(self) -> int:
        n = self.source.cardinality()
        if n < 0:
            return n
        if not self.drop_remainder:
            return -(-n // self.shift)
        needed = (self.size - 1) * self.stride + 1
        return 0 if n < needed else (n - needed) // self.shift + 1

    def made_up(self, number: int) -> Any:
        element = self.source.made_up(number)
        return map_leaves(lambda leaf: self.make(ElementsNode([leaf] * min(number, self.size), name="window")), element)

    def open(self, context: Context) -> Cursor:
        return WindowCursor(self, self.source.open(context.for_functions().child()))

    def describe(self) -> str:
        return f"window({self.size}, shift={self.shift}, stride={self.stride})"


class WindowCursor(ReplayCursor):
    """Holds the elements that the next window may need."""

    def __init__(self, node: WindowNode, below: Cursor):
        super().__init__()
        self._node, self._below = node, below
        self._held: collections.deque[Any] = collections.deque()
        self._gap = 0
        self._ended = False

    def _draw(self) -> Any:
        node = self._node
        if self._gap:
            self._ended = self._below.skip(self._gap) < self._gap or self._ended
            self._gap = 0
        reach = (node.size - 1) * node.stride + 1
        while not self._ended and len(self._held) < reach:
            try:
                self._held.append(self._below.next())
            except StopIteration:
                self._ended = True
        if not self._held or node.drop_remainder and len(self._held) < reach:
            raise StopIteration
        elements = [self._held[i] for i in range(0, min(reach, len(self._held)), node.stride)]
        for _ in range(min(node.shift, len(self._held))):
            self._held.popleft()
        self._gap = max(0, node.shift - reach) if not self._ended and not self._held else 0
        first = elements[0]
        if not isinstance(first, dict | tuple):
            return node.make(ElementsNode(elements, name="window"))
        columns = zip(*(flatten(element) for element in elements))
        return rebuild(first, [node.make(ElementsNode(list(column), name="window")) for column in columns])

    def close(self) -> None:
        self._below.close()


class GroupNode(Node):
    """Elements with the same key in groups, each group reduced to a dataset whose elements come out."""

    name = "group_by_window"
    runs_user_code = True

    def __init__(
        self,
        source: Node,
        key: Callable[..., Any],
        reduce: Callable[[int, list[Any]], Cursor],
        window_size: Callable[[int], int],
        spec: Callable[[], Any],
        name: str,
    ):
        self.inputs, self.source, self.key, self.reduce = (source,), source, key, reduce
        self.window_size, self._find_spec, self.name = window_size, spec, name

    def spec(self) -> Any:
        return self._find_spec()

    def cardinality(self) -> int:
        return UNKNOWN

    def open(self, context: Context) -> Cursor:
        return GroupCursor(self, self.source.open(context.for_functions().child()))


class GroupCursor(ReplayCursor):
    """Hands a group out as soon as it is full; what is left at the end in the order of the keys."""

    def __init__(self, node: GroupNode, below: Cursor):
        super().__init__()
        self._node, self._below = node, below
        self._groups: dict[int, list[Any]] = {}
        self._out: Cursor | None = None
        self._left: list[int] | None = None
        self._seen = 0

    def _draw(self) -> Any:
        while True:
            if self._out is not None:
                try:
                    return self._out.next()
                except StopIteration:
                    self._out = None
            if self._left is None:
                self._read()
            elif self._left:
                key = self._left.pop(0)
                self._out = self._node.reduce(key, self._groups.pop(key))
            else:
                raise StopIteration

    def _read(self) -> None:
        try:
            element = self._below.next()
        except StopIteration:
            self._left = sorted(self._groups)
            return
        try:
            key = int(call(self._node.key, element))
        except Exception as error:
            raise noted(error, self._node.name, self._node.key, self._seen)  # noqa: B904
        self._seen += 1
        group = self._groups.setdefault(key, [])
        group.append(element)
        size = int(self._node.window_size(key))
        if size <= 0:
            raise InvalidDataError(f"{self._node.name}: the window size must be positive, the size for key {key} is {size}")
        if len(group) >= size:
            self._out = self._node.reduce(key, self._groups.pop(key))

    def close(self) -> None:
        self._below.close()


def group_by_window(
    source: Node,
    key_func: Callable[..., Any],
    reduce_func: Callable[..., Any],
    size_func: Callable[[int], int],
    make: MakeDataset,
) -> GroupNode:
    """The step of `Dataset.group_by_window`."""

    def reduced(key: int, elements: list[Any]) -> Any:
        dataset = reduce_func(np.int64(key), make(ElementsNode(elements, name="group")))
        if not hasattr(dataset, "node"):
            raise TypeError(
                f"group_by_window: {function_name(reduce_func)} must return a Dataset, returned {type(dataset).__name__}"
            )
        return dataset.node

    def spec() -> Any:
        return result_spec(lambda e: reduced(int(call(key_func, e)), [e]).spec(), source, "group_by_window")

    return GroupNode(source, key_func, lambda k, e: reduced(k, e).open(Context(seed=k)), size_func, spec, "group_by_window")


def bucket_by_length(
    source: Node,
    length_func: Callable[..., Any],
    boundaries: list[int],
    batch_sizes: list[int],
    *,
    padded_shapes: Any,
    padding_values: Any,
    pad_to_boundary: bool,
    no_padding: bool,
    drop_remainder: bool,
) -> GroupNode:
    """The step of `Dataset.bucket_by_sequence_length`."""
    bounds = np.asarray(boundaries)

    @functools.cache
    def known_shapes() -> list[Any]:
        return [getattr(leaf, "shape", None) for leaf in flatten(source.spec())]

    def bucket(*element: Any) -> int:
        return int(np.searchsorted(bounds, int(length_func(*element)), side="right"))

    def reduce(key: int, elements: list[Any]) -> Cursor:
        if drop_remainder and len(elements) < batch_sizes[key]:
            return ElementsCursor([])
        if no_padding:
            return ElementsCursor([stack(elements)])
        shapes = padded_shapes
        if pad_to_boundary:
            if key == len(boundaries):
                raise InvalidDataError(
                    "bucket_by_sequence_length: with pad_to_bucket_boundary=True every element must be shorter than the "
                    f"last boundary, {boundaries[-1] if boundaries else 'and there is none'}; add a larger one"
                )
            shapes = _filled(padded_shapes, elements[0], known_shapes(), boundaries[key] - 1)
        return ElementsCursor([pad(elements, shapes, padding_values)])

    def spec() -> Any:
        if no_padding:
            return BatchNode(source, 1, False).spec()
        return PaddedBatchNode(source, 1, padded_shapes, padding_values, False).padded_spec(None)

    return GroupNode(source, bucket, reduce, lambda key: batch_sizes[key], spec, "bucket_by_sequence_length")


def _filled(padded_shapes: Any, element: Any, known: list[Any], width: int) -> Any:
    """Padded shapes with `width` for every axis whose size is open; `known` are the shapes that the dataset states."""
    shapes = [given or stated for given, stated in zip(leaf_shapes(padded_shapes, element), known)]
    filled = [
        [width] * np.ndim(leaf) if shape is None else [width if n in (None, -1) else n for n in shape]
        for leaf, shape in zip(flatten(element), shapes)
    ]
    return rebuild(element, filled)


class UniqueNode(SameElementsNode):
    """The first occurrence of every element."""

    name = "unique"

    def __init__(self, source: Node):
        super().__init__(source)
        if self.has_static_spec():
            self.spec()

    def spec(self) -> Any:
        spec = super().spec()
        if not isinstance(spec, TensorSpec) or spec.dtype not in ("int32", "int64", "string"):
            raise TypeError(f"unique: expected elements of one int32, int64 or string component, given {describe(spec)}")
        return spec

    def cardinality(self) -> int:
        return UNKNOWN

    def open(self, context: Context) -> Cursor:
        self.check()
        return UniqueCursor(self.source.open(context.for_functions().child()))


class UniqueCursor(ReplayCursor):
    """Remembers what it has seen."""

    def __init__(self, below: Cursor):
        super().__init__()
        self._below, self._seen = below, set()  # type: ignore[var-annotated]

    def _draw(self) -> Any:
        while True:
            element = self._below.next()
            key = tuple(_key(leaf) for leaf in flatten(element))
            if key not in self._seen:
                self._seen.add(key)
                return element

    def close(self) -> None:
        self._below.close()


def _key(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return (leaf.shape, tuple(leaf.ravel().tolist()) if leaf.dtype == object else leaf.tobytes())
    return leaf.item() if isinstance(leaf, np.generic) else leaf


class ResampleNode(Node):
    """Pairs (class, element), elements dropped at random so that the classes reach a target distribution."""

    name = "rejection_resample"
    runs_user_code = True

    def __init__(
        self, source: Node, class_func: Callable[..., Any], target: np.ndarray, initial: np.ndarray | None, seed: int | None
    ):
        self.inputs, self.source, self.class_func = (source,), source, class_func
        self.target, self.initial, self.seed = target, initial, seed

    def spec(self) -> Any:
        return (TensorSpec((), "int64"), self.source.spec())

    def cardinality(self) -> int:
        return UNKNOWN

    def open(self, context: Context) -> Cursor:
        return ResampleCursor(self, self.source.open(context.for_functions().child()), context.random(self.seed))


class ResampleCursor(ReplayCursor):
    """Accepts an element of class c with probability (target_c / initial_c) / max over the classes.

    Without a given initial distribution the counts so far stand in for it, starting from one of each class.
    """

    def __init__(self, node: ResampleNode, below: Cursor, random: np.random.Generator):
        super().__init__()
        self._node, self._below, self._random = node, below, random
        self._counts = np.ones(len(node.target))

    def _draw(self) -> Any:
        node = self._node
        while True:
            element = self._below.next()
            kind = int(as_element(call(node.class_func, element)))
            if not 0 <= kind < len(node.target):
                raise InvalidDataError(
                    f"rejection_resample: class {kind} is outside the {len(node.target)} classes of target_dist"
                )
            self._counts[kind] += 1
            initial = self._counts / self._counts.sum() if node.initial is None else node.initial
            ratio = np.divide(node.target, initial, out=np.zeros_like(node.target), where=initial > 0)
            if self._random.random() * ratio.max() < ratio[kind]:
                return (np.int64(kind), element)

    def close(self) -> None:
        self._below.close()


def distribution(values: Any, what: str) -> np.ndarray:
    """Probabilities; raises ValueError unless they are at least 0 and do not all vanish. Shape `[classes]`."""
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array) or (array < 0).any() or not array.sum() > 0:
        raise ValueError(f"{what} must be a vector of weights, at least 0 and not all 0; given {values!r}")
    return array / array.sum()
