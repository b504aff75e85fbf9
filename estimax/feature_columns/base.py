"""What a feature column is: a name, a host half (raw values to ids and numbers) and a device half (lookup, one-hot, combine)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from estimax.core import Features, HostOp, HostValue, Variable, as_host_value, deserialize, serialize, standardize_dtype
from estimax.core.errors import HostValueError, InputDataError
from estimax.data import VarLenFeature
from estimax.feature_columns.host_ops import MODULE as MODULE
from estimax.feature_columns.host_ops import AsSteps, PaddedIds, ReadEntries, SequenceLengths


class FeatureReader:
    """The features of one call, as columns ask for them.

    Args:
        features: mapping of raw columns, device arrays or host values by name.
    """

    def __init__(self, features: Any):
        if not isinstance(features, Mapping):
            raise InputDataError(
                f"features: given {type(features).__name__}, expected a dict of features by name, as input_fn returns it. "
                'Write {"age": ages}.'
            )
        self._features = features

    def host(self, key: str) -> HostValue | None:
        """The raw feature; None if it is an array that the model computed, which the host does not know.

        Raises:
            ValueError: if there is no such feature.
        """
        if key not in self._features:
            raise InputDataError(
                f"Feature {key!r} is missing from the input. Given features: {sorted(map(str, self._features))}. "
                "Add it to what input_fn returns, or remove the column that reads it."
            )
        if isinstance(self._features, Features):
            return self._features.host(key)
        return as_host_value(self._features[key], key)

    def array(self, key: str) -> Any:
        """The feature as the array that the model computed."""
        return self._features[key]

    def entries(self, key: str, column: str) -> HostValue:
        """The entries of a raw feature.

        Raises:
            TypeError: if the model computed it, so that the host cannot see it.
        """
        raw = self.host(key)
        if raw is None:
            raise HostValueError(
                f'column "{column}": feature {key!r} is an array computed inside the model, but ids are made on the host, from raw '
                "features. Compute it in input_fn, or use a numeric_column."
            )
        return HostValue(op=ReadEntries(key), inputs=[raw])


class FeatureColumn:
    """Base of all columns. The constructor keeps its arguments under their own names."""

    @property
    def name(self) -> str:
        """The column's name, as TensorFlow makes it; columns are ordered by it."""
        raise TypeError(f"{type(self).__name__} does not define its name.")

    @property
    def parents(self) -> tuple[Any, ...]:
        """The columns, or keys of features, that this one reads."""
        raise TypeError(f"{type(self).__name__} does not define its parents.")

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """How to read the features from `tf.train.Example`: by key, `FixedLenFeature` or `VarLenFeature`."""
        merged: dict[str, Any] = {}
        for parent in self.parents:
            merged.update(parent.parse_example_spec)
        return merged

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; functions by their name."""
        return {k: v.__name__ if inspect.isroutine(v) else v for k, v in self._given().items()}

    def _given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _arguments(type(self))}  # type: ignore[arg-type]

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The column of a config; functions are found in `custom_objects` by name."""
        return cls(**{k: _from_config_value(k, v, custom_objects) for k, v in config.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._given().items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeatureColumn) and type(self) is type(other) and self._given() == other._given()

    def __hash__(self) -> int:
        return hash((type(self), self.name))


class DenseColumn(FeatureColumn):
    """A column that gives a dense array: what DenseFeatures joins."""

    @property
    def variable_shape(self) -> tuple[int, ...]:
        """The shape of its output without the batch."""
        raise TypeError(f"{type(self).__name__} does not define its shape.")

    @property
    def num_elements(self) -> int:
        """The width of its output."""
        return int(np.prod(self.variable_shape))

    def create_variables(self, make: Callable[..., Variable]) -> dict[str, Variable]:
        """Its variables by name; `make(name, shape, initializer, trainable)` creates one in the column's scope."""
        return {}

    def dense(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        """The device half. Shape `[batch, *variable_shape]`."""
        raise TypeError(f"{type(self).__name__} does not implement dense().")


class DeviceIds(NamedTuple):
    """Ids on the device.

    Attributes:
        ids: int32, -1 for nothing. Shape `[batch, width]` or `[batch, steps, width]`.
        weights: of the same shape, None for 1.
        taken_over: which ids got their row from another owner in this step; None where rows never change hands.
    """

    ids: jax.Array
    weights: jax.Array | None
    taken_over: jax.Array | None


class CategoricalColumn(FeatureColumn):
    """A column that gives ids."""

    is_weighted = False

    @property
    def num_buckets(self) -> int:
        """Ids are in `[0, num_buckets)`."""
        raise TypeError(f"{type(self).__name__} does not define num_buckets.")

    def ids(self, features: FeatureReader) -> HostValue:
        """The host half: `Entries` of ids."""
        raise TypeError(f"{type(self).__name__} does not implement ids().")

    def ids_to_weigh(self, features: FeatureReader) -> HostValue:
        """The ids as a weighted column reads them: as `ids`, save where TensorFlow's differ."""
        return self.ids(features)

    @property
    def dynamic(self) -> Any:
        """The column whose vocabulary is learned, if this one reads it."""
        return None

    def computed_ids(self, features: FeatureReader) -> jax.Array | None:
        """Ids of a feature that the model computed, where they can be made on the device. Shape `[batch, width]`."""
        return None

    def padded(
        self,
        features: FeatureReader,
        variables: Mapping[str, Variable],
        *,
        too_large: str = "error",
        negative: str = "drop",
        form: str = "matrix",
    ) -> DeviceIds:
        """The ids on the device; `too_large`, `negative` and `form` as of `PaddedIds`."""
        computed = self.computed_ids(features)
        if computed is not None:
            return DeviceIds(computed, None, None)
        if self.dynamic is not None:
            return DeviceIds(*self.dynamic.rows_of(self.ids(features), self.name, form, variables))
        op = PaddedIds(self.name, self.num_buckets, too_large=too_large, negative=negative, form=form)
        result = HostValue(op=op, inputs=[self.ids(features)]).on_device()
        return DeviceIds(result["ids"], result["weights"], None) if isinstance(result, dict) else DeviceIds(result, None, None)


class SequenceColumn:
    """Mixin of columns with steps: what SequenceFeatures joins."""

    def sequence(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        """The device half. Shape `[batch, steps, *variable_shape]`."""
        raise TypeError(f"{type(self).__name__} does not implement sequence().")

    def lengths(self, features: FeatureReader) -> HostValue:
        """The length of each sequence, on the host."""
        raise TypeError(f"{type(self).__name__} does not implement lengths().")


class OneFeatureColumn(CategoricalColumn):
    """A categorical column of one feature: subclasses give the operation from entries to ids."""

    key: str
    dtype: str

    @property
    def name(self) -> str:
        return self.key

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.key,)

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        return {self.key: VarLenFeature(self.dtype)}

    def make_op(self) -> HostOp:
        """The operation from entries to ids."""
        raise TypeError(f"{type(self).__name__} does not implement make_op().")

    @functools.cached_property
    def _op(self) -> HostOp:
        return self.make_op()

    def ids(self, features: FeatureReader) -> HostValue:
        return HostValue(op=self._op, inputs=[features.entries(self.key, self.name)])


def sequence_ids(column: CategoricalColumn, features: FeatureReader) -> HostValue:
    """The ids of a column as steps `[batch, steps, width]`."""
    return HostValue(op=AsSteps(column.name), inputs=[column.ids(features)])


def sequence_lengths(column: CategoricalColumn, features: FeatureReader) -> HostValue:
    """The lengths of a column's sequences."""
    return HostValue(op=SequenceLengths(column.name), inputs=[column.ids(features)])


def serialize_feature_columns(columns: Any) -> list[dict[str, Any]]:
    """Columns as JSON configs.

    >>> from estimax.feature_columns import numeric_column
    >>> serialize_feature_columns([numeric_column("age")])[0]["config"]["key"]
    'age'
    """
    return [serialize(c) for c in columns]


def deserialize_feature_columns(configs: Any, custom_objects: Mapping[str, Any] | None = None) -> list[Any]:
    """Columns from the configs of `serialize_feature_columns`; `custom_objects` names the functions that they use."""
    return [deserialize(c, custom_objects) for c in configs]


# ---- Checks of arguments ------------------------------------------------------------------------------------------


def check_key(key: Any) -> str:
    """The key of a feature.

    Raises:
        ValueError: if it is no string.
    """
    if not isinstance(key, str):
        raise ValueError(f'key: given {key!r} of type {type(key).__name__}, expected the name of a feature. Write key="age".')
    return key


def check_size(value: Any, argument: str, column: str) -> int:
    """A number of buckets, rows or dimensions.

    Raises:
        ValueError: if it is not a positive integer.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f'column "{column}": {argument} is {value!r}, expected an integer of at least 1.')
    return int(value)


def check_id_dtype(dtype: Any, column: str) -> str:
    """The dtype of a categorical feature.

    Raises:
        ValueError: if it is neither string nor integer.
    """
    name = dtype_name(dtype)
    if name != "string" and not name.startswith(("int", "uint")):
        raise ValueError(f'column "{column}": dtype is {name}, expected "string" or an integer type such as "int64".')
    return name


def dtype_name(dtype: Any) -> str:
    """The name of a dtype, 64-bit types included (on the host nothing is cut to 32 bits).

    >>> dtype_name("int64"), dtype_name(str), dtype_name(float)
    ('int64', 'string', 'float32')
    """
    if dtype in (str, bytes) or isinstance(dtype, np.dtype) and dtype.kind in "SUO":
        return "string"
    return standardize_dtype(dtype)


def is_number(dtype: str) -> bool:
    """Whether the name is that of an integer or floating type."""
    return dtype.startswith(("int", "uint", "float", "bfloat"))


def check_categorical(column: Any, argument: str) -> CategoricalColumn:
    """A categorical column.

    Raises:
        ValueError: if it is something else.
    """
    if not isinstance(column, CategoricalColumn):
        raise ValueError(
            f"{argument}: given {column!r}, expected a categorical column. Make one with categorical_column_with_hash_bucket, "
            "..._vocabulary_list, ..._identity, bucketized_column or crossed_column."
        )
    return column


@functools.cache
def _arguments(cls: type) -> tuple[str, ...]:
    return tuple(n for n in inspect.signature(cls).parameters if n != "self")


def _from_config_value(name: str, value: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    if isinstance(value, str) and name.endswith(("_fn", "initializer")):
        if value not in (custom_objects or {}):
            raise ValueError(
                f"{name}: the config names the function {value!r}, which is not stored in it. Pass custom_objects={{{value!r}: fn}}."
            )
        return (custom_objects or {})[value]
    if isinstance(value, dict) and "class_name" in value:
        return deserialize(value, custom_objects)
    if isinstance(value, list):
        return [_from_config_value(name, v, custom_objects) for v in value]
    return value
