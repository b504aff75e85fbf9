"""Hashing and HashedCrossing: strings and integers to ids without a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from estimax.core import HostOp, register
from estimax.core.errors import InputDataError
from estimax.core.fingerprint import DEFAULT_CROSS_KEY, buckets, cross64
from estimax.core.text import text_from_bytes, text_from_integers
from estimax.layers.preprocessing.encoding import checked_mode, encode_categories, encoded_shape, refuse_sparse
from estimax.layers.preprocessing.host import HostLayer, integer_column, is_string_column, text_column
from estimax.layers.preprocessing.siphash import siphash
from estimax.layers.symbolic import KerasTensor

MODULE = "estimax.layers"


@register(MODULE)
class HashOp(HostOp):
    """Strings, or integers by their decimal text, to ids.

    Args:
        num_bins: number of ids.
        mask_value: what gets the id 0; all else then gets 1 or more.
        salt: two integers for SipHash; FarmHash's fingerprint without.
    """

    pad_value = -1

    def __init__(self, num_bins: int, mask_value: Any = None, salt: Sequence[int] | None = None):
        self.num_bins, self.mask_value, self.salt = num_bins, mask_value, salt

    def get_config(self) -> dict[str, Any]:
        return {"num_bins": self.num_bins, "mask_value": self.mask_value, "salt": self.salt}

    def __call__(self, raw: Any) -> np.ndarray:
        masked = None
        if is_string_column(raw):
            text, shape = text_column(raw)
            if self.mask_value is not None:
                value = self.mask_value if isinstance(self.mask_value, bytes) else str(self.mask_value).encode()
                masked = text.fingerprints == text_from_bytes([value]).fingerprints[0]
        else:
            numbers = integer_column(raw)
            text, shape = text_from_integers(numbers.reshape(-1)), numbers.shape
            if self.mask_value is not None:
                masked = numbers.reshape(-1) == self.mask_value
        hashes = text.fingerprints if self.salt is None else siphash(text, self.salt)
        if masked is None or self.num_bins < 2:
            return buckets(hashes, self.num_bins).astype(np.int32).reshape(shape)
        ids = np.where(masked, 0, buckets(hashes, self.num_bins - 1) + 1)
        return ids.astype(np.int32).reshape(shape)


@register(MODULE)
class CrossOp(HostOp):
    """Combinations of the values of several columns to ids, hashed as feature crosses are.

    Args:
        num_bins: number of ids.
    """

    pad_value = -1

    def __init__(self, num_bins: int):
        self.num_bins = num_bins

    def get_config(self) -> dict[str, Any]:
        return {"num_bins": self.num_bins}

    def __call__(self, *columns: Any) -> np.ndarray:
        parts, shapes = [], []
        for column in columns:
            if is_string_column(column):
                text, shape = text_column(column)
                parts.append(text.fingerprints)
            else:
                numbers = integer_column(column)
                shape = numbers.shape
                parts.append(numbers.reshape(-1).view(np.uint64))
            shapes.append(shape)
        if len(set(shapes)) > 1 or len(shapes[0]) > 2 or (len(shapes[0]) == 2 and shapes[0][1] != 1):
            raise InputDataError(
                f"HashedCrossing: given columns of shapes {shapes}, expected equal shapes [batch] or [batch, 1]."
            )
        hashes: Any = np.uint64(DEFAULT_CROSS_KEY)
        for part in parts:
            hashes = cross64(hashes, part)
        return buckets(hashes, self.num_bins).astype(np.int32).reshape(shapes[0])


def _checked_bins(layer: HostLayer, num_bins: Any) -> int:
    if isinstance(num_bins, bool) or not isinstance(num_bins, int) or num_bins < 1:
        raise ValueError(f"{type(layer).__name__}: num_bins: given {num_bins!r}, expected a positive integer.")
    return num_bins


@register("keras.layers")
class Hashing(HostLayer):
    """Strings or integers to ids in `[0, num_bins)`, by a hash of their text.

    Args:
        num_bins: number of ids.
        mask_value: what gets the id 0; all else then gets 1 or more.
        salt: an integer, or two, that choose another hash function (SipHash); FarmHash's fingerprint without, as TensorFlow.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`.
        sparse: only False; Keras's configs have it.

    Raises:
        ValueError: if `num_bins` is not positive, the salt not one or two integers, or the mode unknown.

    Example:
        >>> Hashing(3)([["A"], ["B"], ["C"]]).tolist()
        [[1], [0], [1]]

    Reference: keras.layers.Hashing.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        refuse_sparse(self, sparse)
        self.num_bins = _checked_bins(self, num_bins)
        self.mask_value = mask_value
        pair = [salt, salt] if isinstance(salt, int) else None if salt is None else list(salt)
        if pair is not None and (len(pair) != 2 or not all(isinstance(s, int) for s in pair)):
            raise ValueError(f"Hashing: salt: given {salt!r}, expected an integer or two of them.")
        self.salt = pair
        self.output_mode = checked_mode(self, output_mode)
        self.sparse = False

    def call(self, inputs: Any) -> jax.Array:
        """The ids, or what the output mode makes of them."""
        ids = self.on_host(HashOp(self.num_bins, self.mask_value, self.salt), inputs)
        return encode_categories(ids, self.output_mode, self.num_bins, self._output_dtype)

    @property
    def _output_dtype(self) -> str:
        return "int32" if self.output_mode == "int" else "float32"

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """That of the input, or with an axis for the bins."""
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The symbolic output of a call."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self._output_dtype)


@register("keras.layers")
class HashedCrossing(HostLayer):
    """Combinations of the values of two or more columns to ids in `[0, num_bins)`.

    Args:
        num_bins: number of ids.
        output_mode: `"int"` or `"one_hot"`.
        sparse: only False; Keras's configs have it.

    Inputs: a list of columns of strings or integers, all `[batch]` or all `[batch, 1]`.

    Raises:
        ValueError: if `num_bins` is not positive, the mode unknown, or the columns differ in shape.

    Example:
        >>> HashedCrossing(5)([["A", "B"], [101, 101]]).tolist()
        [1, 4]

    Reference: keras.layers.HashedCrossing.
    """

    def __init__(self, num_bins: int, output_mode: str = "int", sparse: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        refuse_sparse(self, sparse)
        self.num_bins = _checked_bins(self, num_bins)
        self.output_mode = checked_mode(self, output_mode, ("int", "one_hot"))
        self.sparse = False

    def call(self, inputs: Any) -> jax.Array:
        """The ids, or one-hot vectors of them."""
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"HashedCrossing: given {type(inputs).__name__}, expected a list of at least two columns.")
        ids = self.on_host(CrossOp(self.num_bins), *inputs)
        return encode_categories(ids, self.output_mode, self.num_bins, self._output_dtype)

    @property
    def _output_dtype(self) -> str:
        return "int32" if self.output_mode == "int" else "float32"

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """That of one column, or with an axis for the bins."""
        return encoded_shape(input_shape[0], self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """The symbolic output of a call."""
        return KerasTensor(self.compute_output_shape([x.shape for x in inputs]), self._output_dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        names = ("num_bins", "output_mode", "sparse", "name")
        return {**{name: getattr(self, name) for name in names}, "dtype": self.dtype}
