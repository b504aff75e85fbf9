"""Labels on their way to a loss: looked up, checked and shaped on the host, where an error can name the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostOp, HostValue, as_host_value, register
from estimax.core.errors import InputDataError
from estimax.core.text import text_from_bytes
from estimax.core.vocabulary import StringVocabulary
from estimax.feature_columns.entries import Entries, read_entries


def as_bytes(text: str | bytes) -> bytes:
    """A string as UTF-8."""
    return text.encode() if isinstance(text, str) else bytes(text)


@register("estimax.estimator")
class DenseLabels(HostOp):
    """Dense labels as numbers, checked to be in a range; strings become their index in a vocabulary.

    Args:
        owner: the head, for errors.
        vocabulary: the class names, in order; None for labels that are numbers.
        largest: the largest label allowed, above 0; None for no check.
        kind: `"float"` (any number), or `"integer"`.
    """

    def __init__(self, owner: str, vocabulary: Sequence[str] | None = None, largest: float | None = None, kind: str = "float"):
        self.owner, self.largest, self.kind = owner, largest, kind
        self.vocabulary = None if vocabulary is None else [_text(v) for v in vocabulary]
        self._table: StringVocabulary | None = None

    def get_config(self) -> dict[str, Any]:
        return {"owner": self.owner, "vocabulary": self.vocabulary, "largest": self.largest, "kind": self.kind}

    def __call__(self, raw: Any) -> np.ndarray:
        raw = _rectangular(raw)
        if self.vocabulary is None and _plain_numbers(raw):
            array: Any = np.asarray(raw)
        else:
            entries = self._dense(raw)
            array = entries.values if entries.codes is None else entries.values[entries.codes]
            if self.vocabulary is not None:
                array = self._look_up(entries)
            elif entries.kind == "string":
                raise InputDataError(
                    f"{self.owner}: labels: given strings, expected numbers. Pass label_vocabulary=[...] with the class names in order."
                )
            rank_one = entries.layout == "dense" and np.ndim(raw) == 1 if hasattr(raw, "ndim") else entries.shape[1:] == (1,)
            array = np.asarray(array).reshape(entries.shape[:1] if rank_one else entries.shape)
        if self.kind == "integer":
            if array.dtype.kind not in "iu":
                raise InputDataError(
                    f"{self.owner}: labels: given {array.dtype}, expected integers (class ids). Cast the labels."
                )
        elif array.dtype.kind not in "iufb":
            raise InputDataError(f"{self.owner}: labels: given {array.dtype}, expected numbers.")
        if self.largest is not None and array.size:
            low, high = array.min(), array.max()
            if low < 0 or high > self.largest:
                raise InputDataError(
                    f"{self.owner}: labels: given values from {low} to {high}, expected values in [0, {self.largest:g}]."
                )
        return array.astype(np.int32 if self.kind == "integer" else np.float32)

    def _dense(self, raw: Any) -> Entries:
        try:
            entries = read_entries(raw)
        except InputDataError as e:
            raise InputDataError(f"{self.owner}: labels: {e}") from e
        if entries.layout != "dense" or entries.index is not None:
            raise InputDataError(
                f"{self.owner}: labels: given sparse or ragged labels, expected dense ones [batch] or [batch, 1]."
            )
        if entries.nulls is not None:
            raise InputDataError(
                f"{self.owner}: labels: {int(entries.nulls.sum())} are missing. Drop those rows, or give them weight 0."
            )
        return entries

    def _look_up(self, entries: Entries) -> np.ndarray:
        if entries.kind != "string":
            raise InputDataError(
                f"{self.owner}: labels: given {entries.kind} labels, expected strings of label_vocabulary "
                f"{self.vocabulary[:8]}. Leave label_vocabulary out for labels that are class ids."  # type: ignore[index]
            )
        if self._table is None:
            self._table = StringVocabulary(text_from_bytes([as_bytes(v) for v in self.vocabulary or ()]))
        ids, _ = self._table.find(entries.values)  # type: ignore[arg-type]
        if entries.codes is not None:
            ids = ids[entries.codes]
        if (ids < 0).any():
            row = int(np.flatnonzero(ids < 0)[0])
            texts = entries.values if entries.codes is None else entries.values[entries.codes]
            bad = texts[np.array([row])].tolist()[0]  # type: ignore[union-attr]
            raise InputDataError(f"{self.owner}: labels: {bad!r} in row {row} is not in label_vocabulary {self.vocabulary[:20]}.")  # type: ignore[index]
        return ids


@register("estimax.estimator")
class MultiHotLabels(HostOp):
    """Labels of several classes a row, as zeros and ones `[batch, n_classes]`.

    Dense labels are taken as they are, checked to be in [0, 1]; sparse or ragged ones are ids, or names of a vocabulary.

    Args:
        owner: the head, for errors.
        n_classes: number of classes.
        vocabulary: the class names, in order.
    """

    def __init__(self, owner: str, n_classes: int, vocabulary: Sequence[str] | None = None):
        self.owner, self.n_classes = owner, n_classes
        self.vocabulary = None if vocabulary is None else [_text(v) for v in vocabulary]
        self._table: StringVocabulary | None = None

    def get_config(self) -> dict[str, Any]:
        return {"owner": self.owner, "n_classes": self.n_classes, "vocabulary": self.vocabulary}

    def __call__(self, raw: Any) -> np.ndarray:
        if self.vocabulary is None:
            raw = _rectangular(raw)
        if _plain_numbers(raw):
            array = np.asarray(raw)
            if array.size and (array.min() < 0 or array.max() > 1):
                raise InputDataError(
                    f"{self.owner}: labels: given values from {array.min()} to {array.max()}, expected 0 or 1 for each class. "
                    "Give ids as a sparse or ragged value instead."
                )
            return array.astype(np.float32)
        try:
            entries = read_entries(raw)
        except InputDataError as e:
            raise InputDataError(f"{self.owner}: labels: {e}") from e
        if entries.kind == "string":
            if self.vocabulary is None:
                raise InputDataError(f"{self.owner}: labels: given strings, expected ids. Pass label_vocabulary=[...].")
            if self._table is None:
                self._table = StringVocabulary(text_from_bytes([as_bytes(v) for v in self.vocabulary]))
            ids, _ = self._table.find(entries.values)  # type: ignore[arg-type]
        else:
            if self.vocabulary is not None and entries.layout != "dense":
                raise InputDataError(f"{self.owner}: labels: given {entries.kind} ids, expected strings of label_vocabulary.")
            if entries.kind != "integer":
                raise InputDataError(f"{self.owner}: labels: given {entries.kind} values, expected integer ids.")
            if entries.layout == "dense":
                return self(
                    np.asarray(entries.values if entries.codes is None else entries.values[entries.codes]).reshape(entries.shape)
                )
            ids = np.asarray(entries.values)
        ids = ids if entries.codes is None else ids[entries.codes]
        if len(ids) and (ids.min() < 0 or ids.max() >= self.n_classes):
            raise InputDataError(
                f"{self.owner}: labels: ids from {ids.min()} to {ids.max()}, expected ids in [0, {self.n_classes - 1}] "
                "(-1 stands for a name that is not in label_vocabulary)."
            )
        out = np.zeros((entries.shape[0], self.n_classes), np.float32)
        out[entries.rows(), ids] = 1
        return out


@register("estimax.estimator")
class ClassNames(HostOp):
    """Names of class ids, as byte strings, as tf.estimator gives them.

    Args:
        vocabulary: the names in order; None for the ids as decimal text.

    Example:
        >>> ClassNames(["no", "yes"])(np.array([[1], [0]])).tolist()
        [[b'yes'], [b'no']]
    """

    def __init__(self, vocabulary: Sequence[str] | None = None):
        self.vocabulary = None if vocabulary is None else [_text(v) for v in vocabulary]

    def get_config(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary}

    def __call__(self, ids: Any) -> np.ndarray:
        ids = np.asarray(ids)
        if self.vocabulary is None:
            return np.char.mod("%d", ids).astype("S").astype(object)
        return np.array([as_bytes(v) for v in self.vocabulary], object)[ids]


def labels_on_device(labels: Any, op: HostOp) -> jax.Array:
    """Labels through a host operation, as a device array; a traced array that the model computed is taken as it is."""
    value = as_host_value(labels, "labels")
    if value is not None:
        return HostValue(op=op, inputs=[value]).on_device()
    labels = jnp.asarray(labels)
    return labels if getattr(op, "kind", "float") == "integer" else labels.astype(jnp.float32)


def _rectangular(raw: Any) -> Any:
    """A nested list as an array, if its rows are of one length."""
    if not isinstance(raw, (list, tuple)):
        return raw
    try:
        array = np.asarray(raw)
    except ValueError:
        return raw
    return array if array.dtype.kind in "iufbSU" else raw


def _plain_numbers(raw: Any) -> bool:
    return isinstance(raw, (np.ndarray, jax.Array)) and raw.dtype.kind in "iufb"


def _text(v: Any) -> str:
    return v.decode() if isinstance(v, bytes) else str(v)
