"""Numbers as they are, or normalized."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostValue, Variable, register
from estimax.core.errors import InputDataError, ShapeError
from estimax.data import FixedLenFeature
from estimax.feature_columns.base import MODULE, DenseColumn, FeatureReader, check_key, dtype_name, is_number
from estimax.feature_columns.entries import Entries, read_entries
from estimax.feature_columns.host_ops import ColumnOp


@register(MODULE)
class ReadNumbers(ColumnOp):
    """A raw feature as a dense array of numbers.

    Args:
        key: of the feature, for messages.
        shape: of one row.
        default_value: what nulls become: a number or nested list in `shape`; None refuses nulls.
        keep_integers: whether integers stay integers (int32), as a normalizer wants them, instead of float32.

    Returns:
        Shape `[batch, *shape]`, float32 or int32.
    """

    def __init__(self, key: str, shape: Sequence[int], default_value: Any = None, keep_integers: bool = False):
        self.key_in_features, self.shape = key, tuple(shape)
        self.default_value, self.keep_integers = default_value, keep_integers

    def get_config(self) -> dict[str, Any]:
        return {
            "key": self.key_in_features, "shape": list(self.shape), "default_value": self.default_value,
            "keep_integers": self.keep_integers,
        }  # fmt: skip

    def __call__(self, raw: Any) -> np.ndarray:
        if isinstance(raw, np.ndarray) and raw.dtype.kind == "f" and raw.shape[1:] == self.shape:
            return raw.astype(np.float32, copy=False)
        try:
            return self._shaped(_densified(raw))
        except InputDataError as e:
            raise InputDataError(f'Feature "{self.key_in_features}": {e}') from e

    def _shaped(self, entries: Entries) -> np.ndarray:
        if entries.kind not in ("integer", "float", "bool"):
            raise InputDataError(
                f"given {entries.kind} values, expected numbers. Convert the feature, or use a categorical column."
            )
        given = math.prod(entries.shape[1:])
        if given != math.prod(self.shape):
            raise InputDataError(
                f"given values of shape {['batch', *entries.shape[1:]]}, expected {['batch', *self.shape]} as the column's shape says. "
                f"Give the column shape={entries.shape[1:]}, or repair the feature."
            )
        values = entries.values if entries.codes is None else entries.values[entries.codes]
        values = values.reshape(entries.shape[0], *self.shape)  # type: ignore[union-attr]
        if entries.nulls is not None:
            values = self._filled(values, entries.nulls.reshape(values.shape))
        if not self.keep_integers or values.dtype.kind != "i" and values.dtype.kind != "u":
            return values.astype(np.float32, copy=False)
        if values.dtype.itemsize > 4 and values.size and (values.max() >= 2**31 or values.min() < -(2**31)):
            raise InputDataError(
                f"given integers up to {int(values.max())} for a column with a normalizer, expected 32 bits. Scale them in input_fn, or "
                "give floats."
            )
        return values.astype(np.int32, copy=False)

    def _filled(self, values: np.ndarray, nulls: np.ndarray) -> np.ndarray:
        if self.default_value is None:
            raise InputDataError(
                f"{int(nulls.sum())} of {nulls.size} values are null. Give the column a default_value, or fill them in input_fn."
            )
        return np.where(nulls, np.asarray(self.default_value), values)


def _densified(raw: Any) -> Entries:
    """The entries of a dense feature; a SciPy matrix is one, whose unsaid values are zeros."""
    if type(raw).__module__.startswith("scipy") and hasattr(raw, "toarray"):
        raw = raw.toarray()
    entries = read_entries(raw)
    if entries.layout == "sparse" or entries.layout != "dense" and entries.count != math.prod(entries.shape):
        raise InputDataError(
            f"given {entries.layout} values, expected a dense array: a number for each place. Pad it, or use a sequence_numeric_column."
        )
    return entries


@register(MODULE)
class NormalizedNumbers(ColumnOp):
    """A column's normalizer on the host, for columns that make ids from its result.

    Args:
        name: of the column.
        normalizer_fn: the user's function of one array.
        exported: the function as `jax.export` writes it, base64; how it is saved.
        fingerprint: of what the function computes, so that it is recognised when it is traced again.
        shape, dtype: of the array without the batch.
    """

    def __init__(
        self,
        name: str,
        normalizer_fn: Callable | None = None,
        exported: str | None = None,
        fingerprint: str | None = None,
        shape: Sequence[int] = (1,),
        dtype: str = "float32",
    ):
        self.name, self.normalizer_fn, self.exported, self.shape, self.dtype = name, normalizer_fn, exported, tuple(shape), dtype
        self.fingerprint = self._fingerprint() if fingerprint is None else fingerprint
        self._compiled: Any = None

    @property
    def key(self) -> str:
        return f"NormalizedNumbers:{self.fingerprint}"

    def _fingerprint(self) -> str:
        with jax.ensure_compile_time_eval():
            traced = jax.make_jaxpr(self.normalizer_fn)(jax.ShapeDtypeStruct((2, *self.shape), self.dtype))  # type: ignore[arg-type]
        # Functions inside are printed with their addresses, which differ from process to process.
        text = re.sub(r" at 0x[0-9a-f]+", "", str(traced.jaxpr))
        digest = hashlib.blake2b(f"{self.name} {text}".encode(), digest_size=8)
        for constant in traced.consts:
            digest.update(np.asarray(constant).tobytes())
        return digest.hexdigest()

    def get_config(self) -> dict[str, Any]:
        if self.exported is None:
            with jax.ensure_compile_time_eval():
                self.exported = base64.b64encode(self._export()).decode()
        return {
            "name": self.name, "exported": self.exported, "fingerprint": self.fingerprint, "shape": list(self.shape),
            "dtype": self.dtype,
        }  # fmt: skip

    def _export(self) -> bytes:
        from jax import export

        (batch,) = export.symbolic_shape("batch")
        function = jax.jit(lambda x: jnp.asarray(self.normalizer_fn(x), jnp.float32))  # type: ignore[misc]
        argument = jax.ShapeDtypeStruct((batch, *self.shape), self.dtype)
        return bytes(export.export(function, platforms=("cpu",))(argument).serialize())

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        if self._compiled is None:
            if self.normalizer_fn is not None:
                self._compiled = jax.jit(lambda x: jnp.asarray(self.normalizer_fn(x), jnp.float32))  # type: ignore[misc]
            else:
                from jax import export

                self._compiled = jax.jit(export.deserialize(bytearray(base64.b64decode(self.exported or ""))).call)
        # On the CPU, and at once even while a model is traced: ids are made from the result.
        with jax.ensure_compile_time_eval(), jax.default_device(jax.local_devices(backend="cpu")[0]):
            return np.asarray(self._compiled(numbers.astype(self.dtype, copy=False)))


@register(MODULE)
class NumericColumn(DenseColumn):
    """See `numeric_column`."""

    def __init__(
        self,
        key: str,
        shape: Sequence[int] | int = (1,),
        default_value: Any = None,
        dtype: Any = "float32",
        normalizer_fn: Callable | None = None,
    ):
        self.key = check_key(key)
        self.shape = check_shape(shape, key)
        self.dtype = dtype_name(dtype)
        if not is_number(self.dtype):
            raise ValueError(f'column "{key}": dtype is {self.dtype}, expected an integer or floating type.')
        self.default_value = check_default(default_value, self.shape, self.dtype, key)
        if normalizer_fn is not None and not callable(normalizer_fn):
            raise TypeError(f'column "{key}": normalizer_fn is {normalizer_fn!r}, expected a function of an array.')
        self.normalizer_fn = normalizer_fn

    @property
    def name(self) -> str:
        return self.key

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.key,)

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: FixedLenFeature(self.shape, self.dtype, self.default_value)}

    @property
    def variable_shape(self) -> tuple[int, ...]:
        return self.shape

    def raw_numbers(self, features: FeatureReader) -> HostValue | None:
        """The feature as an array on the host, before the normalizer; None if the model computed it."""
        raw = features.host(self.key)
        if raw is None:
            return None
        keep_integers = self.normalizer_fn is not None and not self.dtype.startswith("float")
        return HostValue(op=ReadNumbers(self.key, self.shape, self.default_value, keep_integers), inputs=[raw])

    def host_numbers(self, features: FeatureReader) -> HostValue | None:
        """The normalized numbers on the host; None if the model computed the feature."""
        numbers = self.raw_numbers(features)
        if numbers is None or self.normalizer_fn is None:
            return numbers
        dtype = "float32" if self.dtype.startswith("float") else "int32"
        return HostValue(op=NormalizedNumbers(self.name, self.normalizer_fn, shape=self.shape, dtype=dtype), inputs=[numbers])

    def dense(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        numbers = self.raw_numbers(features)
        return self.computed(features) if numbers is None else self._normalized(numbers.on_device())

    def computed(self, features: FeatureReader) -> jax.Array:
        """The normalized numbers of a feature that the model computed. Shape `[batch, *shape]`."""
        return self._normalized(self._fitted(jnp.asarray(features.array(self.key))))

    def _normalized(self, array: jax.Array) -> jax.Array:
        if self.normalizer_fn is not None:
            array = jnp.asarray(self.normalizer_fn(array))
        return array.astype(jnp.float32).reshape(array.shape[0], *self.shape)

    def _fitted(self, array: jax.Array) -> jax.Array:
        """An array that the model computed, in the column's shape."""
        if array.ndim == 1:
            array = array[:, None]
        if math.prod(array.shape[1:]) != self.num_elements:
            raise ShapeError(
                f'column "{self.name}": expected values of shape {["batch", *self.shape]}, given {list(array.shape)}.'
            )
        return array.reshape(array.shape[0], *self.shape)


def numeric_column(
    key: str,
    shape: Sequence[int] | int = (1,),
    default_value: Any = None,
    dtype: Any = "float32",
    normalizer_fn: Callable | None = None,
) -> NumericColumn:
    """A column of numbers.

    Args:
        key: name of the feature.
        shape: of one row; the output is flattened row by row.
        default_value: for rows that lack the feature when it is parsed from `tf.train.Example`, and for nulls: a number, or one for
            each element. Nulls without it are an error; NaN passes.
        dtype: type of the feature in `tf.train.Example`; the column's output is always float32.
        normalizer_fn: applied to the array `[batch, *shape]` on the device, as `lambda x: (x - 3.0) / 4.2`.

    Raises:
        ValueError: if key, shape or dtype are not of their kind, or `default_value` does not have `shape`.
        TypeError: if the shape has non-integers, `default_value` does not fit `dtype`, or the normalizer is not callable.

    Example:
        >>> from estimax.feature_columns import input_layer, numeric_column
        >>> input_layer({"age": [30, 50]}, [numeric_column("age", normalizer_fn=lambda x: x / 10.0)]).tolist()
        [[3.0], [5.0]]

    Reference: tf.feature_column.numeric_column.
    """
    return NumericColumn(key, shape, default_value, dtype, normalizer_fn)


def check_shape(shape: Any, column: str) -> tuple[int, ...]:
    """The shape of one row.

    Raises:
        TypeError: if a dimension is no integer.
        ValueError: if one is below 1.
    """
    dimensions = tuple(shape) if isinstance(shape, (list, tuple, np.ndarray)) else (shape,)
    for d in dimensions:
        if isinstance(d, bool) or not isinstance(d, (int, np.integer)):
            raise TypeError(f'column "{column}": shape is {shape!r}, expected integers. Write shape=(3,).')
        if d < 1:
            raise ValueError(f'column "{column}": shape is {shape!r}, expected positive dimensions.')
    return tuple(int(d) for d in dimensions)


def check_default(value: Any, shape: tuple[int, ...], dtype: str, column: str) -> Any:
    """A default in the shape of a row: nested lists; a scalar is repeated.

    Raises:
        TypeError: if it does not fit the dtype.
        ValueError: if it has another shape.
    """
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or (array.dtype.kind == "f" and not dtype.startswith(("float", "bfloat"))):
        raise TypeError(f'column "{column}": default_value is {value!r}, expected numbers of type {dtype}.')
    if array.ndim and array.shape != shape:
        raise ValueError(f'column "{column}": default_value has shape {array.shape}, expected a number or shape {shape}.')
    return np.broadcast_to(array, shape).tolist()
