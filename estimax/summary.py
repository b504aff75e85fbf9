"""Summaries for TensorBoard, written inside a model_fn or a layer while training."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from estimax.core import current_frame

__all__ = ["histogram", "image", "scalar", "text"]


def scalar(name: str, tensor: Any) -> None:
    """A number.

    Args:
        name: tag of the summary.
        tensor: a scalar.

    Raises:
        ValueError: if it is no scalar.

    Example:
        >>> scalar("learning_rate", 0.1)

    Reference: tf.compat.v1.summary.scalar.
    """
    tensor = jnp.asarray(tensor, jnp.float32)
    if tensor.size != 1:
        raise ValueError(
            f"summary.scalar {name!r}: given shape {tensor.shape}, expected a scalar. Use summary.histogram, or reduce it."
        )
    _collect("scalar", name, tensor.reshape(()))


def histogram(name: str, values: Any) -> None:
    """The distribution of an array's values.

    Args:
        name: tag of the summary.
        values: any shape.

    Reference: tf.compat.v1.summary.histogram.
    """
    _collect("histogram", name, jnp.asarray(values))


def image(name: str, tensor: Any, max_outputs: int = 3) -> None:
    """Images of a batch.

    Args:
        name: tag of the summary.
        tensor: `[batch, height, width, channels]`, floats in [0, 1] or bytes; 1, 3 or 4 channels.
        max_outputs: how many of the batch.

    Raises:
        ValueError: if the shape is another.

    Reference: tf.compat.v1.summary.image.
    """
    tensor = jnp.asarray(tensor)
    if tensor.ndim != 4 or tensor.shape[-1] not in (1, 3, 4):
        raise ValueError(f"summary.image {name!r}: given shape {tensor.shape}, expected [batch, height, width, 1, 3 or 4].")
    _collect("image", name, tensor[:max_outputs])


def text(name: str, tensor: str) -> None:
    """A text, known when the model_fn is traced.

    Args:
        name: tag of the summary.
        tensor: the text, shown as Markdown.

    Raises:
        ValueError: if it is no string.

    Reference: tf.compat.v1.summary.text.
    """
    if not isinstance(tensor, str):
        raise ValueError(f"summary.text {name!r}: given {type(tensor).__name__}, expected a Python string.")
    _collect("text", name, jnp.zeros(()), tensor)


def _collect(kind: str, name: str, value: Any, detail: str = "") -> None:
    if "|" in name:
        raise ValueError(f"summary.{kind}: given the name {name!r}, expected one without '|'.")
    frame = current_frame()
    if frame is not None:
        frame.summaries[f"{kind}|{frame.prefix}{name}|{detail}"] = value
