"""CategoryEncoding: category ids to one-hot, multi-hot or count vectors."""

from __future__ import annotations

from typing import Any

import jax

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.preprocessing.encoding import checked_mode, device_array, encode_categories, encoded_shape, refuse_sparse
from estimax.layers.symbolic import KerasTensor


@register("keras.layers")
class CategoryEncoding(Layer):
    """Category ids as vectors of `num_tokens` numbers.

    Args:
        num_tokens: number of categories; ids outside `[0, num_tokens)` count nowhere.
        output_mode: `"multi_hot"`, `"one_hot"` or `"count"`.
        sparse: only False; Keras's configs have it.

    Inputs `[batch, ids]`; `count_weights` of the same shape weigh the counts. Output `[batch, num_tokens]`.

    Raises:
        ValueError: if `num_tokens` is missing or not positive, or the mode is unknown.

    Example:
        >>> CategoryEncoding(3, output_mode="count")([[0, 1, 1]]).tolist()
        [[1.0, 2.0, 0.0]]

    Reference: keras.layers.CategoryEncoding.
    """

    def __init__(self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(num_tokens, bool) or not isinstance(num_tokens, int) or num_tokens < 1:
            raise ValueError(f"CategoryEncoding: num_tokens: given {num_tokens!r}, expected a positive integer.")
        refuse_sparse(self, sparse)
        self.num_tokens = num_tokens
        self.output_mode = checked_mode(self, output_mode, ("multi_hot", "one_hot", "count"))
        self.sparse = False

    def call(self, inputs: Any, count_weights: Any = None) -> jax.Array:
        """The vectors."""
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"CategoryEncoding: count_weights are given, but output_mode is {self.output_mode!r}, expected 'count'."
            )
        ids = device_array(inputs).astype("int32")
        weights = None if count_weights is None else device_array(count_weights, self.compute_dtype)
        return encode_categories(ids, self.output_mode, self.num_tokens, self.compute_dtype, weights)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """That of the input, with the categories on the last axis."""
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def compute_output_spec(self, inputs: KerasTensor, count_weights: Any = None) -> KerasTensor:
        """The symbolic output of a call."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
