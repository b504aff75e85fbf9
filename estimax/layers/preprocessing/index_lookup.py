"""What StringLookup and IntegerLookup share: the vocabulary, how `adapt` finds it, output modes, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostValue
from estimax.core.host import HostOutput
from estimax.core.vocabulary import read_vocabulary_file
from estimax.layers.input_spec import layer_title
from estimax.layers.preprocessing.encoding import batches_of, checked_mode, encode_categories, encoded_shape, refuse_sparse
from estimax.layers.preprocessing.host import HostLayer
from estimax.layers.preprocessing.lookup_ops import LookupOp, TokenOp
from estimax.layers.symbolic import KerasTensor


class IndexLookup(HostLayer):
    """What the two look-ups share: the vocabulary, how `adapt` finds it, and the output modes."""

    kind: str
    salt: list[int] | None = None
    oov_method: str = "floormod"

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        **kwargs: Any,
    ):
        kwargs.pop("vocabulary_size", None)  # in Keras's configs, beside the vocabulary itself
        has_vocabulary = kwargs.pop("has_input_vocabulary", None)
        super().__init__(**kwargs)
        title = type(self).__name__
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"{title}: max_tokens: given {max_tokens}, expected at least 2, or None.")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"{title}: given pad_to_max_tokens=True without max_tokens, expected both.")
        if num_oov_indices < 0:
            raise ValueError(f"{title}: num_oov_indices: given {num_oov_indices}, expected 0 or more.")
        refuse_sparse(self, sparse)
        self.output_mode = checked_mode(self, output_mode, ("int", "one_hot", "multi_hot", "count", "tf_idf"))
        if invert and self.output_mode != "int":
            raise ValueError(f"{title}: given invert=True and output_mode={output_mode!r}, expected 'int' with it.")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(f"{title}: idf_weights are given, but output_mode is {output_mode!r}, expected 'tf_idf'.")
        if vocabulary is not None and self.output_mode == "tf_idf" and idf_weights is None:
            raise ValueError(f"{title}: given a vocabulary without idf_weights, expected both with output_mode='tf_idf'.")
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = invert
        self.sparse = False
        self.pad_to_max_tokens = pad_to_max_tokens
        self.input_vocabulary = None if vocabulary is None or isinstance(vocabulary, (str, Path)) else _plain(vocabulary)
        self.input_idf_weights = None if idf_weights is None else np.asarray(idf_weights).tolist()
        self.is_given = vocabulary is not None or bool(has_vocabulary)
        self.idf_weights: np.ndarray | None = None
        self._tokens: list[Any] = []
        self._op: LookupOp | None = None
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # -- the vocabulary -----------------------------------------------------------------------------------------------

    @property
    def oov_start(self) -> int:
        """The first id of unknown values."""
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def token_start(self) -> int:
        """The first id of the vocabulary."""
        return self.oov_start + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """The number of ids: of the vocabulary, unknown values and the mask."""
        return self.token_start + len(self._tokens)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The value of each id; or the vocabulary only, without the mask and unknown values."""
        if not include_special_tokens:
            return list(self._tokens)
        return [*[self.mask_token] * self.oov_start, *[self.oov_token] * self.num_oov_indices, *self._tokens]

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the vocabulary.

        Args:
            vocabulary: values in the order of their ids, with or without mask and unknown tokens in front; or the path of a text
                file with one a line.
            idf_weights: of each value, for `output_mode="tf_idf"`.

        Raises:
            ValueError: if it is empty, too long, has repeated values or a special one in the wrong place, or the weights don't fit.
        """
        if isinstance(vocabulary, (str, Path)):
            vocabulary = self._read(str(vocabulary))
        tokens = _plain(vocabulary)
        if not tokens:
            raise ValueError(f"{layer_title(self)}: vocabulary: given an empty one, expected at least one entry.")
        special = self.get_vocabulary()[: self.token_start]
        has_special = bool(special) and tokens[: self.token_start] == special
        count = len(tokens)
        tokens = tokens[self.token_start :] if has_special else tokens
        tokens = [self._checked_token(t) for t in tokens]
        if len(set(tokens)) != len(tokens):
            seen: set[Any] = set()
            repeated = next(t for t in tokens if t in seen or seen.add(t))  # type: ignore[func-returns-value]
            raise ValueError(
                f"{layer_title(self)}: vocabulary: {repeated!r} is in it more than once. Remove all but one of them."
            )
        if self.mask_token is not None and self.mask_token in tokens:
            raise ValueError(
                f"{layer_title(self)}: vocabulary: the mask token {self.mask_token!r} is among the entries, expected it left out, or "
                f"special tokens at the start, in this order: {special}."
            )
        if self.invert and self.oov_token in tokens:
            raise ValueError(
                f"{layer_title(self)}: vocabulary: the token {self.oov_token!r} for unknown ids is among the entries. Remove it."
            )
        if self.max_tokens is not None and self.token_start + len(tokens) > self.max_tokens:
            raise ValueError(
                f"{layer_title(self)}: vocabulary: {len(tokens)} entries and {self.token_start} special ids are more than "
                f"max_tokens={self.max_tokens}. Shorten it, or raise max_tokens."
            )
        self._tokens, self._op = tokens, None
        if self.output_mode == "tf_idf" and idf_weights is not None and idf_weights is not False:
            weights = np.asarray(idf_weights, np.float32)
            if weights.shape != (count,):
                raise ValueError(
                    f"{layer_title(self)}: idf_weights: given shape {weights.shape}, expected one for each of {count} entries."
                )
            self._set_idf(weights if has_special else np.pad(weights, (self.token_start, 0), constant_values=weights.mean()))

    def _set_idf(self, weights: np.ndarray) -> None:
        behind = self.max_tokens - len(weights) if self.pad_to_max_tokens and self.max_tokens is not None else 0
        self.idf_weights = np.pad(weights, (0, behind)).astype(np.float32)

    def _checked_token(self, token: Any) -> Any:
        """A token in the type of this layer."""
        raise TypeError(f"{type(self).__name__} does not implement _checked_token(token).")

    def _read(self, path: str) -> list[Any]:
        """The lines of a vocabulary file."""
        if self.output_mode == "tf_idf":
            raise ValueError(f"{layer_title(self)}: vocabulary: given a file, expected a list with output_mode='tf_idf'.")
        return [line.decode() for line in read_vocabulary_file(path, None, name=self.name).tolist()]

    # -- adapt --------------------------------------------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Finds the vocabulary: the most frequent values first, and of equally frequent ones the last in order.

        Args:
            data: an array or list, or an iterable of batches.
            steps: how many batches to read; all if omitted.

        Raises:
            ValueError: if the layer was given a vocabulary.
        """
        self.reset_state()
        for batch in batches_of(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the values of a batch."""
        if self.is_given:
            raise ValueError(f"{layer_title(self)}: adapt: the layer was given its vocabulary. Leave out vocabulary to find one.")
        self.count(*self._values(data))

    def _values(self, data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The distinct values of a batch, the number of each of its values among them, and the document of each."""
        raise TypeError(f"{type(self).__name__} does not implement _values(data).")

    def count(self, found: np.ndarray, codes: np.ndarray, rows: np.ndarray, documents: int | None = None) -> None:
        """Adds to the counts of values, and of documents that have them.

        Args:
            found: distinct values.
            codes: which of them occurred. Shape `[n]`.
            rows: in which document, ascending. Shape `[n]`.
            documents: how many documents there are.
        """
        counts = np.bincount(codes, minlength=len(found))
        in_documents = np.zeros(len(found), np.int64)
        if self.output_mode == "tf_idf" and len(found):
            pairs = np.unique(rows.astype(np.int64) * len(found) + codes)
            in_documents = np.bincount(pairs % len(found), minlength=len(found))
        self._counted.append((found, counts, in_documents))
        self._documents += documents if documents is not None else int(rows[-1]) + 1 if len(rows) else 0

    def finalize_state(self) -> None:
        """Makes the vocabulary from the counts."""
        if self.is_given or not self._counted:
            return
        parts = [np.concatenate(p) for p in zip(*self._counted)]
        found, inverse = np.unique(parts[0], return_inverse=True)
        counts, documents = (np.bincount(inverse, p, len(found)).astype(np.int64) for p in parts[1:])
        keep = np.ones(len(found), bool)
        for token in (self.mask_token, self.oov_token):
            if token is not None:
                keep &= found != self._as_key(token)
        found, counts, documents = found[keep], counts[keep], documents[keep]
        order = np.lexsort((np.arange(len(found)), counts))[::-1]  # `found` is sorted
        if self.max_tokens is not None:
            order = order[: max(self.max_tokens - self.token_start, 0)]
        self._tokens = [self._checked_token(t) for t in found[order].tolist()]
        self._op = None
        if self.output_mode == "tf_idf":
            weights = np.log1p(self._documents / (1 + documents[order])).astype(np.float32)
            self._set_idf(np.pad(weights, (self.token_start, 0), constant_values=weights.mean() if len(weights) else 0))
        self.reset_state()

    def _as_key(self, token: Any) -> Any:
        """A token as the counts hold it."""
        return token

    def reset_state(self) -> None:
        """Forgets the counts."""
        self._counted: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._documents = 0

    # -- calling ------------------------------------------------------------------------------------------------------

    @property
    def op(self) -> LookupOp:
        """The host half."""
        if self._op is None:
            if not self._tokens and not self.invert:
                raise ValueError(
                    f"{layer_title(self)}: it has no vocabulary yet. Call layer.adapt(data) first, or pass vocabulary."
                )
            mask_id = 0 if self.output_mode == "int" else -1
            self._op = LookupOp(
                self._tokens,
                self.token_start,
                self.num_oov_indices,
                self.mask_token,
                mask_id,
                self.salt,
                self.kind,
                self.oov_method == "farmhash",
            )
        return self._op

    def call(self, inputs: Any) -> Any:
        """The ids, what the output mode makes of them, or the values of ids."""
        if self.invert:
            return self._inverted(inputs)
        return self.encode(self.on_host(self.op, inputs))

    def encode(self, ids: jax.Array) -> jax.Array:
        """Ids as the output mode says."""
        if self.output_mode == "int":
            return ids
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        encoded = encode_categories(ids, mode, self._depth, "float32")
        return encoded * jnp.asarray(self.idf_weights) if self.output_mode == "tf_idf" else encoded

    def _inverted(self, inputs: Any) -> Any:
        op = TokenOp(self.get_vocabulary(), self.oov_token)
        if isinstance(inputs, HostValue):
            inputs = inputs.on_device()
        if self.kind == "integer":
            ids = jnp.asarray(inputs)
            table = jnp.asarray([*op.tokens, op.unknown])
            return table[jnp.where((ids < 0) | (ids >= len(op.tokens)), len(op.tokens), ids)]
        return HostOutput(inputs, op) if isinstance(inputs, jax.core.Tracer) else op(inputs)

    @property
    def _depth(self) -> int:
        return self.max_tokens if self.pad_to_max_tokens and self.max_tokens is not None else self.vocabulary_size()

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """That of the input, or with an axis for the ids."""
        return encoded_shape(input_shape, self.output_mode, self._depth)

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The symbolic output of a call."""
        dtype = "int32" if self.output_mode == "int" else "float32"
        if self.invert and self.kind == "string":
            dtype = "string"
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype)

    # -- saving -------------------------------------------------------------------------------------------------------

    def save_assets(self, directory: Any) -> None:
        """Writes the vocabulary that `adapt` found to `vocabulary.txt`; a given one is in the config."""
        if self.input_vocabulary is None:
            text = "\n".join(map(str, self.get_vocabulary()))
            (Path(directory) / "vocabulary.txt").write_text(text, encoding="utf-8", newline="\n")

    def load_assets(self, directory: Any) -> None:
        """Reads what `save_assets` wrote."""
        if self.input_vocabulary is None:
            lines = (Path(directory) / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
            if lines != [""] and len(lines) > self.token_start:
                self.set_vocabulary(lines if self.kind == "string" else [int(line) for line in lines], idf_weights=False)

    def save_own_variables(self, store: Any) -> None:
        """Puts the weights of `"tf_idf"` into a store of arrays by name."""
        if self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store: Any) -> None:
        """Takes the weights of `"tf_idf"` from a store of arrays by name."""
        if self.output_mode == "tf_idf" and "idf_weights" in store:
            self.idf_weights = np.asarray(store["idf_weights"], np.float32)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; a vocabulary that `adapt` found is an asset."""
        names = (
            "invert",
            "max_tokens",
            "num_oov_indices",
            "oov_token",
            "mask_token",
            "output_mode",
            "sparse",
            "pad_to_max_tokens",
        )
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "idf_weights": self.input_idf_weights,
            "vocabulary": self.input_vocabulary,
            "vocabulary_size": self.vocabulary_size() if self._tokens else None,
        }


def _plain(tokens: Any) -> list[Any]:
    """A list of Python values."""
    if hasattr(tokens, "to_pylist"):
        tokens = tokens.to_pylist()
    tokens = tokens.tolist() if hasattr(tokens, "tolist") else list(tokens)
    return [t.decode() if isinstance(t, bytes) else t for t in tokens]
