"""`EncodedText`: a column of a stream as codes into a vocabulary that grows; cheap to slice, take and join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

VOCABULARY_LIMIT = 1 << 17  # a column with more distinct values is passed on as plain text


class Vocabulary:
    """The distinct values of one column so far, in order of appearance; only ever appended to."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}
        self._values: np.ndarray = np.zeros(0, object)
        self._arrow: Any = None

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, distinct: list[Any]) -> np.ndarray:
        """The codes of some values, new ones added. Shape `[values]`, int32."""
        known = len(self._codes)
        codes = [self._codes.setdefault(value, len(self._codes)) for value in distinct]
        if len(self._codes) > known:
            values = np.empty(len(self._codes), object)
            values[:] = list(self._codes)
            self._values, self._arrow = values, None
        return np.array(codes, np.int32)

    def values(self) -> np.ndarray:
        """All values by code. Shape `[codes]`, object."""
        return self._values

    def arrow(self) -> Any:
        """All values by code, as an Arrow array."""
        if self._arrow is None:
            import pyarrow as pa

            self._arrow = pa.array(self._values)
        return self._arrow


class EncodedText:
    """Rows of text as int32 codes into a `Vocabulary`; inside the package only, made plain before it is handed out."""

    is_estimax_value = True
    __slots__ = ("codes", "vocabulary")

    def __init__(self, codes: np.ndarray, vocabulary: Vocabulary):
        self.codes, self.vocabulary = codes, vocabulary

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> EncodedText:
        """Some rows."""
        return EncodedText(self.codes.take(rows), self.vocabulary)

    def plain(self, columns: str = "numpy") -> Any:
        """The rows as an object array, or as a `pyarrow.DictionaryArray` for `columns="arrow"`."""
        if columns == "arrow":
            import pyarrow as pa

            return pa.DictionaryArray.from_arrays(pa.array(self.codes), self.vocabulary.arrow(), safe=False)
        return self.vocabulary.values().take(self.codes)


def encode(array: Any, vocabulary: Vocabulary) -> Any:
    """An Arrow array of text (without nulls) as `EncodedText`, or as an object array if too much of it is distinct."""
    encoded = array if hasattr(array, "dictionary") else array.dictionary_encode()
    distinct = encoded.dictionary
    if len(vocabulary) + len(distinct) > VOCABULARY_LIMIT or len(distinct) > max(64, len(array) // 2):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    return EncodedText(vocabulary.encode(distinct.to_pylist()).take(np.asarray(encoded.indices)), vocabulary)


def join(parts: Sequence[Any]) -> Any:
    """Blocks of one column joined; plain text if one of them is."""
    if all(isinstance(p, EncodedText) and p.vocabulary is parts[0].vocabulary for p in parts):
        return EncodedText(np.concatenate([p.codes for p in parts]), parts[0].vocabulary)
    return np.concatenate([p.plain() if isinstance(p, EncodedText) else p for p in parts])
