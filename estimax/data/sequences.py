"""`parse_sequence_example` and `parse_single_sequence_example`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from estimax.data import wire
from estimax.data.columns_of_examples import gather_values
from estimax.data.errors import DataLossError, InvalidDataError
from estimax.data.features import AnyFeature, FixedLenFeature, FixedLenSequenceFeature, RaggedFeature, VarLenFeature
from estimax.data.parsing import as_records, assemble, check_kinds, kind_of, padding, ragged, wanted_keys
from estimax.data.values import RaggedTensor, SparseTensor, row_splits

Parsed = dict[str, Any]


def parse_sequence_example(
    serialized: Any,
    context_features: Mapping[str, AnyFeature] | None = None,
    sequence_features: Mapping[str, AnyFeature] | None = None,
) -> tuple[Parsed, Parsed, dict[str, np.ndarray]]:
    """The context, the sequences and their lengths of a batch of serialized `SequenceExample`s.

    Args:
        serialized: a vector of bytes. Shape `[batch]`.
        context_features: name to `FixedLenFeature`, `VarLenFeature` or `RaggedFeature`, as in `parse_example`.
        sequence_features: name to `FixedLenSequenceFeature` (read as an array `[batch, longest, *shape]`, padded with 0 or
            the empty string), `VarLenFeature` (a `SparseTensor` `[batch, longest, most values]`) or `RaggedFeature`.

    Returns:
        Context and sequences by name, and for each FixedLenSequenceFeature the number of steps `[batch]`, int64.

    Raises:
        ValueError: if no feature is asked for, or one can't be read from a sequence.
        InvalidDataError: if an example does not meet the spec; DataLossError if it is not a valid message.

    Example:
        >>> from estimax.data import SequenceExample
        >>> data = SequenceExample({"id": 7}, {"t": [[1.0], [2.0]]}).serialize()
        >>> _, steps, lengths = parse_sequence_example([data], None, {"t": FixedLenSequenceFeature([], "float32")})
        >>> steps["t"].tolist(), lengths["t"].tolist()
        ([[1.0, 2.0]], [2])

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/parse_sequence_example
    """
    context_features, sequence_features = dict(context_features or {}), dict(sequence_features or {})
    if not context_features and not sequence_features:
        raise ValueError("give at least one of context_features and sequence_features")
    for name, feature in context_features.items():
        if not isinstance(feature, FixedLenFeature | VarLenFeature | RaggedFeature):
            raise ValueError(
                f'context feature "{name}": expected FixedLenFeature, VarLenFeature or RaggedFeature, given {feature!r}'
            )
    for name, feature in sequence_features.items():
        if isinstance(feature, FixedLenSequenceFeature) and feature.default_value is not None:
            raise ValueError(f'sequence feature "{name}": steps are padded with 0 or the empty string, not with a default_value')
    context_keys, list_keys = wanted_keys(context_features), wanted_keys(sequence_features)
    wanted = {key.encode() for key, _ in (*context_keys, *list_keys)}
    contexts, lists = [], []
    for i, record in enumerate(as_records(serialized)):
        try:
            context, steps = wire.sequence_example(record, wanted)
        except DataLossError as error:
            raise DataLossError(f"example {i} of the batch is {error}") from None
        contexts.append(context)
        lists.append(steps)
    found = {
        (key, dtype): gather_values((c.get(key.encode()) for c in contexts), kind_of(key, dtype)) for key, dtype in context_keys
    }
    for (key, dtype), values in found.items():
        values.kinds[values.kinds == 0] = kind_of(key, dtype)  # here a feature without a kind does not take the default
    parsed_context = assemble(context_features, lambda key, dtype: found[key, dtype])
    sequences: Parsed = {}
    lengths: dict[str, np.ndarray] = {}
    for name, feature in sequence_features.items():
        if isinstance(feature, FixedLenSequenceFeature):
            sequences[name], lengths[name] = _fixed_steps(name, feature, lists)
        elif isinstance(feature, VarLenFeature):
            sequences[name] = _Steps(name, name, feature.dtype, lists).to_sparse_steps()
        elif isinstance(feature, RaggedFeature):
            sequences[name] = _ragged_steps(name, feature, lists)
        else:
            raise ValueError(
                f'sequence feature "{name}": expected FixedLenSequenceFeature, VarLenFeature or RaggedFeature, given {feature!r}'
            )
    return parsed_context, sequences, lengths


class _Steps:
    """All steps of one feature list of a batch: which example each belongs to, and its values."""

    def __init__(self, name: str, key: str, dtype: str, lists: list[dict[bytes, list[wire.Feature]]]):
        self.absent = np.array([key.encode() not in found for found in lists], bool)
        steps = [found.get(key.encode(), []) for found in lists]
        self.counts = np.array([len(s) for s in steps], np.int64)
        self.values = gather_values((step for s in steps for step in s), kind_of(name, dtype))
        try:
            check_kinds(name, self.values, dtype)
        except InvalidDataError as error:
            raise InvalidDataError(f"{error} (counted over the steps of all sequences)") from None

    def to_ragged(self, dtype: Any = np.int64) -> RaggedTensor:
        """Examples, steps, values."""
        return RaggedTensor([row_splits(self.counts, dtype), row_splits(self.values.counts, dtype)], self.values.flat)

    def to_sparse_steps(self) -> SparseTensor:
        """Shape `[batch, longest, most values]`."""
        per_step = self.values.counts
        step_owner = np.repeat(np.arange(len(self.counts)), self.counts)
        step_number = np.arange(len(step_owner)) - np.repeat(np.cumsum(self.counts) - self.counts, self.counts)
        value_step = np.repeat(np.arange(len(per_step)), per_step)
        position = np.arange(len(value_step)) - np.repeat(np.cumsum(per_step) - per_step, per_step)
        indices = np.stack([step_owner[value_step], step_number[value_step], position], 1)
        shape = [len(self.counts), int(self.counts.max(initial=0)), int(per_step.max(initial=0))]
        return SparseTensor(indices, self.values.flat, shape)


def _fixed_steps(name: str, feature: FixedLenSequenceFeature, lists: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    steps = _Steps(name, name, feature.dtype, lists)
    if steps.absent.any() and not feature.allow_missing:
        i = int(np.flatnonzero(steps.absent)[0])
        raise InvalidDataError(
            f'sequence feature "{name}" is missing in example {i} of the batch; set allow_missing=True if it may be absent'
        )
    size = int(np.prod(feature.shape, dtype=np.int64))
    wrong = steps.values.counts != size
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InvalidDataError(
            f'sequence feature "{name}": every step needs {size} values for shape {list(feature.shape)}, one has '
            f"{int(steps.values.counts[i])}"
        )
    flat = steps.values.flat.reshape(-1, *feature.shape)
    padded = RaggedTensor([row_splits(steps.counts)], flat).to_padded(None, padding(feature.dtype))
    return padded, steps.counts


def _ragged_steps(name: str, feature: RaggedFeature, lists: list[Any]) -> RaggedTensor:
    key = feature.value_key or name
    whole = _Steps(name, key, feature.dtype, lists)
    counts = whole.counts
    if not feature.partitions:
        return whole.to_ragged(np.dtype(feature.row_splits_dtype))

    def columns(part: str, dtype: str) -> Any:
        steps = _Steps(name, part, dtype, lists)
        if (steps.counts != counts).any():
            raise InvalidDataError(f'sequence feature "{name}": "{key}" and "{part}" need as many steps in every example')
        return steps.values

    # Partitions act inside a step: the steps are the batch, and the examples one more level around them.
    inner = ragged(name, feature, columns)
    outer = row_splits(counts, np.dtype(feature.row_splits_dtype))
    return RaggedTensor([outer, *inner.nested_row_splits], inner.flat_values)


def parse_single_sequence_example(
    serialized: bytes,
    context_features: Mapping[str, AnyFeature] | None = None,
    sequence_features: Mapping[str, AnyFeature] | None = None,
) -> tuple[Parsed, Parsed]:
    """The context and the sequences of one serialized `SequenceExample`, without the batch axis.

    Raises:
        As `parse_sequence_example`.

    Example:
        >>> from estimax.data import SequenceExample
        >>> data = SequenceExample({"id": 7}, {"t": [[1.0], [2.0]]}).serialize()
        >>> _, steps = parse_single_sequence_example(data, None, {"t": FixedLenSequenceFeature([], "float32")})
        >>> steps["t"].tolist()
        [1.0, 2.0]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/parse_single_sequence_example
    """
    if not isinstance(serialized, bytes):
        raise ValueError(f"expected one serialized message as bytes, given {type(serialized).__name__}")
    context, sequences, _ = parse_sequence_example([serialized], context_features, sequence_features)
    return {k: _first(v) for k, v in context.items()}, {k: _first(v) for k, v in sequences.items()}


def _first(value: Any) -> Any:
    if isinstance(value, SparseTensor):
        return SparseTensor(value.indices[:, 1:], value.values, value.dense_shape[1:])
    return value.values if isinstance(value, RaggedTensor) else value[0]
