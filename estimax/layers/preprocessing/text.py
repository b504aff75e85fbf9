"""TextVectorization: text to ids or counts of its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from estimax.core import HostOp, HostValue, register
from estimax.core.errors import InputDataError
from estimax.layers.input_spec import layer_title
from estimax.layers.preprocessing.encoding import batches_of, checked_mode
from estimax.layers.preprocessing.host import HostLayer, as_text, strings
from estimax.layers.preprocessing.lookup import StringLookup
from estimax.layers.preprocessing.lookup_ops import LookupOp, distinct
from estimax.layers.symbolic import KerasTensor

MODULE = "estimax.layers"
STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
SPLIT = ("whitespace", "character")
_PUNCTUATION = r"[!-/:-@\[-`{-~]"  # ASCII's, as TensorFlow's regular expression has it


class Tokens:
    """The tokens of a column of texts.

    Args:
        flat: all tokens in order, an Arrow array of strings.
        lengths: tokens of each text. Shape `[texts]`.
    """

    def __init__(self, flat: Any, lengths: np.ndarray):
        self.flat, self.lengths = flat, lengths

    @property
    def rows(self) -> np.ndarray:
        """The text of each token."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @property
    def places(self) -> np.ndarray:
        """The place of each token in its text."""
        ends = np.cumsum(self.lengths)
        return np.arange(len(self.flat)) - np.repeat(ends - self.lengths, self.lengths)


def tokenize(raw: Any, standardize: Any, split: Any, ngrams: Sequence[int] | None) -> tuple[Tokens, tuple[int, ...]]:
    """The tokens of raw texts, and the shape of the column; whole-column operations only.

    Args:
        raw: texts `[batch]` or `[batch, 1]`; without `split` also `[batch, tokens]`.
        standardize, split, ngrams: of `TextVectorization`.

    Raises:
        ValueError: if a text column has more than one text a row.
    """
    import pyarrow as pa

    array, shape = strings(raw)
    array = array.cast(pa.large_binary()).fill_null(b"").cast(pa.large_string())
    if split is not None and len(shape) > 1:
        if shape[-1] != 1:
            raise InputDataError(
                f"given texts of shape {shape}, expected [batch] or [batch, 1]: one text a row. Join them, or use split=None."
            )
        shape = shape[:-1]
    array = _standardized(array, standardize)
    if split is None:
        rows = shape[0] if shape else 1
        tokens = Tokens(array, np.full(rows, len(array) // max(rows, 1)))
    elif split == "whitespace":
        tokens = _words(array)
    elif split == "character":
        tokens = _characters(array)
    else:
        tokens = _split_by(split, array)
    return (tokens if ngrams is None else _ngrams(tokens, ngrams)), shape


def _standardized(array: Any, standardize: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if callable(standardize):
        texts = np.asarray(array.to_pylist(), str) if len(array) else np.zeros(0, "U1")
        return pa.array(np.asarray(standardize(texts)).reshape(-1).tolist(), pa.large_string())
    if standardize in ("lower", "lower_and_strip_punctuation"):
        array = pc.ascii_lower(array)
    if standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        array = pc.replace_substring_regex(array, _PUNCTUATION, "")
    return array


def _words(array: Any) -> Tokens:
    """Splits at runs of ASCII whitespace; none at the ends."""
    import pyarrow.compute as pc

    lists = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(array))
    flat, lengths = lists.flatten(), pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    empty = pc.equal(pc.binary_length(flat), 0).to_numpy(zero_copy_only=False)
    if empty.any():
        rows = np.repeat(np.arange(len(lengths)), lengths)
        lengths = lengths - np.bincount(rows[empty], minlength=len(lengths))
        flat = flat.filter(_mask(~empty))
    return Tokens(flat, lengths)


def _mask(keep: np.ndarray) -> Any:
    import pyarrow as pa

    return pa.array(keep)


def _characters(array: Any) -> Tokens:
    """Splits into characters: the same bytes with other offsets."""
    import pyarrow as pa

    text = as_text(array)
    data = text.data[text.starts[0] : text.starts[-1] + text.lengths[-1]] if len(text) else text.data[:0]
    begins = np.flatnonzero((data & 0xC0) != 0x80)  # not a UTF-8 continuation byte
    offsets = np.append(begins, len(data)).astype(np.int64)
    flat = pa.LargeStringArray.from_buffers(len(begins), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data)))
    ends = np.cumsum(text.lengths)
    return Tokens(flat, np.searchsorted(begins, ends) - np.searchsorted(begins, ends - text.lengths))


def _split_by(split: Callable, array: Any) -> Tokens:
    import pyarrow as pa

    lists = split(np.asarray(array.to_pylist(), str) if len(array) else np.zeros(0, "U1"))
    rows = [list(row) for row in lists]
    if len(rows) != len(array):
        raise InputDataError(
            f"split: given {len(array)} texts, the function returned {len(rows)} lists of tokens, expected one a text."
        )
    flat = pa.array([t for row in rows for t in row], pa.large_string())
    return Tokens(flat, np.fromiter(map(len, rows), np.int64, len(rows)))


def _ngrams(tokens: Tokens, widths: Sequence[int]) -> Tokens:
    """Neighbouring tokens joined by spaces: for each text those of the first width, then those of the next one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, left = tokens.rows, np.repeat(tokens.lengths, tokens.lengths) - tokens.places
    joined, of_rows = [], []
    for width in widths:
        first = np.flatnonzero(left >= width)
        parts = [tokens.flat.take(pa.array(first + i)) for i in range(width)]
        joined.append(parts[0] if width == 1 else pc.binary_join_element_wise(*parts, pa.scalar(" ", pa.large_string())))
        of_rows.append(rows[first])
    row = np.concatenate(of_rows)
    order = np.argsort(row, kind="stable")
    flat = pa.concat_arrays([j.cast(pa.large_string()) for j in joined]).take(pa.array(order))
    return Tokens(flat, np.bincount(row, minlength=len(tokens.lengths)))


@register(MODULE)
class TextOp(HostOp):
    """Texts to the ids of their tokens, in rows of equal length.

    Args:
        lookup: tokens to ids, an operation or its config.
        standardize, split, ngrams: of `TextVectorization`.
        length: tokens a text; those of the longest text by default.
        fill: what shorter rows are filled with.
        round_up: whether that length is rounded up to one of a few sizes, so that a compiled step is not compiled for every batch.
    """

    def __init__(
        self,
        lookup: Any,
        standardize: Any,
        split: Any,
        ngrams: Sequence[int] | None,
        length: int | None,
        fill: int,
        round_up: bool = False,
    ):
        self.lookup = lookup if isinstance(lookup, LookupOp) else LookupOp(**lookup)
        for name, given, known in (("standardize", standardize, STANDARDIZE), ("split", split, SPLIT)):
            if not (given is None or callable(given) or given in known):
                raise ValueError(
                    f"{name}: given {given!r}, expected one of {known}, None or a function. A function is not saved with a model: set it "
                    "again after loading."
                )
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        self.length, self.fill, self.round_up = length, fill, round_up
        self.pad_value = fill or None  # a padding row without words may be none that the model can compute

    def get_config(self) -> dict[str, Any]:
        named = {n: getattr(self, n) for n in ("standardize", "split")}
        return {
            "lookup": self.lookup.get_config(),
            **{n: getattr(f, "__qualname__", repr(f)) if callable(f) else f for n, f in named.items()},
            "ngrams": self.ngrams,
            "length": self.length,
            "fill": self.fill,
            "round_up": self.round_up,
        }

    @property
    def key(self) -> str:
        """A stable name, but for functions: those are told apart by identity, as their names may be equal."""
        functions = [f for f in (self.standardize, self.split) if callable(f)]
        return super().key + "".join(f"#{id(f)}" for f in functions)

    def __call__(self, raw: Any) -> np.ndarray:
        tokens, shape = tokenize(raw, self.standardize, self.split, self.ngrams)
        longest = int(tokens.lengths.max(initial=0))
        length = self.length
        if length is None:
            length = rounded_up(longest) if self.round_up else longest
        ids = self.lookup.ids_of(as_text(tokens.flat))
        out = np.full((len(tokens.lengths), length), self.fill, np.int32)
        rows, places = tokens.rows, tokens.places
        if longest > length:
            keep = places < length
            rows, places, ids = rows[keep], places[keep], ids[keep]
        out[rows, places] = ids
        # A flat column of tokens: nothing has made an axis for the tokens of a row.
        is_flat = self.split is None and self.ngrams is None and self.length is None and len(shape) == 1
        return (out[:, 0] if is_flat else out) if shape else out[0]


def rounded_up(length: int) -> int:
    """The next of the sizes 1, 2, 3, 4, 6, 8, 12, 16, 24, ...

    >>> rounded_up(5), rounded_up(17), rounded_up(0)
    (6, 24, 1)
    """
    power = 1 << max(length - 1, 0).bit_length()
    return 3 * power // 4 if power >= 4 and length <= 3 * power // 4 else power


@register("keras.layers")
class TextVectorization(HostLayer):
    """Texts to the ids of their words, or to counts of them.

    A text is standardized, split into tokens, joined to n-grams, and looked up.

    Args:
        max_tokens: the most ids there may be, special ones included; no limit by default.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"`, None, or a function of an array of strings.
        split: `"whitespace"`, `"character"`, None, or a function of an array of strings that gives a list of tokens for each.
        ngrams: an integer for n-grams up to this width, or a tuple of widths.
        output_mode: `"int"` (0 fills short texts, 1 stands for unknown tokens), `"multi_hot"`, `"count"` or `"tf_idf"`.
        output_sequence_length: tokens a text with `"int"`; those of the longest text of the batch by default. Inside a model that is
            rounded up to one of a few sizes, so that the step is not compiled for every batch.
        pad_to_max_tokens: whether vectors have `max_tokens` places, however small the vocabulary.
        vocabulary: the tokens in the order of their ids, or the path of a text file; else `adapt` finds them.
        idf_weights: of each token, for `"tf_idf"`.
        sparse, ragged: only False; outputs are dense arrays.
        encoding: of texts given as bytes; only `"utf-8"`.

    Inputs: texts `[batch]` or `[batch, 1]`. Output `[batch, tokens]` of int32, or `[batch, vocabulary]` of float32.

    Raises:
        ValueError: if arguments are unknown or contradict each other.

    Example:
        >>> layer = TextVectorization(vocabulary=["hello", "world"])
        >>> layer(["Hello, world!", "hello you"]).tolist()
        [[2, 3], [2, 1]]

    Reference: keras.layers.TextVectorization.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **kwargs: Any,
    ):
        kwargs.pop("vocabulary_size", None)
        has_vocabulary = kwargs.pop("has_input_vocabulary", None)
        super().__init__(**kwargs)
        for name, given, known in (("standardize", standardize, STANDARDIZE), ("split", split, SPLIT)):
            if not (given is None or callable(given) or given in known):
                raise ValueError(f"TextVectorization: {name}: given {given!r}, expected one of {known}, None or a function.")
        if ragged:
            raise ValueError(
                "TextVectorization: ragged: given True, expected False. Outputs are dense arrays, filled with 0; leave it out."
            )
        widths = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else None if ngrams is None else tuple(ngrams)
        if widths is not None and (not widths or not all(isinstance(w, int) and w > 0 for w in widths)):
            raise ValueError(f"TextVectorization: ngrams: given {ngrams!r}, expected a positive integer or a tuple of them.")
        self.output_mode = checked_mode(self, output_mode, ("int", "one_hot", "multi_hot", "count", "tf_idf"))
        length = output_sequence_length
        if length is not None and (self.output_mode != "int" or not isinstance(length, int) or length < 1):
            raise ValueError(
                f"TextVectorization: output_sequence_length: given {length!r} with output_mode={output_mode!r}, expected a positive integer "
                "with 'int', or None."
            )
        self.standardize, self.split = standardize, split
        self.ngrams, self.widths = ngrams, widths
        self.output_sequence_length = length
        self.ragged = False
        self.lookup = StringLookup(
            max_tokens=max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=self.output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            encoding=encoding,
            has_input_vocabulary=has_vocabulary,
            name="lookup",
        )

    # -- the vocabulary -----------------------------------------------------------------------------------------------

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Finds the vocabulary of texts: the most frequent tokens first.

        Args:
            data: an array or list of texts, or an iterable of batches.
            batch_size: how many texts are read at once; all of a batch by default.
            steps: how many batches to read; all if omitted.

        Raises:
            ValueError: if the layer was given a vocabulary.
        """
        self.reset_state()
        for batch in batches_of(data, steps):
            size = batch_size or 1 << 16  # bounds the memory that the tokens of a large list take
            for start in range(0, len(batch), size) if hasattr(batch, "__getitem__") and not isinstance(batch, str) else [None]:
                self.update_state(batch if start is None else batch[start : start + size])
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch of texts."""
        if self.lookup.is_given:
            raise ValueError(f"{layer_title(self)}: adapt: the layer was given its vocabulary. Leave out vocabulary to find one.")
        tokens, _ = tokenize(data, self.standardize, self.split, self.widths)
        self.lookup.count(*distinct(tokens.flat), tokens.rows, len(tokens.lengths))

    def finalize_state(self) -> None:
        """Makes the vocabulary from the counts."""
        self.lookup.finalize_state()

    def reset_state(self) -> None:
        """Forgets the counts."""
        self.lookup.reset_state()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the vocabulary; see `StringLookup.set_vocabulary`."""
        self.lookup.set_vocabulary(vocabulary, idf_weights)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The token of each id; or the vocabulary only, without '' and '[UNK]'."""
        return self.lookup.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of ids."""
        return self.lookup.vocabulary_size()

    # -- calling ------------------------------------------------------------------------------------------------------

    def call(self, inputs: Any) -> jax.Array:
        """The ids of the tokens, or what the output mode makes of them."""
        fill = 0 if self.output_mode == "int" else -1
        in_model = isinstance(inputs, HostValue)
        op = TextOp(self.lookup.op, self.standardize, self.split, self.widths, self.output_sequence_length, fill, in_model)
        return self.lookup.encode(self.on_host(op, inputs))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """`[batch, tokens]`, or `[batch, vocabulary]`; of one token a row without `split`, what a look-up gives."""
        is_flat = self.split is None and self.widths is None and self.output_sequence_length is None and len(input_shape) == 1
        if is_flat:
            return self.lookup.compute_output_shape(tuple(input_shape))
        if self.output_mode == "int":
            return (input_shape[0], self.output_sequence_length)
        tokens = (input_shape[0], None if self.split is not None else input_shape[-1] if len(input_shape) > 1 else 1)
        return self.lookup.compute_output_shape(tokens)

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The symbolic output of a call."""
        return KerasTensor(self.compute_output_shape(inputs.shape), "int32" if self.output_mode == "int" else "float32")

    # -- saving -------------------------------------------------------------------------------------------------------

    def save_assets(self, directory: Any) -> None:
        """Writes the vocabulary that `adapt` found to `vocabulary.txt`; a given one is in the config."""
        self.lookup.save_assets(directory)

    def load_assets(self, directory: Any) -> None:
        """Reads what `save_assets` wrote."""
        self.lookup.load_assets(directory)

    def save_own_variables(self, store: Any) -> None:
        """Puts the weights of `"tf_idf"` into a store of arrays by name."""
        self.lookup.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Takes the weights of `"tf_idf"` from a store of arrays by name."""
        self.lookup.load_own_variables(store)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; a vocabulary that `adapt` found is an asset."""
        lookup = self.lookup.get_config()
        copied = ("max_tokens", "pad_to_max_tokens", "sparse", "vocabulary", "idf_weights", "encoding", "vocabulary_size")
        own = ("standardize", "split", "ngrams", "output_mode", "output_sequence_length", "ragged")
        return {**super().get_config(), **{n: lookup[n] for n in copied}, **{n: getattr(self, n) for n in own}}
