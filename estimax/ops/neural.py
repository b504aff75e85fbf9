"""Activations, one-hot rows, cross entropies and attention."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from estimax import activations
from estimax.core import errors, floatx
from estimax.core.formulas import crossentropy
from estimax.layers.operation import OperationFamily
from estimax.ops.arithmetic import inexact
from estimax.ops.reductions import refuse_sparse

NEURAL = OperationFamily("keras.src.ops.nn")
define = NEURAL.define

# Functions of `estimax.activations` with the same name and arguments.
for _text in (
    "relu6(x)", "sigmoid(x)", "sparse_sigmoid(x)", "softplus(x)", "softsign(x)", "soft_shrink(x; threshold=0.5)", "sparse_plus(x)", "silu(x)",
    "squareplus(x; b=4)", "log_sigmoid(x)", "leaky_relu(x; negative_slope=0.2)", "hard_sigmoid(x)", "hard_silu(x)", "elu(x; alpha=1.0)", "selu(x)",
    "gelu(x; approximate=True)", "celu(x; alpha=1.0)", "glu(x; axis=-1)", "tanh_shrink(x)", "hard_shrink(x; threshold=0.5)",
    "threshold(x; threshold, default_value)", "softmax(x; axis=-1)", "log_softmax(x; axis=-1)",
):  # fmt: skip
    define(_text, getattr(activations, _text.partition("(")[0]))
define("relu(x)", jax.nn.relu)
define("hard_tanh(x)", jax.nn.hard_tanh)
define("sparsemax(x; axis=-1)", lambda x, axis: activations.sparsemax(inexact(x), axis))
NEURAL.alias("swish", "silu")
NEURAL.alias("hard_swish", "hard_silu")


@define("one_hot(x; num_classes, axis=-1, dtype=None, sparse=False)")
def _one_hot(x: jax.Array, *, num_classes: int, axis: int, dtype: Any, sparse: bool) -> jax.Array:
    """A row with a single 1 for each integer; zeros for integers out of range.

    Args:
        x: integers. Shape `[...]`.
        num_classes: the length of a row.
        axis: where the new axis goes.
        dtype: float32 if omitted.
        sparse: only False: there are no sparse tensors.

    Example:
        >>> from estimax import ops
        >>> ops.one_hot([1, 0], 3).tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]

    Reference: keras.ops.one_hot.
    """
    refuse_sparse("one_hot", sparse)
    return jax.nn.one_hot(x, num_classes, axis=axis, dtype=dtype or floatx())


@define("multi_hot(inputs; num_classes=None, axis=-1, dtype=None, sparse=False)")
def _multi_hot(inputs: jax.Array, *, num_classes: int | None, axis: int, dtype: Any, sparse: bool) -> jax.Array:
    """A row with a 1 for each of the integers in a row.

    Args:
        inputs: integers. Shape `[n]` or `[batch, n, ...]`.
        num_classes: the length of a row of the result.
        axis: where its axis goes.
        dtype: float32 if omitted.
        sparse: only False: there are no sparse tensors.

    Raises:
        ValueError: if `num_classes` is missing.

    Example:
        >>> from estimax import ops
        >>> ops.multi_hot([0, 2], 3).tolist()
        [1.0, 0.0, 1.0]

    Reference: keras.ops.multi_hot.
    """
    refuse_sparse("multi_hot", sparse)
    if num_classes is None:
        raise ValueError("ops.multi_hot: num_classes is missing. Pass the length of a row of the result.")
    rows = jax.nn.one_hot(inputs.astype(jnp.int32), num_classes, axis=axis, dtype=dtype or floatx())
    return jnp.max(rows, axis=1 if inputs.ndim > 1 else 0)


@define("binary_crossentropy(target, output; from_logits=False)")
def _binary_crossentropy(target: jax.Array, output: jax.Array, *, from_logits: bool) -> jax.Array:
    """Minus the log probability of labels 0 and 1, of every element: `ex.losses.binary_crossentropy` gives means.

    Args:
        target: 0 or 1, or probabilities in between.
        output: probabilities of 1, or logits. Shape of `target`.
        from_logits: whether `output` are logits.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> from estimax import ops
        >>> ops.binary_crossentropy([1.0], [0.5]).round(2).tolist()
        [0.6899999976158142]

    Reference: keras.ops.binary_crossentropy.
    """
    if target.shape != output.shape:
        raise errors.ShapeError(
            f"ops.binary_crossentropy: given target {target.shape} and output {output.shape}, expected the same."
        )
    return crossentropy.binary_terms(target, output, from_logits)


define("categorical_crossentropy(target, output; from_logits=False, axis=-1)", crossentropy.categorical_crossentropy)


@define("sparse_categorical_crossentropy(target, output; from_logits=False, axis=-1)")
def _sparse_categorical_crossentropy(target: jax.Array, output: jax.Array, *, from_logits: bool, axis: int) -> jax.Array:
    """Minus the log probability of class numbers.

    Args:
        target: class numbers; a number out of range gives 0. Shape `[...]` or `[..., 1]`.
        output: probabilities, or logits. Shape `[..., classes]`.
        from_logits: whether `output` are logits.
        axis: of the classes.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> from estimax import ops
        >>> ops.sparse_categorical_crossentropy([0], [[0.5, 0.5]]).round(2).tolist()
        [0.6899999976158142]

    Reference: keras.ops.sparse_categorical_crossentropy.
    """
    target = target.astype(jnp.int32)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = target[..., 0]
    if target.shape != output.shape[:-1]:
        raise errors.ShapeError(
            f"ops.sparse_categorical_crossentropy: given target {target.shape} and output {output.shape}, expected class numbers of "
            f"shape {output.shape[:-1]}."
        )
    rows = jax.nn.one_hot(target, output.shape[axis], axis=axis, dtype=output.dtype)
    return crossentropy.categorical_crossentropy(rows, output, from_logits, axis=axis)


@define("psnr(x1, x2; max_val)", name="PSNR")
def _psnr(x1: jax.Array, x2: jax.Array, *, max_val: float) -> jax.Array:
    """The peak signal-to-noise ratio of two arrays, in decibels.

    Args:
        x1, x2: of one shape.
        max_val: the largest possible value.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> from estimax import ops
        >>> ops.psnr([1.0], [0.0], max_val=10.0).item()
        20.0

    Reference: keras.ops.psnr.
    """
    if x1.shape != x2.shape:
        raise errors.ShapeError(f"ops.psnr: given shapes {x1.shape} and {x2.shape}, expected the same.")
    return 20 * jnp.log10(jnp.asarray(max_val, x2.dtype)) - 10 * jnp.log10(jnp.mean(jnp.square(x1 - x2)))


@define("polar(abs_, angle)")
def _polar(abs_: jax.Array, angle: jax.Array) -> jax.Array:
    """Complex numbers from their absolute value and angle.

    Example:
        >>> from estimax import ops
        >>> ops.polar([2.0], [0.0]).tolist()
        [(2+0j)]

    Reference: keras.ops.polar.
    """
    return jax.lax.complex(abs_ * jnp.cos(angle), abs_ * jnp.sin(angle))


_ATTENTION = "dot_product_attention(query, key, value, bias=None, mask=None, scale=None; is_causal=False, flash_attention=None, attn_logits_soft_cap=None)"


@define(_ATTENTION)
def _dot_product_attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: jax.Array | None,
    mask: jax.Array | None,
    scale: Any,
    *,
    is_causal: bool,
    flash_attention: bool | None,
    attn_logits_soft_cap: float | None,
) -> jax.Array:
    """Means of values, weighted by how well their keys fit a query: `jax.nn.dot_product_attention`.

    Args:
        query: `[batch, queries, heads, depth]`.
        key, value: `[batch, keys, heads, depth]`; `heads` may be a part of those of the query.
        bias: added to the scores. Shape `[batch, heads, queries, keys]`, or 1 for the first two, or without the heads.
        mask: False for keys to leave out; shaped as the bias.
        scale: factor of the scores; `1 / sqrt(depth)` if omitted.
        is_causal: whether a query sees only keys up to its own place.
        flash_attention: True for cuDNN's kernel, which must be there.
        attn_logits_soft_cap: only None.

    Returns:
        Shape of the query.

    Raises:
        ValueError: if a rank is not 4, or `attn_logits_soft_cap` is given.

    Example:
        >>> from estimax import ops
        >>> x = ops.ones((1, 2, 1, 4))
        >>> ops.dot_product_attention(x, x, 3 * x)[0, 0, 0].tolist()
        [3.0, 3.0, 3.0, 3.0]

    Reference: keras.ops.dot_product_attention.
    """
    if not query.ndim == key.ndim == value.ndim == 4:
        raise errors.ShapeError(
            f"ops.dot_product_attention: given query {query.shape}, key {key.shape}, value {value.shape}, expected "
            "[batch, time, heads, depth]. Add an axis for the heads."
        )
    if attn_logits_soft_cap is not None:
        raise ValueError("ops.dot_product_attention: attn_logits_soft_cap: only kernels for TPU have it. Pass None.")
    dtype = jnp.result_type(query, key, value)

    def with_heads(x: Any) -> Any:
        while x is not None and x.ndim < 4:
            x = jnp.expand_dims(x, 2 if x.ndim == 3 and x.shape[1] == query.shape[2] else 1)
        return x

    return jax.nn.dot_product_attention(
        query.astype(dtype),
        key.astype(dtype),
        value.astype(dtype),
        with_heads(None if bias is None else bias.astype(dtype)),
        with_heads(None if mask is None else mask.astype(jnp.bool_)),
        scale=scale,
        is_causal=is_causal,
        implementation="cudnn" if flash_attention else "xla",
    )
