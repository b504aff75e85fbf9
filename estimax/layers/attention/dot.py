"""Attention with one head: scores of queries and keys, softmax, weighted mean of values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import SeedGenerator, register
from estimax.layers.base import Layer
from estimax.layers.input_spec import layer_title
from estimax.layers.symbolic import KerasTensor


class _OneHead(Layer):
    """What the two layers share: inputs, masks, softmax; a subclass gives `scores`."""

    def __init__(self, use_scale: bool, dropout: float, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= dropout <= 1:
            raise ValueError(f"{type(self).__name__}: dropout: given {dropout!r}, expected a share between 0 and 1.")
        self.use_scale = use_scale
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.scale: Any = None

    def scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        """How much each query looks at each key. Shape `[batch, queries, keys]`."""
        raise TypeError(f"{type(self).__name__} does not implement scores(query, key).")

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """The mean of the values, weighted for each query; with the weights if asked for."""
        self._check(inputs, mask)
        query, value, *rest = inputs
        key = rest[0] if rest else value
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        scores = self.scores(query, key)
        seen = None if value_mask is None else jnp.asarray(value_mask).astype(bool)[..., None, :]
        if use_causal_mask:
            causal = jnp.tril(jnp.ones((1, *scores.shape[-2:]), bool))
            seen = causal if seen is None else seen & causal
        if seen is not None:
            scores = jnp.where(seen, scores, scores - (65504.0 if scores.dtype == jnp.float16 else 1e9))
        weights = jax.nn.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            keep = jax.random.bernoulli(self.seed_generator.next(), 1 - self.dropout, weights.shape)
            weights = jnp.where(keep, weights / max(1 - self.dropout, 1e-7), 0).astype(weights.dtype)
        output = jnp.matmul(weights, value)
        if query_mask is not None:
            output = jnp.where(jnp.asarray(query_mask).astype(bool)[..., None], output, 0)
        return (output, weights) if return_attention_scores else output

    def _check(self, inputs: Any, mask: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            raise ValueError(
                f"{layer_title(self)}: given {type(inputs).__name__}, expected a list [query, value] or [query, value, key]."
            )
        if mask is not None and (not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3)):
            raise ValueError(f"{layer_title(self)}: mask: given {type(mask).__name__}, expected a list [query_mask, value_mask].")

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask."""
        self._check(inputs, mask)
        return None if mask is None else mask[0]

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The query's shape, with the value's size on the last axis."""
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False, **_: Any) -> Any:
        """The symbolic outputs of a call."""
        self._check(inputs, mask)
        query, value, key = inputs[0], inputs[1], inputs[-1]
        output = KerasTensor((*query.shape[:-1], value.shape[-1]), self.compute_dtype)
        if not return_attention_scores:
            return output
        return output, KerasTensor((*query.shape[:-1], key.shape[-2]), self.compute_dtype)


@register("keras.layers")
class Attention(_OneHead):
    """Dot-product attention (Luong): `softmax(query @ key^T) @ value`.

    Args:
        use_scale: whether the scores are multiplied by a trained number.
        score_mode: `"dot"`, or `"concat"`: `sum(tanh(query + key))`, times a trained number.
        dropout: share of the weights that are dropped while training.
        seed: of the dropout.

    Inputs `[query, value]` or `[query, value, key]`, of shapes `[batch, queries, size]`, `[batch, keys, size]`. `mask`:
    `[query_mask, value_mask]`, bool `[batch, queries]` and `[batch, keys]`; keys that are False are not looked at, queries that are
    False give zeros. Output `[batch, queries, size]`.

    Raises:
        ValueError: if `score_mode` is unknown, or the inputs are no such list.

    Example:
        >>> import jax.numpy as jnp
        >>> Attention()([jnp.ones((1, 2, 3)), jnp.ones((1, 4, 3))]).shape
        (1, 2, 3)

    Reference: keras.layers.Attention; Luong et al., arXiv:1508.04025.
    """

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(use_scale, dropout, seed, **kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"Attention: score_mode: given {score_mode!r}, expected 'dot' or 'concat'.")
        self.score_mode = score_mode

    def build(self, input_shape: Any) -> None:
        """Creates the trained numbers."""
        self._check(input_shape, None)
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        """How much each query looks at each key. Shape `[batch, queries, keys]`."""
        scale = 1.0 if self.scale is None else self.scale.value
        if self.score_mode == "dot":
            scores = jnp.matmul(query, jnp.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * scale
        pairs = query[..., :, None, :] + key[..., None, :, :]
        return self.concat_score_weight.value * jnp.sum(jnp.tanh(scale * pairs), axis=-1)


@register("keras.layers")
class AdditiveAttention(_OneHead):
    """Additive attention (Bahdanau): `softmax(sum(scale * tanh(query + key))) @ value`.

    Args:
        use_scale: whether `scale`, a trained vector, weighs the features; all 1 otherwise.
        dropout: share of the weights that are dropped while training.
        seed: of the dropout.

    Inputs, masks and output as in `Attention`.

    Example:
        >>> import jax.numpy as jnp
        >>> AdditiveAttention()([jnp.ones((1, 2, 3)), jnp.ones((1, 4, 3))]).shape
        (1, 2, 3)

    Reference: keras.layers.AdditiveAttention; Bahdanau et al., arXiv:1409.0473.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Any):
        super().__init__(use_scale, dropout, seed, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Creates `scale` `[size]`."""
        self._check(input_shape, None)
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        """How much each query looks at each key. Shape `[batch, queries, keys]`."""
        pairs = jnp.tanh(query[..., :, None, :] + key[..., None, :, :])
        return jnp.sum(pairs if self.scale is None else self.scale.value * pairs, axis=-1)
