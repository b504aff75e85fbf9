"""Grouped-query attention: several query heads share one head of keys and values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.attention.heads import HeadAttention, positive


@register("keras.layers", "GroupQueryAttention")  # Keras writes the name under which it exports the class
class GroupedQueryAttention(HeadAttention):
    """Attention in which groups of query heads share a head of keys and values; also known as `GroupQueryAttention`.

    Args:
        head_dim: width of every head.
        num_query_heads: number of query heads.
        num_key_value_heads: number of heads of keys and values; it divides the number of query heads.
        dropout: share of the attention scores that are dropped while training.
        use_bias: whether the projections have biases.
        sliding_window, flash_attention: as in `MultiHeadAttention`.
        kernel_initializer, bias_initializer: first values of the projections.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on the projections and their outputs.
        kernel_constraint, bias_constraint: applied to the projections after each update.
        use_gate: whether the heads' outputs are multiplied by a gate, `sigmoid` of a projection of the query.
        seed: of the dropout.

    Inputs, masks and outputs as in `MultiHeadAttention`.

    Raises:
        ValueError: if a number is not positive, or the query heads can't be shared out evenly.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.ones((1, 4, 6))
        >>> GroupedQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)(x, x).shape
        (1, 4, 6)

    Reference: keras.layers.GroupQueryAttention; Ainslie et al., arXiv:2305.13245.
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            use_gate=use_gate,
            seed=seed,
            **kwargs,
        )
        self.head_dim = positive(self, "head_dim", head_dim)
        self.num_query_heads = positive(self, "num_query_heads", num_query_heads)
        self.num_key_value_heads = positive(self, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"GroupedQueryAttention: num_query_heads: given {num_query_heads}, expected a multiple of "
                f"num_key_value_heads={num_key_value_heads}."
            )

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:  # type: ignore[override]
        """Creates the projections."""
        key_shape = value_shape if key_shape is None else key_shape
        self.check_shapes(value_shape, key_shape)
        shapes = {"query": tuple(query_shape), "key": tuple(key_shape), "value": tuple(value_shape)}
        queries, keys = (self.num_query_heads, self.head_dim), (self.num_key_value_heads, self.head_dim)
        self.build_heads(shapes, {"query": queries, "gate": queries, "key": keys, "value": keys}, (query_shape[-1],))

    def repeated(self, x: jax.Array) -> jax.Array:
        """Keys or values for each query head."""
        return jnp.repeat(x, self.num_query_heads // self.num_key_value_heads, axis=2)

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> tuple:
        """The query's shape."""
        self.check_shapes(value_shape, value_shape if key_shape is None else key_shape)
        return tuple(query_shape)

    def compute_output_spec(
        self, query: Any, value: Any, key: Any = None, *args: Any, return_attention_scores: bool = False, **_: Any
    ) -> Any:
        """The symbolic outputs of a call."""
        shape = self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape)
        return self.spec(query, shape, self.num_query_heads, value.shape[1], return_attention_scores)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        names = ("head_dim", "num_query_heads", "num_key_value_heads")
        return {**super().get_config(), **{n: getattr(self, n) for n in names}}


GroupQueryAttention = GroupedQueryAttention
