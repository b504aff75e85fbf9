"""Images of another size on the host, in NumPy: the input thread has no device, and each file another shape."""

from __future__ import annotations

from typing import Any

import numpy as np


def resize(
    image: Any, size: tuple[int, int], interpolation: str = "bilinear", fit: str | None = None, fill_value: float = 0.0
) -> np.ndarray:
    """One image of another size, as `jax.image.resize` without antialiasing.

    Args:
        image: `[height, width, channels]`.
        size: height and width.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        fit: `"crop"` or `"pad"` to the ratio of `size` before; None to distort.
        fill_value: of the padding.

    Returns:
        float32.

    Raises:
        ValueError: if `interpolation` is another word.

    Example:
        >>> resize(np.array([[[0.0], [10.0]]]), (1, 4))[0, :, 0].tolist()
        [0.0, 2.5, 7.5, 10.0]

    Reference: jax.image.resize.
    """
    image = np.asarray(image, np.float32)
    if interpolation not in ("nearest", *_KERNELS):
        raise ValueError(
            f"interpolation: given {interpolation!r}, expected one of {', '.join(map(repr, ('nearest', *_KERNELS)))}."
        )
    (height, width), (new_height, new_width) = image.shape[:2], size
    if fit == "crop":
        kept = max(min(height, int(width * new_height / new_width)), 1), max(min(width, int(height * new_width / new_height)), 1)
        top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
        image = image[top : top + kept[0], left : left + kept[1]]
    elif fit == "pad":
        above = (max(height, int(width * new_height / new_width)) - height) // 2
        beside = 0 if above else (max(width, int(height * new_width / new_height)) - width) // 2
        image = np.pad(image, ((above, above), (beside, beside), (0, 0)), constant_values=fill_value)
    for axis, new in enumerate(size):
        old = image.shape[axis]
        if old == new:
            continue
        centres = (np.arange(new) + 0.5) * old / new
        if interpolation == "nearest":
            image = image.take(np.minimum(np.floor(centres).astype(int), old - 1), axis)
        else:
            image = np.moveaxis(np.tensordot(_weights(centres - 0.5, old, interpolation), image, ((1,), (axis,))), 0, axis)
    return np.ascontiguousarray(image, np.float32)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys, "Cubic convolution interpolation", 1981, with a = -1/2."""
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Any:
    return lambda x: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


_KERNELS = {
    "bilinear": lambda x: np.maximum(1 - x, 0),
    "bicubic": _cubic,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}


def _weights(places: np.ndarray, old: int, interpolation: str) -> np.ndarray:
    """How much each old pixel counts for each new one; rows sum to 1."""
    weights = _KERNELS[interpolation](np.abs(places[:, None] - np.arange(old)))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
