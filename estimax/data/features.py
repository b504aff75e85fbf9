"""How the features of an Example are to be read: `FixedLenFeature` and its siblings, as in `tf.io`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from estimax.data.specs import dtype_name


class _Parsed:
    """Stores the dtype by its name."""

    dtype: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", dtype_name(self.dtype))
        shape = getattr(self, "shape", None)
        if shape is not None:
            shape = (shape,) if isinstance(shape, int) else shape
            object.__setattr__(self, "shape", tuple(None if n is None else int(n) for n in shape))


@dataclasses.dataclass(frozen=True)
class FixedLenFeature(_Parsed):
    """A feature with the same number of values in every example; read as an array `[batch, *shape]`.

    Args:
        shape: of one example's values, row-major; `[]` for a scalar.
        dtype: float32, int64 or string.
        default_value: stands for an absent feature, with as many values as the shape; if omitted the feature must be there.

    Example:
        >>> FixedLenFeature([2], "int64").shape
        (2,)

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/FixedLenFeature
    """

    shape: Sequence[int]
    dtype: Any
    default_value: Any = None


@dataclasses.dataclass(frozen=True)
class VarLenFeature(_Parsed):
    """A feature with any number of values; read as a `SparseTensor` `[batch, longest]`.

    Example:
        >>> from estimax.data import Example, parse_example
        >>> data = [Example({"x": [5, 6]}).serialize(), Example({"x": []}).serialize()]
        >>> parse_example(data, {"x": VarLenFeature("int64")})["x"].to_dense().tolist()
        [[5, 6], [0, 0]]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/VarLenFeature
    """

    dtype: Any


@dataclasses.dataclass(frozen=True)
class SparseFeature(_Parsed):
    """Values and their positions in two (or more) features; read as a `SparseTensor` `[batch, *size]`.

    Args:
        index_key: the feature of positions, or one for each axis.
        value_key: the feature of values.
        dtype: of the values: float32, int64 or string.
        size: of each axis. Positions outside are not looked for, as in TensorFlow.
        already_sorted: whether the values are in the order of their positions; else they are sorted.

    Example:
        >>> from estimax.data import Example, parse_example
        >>> data = [Example({"at": [3, 0], "value": [1.0, 2.0]}).serialize()]
        >>> parse_example(data, {"x": SparseFeature("at", "value", "float32", size=4)})["x"].to_dense().tolist()
        [[2.0, 0.0, 0.0, 1.0]]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/SparseFeature
    """

    index_key: str | Sequence[str]
    value_key: str
    dtype: Any
    size: int | Sequence[int]
    already_sorted: bool = False


@dataclasses.dataclass(frozen=True)
class FixedLenSequenceFeature(_Parsed):
    """Steps of a fixed shape, any number of them; read as an array `[batch, longest, *shape]`.

    Args:
        shape: of one step.
        dtype: float32, int64 or string.
        allow_missing: whether the feature may be absent; must be True to read it from an Example.
        default_value: fills the steps of shorter examples; 0 or the empty string if omitted.

    Example:
        >>> from estimax.data import Example, parse_example
        >>> data = [Example({"x": [5, 6]}).serialize(), Example({"x": [7]}).serialize()]
        >>> parse_example(data, {"x": FixedLenSequenceFeature([], "int64", allow_missing=True)})["x"].tolist()
        [[5, 6], [7, 0]]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/FixedLenSequenceFeature
    """

    shape: Sequence[int]
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


@dataclasses.dataclass(frozen=True)
class RowSplits:
    """Rows by where they start and end, from the feature `key`."""

    key: str


@dataclasses.dataclass(frozen=True)
class RowLengths:
    """Rows by their lengths, from the feature `key`."""

    key: str


@dataclasses.dataclass(frozen=True)
class RowStarts:
    """Rows by where they start, from the feature `key`."""

    key: str


@dataclasses.dataclass(frozen=True)
class RowLimits:
    """Rows by where they end, from the feature `key`."""

    key: str


@dataclasses.dataclass(frozen=True)
class ValueRowIds:
    """Rows by the row number of each value, from the feature `key`."""

    key: str


@dataclasses.dataclass(frozen=True)
class UniformRowLength:
    """Rows of `length` values each."""

    length: int


Partition = RowSplits | RowLengths | RowStarts | RowLimits | ValueRowIds | UniformRowLength


@dataclasses.dataclass(frozen=True)
class RaggedFeature(_Parsed):
    """A feature read as a `RaggedTensor`, with a ragged level for each partition.

    Args:
        dtype: float32, int64 or string.
        value_key: the feature of the values; the name under which this is asked for if omitted.
        partitions: how values form rows, outermost first: `RowSplits`, `RowLengths`, `RowStarts`, `RowLimits`,
            `ValueRowIds`, `UniformRowLength` (also attributes of this class).
        row_splits_dtype: int32 or int64.
        validate: kept for tf.io's sake; partitions are checked always.

    Example:
        >>> from estimax.data import Example, parse_example
        >>> data = [Example({"x": [5, 6, 7], "rows": [1, 2]}).serialize()]
        >>> parse_example(data, {"x": RaggedFeature("int64", partitions=[RaggedFeature.RowLengths("rows")])})["x"].to_list()
        [[[5], [6, 7]]]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/RaggedFeature
    """

    dtype: Any
    value_key: str | None = None
    partitions: Sequence[Partition] = ()
    row_splits_dtype: Any = "int32"
    validate: bool = False

    RowSplits: ClassVar[type] = RowSplits
    RowLengths: ClassVar[type] = RowLengths
    RowStarts: ClassVar[type] = RowStarts
    RowLimits: ClassVar[type] = RowLimits
    ValueRowIds: ClassVar[type] = ValueRowIds
    UniformRowLength: ClassVar[type] = UniformRowLength

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "partitions", tuple(self.partitions))
        object.__setattr__(self, "row_splits_dtype", dtype_name(self.row_splits_dtype))
        for part in self.partitions:
            if not isinstance(part, Partition):
                raise TypeError(f"RaggedFeature: expected a partition such as RowLengths('key'), given {part!r}")
        if self.row_splits_dtype not in ("int32", "int64"):
            raise ValueError(f"RaggedFeature: row_splits_dtype must be int32 or int64, given {self.row_splits_dtype}")


AnyFeature = FixedLenFeature | VarLenFeature | SparseFeature | FixedLenSequenceFeature | RaggedFeature
