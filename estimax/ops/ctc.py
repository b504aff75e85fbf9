"""Connectionist temporal classification: its loss, and labels from its scores."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import errors
from estimax.layers.operation import OperationFamily

CTC = OperationFamily("keras.src.ops.nn")
define = CTC.define


@define("ctc_loss(target, output, target_length, output_length; mask_index=0)", name="CTCLoss")
def _ctc_loss(
    target: jax.Array, output: jax.Array, target_length: jax.Array, output_length: jax.Array, *, mask_index: int
) -> jax.Array:
    """Minus the log probability of labels over all alignments with the steps.

    Args:
        target: labels. Shape `[batch, labels]`.
        output: logits. Shape `[batch, steps, classes]`.
        target_length: labels of each row. Shape `[batch]`.
        output_length: steps of each row. Shape `[batch]`.
        mask_index: the class of the blank.

    Returns:
        `[batch]`.

    Example:
        >>> from estimax import ops
        >>> ops.ctc_loss([[1]], ops.zeros((1, 1, 2)), [1], [1]).round(2).tolist()
        [0.6899999976158142]

    Reference: keras.ops.ctc_loss; Graves et al., "Connectionist temporal classification", 2006; computed by `optax.ctc_loss`.
    """
    import optax

    if target.ndim != 2 or output.ndim != 3:
        raise errors.ShapeError(
            f"ops.ctc_loss: given target {target.shape} and output {output.shape}, expected [batch, labels] and [batch, steps, classes]."
        )
    output = output.astype(jnp.promote_types(output.dtype, jnp.float32))

    def paddings(lengths: jax.Array, size: int) -> jax.Array:
        return (jnp.arange(size) >= lengths[:, None]).astype(output.dtype)

    return optax.ctc_loss(
        output,
        paddings(output_length, output.shape[1]),
        target.astype(jnp.int32),
        paddings(target_length, target.shape[1]),
        blank_id=mask_index,
    )


_DECODE = (
    "ctc_decode(inputs, sequence_lengths; strategy='greedy', beam_width=100, top_paths=1, merge_repeated=True, mask_index=0)"
)


@define(_DECODE, name="CTCDecode")
def _ctc_decode(
    inputs: jax.Array,
    sequence_lengths: jax.Array,
    *,
    strategy: str,
    beam_width: int,
    top_paths: int,
    merge_repeated: bool,
    mask_index: int | None,
) -> tuple[jax.Array, jax.Array]:
    """Labels from scores of steps.

    Args:
        inputs: logits. Shape `[batch, steps, classes]`.
        sequence_lengths: steps of each row. Shape `[batch]`.
        strategy: `"greedy"` takes the best class of each step, `"beam_search"` the best labels over all their alignments.
        beam_width: labels kept at each step of the beam search.
        top_paths: how many labels the beam search gives.
        merge_repeated: whether equal classes of neighbouring steps are one label; for `"greedy"`.
        mask_index: the class of the blank; the last one if None.

    Returns:
        Labels `[paths, batch, steps]`, padded with -1; and `[batch, paths]`: for `"greedy"` minus the sum of the best scores, for
        `"beam_search"` log probabilities.

    Raises:
        ValueError: for another strategy.

    Example:
        >>> from estimax import ops
        >>> scores = ops.one_hot([[1, 1, 0, 2]], 3)
        >>> ops.ctc_decode(scores, [4])[0].tolist()
        [[[1, 2, -1, -1]]]

    Reference: keras.ops.ctc_decode; Hannun et al., "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs", 2014, algorithm 1.
    """
    inputs = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
    blank = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(inputs, sequence_lengths, blank, merge_repeated)
    if strategy == "beam_search":
        search = functools.partial(_beam_search, blank=blank, width=beam_width, top_paths=top_paths)
        paths, scores = jax.vmap(search)(jax.nn.log_softmax(inputs), sequence_lengths)
        return jnp.swapaxes(paths, 0, 1), scores
    raise ValueError(f"ops.ctc_decode: strategy: given {strategy!r}, expected 'greedy' or 'beam_search'.")


def _greedy(inputs: jax.Array, lengths: jax.Array, blank: int, merge_repeated: bool) -> tuple[jax.Array, jax.Array]:
    is_over = jnp.arange(inputs.shape[1]) >= lengths[:, None]
    best = jnp.where(is_over, blank, jnp.argmax(inputs, -1)).astype(jnp.int32)
    score = -jnp.sum(jnp.where(is_over, 0, jnp.max(inputs, -1)), 1, keepdims=True)
    skip = best == blank
    if merge_repeated:
        skip |= jnp.pad(best[:, 1:] == best[:, :-1], ((0, 0), (1, 0)))
    labels = jnp.where(skip, -1, best)
    order = jnp.argsort(skip, axis=-1, stable=True)
    return jnp.take_along_axis(labels, order, -1)[None], score


def _beam_search(log_p: jax.Array, length: jax.Array, *, blank: int, width: int, top_paths: int) -> tuple[jax.Array, jax.Array]:
    """Labels of one row; `log_p` `[steps, classes]`.

    A beam holds different labels, each with the log probability of the alignments that end in the blank and that of the others.
    """
    steps, classes = log_p.shape
    nothing = -jnp.inf
    paths = jnp.full((width, steps), -1, jnp.int32)
    sizes = jnp.zeros(width, jnp.int32)
    ends_blank = jnp.full(width, nothing, log_p.dtype).at[0].set(0.0)
    ends_label = jnp.full(width, nothing, log_p.dtype)
    place = jnp.arange(steps)

    def step(beam: Any, now: Any) -> tuple[Any, None]:
        paths, sizes, ends_blank, ends_label = beam
        p, is_over = now
        total = jnp.logaddexp(ends_blank, ends_label)
        last = jnp.where(sizes > 0, paths[jnp.arange(width), jnp.maximum(sizes - 1, 0)], -1)
        # Labels that stay: by a blank, or by their last label once more.
        stay_blank = total + p[blank]
        stay_label = jnp.where(sizes > 0, ends_label + p[last], nothing)
        # Labels with one more; the same label again needs a blank in between.
        label = jnp.arange(classes)
        longer = jnp.where(label == last[:, None], ends_blank[:, None], total[:, None]) + p
        longer = longer.at[:, blank].set(nothing)
        # Where one label more gives labels that another beam has, the two are one.
        shorter = jnp.where(place == sizes[:, None] - 1, -1, paths)
        is_child = (sizes[None] == sizes[:, None] + 1) & (paths[:, None] == shorter[None]).all(-1)  # [parent, child]
        given = jnp.where(is_child, longer[:, last], nothing)
        stay_label = jnp.logaddexp(stay_label, jax.scipy.special.logsumexp(given, axis=0))
        taken = jnp.any(is_child[:, :, None] & (last[None, :, None] == label), axis=1)
        longer = jnp.where(taken, nothing, longer)
        scores = jnp.concatenate([jnp.logaddexp(stay_blank, stay_label), longer.reshape(-1)])
        _, chosen = jax.lax.top_k(scores, width)
        is_new = chosen >= width
        parent = jnp.where(is_new, (chosen - width) // classes, chosen)
        added = jnp.where(is_new, (chosen - width) % classes, -1)
        new_paths = jnp.where(is_new[:, None] & (place == sizes[parent][:, None]), added[:, None], paths[parent])
        new = (
            new_paths,
            sizes[parent] + is_new,
            jnp.where(is_new, nothing, stay_blank[parent]),
            jnp.where(is_new, scores[chosen], stay_label[parent]),
        )
        return jax.tree.map(lambda a, b: jnp.where(is_over, a, b), beam, new), None

    beam = (paths, sizes, ends_blank, ends_label)
    (paths, _, ends_blank, ends_label), _ = jax.lax.scan(step, beam, (log_p, place >= length))
    scores, best = jax.lax.top_k(jnp.logaddexp(ends_blank, ends_label), top_paths)
    return paths[best], scores
