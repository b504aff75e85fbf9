"""Cross entropies: minus the log probability that a prediction gives to its target, in nats."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from estimax.core import errors
from estimax.core.formulas.shapes import EPSILON, same_rank


def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Cross entropy of labels 0 and 1, averaged over an axis.

    Args:
        y_true: 0 or 1, or probabilities in between. Shape `[batch, ..., labels]`.
        y_pred: probabilities of 1, or logits. Shape `[batch, ..., labels]`.
        from_logits: whether `y_pred` are logits, which is more precise; probabilities are clipped to 1e-7 from 0 and 1.
        label_smoothing: draws targets towards 0.5 by this share.
        axis: the axis of the mean.

    Returns:
        Shape `[batch, ...]`.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> print(round(float(binary_crossentropy([[1.0]], [[0.0]], from_logits=True)[0]), 4))
        0.6931
    """
    y_true, y_pred = _targets(y_true, y_pred, "binary_crossentropy")
    return jnp.mean(binary_terms(smooth_binary(y_true, label_smoothing), y_pred, from_logits), axis=axis)


def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """Cross entropy of one-hot targets.

    Args:
        y_true: one-hot, or probabilities. Shape `[batch, ..., classes]`.
        y_pred: probabilities, or logits. Shape `[batch, ..., classes]`.
        from_logits: whether `y_pred` are logits, which is more precise; probabilities are scaled to sum 1 and clipped to
            1e-7 from 0 and 1.
        label_smoothing: draws targets towards equal probabilities by this share.
        axis: the axis of the classes.

    Returns:
        Shape `[batch, ...]`.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> print(round(float(categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])[0]), 4))
        0.6931
    """
    y_true, y_pred = _targets(y_true, y_pred, "categorical_crossentropy")
    check_axis(axis, "categorical_crossentropy")
    y_true = smooth_categorical(y_true, label_smoothing, axis)
    return -jnp.sum(y_true * _log_probabilities(y_pred, from_logits, axis), axis=axis)


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> jax.Array:
    """Cross entropy of targets that are class numbers.

    Args:
        y_true: class numbers from 0 on. Shape `[batch, ...]` or `[batch, ..., 1]`.
        y_pred: probabilities, or logits. Shape `[batch, ..., classes]`.
        from_logits: whether `y_pred` are logits, which is more precise; probabilities are scaled to sum 1 and clipped to
            1e-7 from 0 and 1.
        ignore_class: a class number, say -1, whose positions get a loss of 0.
        axis: the axis of the classes.

    Returns:
        Shape `[batch, ...]`; 0 where a class number is negative or too large.

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> print(round(float(sparse_categorical_crossentropy([1], [[0.5, 0.5]])[0]), 4))
        0.6931
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    y_true = without_class_axis(y_true, y_pred, axis)
    classes_axis = axis % y_pred.ndim
    positions = y_pred.shape[:classes_axis] + y_pred.shape[classes_axis + 1 :]
    if y_true.shape != positions:
        raise errors.ShapeError(
            f"sparse_categorical_crossentropy: given y_true {y_true.shape} and y_pred {y_pred.shape}, expected y_true "
            f"{positions}: one class number for each prediction. Use categorical_crossentropy for one-hot targets."
        )
    if ignore_class is not None:
        # Predictions of ignored positions may hold anything: they get no gradient either.
        keep = y_true != ignore_class
        y_pred = jnp.where(jnp.expand_dims(keep, axis), y_pred, 0)
    log_probabilities = _log_probabilities(y_pred, from_logits, axis)
    classes = jnp.arange(y_pred.shape[axis]).reshape([-1 if i == classes_axis else 1 for i in range(y_pred.ndim)])
    is_target = classes == jnp.expand_dims(y_true.astype(jnp.int32), classes_axis)
    loss = -jnp.sum(jnp.where(is_target, log_probabilities, 0), axis=axis)
    return loss if ignore_class is None else jnp.where(keep, loss, 0)


def categorical_generalized_cross_entropy(y_true: ArrayLike, y_pred: ArrayLike, q: float = 0.5) -> jax.Array:
    """`(1 - p^q) / q` for the probability `p` of the target: between cross entropy (q to 0) and mean error (q = 1).

    Less drawn to wrong labels than cross entropy.

    Args:
        y_true: class numbers from 0 on. Shape `[batch, ...]`.
        y_pred: probabilities. Shape `[batch, ..., classes]`.
        q: in `(0, 1)`.

    Returns:
        Shape `[batch, ...]`.

    Example:
        >>> categorical_generalized_cross_entropy([1], [[0.75, 0.25]]).tolist()
        [1.0]

    Reference: Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels",
    2018, equation 6.
    """
    y_pred = jnp.asarray(y_pred)
    targets = without_class_axis(jnp.asarray(y_true), y_pred, -1).astype(jnp.int32)
    p = jnp.sum(y_pred * jax.nn.one_hot(targets, y_pred.shape[-1], dtype=y_pred.dtype), axis=-1)
    return (1 - p**q) / q


def binary_terms(y_true: jax.Array, y_pred: jax.Array, from_logits: bool) -> jax.Array:
    """Binary cross entropy of every element."""
    if from_logits:
        return -y_true * jax.nn.log_sigmoid(y_pred) - (1.0 - y_true) * jax.nn.log_sigmoid(-y_pred)
    y_pred = jnp.clip(y_pred, EPSILON, 1.0 - EPSILON)
    return -(y_true * jnp.log(y_pred) + (1.0 - y_true) * jnp.log(1.0 - y_pred))


def smooth_binary(y_true: jax.Array, label_smoothing: float) -> jax.Array:
    """Targets drawn towards 0.5."""
    return y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y_true


def smooth_categorical(y_true: jax.Array, label_smoothing: float, axis: int) -> jax.Array:
    """Targets drawn towards equal probabilities."""
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[axis]


def check_axis(axis: int, owner: str) -> None:
    """Refuses a bool where the axis belongs: `True` in its place is mostly meant for `from_logits`.

    Raises:
        ValueError: if `axis` is a bool.
    """
    if isinstance(axis, bool):
        raise ValueError(f"{owner}: expected axis to be an integer, given {axis}. Did you mean from_logits={axis}?")


def clipped_probabilities(y_pred: jax.Array, axis: int) -> jax.Array:
    """Probabilities scaled to sum 1 and kept away from 0 and 1."""
    return jnp.clip(y_pred / jnp.sum(y_pred, axis=axis, keepdims=True), EPSILON, 1.0 - EPSILON)


def without_class_axis(y_true: jax.Array, y_pred: jax.Array, axis: int) -> jax.Array:
    """Class numbers without the axis of length 1 that they may have in the place of the classes."""
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        return jnp.squeeze(y_true, axis=axis)
    return y_true


def _log_probabilities(y_pred: jax.Array, from_logits: bool, axis: int) -> jax.Array:
    return jax.nn.log_softmax(y_pred, axis=axis) if from_logits else jnp.log(clipped_probabilities(y_pred, axis))


def _targets(y_true: ArrayLike, y_pred: ArrayLike, owner: str) -> tuple[jax.Array, jax.Array]:
    y_pred = jnp.asarray(y_pred)
    y_true, y_pred = same_rank(jnp.asarray(y_true, y_pred.dtype), y_pred)
    if y_true.shape != y_pred.shape:
        repair = (
            "Use sparse_categorical_crossentropy for class numbers."
            if "categorical" in owner
            else ("Give the last layer as many units as there are labels.")
        )
        raise errors.ShapeError(
            f"{owner}: given y_true {y_true.shape} and y_pred {y_pred.shape}, expected the same shape. {repair}"
        )
    return y_true, y_pred
