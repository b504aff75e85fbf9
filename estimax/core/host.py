"""Values that live on the host: raw features, strings, and what host operations make of them before they reach a device.

Strings cannot enter XLA. A column or preprocessing layer therefore has a host half, a `HostOp` over whole columns, and a device half.
While a model is traced for the first time (the abstract pass) each `HostValue` that is asked for on the device runs on the sample
batch and registers itself; the union becomes one `HostTransform`, which runs in the input threads and is saved into exports.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core.errors import HostValueError, InputDataError
from estimax.core.frame import current_frame
from estimax.core.serialization import deserialize, plain, serialize


class HostOp:
    """A function of whole columns on the host, given by its class and a JSON config.

    Subclasses store their arguments under their own names, return them from `get_config`, and implement `__call__(*columns)`,
    which gives an array `[batch, ...]` or a dict of them. No Python loop over rows.

    Attributes:
        pad_value: what fills the places of an array beyond a row's own values, and rows that only pad the batch; -1 for ids. None: 0 in
            such places, and a padding row repeats a real one, since a row of zeros may be none that a model can compute (a text
            without words).
        variable_axes: axes of the output, besides the batch, whose size may change from batch to batch.
        assets: names of config entries that are paths of files, copied along into exports.
    """

    pad_value: float | int | None = None
    variable_axes: tuple[int, ...] = ()
    assets: tuple[str, ...] = ()

    def __call__(self, *columns: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not implement __call__(*columns).")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, JSON values only."""
        raise TypeError(f"{type(self).__name__} does not implement get_config().")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HostOp:
        return cls(**config)

    @property
    def key(self) -> str:
        """A stable name of what this operation does: equal keys mean equal results."""
        cached = self.__dict__.get("_key")
        if cached is None:
            text = json.dumps(plain(self.get_config()), sort_keys=True, default=str)
            cached = f"{type(self).__name__}:{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
            self.__dict__["_key"] = cached
        return cached


class HostValue:
    """A raw feature by name, or a `HostOp` applied to host values.

    Args:
        name: of the raw feature; None for the result of an operation.
        op: the operation, with `inputs`.
        value: the concrete column, in eager use.
    """

    __slots__ = ("name", "op", "inputs", "value", "key")

    def __init__(self, name: str | None = None, *, op: HostOp | None = None, inputs: Sequence[HostValue] = (), value: Any = None):
        self.name, self.op, self.inputs, self.value = name, op, tuple(inputs), value
        self.key: str = name if op is None else f"{op.key}({','.join(i.key for i in self.inputs)})"  # type: ignore[assignment]

    def evaluate(self, raw: Mapping[str, Any], memo: dict[str, Any] | None = None) -> Any:
        """The concrete column, computed from raw columns by name (or from the values held, in eager use)."""
        memo = {} if memo is None else memo
        if self.key in memo:
            return memo[self.key]
        if self.op is not None:
            result = self.op(*(i.evaluate(raw, memo) for i in self.inputs))
        elif self.value is not None:
            result = self.value
        else:
            try:
                result = raw[self.name]  # type: ignore[index]
            except KeyError:
                raise InputDataError(
                    f"Feature {short_name(self.name)!r} is missing from the input. Given features: "
                    f"{sorted(short_name(k) for k in raw)}. Add it to what input_fn returns, or remove the column that reads it."
                ) from None
        memo[self.key] = result
        return result

    def on_device(self) -> Any:
        """The value as device arrays: from the open call's batch, or, outside compiled calls, computed at once."""
        frame = current_frame()
        if frame is not None and frame.host is not None:
            return frame.host.take(self)
        return jax.tree.map(jnp.asarray, self.evaluate({}))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise HostValueError(
            f"Feature {short_name(self.key)!r} lives on the host (strings and raw lists cannot enter XLA), but was used as a device "
            "array. Give it to a feature column or to a preprocessing layer such as StringLookup or Hashing."
        )

    __array__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __getitem__ = _refuse
    __float__ = __matmul__ = __truediv__ = __len__ = _refuse

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"HostValue({self.key!r})"

    def to_config(self) -> dict[str, Any]:
        """As JSON."""
        if self.op is None:
            return {"name": self.name}
        return {"op": serialize(self.op), "inputs": [i.to_config() for i in self.inputs]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> HostValue:
        """From JSON."""
        if "name" in config:
            return cls(config["name"])
        inputs = [cls.from_config(c, custom_objects) for c in config["inputs"]]
        return cls(op=deserialize(config["op"], custom_objects), inputs=inputs)


def short_name(key: str | None) -> str:
    """A raw column's name without the part of the batch it is in: `features/age` -> `age`."""
    return (key or "").removeprefix("features/")


def is_host_array(x: Any) -> bool:
    """Whether a raw column cannot go to a device as it is: strings, objects, Arrow and sparse containers."""
    if isinstance(x, (jax.Array, jax.ShapeDtypeStruct)):
        return False
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "OSUMm"
    if isinstance(x, (bool, int, float, np.generic)):
        return np.asarray(x).dtype.kind in "OSUMm"
    return True


def as_host_value(x: Any, name: str) -> HostValue | None:
    """The host value of a feature: itself, one that holds a concrete column, or the raw feature that a device array came from.

    None for a device array that the model computed, which has no host form.
    """
    if isinstance(x, HostValue):
        return x
    frame = current_frame()
    if frame is not None and frame.host is not None:
        known = frame.host.origin_of(x)
        if known is not None:
            return known
    if isinstance(x, jax.core.Tracer):
        return None
    return HostValue(name, value=np.asarray(x) if isinstance(x, jax.Array) else x)


class HostContext:
    """What an open frame knows of the host: in the abstract pass the sample batch, later the encoded arrays.

    Args:
        sample: raw columns by name, in the abstract pass.
        arrays: encoded arrays by key, in compiled calls.
    """

    def __init__(self, *, sample: Mapping[str, Any] | None = None, arrays: Mapping[str, Any] | None = None):
        self.sample, self.arrays = sample, arrays
        self.needed: dict[str, HostValue] = {}
        self._memo: dict[str, Any] = {}
        self._origins: dict[int, tuple[Any, HostValue]] = {}

    def take(self, value: HostValue) -> Any:
        """The device form of a host value."""
        if self.arrays is not None:
            try:
                result = self.arrays[value.key]
            except KeyError:
                raise HostValueError(
                    f"{value!r} was not asked for in the abstract pass, which decides what the host computes. Does the model read "
                    "other features when it is traced again? Read the same features at every call."
                ) from None
        else:
            result = value.evaluate(self.sample or {}, self._memo)
            if value.op is None:
                result = np.asarray(result)
            self.needed[value.key] = value
            result = jax.tree.map(jnp.asarray, result)
        self._origins[id(result)] = (result, value)
        return result

    def origin_of(self, x: Any) -> HostValue | None:
        """The host value that an array was taken from, if the model has not changed it."""
        found = self._origins.get(id(x))
        return None if found is None else found[1]

    def transform(self) -> HostTransform:
        """All that the abstract pass asked for, as one function."""
        return HostTransform(list(self.needed.values()))


class HostTransform:
    """Raw columns to the flat dict of arrays that a compiled call takes.

    Args:
        values: the host values to compute.
    """

    def __init__(self, values: Sequence[HostValue]):
        self.values = tuple(values)

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Encodes one batch of raw columns."""
        memo: dict[str, Any] = {}
        encoded: dict[str, Any] = {}
        for v in self.values:
            result = v.evaluate(raw, memo)
            encoded[v.key] = _device_ready(v, result) if v.op is None else result
        return encoded

    @property
    def raw_names(self) -> list[str]:
        """Names of the raw columns that are read."""
        names: dict[str, None] = {}

        def walk(v: HostValue) -> None:
            if v.op is None:
                names[v.name] = None  # type: ignore[index]
            for i in v.inputs:
                walk(i)

        for v in self.values:
            walk(v)
        return list(names)

    def merged(self, other: HostTransform) -> HostTransform:
        """One transform that computes the values of both."""
        return HostTransform(list({v.key: v for v in (*self.values, *other.values)}.values()))

    def pad_values(self) -> dict[str, float | int | None]:
        """By key: what a padding row gets; None for a copy of a real row."""
        return {v.key: (None if v.op is None else v.op.pad_value) for v in self.values}

    def get_config(self) -> dict[str, Any]:
        return {"values": [v.to_config() for v in self.values]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> HostTransform:
        return cls([HostValue.from_config(c, custom_objects) for c in config["values"]])


def _device_ready(value: HostValue, column: Any) -> Any:
    """A raw column as a number array; an error that names the feature where it is none."""
    try:
        array = column if isinstance(column, (np.ndarray, jax.Array)) else np.asarray(column)
    except Exception as e:
        raise InputDataError(f"Feature {short_name(value.key)!r}: given {type(column).__name__}, expected numbers. {e}") from e
    if isinstance(array, np.ndarray) and array.dtype.kind in "OSUMm":
        raise InputDataError(
            f"Feature {short_name(value.key)!r}: given {array.dtype}, expected numbers. "
            "Cast the column, or give it to a categorical column or a preprocessing layer."
        )
    return array


_UNREAD: Any = object()


class Features(dict):
    """The features of one call: device arrays for number columns, `HostValue`s for strings and raw lists.

    A dict whose values are made when they are read, so that what the model does not read never reaches a device. A model_fn may set,
    replace and pop features, as it may in any dict.

    Args:
        names: key of each feature in the batch's raw columns.
        on_host: the features that cannot go to a device as they are.
    """

    def __init__(self, names: Mapping[str, str], on_host: frozenset[str]):
        super().__init__(dict.fromkeys(names, _UNREAD))
        self._names, self._on_host = dict(names), on_host

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise InputDataError(
                f"Feature {name!r} is missing from the input. Given features: {sorted(map(str, self))}. "
                "Add it to what input_fn returns, or remove the column that reads it."
            )
        value = super().__getitem__(name)
        if value is not _UNREAD:
            return value
        raw = HostValue(self._names[name])
        return raw if self._names[name] in self._on_host else raw.on_device()

    def host(self, name: str) -> HostValue | None:
        """The raw feature as a host value, which need not exist before it is used; None for an array that the model computed."""
        value = super().get(name, _UNREAD)
        return HostValue(self._names.get(name, name)) if value is _UNREAD else as_host_value(value, name)

    # A dict's own methods would give what stands for values that were not read yet.

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # overridden, so that dict(features) and {**features} go through __getitem__

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default

    def pop(self, name: str, *default: Any) -> Any:
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def values(self) -> Any:
        return ValuesView(self)

    def items(self) -> Any:
        return ItemsView(self)

    def copy(self) -> dict[str, Any]:
        """A dict of all features, as `dict(features)`."""
        return dict(self)

    def __repr__(self) -> str:
        return f"Features({sorted(map(str, self))})"


def is_plain_dict(x: Any) -> bool:
    """Whether a value is a dict whose values may be read: reading those of `Features` would bring all of them to the device."""
    return isinstance(x, dict) and not isinstance(x, Features)


@jax.tree_util.register_pytree_node_class
class HostOutput:
    """A prediction that becomes its final form on the host: `op` over the fetched array (class names from ids, say).

    Args:
        array: `[batch, ...]`.
        op: a HostOp of one column.
    """

    def __init__(self, array: Any, op: HostOp):
        self.array, self.op = array, op

    def tree_flatten(self) -> tuple[tuple[Any], HostOp]:
        return (self.array,), self.op

    @classmethod
    def tree_unflatten(cls, op: HostOp, children: Any) -> HostOutput:
        return cls(children[0], op)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def finish(self) -> Any:
        """The final value, on the host."""
        return self.op(np.asarray(self.array))


def finish_outputs(tree: Any) -> Any:
    """Replaces every `HostOutput` of a fetched tree by its final value, other leaves by NumPy arrays."""
    is_output = lambda x: isinstance(x, HostOutput)  # noqa: E731
    return jax.tree.map(lambda x: x.finish() if is_output(x) else np.asarray(x), tree, is_leaf=is_output)
