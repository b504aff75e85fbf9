"""StringLookup and IntegerLookup: values to ids by a vocabulary, and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import as_host_value, register
from estimax.layers.input_spec import layer_title
from estimax.layers.preprocessing.host import integer_column, strings
from estimax.layers.preprocessing.index_lookup import IndexLookup
from estimax.layers.preprocessing.lookup_ops import distinct


@register("keras.layers")
class StringLookup(IndexLookup):
    """Strings to ids by a vocabulary, or ids to strings.

    Args:
        max_tokens: the most ids there may be, special ones included; no limit by default.
        num_oov_indices: number of ids for unknown strings, which are told apart by their hash; with 0 they are refused.
        mask_token: a string that gets the id 0 (and counts nowhere in other modes); None for none.
        oov_token: what unknown ids become, with `invert`.
        vocabulary: the strings in the order of their ids, or the path of a text file; else `adapt` finds them.
        idf_weights: of each string, for `"tf_idf"`.
        invert: whether ids become strings.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        pad_to_max_tokens: whether vectors have `max_tokens` places, however small the vocabulary.
        sparse: only False; Keras's configs have it.
        encoding: of strings given as bytes; only `"utf-8"`.
        salt: an integer, or two, that choose another hash function for unknown strings.

    Raises:
        ValueError: if arguments contradict each other, or the vocabulary has repeated or misplaced entries.

    Example:
        >>> layer = StringLookup(vocabulary=["a", "b"])
        >>> layer([["a", "z", "b"]]).tolist(), layer.get_vocabulary()
        ([[1, 0, 2]], ['[UNK]', 'a', 'b'])

    Reference: keras.layers.StringLookup.
    """

    kind = "string"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        salt: Any = None,
        **kwargs: Any,
    ):
        if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
            raise ValueError(f"{type(self).__name__}: encoding: given {encoding!r}, expected 'utf-8'. Decode the column first.")
        self.encoding = encoding
        self.salt = _as_salt(self, salt)
        kwargs.pop("oov_method", None)  # in Keras's configs; it is about integers
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, **kwargs,
        )  # fmt: skip

    def _checked_token(self, token: Any) -> str:
        if isinstance(token, bytes):
            return token.decode()
        if not isinstance(token, str):
            raise ValueError(f"{layer_title(self)}: vocabulary: given {token!r}, expected strings.")
        return token

    def _as_key(self, token: str) -> bytes:
        return token.encode()

    def _values(self, data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        array, shape = strings(data)
        return *distinct(array), _documents_of(shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; a vocabulary that `adapt` found is an asset."""
        config = {**super().get_config(), "encoding": self.encoding}
        return config if self.salt is None else {**config, "salt": self.salt}


@register("keras.layers")
class IntegerLookup(IndexLookup):
    """Integers to ids by a vocabulary, or ids to integers.

    Args:
        max_tokens, num_oov_indices, idf_weights, output_mode, pad_to_max_tokens, sparse: as in `StringLookup`.
        mask_token: an integer that gets the id 0; None for none.
        oov_token: what unknown ids become, with `invert`.
        vocabulary: the integers in the order of their ids, or the path of a text file; else `adapt` finds them.
        vocabulary_dtype: `"int64"` or `"int32"`.
        invert: whether ids become integers.
        oov_method: how several ids for unknown integers tell them apart: `"floormod"`, by their remainder, or `"farmhash"`, by a hash
            of their decimal text.
        salt: an integer, or two, that choose another hash function; only with `oov_method="farmhash"`.

    Raises:
        ValueError: if arguments contradict each other, or the vocabulary has repeated or misplaced entries.

    Example:
        >>> IntegerLookup(vocabulary=[12, 36])([[36, 7]]).tolist()
        [[2, 0]]

    Reference: keras.layers.IntegerLookup.
    """

    kind = "integer"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        **kwargs: Any,
    ):
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(f"IntegerLookup: oov_method: given {oov_method!r}, expected 'floormod' or 'farmhash'.")
        if salt is not None and oov_method != "farmhash":
            raise ValueError(f"IntegerLookup: salt: given {salt!r} with oov_method={oov_method!r}, expected 'farmhash' with it.")
        self.oov_method, self.salt = oov_method, _as_salt(self, salt)
        if vocabulary_dtype not in ("int64", "int32"):
            raise ValueError(f"IntegerLookup: vocabulary_dtype: given {vocabulary_dtype!r}, expected 'int64' or 'int32'.")
        self.vocabulary_dtype = vocabulary_dtype
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, **kwargs,
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """The ids, what the output mode makes of them, or the values of ids."""
        if not self.invert and isinstance(inputs, jax.core.Tracer) and self.num_oov_indices > 0:
            if as_host_value(inputs, self.name) is None:
                return self.encode(self._on_device(inputs))
        return super().call(inputs)

    def _on_device(self, x: jax.Array) -> jax.Array:
        """Ids of integers that the model computed: a binary search in the sorted vocabulary."""
        tokens = np.asarray(self.op.tokens)
        order = np.argsort(tokens)
        ordered = jnp.asarray(tokens[order])
        at = jnp.clip(jnp.searchsorted(ordered, x), 0, len(tokens) - 1)
        if self.oov_method == "farmhash" and self.num_oov_indices > 1:
            raise ValueError(
                f"{layer_title(self)}: oov_method='farmhash' hashes on the host, but the integers were computed by the model. Give the "
                "layer an input of the model, or use oov_method='floormod'."
            )
        unknown = self.oov_start + jnp.mod(x, self.num_oov_indices)
        ids = jnp.where(ordered[at] == x, jnp.asarray(order)[at] + self.token_start, unknown)
        return ids if self.mask_token is None else jnp.where(x == self.mask_token, self.op.mask_id, ids)

    def _checked_token(self, token: Any) -> int:
        if isinstance(token, str) and token.lstrip("-").isdigit():
            return int(token)
        if isinstance(token, bool) or not isinstance(token, (int, np.integer)):
            raise ValueError(f"{layer_title(self)}: vocabulary: given {token!r}, expected integers.")
        return int(token)

    def _values(self, data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        numbers = integer_column(data)
        found, codes = np.unique(numbers.reshape(-1), return_inverse=True)
        return found, codes, _documents_of(numbers.shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; a vocabulary that `adapt` found is an asset."""
        names = ("vocabulary_dtype", "oov_method", "salt")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _as_salt(layer: IndexLookup, salt: Any) -> list[int] | None:
    """The two integers of a salt, which may be given as one."""
    pair = [salt, salt] if isinstance(salt, int) else salt
    if pair is not None and (not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(v, int) for v in pair)):
        raise ValueError(f"{type(layer).__name__}: salt: given {salt!r}, expected an integer or two of them.")
    return None if pair is None else list(pair)


def _documents_of(shape: tuple[int, ...]) -> np.ndarray:
    """The document of each value of a batch: a row; values of a flat batch are documents each."""
    rows = shape[0] if shape else 1
    return np.repeat(np.arange(rows), int(np.prod(shape[1:])))
