"""What an element looks like: dtype and shape of each leaf, as `tf.TensorSpec` and its siblings."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from estimax.data.structure import as_element, flatten, leaf_names, map_leaves, reordered, same_structure
from estimax.data.values import RaggedTensor, SparseTensor

Shape = tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """Dtype and shape of an array leaf.

    Args:
        shape: a size or None (unknown) for each axis; None if the rank is unknown too.
        dtype: a NumPy name such as `"int64"`, or `"string"` for text and bytes.

    Example:
        >>> spec_of(np.zeros((2, 3), np.float32))
        TensorSpec(shape=(2, 3), dtype='float32')

    Reference: https://www.tensorflow.org/api_docs/python/tf/TensorSpec
    """

    shape: Shape
    dtype: str

    def __post_init__(self) -> None:
        if self.shape is not None:
            object.__setattr__(self, "shape", tuple(None if n is None else int(n) for n in self.shape))
        object.__setattr__(self, "dtype", dtype_name(self.dtype))


@dataclasses.dataclass(frozen=True)
class SparseTensorSpec:
    """Dtype and dense shape of a SparseTensor leaf."""

    shape: Shape
    dtype: str


@dataclasses.dataclass(frozen=True)
class RaggedTensorSpec:
    """Dtype, shape and number of ragged levels of a RaggedTensor leaf.

    With 0 levels it is that of the rows of a RaggedTensor: arrays, which `batch` makes a RaggedTensor of.
    """

    shape: Shape
    dtype: str
    ragged_rank: int = 1


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """A leaf that is itself a dataset, as `window` makes them."""

    element_spec: Any


@dataclasses.dataclass(frozen=True)
class ObjectSpec:
    """A leaf that is some Python object, passed on as it is."""

    type: str


AnySpec = TensorSpec | SparseTensorSpec | RaggedTensorSpec | DatasetSpec | ObjectSpec


def dtype_name(dtype: Any) -> str:
    """The name of a dtype: `"string"` for all of text, bytes and objects.

    >>> dtype_name(np.int32), dtype_name(str), dtype_name("float")
    ('int32', 'string', 'float64')
    """
    if isinstance(dtype, str) and dtype == "string":
        return dtype
    if dtype in (str, bytes, object):
        return "string"
    try:
        found = np.dtype(dtype)
    except TypeError:
        name = getattr(dtype, "name", None)
        if name in ("string", "bfloat16"):
            return name
        raise TypeError(f"expected a NumPy dtype, its name, or 'string'; given {dtype!r}") from None
    return "string" if found.kind in "OSUT" else found.name


def leaf_spec(value: Any) -> AnySpec:
    """The spec of one leaf in the form of `as_leaf`."""
    if isinstance(value, np.ndarray | np.generic):
        return TensorSpec(value.shape, dtype_name(value.dtype))
    if isinstance(value, str | bytes):
        return TensorSpec((), "string")
    if isinstance(value, SparseTensor):
        return SparseTensorSpec(value.shape, dtype_name(value.dtype))
    if isinstance(value, RaggedTensor):
        return RaggedTensorSpec(value.shape, dtype_name(value.dtype), value.ragged_rank)
    if hasattr(value, "element_spec"):
        return DatasetSpec(value.element_spec)
    if hasattr(value, "__arrow_c_array__"):
        return TensorSpec((len(value),), _arrow_dtype(value.type))
    return ObjectSpec(type(value).__name__)


def _arrow_dtype(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    try:
        return dtype_name(kind.to_pandas_dtype())
    except NotImplementedError:
        return "string"


def spec_of(value: Any) -> Any:
    """The spec of an element, with its structure."""
    return map_leaves(leaf_spec, as_element(value))


def _merge_shapes(a: Shape, b: Shape) -> Shape:
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(m if m == n else None for m, n in zip(a, b))


def merge_leaf(a: AnySpec, b: AnySpec) -> AnySpec:
    """The narrowest spec that covers two leaves; raises TypeError if there is none."""
    if type(a) is not type(b):
        raise TypeError(f"{describe(a)} and {describe(b)} are different kinds of value")
    if isinstance(a, DatasetSpec):
        return DatasetSpec(merge(a.element_spec, b.element_spec))  # type: ignore[union-attr]
    if isinstance(a, ObjectSpec):
        return a if a == b else ObjectSpec("object")
    if a.dtype != b.dtype:  # type: ignore[union-attr]
        raise TypeError(f"dtypes {a.dtype} and {b.dtype} differ")  # type: ignore[union-attr]
    return dataclasses.replace(a, shape=_merge_shapes(a.shape, b.shape))  # type: ignore[union-attr]


def merge(a: Any, b: Any) -> Any:
    """The narrowest spec that covers two elements; raises TypeError if structure, kind or dtype differ."""
    if not same_structure(a, b):
        raise TypeError(f"structures differ: {describe(a)} and {describe(b)}")
    return map_leaves(merge_leaf, a, reordered(b, a))


def with_batch(spec: AnySpec, size: int | None) -> AnySpec:
    """The spec of a batch of leaves."""
    if isinstance(spec, DatasetSpec):
        return spec  # stacking the first element is refused: there may be none
    if isinstance(spec, ObjectSpec):
        return TensorSpec((size,), "string")
    shape = None if spec.shape is None else (size, *spec.shape)
    if isinstance(spec, RaggedTensorSpec):
        return RaggedTensorSpec(shape, spec.dtype, spec.ragged_rank + 1)
    return dataclasses.replace(spec, shape=shape)


def without_batch(spec: AnySpec, where: str = "") -> AnySpec:
    """The spec of one element of a batch."""
    shape = getattr(spec, "shape", None)
    if shape == () or isinstance(spec, DatasetSpec | ObjectSpec):
        raise ValueError(f"unbatch needs at least one axis in every component; {where or 'the element'} is {describe(spec)}")
    shape = None if shape is None else shape[1:]
    if isinstance(spec, RaggedTensorSpec):
        return RaggedTensorSpec(shape, spec.dtype, max(0, spec.ragged_rank - 1))
    return dataclasses.replace(spec, shape=shape)  # type: ignore[arg-type]


def made_up(spec: Any, number: int) -> Any:
    """An element of a spec: `number` everywhere, unknown sizes `number`."""

    def leaf(spec: Any) -> Any:
        if not isinstance(spec, TensorSpec):
            raise TypeError("only plain arrays can be made up")
        shape = tuple(number if n is None else n for n in spec.shape or ())
        if spec.dtype == "string":
            return np.full(shape, b"", object) if shape else b""
        return np.full(shape, number, spec.dtype) if shape else np.dtype(spec.dtype).type(number)

    return map_leaves(leaf, spec)


def first_size(spec: Any) -> int | None:
    """The common size of the first axis of all leaves, if one of them states it."""
    sizes = [s.shape[0] for s in flatten(spec) if getattr(s, "shape", None)]
    return next((n for n in sizes if n is not None), None)


def describe(spec: Any) -> str:
    """A short text of a spec for messages: `{"age": int64[], "city": string[3]}`."""
    if isinstance(spec, dict):
        return "{" + ", ".join(f'"{k}": {describe(v)}' for k, v in spec.items()) + "}"
    if isinstance(spec, tuple):
        return "(" + ", ".join(describe(v) for v in spec) + ")"
    if isinstance(spec, DatasetSpec):
        return f"Dataset of {describe(spec.element_spec)}"
    if isinstance(spec, ObjectSpec):
        return spec.type
    shape = "[?]" if spec.shape is None else "[" + ", ".join("?" if n is None else str(n) for n in spec.shape) + "]"
    kind = {SparseTensorSpec: "sparse ", RaggedTensorSpec: "ragged "}.get(type(spec), "")
    return f"{kind}{spec.dtype}{shape}"


def check_compatible(spec: Any, value: Any, what: str) -> None:
    """Raises TypeError, naming the leaf, if an element does not have the structure, kinds and dtypes of a spec."""
    given = spec_of(value)
    if not same_structure(spec, given):
        raise TypeError(f"{what}: expected {describe(spec)}, given {describe(given)}")
    given = reordered(given, spec)
    names = leaf_names(spec)
    for name, want, got in zip(names, flatten(spec), flatten(given)):
        if isinstance(want, ObjectSpec) or type(want) is not type(got):
            if not isinstance(want, ObjectSpec):
                raise TypeError(f"{what}{name}: expected {describe(want)}, given {describe(got)}")
            continue
        shape_ok = getattr(want, "shape", None) is None or (
            got.shape is not None
            and len(got.shape) == len(want.shape)
            and all(w is None or g is None or w == g for w, g in zip(want.shape, got.shape))
        )
        if getattr(want, "dtype", None) != getattr(got, "dtype", None) or not shape_ok:
            raise TypeError(f"{what}{name}: expected {describe(want)}, given {describe(got)}")
