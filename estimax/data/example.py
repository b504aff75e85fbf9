"""`Example`, `SequenceExample` and `Feature`: building and serializing, as `tf.train`'s messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimax.data import wire


@dataclasses.dataclass(frozen=True)
class Feature:
    """A list of values of one kind.

    Args:
        kind: `"bytes"`, `"float"`, `"int64"`, or None if none is set.
        values: a list of bytes, floats or integers.

    Example:
        >>> Feature.of([1, 2])
        Feature(kind='int64', values=[1, 2])

    Reference: https://www.tensorflow.org/api_docs/python/tf/train/Feature
    """

    kind: str | None = None
    values: list[Any] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"a Feature's kind must be 'bytes', 'float', 'int64' or None, given {self.kind!r}")
        object.__setattr__(self, "values", _checked(self.kind, self.values))

    @classmethod
    def of(cls, value: Any) -> Feature:
        """A feature from a value, list or array; its kind from the dtype. None and an empty list give one without a kind.

        Raises:
            TypeError: if the values are neither numbers nor text.
        """
        if value is None or isinstance(value, Feature):
            return value or cls()
        if isinstance(value, list | tuple) and not value:
            return cls()
        if isinstance(value, str | bytes):
            return cls("bytes", [value])
        array = np.asarray(value)
        if array.dtype.kind in "OSU":
            return cls("bytes", array.ravel().tolist())
        if array.dtype.kind in "iub":
            return cls("int64", array.ravel().tolist())
        if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
            return cls("float", array.ravel().tolist() if array.size else [])
        raise TypeError(f"a Feature holds bytes, floats or integers, given an array of {array.dtype}")

    def serialize(self) -> bytes:
        """The message in the wire format."""
        return wire.put_feature(_KINDS[self.kind], self.values)

    @classmethod
    def _read(cls, found: wire.Feature) -> Feature:
        kind, values = found
        return cls(next(name for name, number in _KINDS.items() if number == kind), values)


_KINDS: dict[str | None, int] = {None: 0, "bytes": wire.BYTES, "float": wire.FLOAT, "int64": wire.INT64}


def _checked(kind: str | None, values: Any) -> list[Any]:
    if kind is None:
        return []
    if kind == "bytes":
        out = [v.encode() if isinstance(v, str) else v for v in values]
        wrong = next((v for v in out if not isinstance(v, bytes)), None)
        if wrong is not None:
            raise TypeError(f"a bytes Feature holds bytes or text, given {type(wrong).__name__}")
        return [bytes(v) for v in out]
    if kind == "float":
        return [float(v) for v in values]
    numbers = [int(v) for v in values]
    for number in numbers:
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"an int64 Feature can't hold {number}")
    return numbers


def bytes_feature(values: Any) -> Feature:
    """A Feature of one or several byte strings (text is encoded as UTF-8).

    Example:
        >>> bytes_feature("a").values
        [b'a']
    """
    return Feature("bytes", [values] if isinstance(values, str | bytes) else list(values))


def float_feature(values: Any) -> Feature:
    """A Feature of one or several floats, stored as float32.

    Example:
        >>> float_feature([1, 2]).values
        [1.0, 2.0]
    """
    return Feature("float", np.ravel(np.asarray(values, np.float64)).tolist())


def int64_feature(values: Any) -> Feature:
    """A Feature of one or several integers.

    Example:
        >>> int64_feature(3).values
        [3]
    """
    return Feature("int64", np.ravel(np.asarray(values)).tolist())


def _name(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode(errors="surrogateescape")


@dataclasses.dataclass(frozen=True)
class Example:
    """Named features, as `tf.train.Example`.

    Args:
        features: name to `Feature`, value, list or array.

    Example:
        >>> data = Example({"x": [1.5], "who": "me"}).serialize()
        >>> Example.parse(data).features["x"]
        Feature(kind='float', values=[1.5])

    Reference: https://www.tensorflow.org/api_docs/python/tf/train/Example
    """

    features: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", {key: Feature.of(value) for key, value in self.features.items()})

    def serialize(self) -> bytes:
        """The message in the wire format, keys in order."""
        return wire.put(1, _features(self.features)) if self.features else b""

    SerializeToString = serialize

    @classmethod
    def parse(cls, serialized: bytes) -> Example:
        """The message of some bytes.

        Raises:
            DataLossError: if they are not a valid message.
        """
        return cls({key.decode(errors="surrogateescape"): Feature._read(f) for key, f in wire.example(serialized).items()})

    FromString = parse


@dataclasses.dataclass(frozen=True)
class SequenceExample:
    """Named features and named lists of features, as `tf.train.SequenceExample`.

    Args:
        context: name to `Feature`, value, list or array.
        feature_lists: name to a list of those, one a step.

    Example:
        >>> data = SequenceExample({"id": 7}, {"t": [[1.0], [2.0]]}).serialize()
        >>> SequenceExample.parse(data).feature_lists["t"][1]
        Feature(kind='float', values=[2.0])

    Reference: https://www.tensorflow.org/api_docs/python/tf/train/SequenceExample
    """

    context: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    feature_lists: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "context", {key: Feature.of(value) for key, value in self.context.items()})
        lists = {key: [Feature.of(step) for step in steps] for key, steps in self.feature_lists.items()}
        object.__setattr__(self, "feature_lists", lists)

    def serialize(self) -> bytes:
        """The message in the wire format, keys in order."""
        out = wire.put(1, _features(self.context)) if self.context else b""
        lists = {
            _name(key): b"".join(wire.put(1, step.serialize()) for step in steps) for key, steps in self.feature_lists.items()
        }
        return out + (wire.put(2, wire.put_map(lists)) if lists else b"")

    SerializeToString = serialize

    @classmethod
    def parse(cls, serialized: bytes) -> SequenceExample:
        """The message of some bytes.

        Raises:
            DataLossError: if they are not a valid message.
        """
        context, lists = wire.sequence_example(serialized)
        return cls(
            {key.decode(errors="surrogateescape"): Feature._read(f) for key, f in context.items()},
            {key.decode(errors="surrogateescape"): [Feature._read(f) for f in steps] for key, steps in lists.items()},
        )

    FromString = parse


def _features(found: Mapping[str, Feature]) -> bytes:
    return wire.put_map({_name(key): value.serialize() for key, value in found.items()})
