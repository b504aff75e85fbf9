"""MultiHeadAttention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from estimax.core import current_frame, register
from estimax.layers.attention.heads import HeadAttention, positive


@register("keras.layers")
class MultiHeadAttention(HeadAttention):
    """Scaled dot-product attention over several heads, each with its own projections.

    Args:
        num_heads: number of heads.
        key_dim: width of a head's queries and keys.
        value_dim: width of a head's values; `key_dim` if omitted.
        dropout: share of the attention scores that are dropped while training.
        use_bias: whether the projections have biases.
        output_shape: sizes of the output's last axes; the query's last size if omitted.
        attention_axes: the axes that are attended over; all but batch and features if omitted.
        sliding_window: how far a query may look, in both directions; a key `sliding_window` or more steps away is not seen.
        flash_attention: whether to use cuDNN's fused kernel, which needs a GPU and 16-bit numbers.
        kernel_initializer, bias_initializer: first values of the projections.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on the projections and their outputs.
        kernel_constraint, bias_constraint: applied to the projections after each update.
        use_gate: whether the heads' outputs are multiplied by a gate, `sigmoid` of a projection of the query.
        seed: of the dropout.

    Call with `query` `[batch, queries, size]`, `value` `[batch, keys, size]` and, if it differs from the value, `key`. Masks are bool:
    `query_mask` `[batch, queries]`, which is passed on to the output; `value_mask` and `key_mask` `[batch, keys]`; `attention_mask`
    `[batch, queries, keys]`;
    `use_causal_mask` hides later keys. Output `[batch, queries, size]`, and the scores `[batch, heads, queries, keys]` with
    `return_attention_scores`.

    Raises:
        ValueError: if a number is not positive, or values and keys differ in number.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.ones((1, 4, 6))
        >>> output, scores = MultiHeadAttention(num_heads=2, key_dim=3)(x, x, use_causal_mask=True, return_attention_scores=True)
        >>> output.shape, scores.shape
        ((1, 4, 6), (1, 2, 4, 4))

    Reference: keras.layers.MultiHeadAttention; Vaswani et al., arXiv:1706.03762.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
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
        self.num_heads = positive(self, "num_heads", num_heads)
        self.key_dim = positive(self, "key_dim", key_dim)
        self.value_dim = positive(self, "value_dim", key_dim if value_dim is None else value_dim)
        self._output_shape = (
            (output_shape,) if isinstance(output_shape, int) else None if output_shape is None else tuple(output_shape)
        )
        self.attention_axes = self._checked_axes(attention_axes)

    def _checked_axes(self, axes: Any) -> tuple[int, ...] | None:
        if axes is None:
            return None
        if isinstance(axes, int):
            return (axes,)
        if not isinstance(axes, (list, tuple)) or not all(isinstance(a, int) for a in axes):
            raise ValueError(f"MultiHeadAttention: attention_axes: given {axes!r}, expected an integer or a list of them.")
        return tuple(axes)

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:  # type: ignore[override]
        """Creates the projections."""
        key_shape = value_shape if key_shape is None else key_shape
        self.check_shapes(value_shape, key_shape)
        rank = len(value_shape) + 1
        axes = range(1, rank - 2) if self.attention_axes is None else self.attention_axes
        self.attention_axes = tuple(a if a >= 0 else rank - 1 + a for a in axes)
        heads = {n: (self.num_heads, self.key_dim) for n in ("query", "key")}
        heads["value"] = heads["gate"] = (self.num_heads, self.value_dim)
        shapes = {"query": tuple(query_shape), "key": tuple(key_shape), "value": tuple(value_shape)}
        self.build_heads(shapes, heads, self._output_shape or (query_shape[-1],))

    def counted_query_mask(self, query: jax.Array, query_mask: Any) -> Any:
        """That which the query carries, as in Keras; outputs of padding queries have no meaning either way."""
        return current_frame().mask_of(query)  # type: ignore[union-attr]

    def axes_of(self, rank: int) -> tuple[int, ...]:
        """The axes that are attended over, of projected inputs."""
        assert self.attention_axes is not None
        return self.attention_axes

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> tuple:
        """The query's shape, but for `output_shape`."""
        self.check_shapes(value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *self._output_shape) if self._output_shape else tuple(query_shape)

    def compute_output_spec(
        self, query: Any, value: Any, key: Any = None, *args: Any, return_attention_scores: bool = False, **_: Any
    ) -> Any:
        """The symbolic outputs of a call. As in Keras, the scores are described as if there were as many keys as queries."""
        shape = self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape)
        return self.spec(query, shape, self.num_heads, query.shape[1], return_attention_scores)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        names = ("num_heads", "key_dim", "value_dim", "attention_axes")
        return {**super().get_config(), **{n: getattr(self, n) for n in names}, "output_shape": self._output_shape}
