"""`parse_example` and its siblings: serialized messages to arrays, as in `tf.io`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from estimax.data import wire
from estimax.data.columns_of_examples import ABSENT, DTYPES, Values, Wanted, columns_of, flat_array
from estimax.data.errors import InvalidDataError
from estimax.data.features import (
    AnyFeature,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    UniformRowLength,
    VarLenFeature,
)
from estimax.data.ragged_features import partitioned
from estimax.data.structure import list_to_array
from estimax.data.values import RaggedTensor, SparseTensor

Columns = Callable[[str, str], Values]  # a feature's key and dtype to its values


_GROUPS = {
    FixedLenFeature: "dense",
    FixedLenSequenceFeature: "dense",
    VarLenFeature: "sparse",
    SparseFeature: "sparse",
    RaggedFeature: "ragged",
}


def kind_of(name: str, dtype: str) -> int:
    """The kind of list that holds values of a dtype; raises ValueError for dtypes that Examples do not have."""
    if dtype not in DTYPES:
        raise ValueError(
            f'feature "{name}": an Example holds float32, int64 and string, asked for {dtype}; '
            "read one of these and convert it afterwards"
        )
    return DTYPES[dtype]


def wanted_keys(features: Mapping[str, AnyFeature]) -> list[tuple[str, str]]:
    """The keys and dtypes that a spec needs from each example.

    Raises:
        ValueError: if a key is asked for as two dtypes, or as two of dense, sparse and ragged, which TensorFlow rejects.
    """
    out: list[tuple[str, str]] = []
    asked: dict[str, tuple[str, str, str]] = {}
    for name, feature in features.items():
        wanted: list[tuple[str, str]] = []
        if isinstance(feature, FixedLenFeature | VarLenFeature | FixedLenSequenceFeature):
            wanted.append((name, feature.dtype))
        elif isinstance(feature, SparseFeature):
            wanted += [(key, "int64") for key in _index_keys(feature)]
            wanted.append((feature.value_key, feature.dtype))
        elif isinstance(feature, RaggedFeature):
            wanted.append((feature.value_key or name, feature.dtype))
            wanted += [(part.key, "int64") for part in feature.partitions if not isinstance(part, UniformRowLength)]
        else:
            raise ValueError(
                f'feature "{name}": expected FixedLenFeature, VarLenFeature, SparseFeature, FixedLenSequenceFeature or '
                f"RaggedFeature, given {feature!r}"
            )
        kind = _GROUPS[type(feature)]
        for key, dtype in wanted:
            before = asked.setdefault(key, (name, kind, dtype))
            if before[1:] != (kind, dtype):
                raise ValueError(
                    f'the key "{key}" is read as {before[1]} {before[2]} for feature "{before[0]}" and as {kind} {dtype} for '
                    f'"{name}"; read it once and convert the result'
                )
        out += wanted
    return list(dict.fromkeys(out))


def _index_keys(feature: SparseFeature) -> list[str]:
    return [feature.index_key] if isinstance(feature.index_key, str) else list(feature.index_key)


def _check(features: Mapping[str, AnyFeature]) -> None:
    if not features:
        raise ValueError("the features to parse must not be empty; give for example {'age': FixedLenFeature([], 'int64')}")
    for name, feature in features.items():
        if isinstance(feature, FixedLenSequenceFeature) and not feature.allow_missing:
            raise ValueError(
                f'feature "{name}": a FixedLenSequenceFeature of an Example needs allow_missing=True, as an empty list '
                "and an absent one can't be told apart"
            )
        if isinstance(feature, FixedLenSequenceFeature) and None in feature.shape:
            raise ValueError(f'feature "{name}": the shape of a value must be known, given {list(feature.shape)}')


def as_records(serialized: Any) -> list[bytes]:
    """A batch of serialized messages as a list of bytes."""
    if isinstance(serialized, bytes | str):
        raise ValueError("expected a batch (a vector) of serialized messages, given one; use the parse_single_ function")
    records = serialized.tolist() if isinstance(serialized, np.ndarray) else list(serialized)
    if isinstance(serialized, np.ndarray) and serialized.ndim != 1:
        raise ValueError(f"expected a vector of serialized messages, given shape {list(serialized.shape)}")
    for record in records:
        if not isinstance(record, bytes):
            raise ValueError(f"expected serialized messages as bytes, given {type(record).__name__}")
    return records


def check_kinds(name: str, values: Values, dtype: str) -> None:
    """Raises InvalidDataError if an example has values of another kind."""
    kinds = values.kinds
    wrong = (kinds > 0) & (kinds != DTYPES[dtype])
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InvalidDataError(
            f'feature "{name}": asked for {dtype} ({wire.KIND_NAMES[DTYPES[dtype]]} values), example {i} of the batch has '
            f"{wire.KIND_NAMES[int(kinds[i])]} values"
        )


def padding(dtype: str, default: Any = None) -> Any:
    """The value that fills gaps."""
    if default is None:
        return b"" if dtype == "string" else 0
    return default.encode() if isinstance(default, str) else default


def default_array(name: str, feature: FixedLenFeature) -> np.ndarray | None:
    """The default of a feature in its shape; raises InvalidDataError if it does not fit."""
    if feature.default_value is None:
        return None
    given = feature.default_value
    array = list_to_array(given) if isinstance(given, list) else np.asarray(given)
    if feature.dtype == "string":
        flat = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
        array = np.empty(len(flat), object)
        array[:] = flat
    size = int(np.prod(feature.shape, dtype=np.int64))
    if array.size != size:
        raise InvalidDataError(
            f'feature "{name}": default_value has {array.size} values, its shape {list(feature.shape)} needs {size}; '
            "a scalar is not repeated"
        )
    kind = array.dtype.kind
    if size and (feature.dtype == "int64" and kind not in "iu" or (feature.dtype == "string") != (kind in "OSUT")):
        raise ValueError(f'feature "{name}": default_value {feature.default_value!r} does not have the dtype {feature.dtype}')
    return array.reshape(feature.shape).astype(object if feature.dtype == "string" else feature.dtype)


def fixed(name: str, feature: FixedLenFeature, values: Values) -> np.ndarray:
    """A FixedLenFeature as an array `[batch, *shape]`."""
    if values.each == 1 and len(feature.shape) == 0 and feature.default_value is None:
        return values.flat
    check_kinds(name, values, feature.dtype)
    if any(n is None for n in feature.shape):
        raise ValueError(
            f'feature "{name}": the shape of a FixedLenFeature must be known, given {list(feature.shape)}; '
            "use FixedLenSequenceFeature or VarLenFeature"
        )
    size = int(np.prod(feature.shape, dtype=np.int64))
    default = default_array(name, feature)
    batch = len(values.kinds)
    if len(values.flat) == batch * size and (values.counts == size).all() and (size or (values.kinds > 0).all()):
        return values.flat.reshape(batch, *feature.shape)
    absent = values.kinds <= 0
    if default is None and absent.any():
        i = int(np.flatnonzero(absent)[0])
        raise InvalidDataError(
            f'feature "{name}" is required and missing in example {i} of the batch; give a default_value if it may be absent'
        )
    wrong = ~absent & (values.counts != size)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InvalidDataError(
            f'feature "{name}": shape {list(feature.shape)} needs {size} values, example {i} of the batch has '
            f"{int(values.counts[i])}"
        )
    kind = values.flat.dtype if values.flat.dtype.kind != "S" else object
    out = np.empty((batch, size), kind)
    out[absent] = np.asarray(default).ravel()
    out[~absent] = values.flat.reshape(-1, size)
    return out.reshape(batch, *feature.shape)


def variable(name: str, feature: VarLenFeature, values: Values) -> SparseTensor:
    """A VarLenFeature as a SparseTensor `[batch, longest]`."""
    check_kinds(name, values, feature.dtype)
    return RaggedTensor.from_row_lengths(values.flat, values.counts).to_sparse()


def sequence(name: str, feature: FixedLenSequenceFeature, values: Values) -> np.ndarray:
    """A FixedLenSequenceFeature as an array `[batch, longest, *shape]`."""
    check_kinds(name, values, feature.dtype)
    size = int(np.prod(feature.shape, dtype=np.int64))
    if size == 0 or (values.counts % size).any():
        i = int(np.flatnonzero(values.counts % max(size, 1))[0]) if size else 0
        raise InvalidDataError(
            f'feature "{name}": the number of values must be a multiple of {size}, that of shape {list(feature.shape)}; '
            f"example {i} of the batch has {int(values.counts[i])}"
        )
    steps = RaggedTensor.from_row_lengths(values.flat.reshape(-1, *feature.shape), values.counts // size)
    return steps.to_padded(None, padding(feature.dtype, feature.default_value))


def sparse(name: str, feature: SparseFeature, columns: Columns) -> SparseTensor:
    """A SparseFeature as a SparseTensor `[batch, *size]`."""
    keys = _index_keys(feature)
    sizes = [feature.size] if np.ndim(feature.size) == 0 else list(feature.size)  # type: ignore[arg-type]
    if len(keys) != len(sizes):
        raise ValueError(f'feature "{name}": {len(keys)} index keys need as many sizes, given {len(sizes)}')
    values = columns(feature.value_key, feature.dtype)
    check_kinds(feature.value_key, values, feature.dtype)
    batch = len(values.kinds)
    rows = np.repeat(np.arange(batch), values.counts)
    axes = [rows]
    for key in keys:
        positions = columns(key, "int64")
        check_kinds(key, positions, "int64")
        if (positions.counts != values.counts).any():
            i = int(np.flatnonzero(positions.counts != values.counts)[0])
            raise InvalidDataError(
                f'feature "{name}": example {i} of the batch has {int(positions.counts[i])} positions in "{key}" and '
                f'{int(values.counts[i])} values in "{feature.value_key}"; as many are needed'
            )
        axes.append(positions.flat)
    indices, flat = np.stack(axes, 1), values.flat
    if not feature.already_sorted:
        order = np.lexsort(axes[::-1])
        indices, flat = indices[order], flat[order]
    return SparseTensor(indices, flat, [batch, *sizes])


def assemble(features: Mapping[str, AnyFeature], columns: Columns) -> dict[str, Any]:
    """All features of a spec."""
    out: dict[str, Any] = {}
    for name, feature in features.items():
        if isinstance(feature, FixedLenFeature):
            out[name] = fixed(name, feature, columns(name, feature.dtype))
        elif isinstance(feature, VarLenFeature):
            out[name] = variable(name, feature, columns(name, feature.dtype))
        elif isinstance(feature, FixedLenSequenceFeature):
            out[name] = sequence(name, feature, columns(name, feature.dtype))
        elif isinstance(feature, SparseFeature):
            out[name] = sparse(name, feature, columns)
        else:
            out[name] = ragged(name, feature, columns)
    return out


def ragged(name: str, feature: RaggedFeature, columns: Columns) -> RaggedTensor:
    """A RaggedFeature as a RaggedTensor whose first level are the examples."""
    key = feature.value_key or name
    values = columns(key, feature.dtype)
    check_kinds(key, values, feature.dtype)
    parts = {}
    for part in feature.partitions:
        if not isinstance(part, UniformRowLength):
            parts[part.key] = columns(part.key, "int64")
            check_kinds(part.key, parts[part.key], "int64")
    return partitioned(name, feature, values, parts)


def parse_example(serialized: Any, features: Mapping[str, AnyFeature]) -> dict[str, Any]:
    """The features of a batch of serialized `Example`s.

    Args:
        serialized: a vector of bytes. Shape `[batch]`.
        features: name to `FixedLenFeature`, `VarLenFeature`, `SparseFeature`, `FixedLenSequenceFeature` or `RaggedFeature`.

    Returns:
        Name to array, `SparseTensor` or `RaggedTensor`, each with the examples on its first axis. Text is bytes: an array of
        fixed width where all values are short, else of objects.

    Raises:
        ValueError: if the spec is empty or can't be met by any example.
        InvalidDataError: if an example does not meet the spec; DataLossError if it is not a valid message. Both name it.

    Example:
        >>> from estimax.data import Example
        >>> data = [Example({"x": [1]}).serialize(), Example({"x": [2]}).serialize()]
        >>> parse_example(data, {"x": FixedLenFeature([], "int64")})["x"].tolist()
        [1, 2]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/parse_example
    """
    _check(features)
    keys = wanted_keys(features)
    wanted: list[Wanted] = [(key.encode(), kind_of(key, dtype)) for key, dtype in keys]
    found = columns_of(as_records(serialized), wanted)
    return assemble(features, lambda key, dtype: found[key.encode(), DTYPES[dtype]])


def parse_single_example(serialized: bytes, features: Mapping[str, AnyFeature]) -> dict[str, Any]:
    """The features of one serialized `Example`, as `parse_example` without the batch axis.

    Batches are faster by far: `dataset.batch(n).map(lambda x: parse_example(x, features))`.

    Raises:
        As `parse_example`.

    Example:
        >>> from estimax.data import Example
        >>> float(parse_single_example(Example({"x": 1.5}).serialize(), {"x": FixedLenFeature([], "float32")})["x"])
        1.5

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/parse_single_example
    """
    if not isinstance(serialized, bytes):
        raise ValueError(f"expected one serialized message as bytes, given {type(serialized).__name__}")
    quick = _quick(serialized, features)
    if quick is not None:
        return quick
    return {name: one(features[name], value) for name, value in parse_example([serialized], features).items()}


def _quick(serialized: bytes, features: Mapping[str, AnyFeature]) -> dict[str, Any] | None:
    """Features of fixed length that are as they should be, without arrays of one row; None for all else."""
    if not features or not all(type(feature) is FixedLenFeature for feature in features.values()):
        return None
    names = {name.encode(): name for name in features}
    found = wire.example(serialized, names)
    out: dict[str, Any] = {}
    for key, name in names.items():
        feature = features[name]
        kind, values = found.get(key, (ABSENT, ()))
        if kind != DTYPES.get(feature.dtype) or None in feature.shape or feature.default_value is not None:  # type: ignore[union-attr]
            return None
        shape = feature.shape  # type: ignore[union-attr]
        if len(shape) == 0:
            if len(values) != 1:
                return None
            value = values[0]
            out[name] = value if kind == wire.BYTES else np.float32(value) if kind == wire.FLOAT else np.int64(value)
            continue
        if len(values) != math.prod(shape):  # type: ignore[arg-type]
            return None
        out[name] = flat_array(list(values), kind).reshape(shape)  # type: ignore[arg-type]
    return out


def one(feature: AnyFeature, value: Any) -> Any:
    """A parsed batch of one example without its batch axis."""
    if isinstance(value, SparseTensor):
        width = value.dense_shape[1:]
        return SparseTensor(value.indices[:, 1:], value.values, width)
    if isinstance(value, RaggedTensor):
        return value.values
    return value[0]
