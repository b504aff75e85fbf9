"""What attention layers with several heads share: projections, masks, and the attention itself."""

from __future__ import annotations

import math
import string
from typing import Any

import jax
import jax.numpy as jnp

from estimax import initializers
from estimax.core import SeedGenerator, current_frame, serialize
from estimax.core.errors import ShapeError
from estimax.layers.base import Layer
from estimax.layers.einsum_dense import EinsumDense
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import layer_title
from estimax.layers.symbolic import KerasTensor


def positive(layer: Layer, name: str, value: Any, *, or_none: bool = False) -> Any:
    """A checked positive integer."""
    if value is None and or_none:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(
            f"{type(layer).__name__}: {name}: given {value!r}, expected a positive integer{' or None' if or_none else ''}."
        )
    return value


class HeadAttention(Layer):
    """Attention over several heads; a subclass says how many of queries and of keys, and how wide."""

    query_dense: EinsumDense
    key_dense: EinsumDense
    gate_dense: EinsumDense
    value_dense: EinsumDense

    def __init__(
        self,
        *,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        use_gate: bool,
        seed: int | None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not 0 <= dropout <= 1:
            raise ValueError(f"{type(self).__name__}: dropout: given {dropout!r}, expected a share between 0 and 1.")
        if flash_attention and dropout > 0:
            raise ValueError(
                f"{type(self).__name__}: given flash_attention=True and dropout={dropout}, expected no dropout with it. Leave out one of them."
            )
        self.dropout = dropout
        self.use_bias = use_bias
        self.sliding_window = positive(self, "sliding_window", sliding_window, or_none=True)
        self.flash_attention = bool(flash_attention)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.head_activity_regularizer = regularizer_of(activity_regularizer)  # of each projection, as in Keras
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.use_gate = use_gate
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True

    def build_heads(self, shapes: dict[str, tuple], heads: dict[str, tuple[int, int]], output_shape: tuple[int, ...]) -> None:
        """Creates and builds the projections of query, key, (gate,) value and output.

        Args:
            shapes: of query, key and value.
            heads: number and width of the heads of query, key, gate and value.
            output_shape: sizes of the output's last axes.
        """
        for name in ("query", "key", "gate", "value") if self.use_gate else ("query", "key", "value"):
            shape = shapes["query" if name == "gate" else name]
            free = string.ascii_lowercase[: len(shape) - 1]
            dense = self._dense(f"{free}x,xyz->{free}yz", heads[name], len(shape) - 2, name, "yz", name == "gate")
            dense.build(shape)
            setattr(self, f"{name}_dense", dense)
        free = string.ascii_lowercase[: len(shapes["query"]) - 1]
        last = "uvwst"[: len(output_shape)]
        self.output_dense = self._dense(
            f"{free}yz,yz{last}->{free}{last}", output_shape, len(free) - 1, "attention_output", last, False
        )
        self.output_dense.build((*shapes["query"][:-1], heads["query"][0], heads["value"][1]))

    def _dense(self, equation: str, sizes: Any, free: int, name: str, bias_axes: str, is_gate: bool) -> EinsumDense:
        return EinsumDense(
            equation,
            output_shape=(*(None,) * free, *sizes),
            activation="sigmoid" if is_gate else None,
            bias_axes=bias_axes if self.use_bias else None,
            kernel_initializer=self.kernel_initializer,
            bias_initializer=self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.head_activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            name=name,
            dtype=self.dtype_policy,
        )

    def check_shapes(self, value_shape: Any, key_shape: Any) -> None:
        """Raises if there is not one value for each key."""
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ShapeError(
                f"{layer_title(self)}: given value of shape {tuple(value_shape)} and key of shape {tuple(key_shape)}, expected equal "
                "sizes on all axes but the last: one value for each key."
            )

    def call(
        self,
        query: jax.Array,
        value: jax.Array,
        key: jax.Array | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """The output for each query; with the attention scores if asked for."""
        if self.flash_attention and return_attention_scores:
            raise ValueError(f"{layer_title(self)}: flash_attention computes no scores; leave out return_attention_scores.")
        key = value if key is None else key
        query_mask = self.counted_query_mask(query, query_mask)
        mask = self._merged_mask(query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
        gate = self.gate_dense(query) if self.use_gate else None
        query, key, value = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        scale = 1 / math.sqrt(query.shape[-1])
        if self.dropout > 0 or return_attention_scores or query.ndim != 4:
            output, scores = self._attend(query * jnp.asarray(scale, query.dtype), key, value, mask, bool(training))
        else:
            # A row without any key to look at gives the mean of all values here, and zeros in the way above; as in Keras.
            fused = None if mask is None else mask.reshape(mask.shape[0], *(1,) * (4 - mask.ndim), *mask.shape[1:])
            implementation: Any = "cudnn" if self.flash_attention else None
            output = jax.nn.dot_product_attention(query, key, value, mask=fused, scale=scale, implementation=implementation)
            scores = None
        output = self.output_dense(output if gate is None else output * gate)
        return (output, scores) if return_attention_scores else output

    def _merged_mask(
        self, query: Any, value: Any, query_mask: Any, value_mask: Any, key_mask: Any, attention_mask: Any, use_causal_mask: bool
    ) -> jax.Array | None:
        """Which keys each query sees. Shape `[batch, queries, keys]`, 1 where it is the same for all; None if all are seen."""
        masks = []
        for given, axis in ((query_mask, -1), (value_mask, -2), (key_mask, -2)):
            if given is not None:
                masks.append(jnp.expand_dims(jnp.asarray(given).astype(bool), axis))
        queries, keys = query.shape[1], value.shape[1]
        if use_causal_mask:
            masks.append(jnp.tril(jnp.ones((1, queries, keys), bool)))
        if self.sliding_window is not None:
            distance = jnp.arange(queries)[:, None] - jnp.arange(keys)[None, :]
            masks.append((jnp.abs(distance) < self.sliding_window)[None])
        if attention_mask is not None:
            masks.append(jnp.asarray(attention_mask).astype(bool))
        merged = None
        for mask in masks:
            merged = mask if merged is None else merged & mask
        return merged

    def _attend(
        self, query: jax.Array, key: jax.Array, value: jax.Array, mask: Any, training: bool
    ) -> tuple[jax.Array, jax.Array]:
        """Attention with the scores in sight. Scores of shape `[batch, other axes, heads, queries, keys]`."""
        key, value = self.repeated(key), self.repeated(value)
        to_scores, to_output, axes = attention_equations(query.ndim, self.axes_of(query.ndim))
        scores = jnp.einsum(to_scores, key, query)
        norm_axes = tuple(range(-axes, 0))
        if mask is not None:
            while mask.ndim < scores.ndim:
                mask = jnp.expand_dims(mask, -2 * axes - 1)
            scores = jnp.where(mask, scores, -3e4 if scores.dtype == jnp.float16 else -1e9)
        scores = jax.nn.softmax(scores, axis=norm_axes)
        if mask is not None:
            scores = jnp.where(mask, scores, jnp.zeros((), scores.dtype))
            current_frame().set_mask(scores, mask)  # type: ignore[union-attr]
        weights = scores
        if training and self.dropout > 0:
            keep = jax.random.bernoulli(self.seed_generator.next(), 1 - self.dropout, scores.shape)
            weights = jnp.where(keep, scores / max(1 - self.dropout, 1e-7), 0).astype(scores.dtype)
        return jnp.einsum(to_output, weights, value), scores

    def counted_query_mask(self, query: jax.Array, query_mask: Any) -> Any:
        """The mask of the query that hides keys from its rows."""
        return query_mask

    def repeated(self, x: jax.Array) -> jax.Array:
        """Keys or values for each query head."""
        return x

    def axes_of(self, rank: int) -> tuple[int, ...]:
        """The axes that are attended over, of projected inputs with `rank` axes."""
        return tuple(range(1, rank - 2))

    def compute_mask(self, query: Any, mask: Any = None) -> Any:
        """The query's mask."""
        return mask

    def spec(self, query: KerasTensor, output_shape: tuple, heads: int, keys: int | None, with_scores: bool) -> Any:
        """Symbolic outputs."""
        output = KerasTensor(output_shape, self.compute_dtype)
        if not with_scores:
            return output
        return output, KerasTensor((query.shape[0], heads, query.shape[1], keys), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again."""
        names = ("dropout", "use_bias", "use_gate", "sliding_window", "seed")
        objects = (
            "kernel_initializer",
            "bias_initializer",
            "kernel_regularizer",
            "bias_regularizer",
            "kernel_constraint",
            "bias_constraint",
        )
        config = {
            **super().get_config(),
            **{n: getattr(self, n) for n in names},
            **{n: serialize(getattr(self, n)) for n in objects},
        }
        return {**config, "activity_regularizer": serialize(self.head_activity_regularizer)}


def attention_equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str, int]:
    """The einsum equations of projected inputs `[batch, axes..., heads, width]`: key and query to scores, scores and value to output.

    >>> attention_equations(4, (1,))
    ('aecd,abcd->acbe', 'acbe,aecd->abcd', 1)
    """
    target = string.ascii_lowercase[:rank]
    letters = iter(string.ascii_lowercase[rank:])
    source = "".join(next(letters) if n in axes else letter for n, letter in enumerate(target))
    kept = "".join(letter for n, letter in enumerate(target[:-1]) if n not in axes)
    scores = kept + "".join(target[n] for n in axes) + "".join(source[n] for n in axes)
    return f"{source},{target}->{scores}", f"{scores},{source}->{target}", len(axes)
