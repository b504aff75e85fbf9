"""`make_one_shot_iterator().get_next()`: an idiom of TensorFlow 1 whose result stands for every batch, not for one.

`get_next()` gives the first batch. Its arrays remember which iterator and which part of the element they are, so that an
input_fn which returns them (in any arrangement) can be followed for all later batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from estimax.data.errors import InvalidDataError
from estimax.data.iterator import Iterator
from estimax.data.structure import flatten, map_leaves, rebuild
from estimax.data.values import RaggedTensor, SparseTensor


class LinkedArray(np.ndarray):
    """An array of a first batch; `link` is (its iterator, its number among the leaves). Results of arithmetic have none."""

    link: Any = None


class LinkedSparse(SparseTensor):
    """A SparseTensor of a first batch."""

    __slots__ = ("link",)


class LinkedRagged(RaggedTensor):
    """A RaggedTensor of a first batch."""

    __slots__ = ("link",)


class OneShotIterator:
    """What `dataset.make_one_shot_iterator()` gives.

    Example:
        >>> from estimax.data import Dataset
        >>> features, labels = Dataset.from_tensors(({"x": [1.0]}, [0])).make_one_shot_iterator().get_next()
        >>> features["x"].tolist()
        [1.0]
    """

    def __init__(self, iterator: Iterator):
        self.iterator = iterator
        self._first: Any = None

    def get_next(self, name: str | None = None) -> Any:
        """The first batch, whose arrays can be returned from an input_fn to stand for all batches.

        Raises:
            InvalidDataError: if the dataset is empty.
        """
        del name  # TensorFlow's name of the graph node
        if self._first is None:
            try:
                element = next(self.iterator)
            except StopIteration:
                raise InvalidDataError("get_next(): the dataset has no element") from None
            numbers = iter(range(len(flatten(element))))
            self.first = element
            self._first = map_leaves(lambda leaf: self._link(leaf, next(numbers)), element)
        return self._first

    def _link(self, leaf: Any, number: int) -> Any:
        if isinstance(leaf, SparseTensor):
            linked: Any = LinkedSparse(leaf.indices, leaf.values, leaf.dense_shape)
        elif isinstance(leaf, RaggedTensor):
            linked = LinkedRagged(leaf.nested_row_splits, leaf.flat_values)
        else:
            linked = np.asarray(leaf).view(LinkedArray)
        linked.link = (self, number)
        return linked

    def initializer(self) -> None:
        """Nothing to initialize; here for input_fns that run it."""

    def __iter__(self) -> Iterator:
        return self.iterator

    def __next__(self) -> Any:
        return next(self.iterator)


def source_of(batch: Any, what: str) -> OneShotIterator | None:
    """The iterator whose `get_next()` made all arrays of a batch, or None if it made none of them.

    Raises:
        InvalidDataError: if only some come from it: what was computed from the others would be the same in every batch.
    """
    leaves = [leaf for leaf in flatten(batch) if leaf is not None]
    links: list[Any] = [getattr(leaf, "link", None) for leaf in leaves]
    if not any(links):
        return None
    if not all(links) or len({id(link[0]) for link in links}) > 1:
        raise InvalidDataError(
            f"{what} returned arrays of get_next() together with others. get_next() gives one batch here, so what was "
            "computed from it would never change. Compute in dataset.map(...) and return the dataset."
        )
    return links[0][0]


def make_one_shot_iterator(dataset: Any) -> OneShotIterator:
    """`dataset.make_one_shot_iterator()`, as `tf.compat.v1.data.make_one_shot_iterator(dataset)`.

    Example:
        >>> from estimax.data import Dataset
        >>> make_one_shot_iterator(Dataset.range(4).batch(2)).get_next().tolist()
        [0, 1]
    """
    return dataset.make_one_shot_iterator()


class Followed:
    """All batches in the arrangement of the first one."""

    def __init__(self, batch: Any, source: OneShotIterator):
        self._arrangement = batch
        self._numbers = [None if leaf is None else leaf.link[1] for leaf in flatten(batch)]
        self._source, self._pending = source, True

    def __iter__(self) -> Followed:
        return self

    def __next__(self) -> Any:
        element = self._source.first if self._pending else next(self._source.iterator)
        self._pending = False
        leaves = flatten(element)
        return rebuild(self._arrangement, [None if n is None else leaves[n] for n in self._numbers])

    def get_state(self) -> dict[str, Any]:
        """Where the iterator is, and whether its first batch has been handed out."""
        return {"pending": self._pending, "iterator": self._source.iterator.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues there."""
        self._pending = state["pending"]
        self._source.iterator.set_state(state["iterator"])

    def close(self) -> None:
        """Lets go of what the iterator holds."""
        self._source.iterator.close()
