"""Embedding: rows of a table by id, and back."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp

from estimax import initializers
from estimax.core import Variable, embedding_lookup, register
from estimax.core.dtypes import get_policy
from estimax.layers.base import Layer
from estimax.layers.identifiers import constraint_of, refuse_quantization, regularizer_of


@register("keras.layers")
class Embedding(Layer):
    """Turns ids into dense vectors: rows of a trained table.

    Args:
        input_dim: number of ids; ids are `0 .. input_dim - 1`. An id outside gives a row of zeros (Keras on JAX: NaN).
        output_dim: size of a vector.
        embeddings_initializer: first values of the table.
        embeddings_regularizer: penalty on the whole table.
        embeddings_constraint: applied to the table after each update.
        mask_zero: whether id 0 is padding, and the output carries a mask that says so.
        weights: first values of the table, instead of those of the initializer. Shape `[input_dim, output_dim]`.
        lora_rank: if given, the table is frozen and a product of two thin matrices of this rank is trained instead.
        lora_alpha: the product is scaled by `lora_alpha / lora_rank`.
        sparse: True trains only the looked-up rows, whatever the table's size; False never; None lets the engine choose.
        quantization_config: only None; Keras's configs have it.

    Inputs: integers `[batch, ...]` (floats that hold ids are cast); output `[batch, ..., output_dim]`.

    Raises:
        ValueError: if a size is not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> Embedding(3, 2, embeddings_initializer="identity")(jnp.array([[1]])).tolist()
        [[[0.0, 1.0]]]

    Reference: keras.layers.Embedding.
    """

    config_if_set = ("lora_rank", "lora_alpha", "sparse")
    config_leaves_out = ("weights",)
    config_has_activity_regularizer = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: None = None,
        *,
        sparse: bool | None = None,
        **kwargs: Any,
    ):
        if kwargs.pop("input_length", None) is not None:
            warnings.warn("Embedding: input_length has no effect, as in Keras 3. Remove it.", stacklevel=2)
        super().__init__(**kwargs)
        for what, size in (("input_dim", input_dim), ("output_dim", output_dim)):
            if not isinstance(size, int) or size <= 0:
                raise ValueError(f"{type(self).__name__}: {what}: given {size!r}, expected a positive integer.")
        refuse_quantization(self, quantization_config)
        self.input_dim, self.output_dim = input_dim, output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizer_of(embeddings_regularizer)
        self.embeddings_constraint = constraint_of(embeddings_constraint)
        if isinstance(weights, (list, tuple)) and len(weights) == 1:
            weights = weights[0]  # Keras takes a list of one array
        if weights is not None and tuple(weights.shape) != (input_dim, output_dim):
            raise ValueError(
                f"{type(self).__name__}: weights: given an array of shape {tuple(weights.shape)}, expected {(input_dim, output_dim)}."
            )
        self._first_rows = weights
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha if lora_alpha is not None else lora_rank
        self.quantization_config = None
        self.sparse = sparse
        self.autocast = False  # ids given as floats would lose digits in 16 bits
        self.lora_embeddings_a: Variable | None = None
        self.lora_embeddings_b: Variable | None = None

    def build(self, input_shape: Any = None) -> None:
        """Creates `embeddings` `[input_dim, output_dim]`."""
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer if self._first_rows is None else self._first_rows,
            name="embeddings",
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        self._first_rows = None
        self.embeddings.row_sparse = self.sparse  # the engine asks when it chooses how to train
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    def enable_lora(
        self,
        rank: int,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
        lora_alpha: float | None = None,
    ) -> None:
        """Freezes the table and trains a correction of low rank to it.

        Raises:
            ValueError: if the layer has one already, is not built, or the rank is not positive.
        """
        if self.lora_embeddings_a is not None or not hasattr(self, "embeddings"):
            state = "has it already" if self.lora_embeddings_a is not None else "is not built; call it once first"
            raise ValueError(f'{type(self).__name__} "{self.name}": enable_lora: the layer {state}.')
        if rank <= 0:
            raise ValueError(f"enable_lora: rank: given {rank}, expected a positive integer.")
        self.lora_embeddings_a = self.add_weight((self.input_dim, rank), a_initializer, name="lora_embeddings_a")
        self.lora_embeddings_b = self.add_weight((rank, self.output_dim), b_initializer, name="lora_embeddings_b")
        self.embeddings.trainable = False
        self.lora_rank, self.lora_alpha = rank, lora_alpha or rank

    def call(self, inputs: Any) -> jax.Array:
        """Looks the rows up."""
        ids = jnp.asarray(inputs)
        if not jnp.issubdtype(ids.dtype, jnp.integer):
            ids = ids.astype(jnp.int32)
        table = self.embeddings.value if self.sparse is False else self.embeddings
        found = embedding_lookup(table, ids).astype(self.compute_dtype)
        if self.lora_embeddings_a is not None:
            thin = embedding_lookup(self.lora_embeddings_a, ids).astype(self.compute_dtype)
            scale = self.lora_alpha / self.lora_rank  # type: ignore[operator]
            found = found + scale * (thin @ self.lora_embeddings_b.value)  # type: ignore[union-attr]
        return found

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """False where the id is 0, if `mask_zero`."""
        return jnp.not_equal(jnp.asarray(inputs), 0) if self.mask_zero else None


@register("keras.layers")
class ReversibleEmbedding(Embedding):
    """An Embedding that also projects vectors back to one number for each id, with the same table or another.

    Args:
        input_dim: number of ids.
        output_dim: size of a vector.
        tie_weights: whether the way back uses the same table.
        embeddings_initializer: first values of the table.
        embeddings_regularizer: penalty on the table.
        embeddings_constraint: applied to the table after each update.
        mask_zero: whether id 0 is padding.
        reverse_dtype: type of the way back, for more precise logits.
        logit_soft_cap: if given, results of the way back are `cap * tanh(logits / cap)`.

    Inputs: ids `[batch, ...]`; with `reverse=True` vectors `[batch, ..., output_dim]`, output `[batch, ..., input_dim]`.

    Example:
        >>> import jax.numpy as jnp
        >>> layer = ReversibleEmbedding(5, 3)
        >>> layer(layer(jnp.array([[1, 2]])), reverse=True).shape
        (1, 2, 5)

    Reference: keras.layers.ReversibleEmbedding.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: Any = None) -> None:
        """Creates `embeddings` `[input_dim, output_dim]` and, if not tied, `reverse_embeddings` `[output_dim, input_dim]`."""
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                (self.output_dim, self.input_dim),
                self.embeddings_initializer,
                name="reverse_embeddings",
                regularizer=self.embeddings_regularizer,
                constraint=self.embeddings_constraint,
            )

    def call(self, inputs: Any, reverse: bool = False) -> jax.Array:
        """Looks rows up, or projects vectors back."""
        if not reverse:
            return super().call(inputs)
        table = self.embeddings.value.T if self.tie_weights else self.reverse_embeddings.value
        dtype = get_policy(self.reverse_dtype).compute_dtype if self.reverse_dtype is not None else self.compute_dtype
        logits = jnp.matmul(inputs.astype(dtype), table.astype(dtype))
        if self.logit_soft_cap is not None:
            logits = self.logit_soft_cap * jnp.tanh(logits / self.logit_soft_cap)
        return logits
