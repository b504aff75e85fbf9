"""Values to ids by a vocabulary, and back, as host operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.core import HostOp, register
from estimax.core.errors import InputDataError
from estimax.core.fingerprint import buckets
from estimax.core.text import Text, text_from_bytes, text_from_integers
from estimax.core.vocabulary import IntegerVocabulary, StringVocabulary
from estimax.layers.preprocessing.host import as_text, integer_column, strings
from estimax.layers.preprocessing.siphash import siphash

MODULE = "estimax.layers"


@register(MODULE)
class LookupOp(HostOp):
    """Values to ids: those of the vocabulary from `first`, unknown ones from `first - num_oov`, the mask to `mask_id`.

    Args:
        tokens: the vocabulary, strings or integers.
        first: id of its first token.
        num_oov: number of ids for unknown values; with 0 they are refused.
        mask_token: a value that gets `mask_id`; None for none.
        mask_id: 0, or -1 where the mask is not counted.
        salt: two integers that choose another hash function for unknown strings.
        kind: `"string"` or `"integer"`.
        hashes_integers: whether unknown integers are told apart by a hash of their decimal text, not by their remainder.
    """

    pad_value = -1

    def __init__(
        self,
        tokens: Sequence[Any],
        first: int,
        num_oov: int,
        mask_token: Any = None,
        mask_id: int = 0,
        salt: Sequence[int] | None = None,
        kind: str = "string",
        hashes_integers: bool = False,
    ):
        self.tokens, self.first, self.num_oov = tokens, first, num_oov
        self.hashes_integers = hashes_integers
        self.mask_token, self.mask_id, self.salt, self.kind = mask_token, mask_id, salt, kind
        self._table: Any = None
        self._mask: Any = None

    def get_config(self) -> dict[str, Any]:
        names = ("tokens", "first", "num_oov", "mask_token", "mask_id", "salt", "kind", "hashes_integers")
        return {name: getattr(self, name) for name in names}

    def _prepare(self) -> None:
        if self.kind == "string":
            self._table = StringVocabulary(text_from_bytes([t.encode() for t in self.tokens]))
            if self.mask_token is not None:
                self._mask = text_from_bytes([self.mask_token.encode()]).fingerprints[0]
        else:
            self._table = IntegerVocabulary(np.asarray(self.tokens, np.int64))
            self._mask = self.mask_token

    def __call__(self, raw: Any) -> np.ndarray:
        if self.kind == "string":
            array, shape = strings(raw)
            return self.ids_of(as_text(array)).reshape(shape)
        numbers = integer_column(raw)
        return self.ids_of(numbers.reshape(-1)).reshape(numbers.shape)

    def ids_of(self, values: Text | np.ndarray) -> np.ndarray:
        """The id of each value of a flat column. Shape `[n]`, int32."""
        if self._table is None:
            self._prepare()
        if isinstance(values, Text):
            ids, hashes = self._table.find(values)
        else:
            ids, hashes = self._table.find(values), values
        unknown = ids < 0
        ids = ids + self.first
        if self.mask_token is not None:
            masked = hashes == self._mask
            unknown &= ~masked
            ids[masked] = self.mask_id
        if unknown.any():
            ids[unknown] = self._unknown(values, hashes, unknown)
        return ids.astype(np.int32)

    def _unknown(self, values: Any, hashes: np.ndarray, unknown: np.ndarray) -> Any:
        if self.num_oov == 0:
            at = np.flatnonzero(unknown)[:1]
            shown = values[at].tolist()[0]
            raise InputDataError(
                f"given {shown!r}, which is not in the vocabulary of {len(self.tokens)} entries, and num_oov_indices=0 leaves no id for "
                "it. Add it to the vocabulary, or raise num_oov_indices."
            )
        start = self.first - self.num_oov
        if self.num_oov == 1:
            return start
        values = values[unknown]
        if not isinstance(values, Text):
            if not self.hashes_integers:
                return start + np.mod(values, self.num_oov)
            values = text_from_integers(values)
            hashes = values.fingerprints
        else:
            hashes = hashes[unknown]
        return start + buckets(hashes if self.salt is None else siphash(values, self.salt), self.num_oov)


@register(MODULE)
class TokenOp(HostOp):
    """Ids back to values, on the host.

    Args:
        tokens: the value of each id.
        unknown: the value of ids outside.
    """

    def __init__(self, tokens: Sequence[Any], unknown: Any):
        self.tokens, self.unknown = tokens, unknown

    def get_config(self) -> dict[str, Any]:
        return {"tokens": self.tokens, "unknown": self.unknown}

    def __call__(self, ids: Any) -> np.ndarray:
        table = np.asarray([*self.tokens, self.unknown], object if isinstance(self.unknown, str) else None)
        ids = np.asarray(ids)
        return table[np.where((ids < 0) | (ids >= len(self.tokens)), len(self.tokens), ids)]


def distinct(array: Any) -> tuple[np.ndarray, np.ndarray]:
    """The distinct strings of an Arrow array, as bytes, and the number of each string among them."""
    import pyarrow as pa

    encoded = array.cast(pa.large_binary()).fill_null(b"").dictionary_encode()
    return encoded.dictionary.to_numpy(zero_copy_only=False), encoded.indices.to_numpy(zero_copy_only=False)
