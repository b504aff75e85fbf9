"""Ids by looking values up in a vocabulary, given as a list or a file."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.core import register
from estimax.core.errors import InputDataError
from estimax.core.fingerprint import buckets
from estimax.core.text import Text, text_from_bytes
from estimax.core.vocabulary import IntegerVocabulary, StringVocabulary, count_lines, read_vocabulary_file
from estimax.feature_columns.base import MODULE, OneFeatureColumn, check_id_dtype, check_key, check_size
from estimax.feature_columns.from_data import FrequentValues
from estimax.feature_columns.hashed import hash_buckets
from estimax.feature_columns.host_ops import CategoricalOp


class VocabularyOp(CategoricalOp):
    """Entries to their ids in a vocabulary, which subclasses load at the first use."""

    dtype: str
    size: int
    default_value: int
    num_oov_buckets: int

    def load(self) -> StringVocabulary | IntegerVocabulary:
        """The vocabulary."""
        raise TypeError(f"{type(self).__name__} does not implement load().")

    @property
    def accepts(self) -> str:  # type: ignore[override]
        return "string" if self.dtype == "string" else "integer"

    @functools.cached_property
    def _vocabulary(self) -> StringVocabulary | IntegerVocabulary:
        return self.load()

    def ids_of(self, values: Any) -> np.ndarray:
        vocabulary = self._vocabulary
        if isinstance(vocabulary, StringVocabulary):
            ids, fingerprints = vocabulary.find(values)
            unknown = ids < 0
            if self.num_oov_buckets and unknown.any():
                ids[unknown] = len(vocabulary) + buckets(fingerprints[unknown], self.num_oov_buckets)
                return ids
        else:
            ids = vocabulary.find(values)
            unknown = ids < 0
            if self.num_oov_buckets and unknown.any():
                ids[unknown] = len(vocabulary) + hash_buckets(values[unknown], self.num_oov_buckets)
                return ids
        if self.default_value != -1:
            ids[unknown] = self.default_value
        return ids


@register(MODULE)
class VocabularyListIds(VocabularyOp):
    """Entries to their places in a list.

    Args:
        name: of the column, for messages.
        vocabulary: strings or integers.
        dtype: `"string"` or an integer type.
        default_value: the id of unknown values.
        num_oov_buckets: number of ids after the vocabulary that unknown values are hashed to.
    """

    def __init__(self, name: str, vocabulary: Sequence[Any], dtype: str, default_value: int = -1, num_oov_buckets: int = 0):
        self.name, self.vocabulary, self.dtype = name, list(vocabulary), dtype
        self.default_value, self.num_oov_buckets = default_value, num_oov_buckets

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name, "vocabulary": self.vocabulary, "dtype": self.dtype, "default_value": self.default_value,
            "num_oov_buckets": self.num_oov_buckets,
        }  # fmt: skip

    def load(self) -> StringVocabulary | IntegerVocabulary:
        if self.dtype == "string":
            return StringVocabulary(text_from_bytes([_as_bytes(v) for v in self.vocabulary]))
        return IntegerVocabulary(np.array(self.vocabulary, np.int64))


@register(MODULE)
class VocabularyFileIds(VocabularyOp):
    """Entries to their line numbers in a file.

    Args:
        name: of the column, for messages.
        vocabulary_file: path of a text file, one entry a line.
        size: how many of its lines to use.
        dtype: `"string"` or an integer type.
        default_value: the id of unknown values.
        num_oov_buckets: number of ids after the vocabulary that unknown values are hashed to.
    """

    assets = ("vocabulary_file",)

    def __init__(self, name: str, vocabulary_file: str, size: int, dtype: str, default_value: int = -1, num_oov_buckets: int = 0):
        self.name, self.vocabulary_file, self.size, self.dtype = name, vocabulary_file, size, dtype
        self.default_value, self.num_oov_buckets = default_value, num_oov_buckets

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name, "vocabulary_file": self.vocabulary_file, "size": self.size, "dtype": self.dtype,
            "default_value": self.default_value, "num_oov_buckets": self.num_oov_buckets,
        }  # fmt: skip

    def load(self) -> StringVocabulary | IntegerVocabulary:
        lines = read_vocabulary_file(self.vocabulary_file, self.size, name=self.name)
        try:
            if self.dtype == "string":
                return StringVocabulary(lines)
            return IntegerVocabulary(_parse_integers(lines))
        except InputDataError as e:
            raise InputDataError(f'column "{self.name}": vocabulary_file {self.vocabulary_file!r}: {e}') from e


def _parse_integers(lines: Text) -> np.ndarray:
    try:
        return np.array([int(line) for line in lines.tolist()], np.int64)
    except ValueError as e:
        raise InputDataError(f"{e}; the column's dtype is an integer type. Repair the line, or use dtype='string'.") from e


class _VocabularyColumn(OneFeatureColumn):
    """What the columns of a list and of a file have in common: unknown values."""

    default_value: int
    num_oov_buckets: int

    def _check_unknown(self) -> None:
        if isinstance(self.num_oov_buckets, bool) or not isinstance(self.num_oov_buckets, int) or self.num_oov_buckets < 0:
            raise ValueError(
                f'column "{self.key}": num_oov_buckets is {self.num_oov_buckets!r}, expected an integer of at least 0.'
            )
        if self.num_oov_buckets and self.default_value != -1:
            raise ValueError(
                f'column "{self.key}": given default_value={self.default_value} and num_oov_buckets={self.num_oov_buckets}, expected '
                "only one of them: unknown values get either one id or hashed ones."
            )


@register(MODULE)
class VocabularyListCategoricalColumn(_VocabularyColumn):
    """See `categorical_column_with_vocabulary_list`."""

    def __init__(
        self,
        key: str,
        vocabulary_list: Sequence[Any] | FrequentValues,
        dtype: Any = None,
        default_value: int = -1,
        num_oov_buckets: int = 0,
    ):
        self.key = check_key(key)
        if isinstance(vocabulary_list, FrequentValues):
            self.vocabulary_list: Any = vocabulary_list
            self.dtype = None if dtype is None else check_id_dtype(dtype, key)  # type: ignore[assignment]
            self.default_value, self.num_oov_buckets = -1 if default_value is None else int(default_value), num_oov_buckets
            self._check_unknown()
            return
        if isinstance(vocabulary_list, (str, bytes)):
            raise ValueError(
                f'column "{key}": vocabulary_list is {vocabulary_list!r}, expected a list. Write ["a", "b"]; for a vocabulary learned while '
                "training use categorical_column_with_dynamic_vocabulary(key, capacity)."
            )
        values = [v.item() if isinstance(v, np.generic) else v for v in (() if vocabulary_list is None else vocabulary_list)]
        if not values:
            raise ValueError(f'column "{key}": vocabulary_list is empty, expected at least one entry.')
        kinds = {"string" if isinstance(v, (str, bytes)) else "int64" if type(v) is int else type(v).__name__ for v in values}
        if len(kinds) > 1 or not kinds <= {"string", "int64"}:
            raise ValueError(
                f'column "{key}": vocabulary_list holds values of type {", ".join(sorted(kinds))}, expected only strings or only integers. '
                "Convert them (floats cannot be looked up exactly: use a bucketized_column)."
            )
        # Undecodable bytes stay bytes; all else is kept as text, which JSON can hold.
        values = [_as_text(v) for v in values]
        seen: set[Any] = set()
        for v in values:
            if v in seen:
                raise ValueError(f'column "{key}": vocabulary_list has the entry {v!r} twice. Remove all but one.')
            seen.add(v)
        self.vocabulary_list = values
        self.dtype = check_id_dtype(kinds.pop() if dtype is None else dtype, key)
        if (self.dtype == "string") != isinstance(values[0], (str, bytes)):
            raise ValueError(
                f'column "{key}": dtype is {self.dtype} but vocabulary_list holds {type(values[0]).__name__} values. Make them agree.'
            )
        self.default_value, self.num_oov_buckets = -1 if default_value is None else int(default_value), num_oov_buckets
        self._check_unknown()

    @property
    def num_buckets(self) -> int:
        return len(self.vocabulary_list) + self.num_oov_buckets

    def make_op(self) -> VocabularyListIds:
        return VocabularyListIds(self.name, self.vocabulary_list, self.dtype, self.default_value, self.num_oov_buckets)


@register(MODULE)
class VocabularyFileCategoricalColumn(_VocabularyColumn):
    """See `categorical_column_with_vocabulary_file`."""

    def __init__(
        self,
        key: str,
        vocabulary_file: str | os.PathLike[str],
        vocabulary_size: int | None = None,
        dtype: Any = "string",
        default_value: int | None = None,
        num_oov_buckets: int = 0,
    ):
        self.key = check_key(key)
        if not vocabulary_file:
            raise ValueError(f'column "{key}": vocabulary_file is {vocabulary_file!r}, expected the path of a text file.')
        self.vocabulary_file = os.fspath(vocabulary_file)
        if vocabulary_size is None:
            vocabulary_size = count_lines(self.vocabulary_file, name=key)
        self.vocabulary_size = check_size(vocabulary_size, "vocabulary_size", key)
        self.dtype = check_id_dtype(dtype, key)
        self.default_value, self.num_oov_buckets = -1 if default_value is None else int(default_value), num_oov_buckets
        self._check_unknown()

    @property
    def num_buckets(self) -> int:
        return self.vocabulary_size + self.num_oov_buckets

    def make_op(self) -> VocabularyFileIds:
        return VocabularyFileIds(
            self.name, self.vocabulary_file, self.vocabulary_size, self.dtype, self.default_value, self.num_oov_buckets
        )


def categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Sequence[Any] | FrequentValues,
    dtype: Any = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> VocabularyListCategoricalColumn:
    """A categorical column whose ids are places in a list.

    Args:
        key: name of the feature.
        vocabulary_list: strings or integers, all different; the first has id 0. `FrequentValues()` leaves it to `adapt`.
        dtype: of the feature; by default that of the list.
        default_value: the id of values that are not in the list; -1 drops them.
        num_oov_buckets: how many ids after the vocabulary the unknown values are hashed to.

    Raises:
        ValueError: if the list is empty, has repeated or mixed entries, or both ways to treat unknown values are given.

    Example:
        >>> from estimax.feature_columns import categorical_column_with_vocabulary_list, ids_of
        >>> ids_of(categorical_column_with_vocabulary_list("color", ["R", "G"]), {"color": ["G", "B"]}).values.tolist()
        [1, -1]

    Reference: tf.feature_column.categorical_column_with_vocabulary_list.
    """
    return VocabularyListCategoricalColumn(key, vocabulary_list, dtype, default_value, num_oov_buckets)


def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: str | os.PathLike[str],
    vocabulary_size: int | None = None,
    dtype: Any = "string",
    default_value: int | None = None,
    num_oov_buckets: int = 0,
) -> VocabularyFileCategoricalColumn:
    """A categorical column whose ids are line numbers, from 0, of a text file.

    The file is read when the column is first used; exports carry a copy.

    Args:
        key: name of the feature.
        vocabulary_file: path of a text file with one entry a line; carriage returns are dropped, spaces kept.
        vocabulary_size: how many of the first lines to use; all by default.
        dtype: of the feature; lines are parsed as integers for integer types.
        default_value: the id of values that are not in the file; None drops them.
        num_oov_buckets: how many ids after the vocabulary the unknown values are hashed to.

    Raises:
        ValueError: if the file is needed for its size and cannot be read, a size is below 1, or both ways to treat unknown values are
            given; on first use if the file has fewer lines than `vocabulary_size`, blank or repeated ones.

    Example:
        >>> import tempfile, pathlib
        >>> from estimax.feature_columns import categorical_column_with_vocabulary_file, ids_of
        >>> path = pathlib.Path(tempfile.mkdtemp(), "colors.txt")
        >>> _ = path.write_text("R" + chr(10) + "G" + chr(10))
        >>> ids_of(categorical_column_with_vocabulary_file("color", path), {"color": ["G", "B"]}).values.tolist()
        [1, -1]

    Reference: tf.feature_column.categorical_column_with_vocabulary_file.
    """
    return VocabularyFileCategoricalColumn(key, vocabulary_file, vocabulary_size, dtype, default_value, num_oov_buckets)


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def _as_text(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
