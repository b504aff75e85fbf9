"""Initializers without chance: constants, the identity matrix, Fourier kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from estimax.core import register, standardize_dtype
from estimax.initializers.base import Initializer
from estimax.initializers.random import HOST_ELEMENTS, is_traced, on_device


@register("keras.initializers")
class Zeros(Initializer):
    """All 0.

    Example:
        >>> Zeros()((2,)).tolist()
        [0.0, 0.0]
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        return _filled(0, shape, dtype)


@register("keras.initializers")
class Ones(Initializer):
    """All 1.

    Example:
        >>> Ones()((2,)).tolist()
        [1.0, 1.0]
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        return _filled(1, shape, dtype)


@register("keras.initializers")
class Constant(Initializer):
    """All the same value, or an array of values that broadcasts to the shape.

    Args:
        value: a number, or an array that broadcasts to the shape asked for.

    Example:
        >>> Constant(1.5)((2,)).tolist()
        [1.5, 1.5]

    Reference: `keras.initializers.Constant`.
    """

    def __init__(self, value: ArrayLike = 0.0):
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        if np.ndim(self.value) == 0:
            return _filled(self.value, shape, dtype)
        return jnp.broadcast_to(jnp.asarray(self.value, standardize_dtype(dtype)), tuple(shape))

    def get_config(self) -> dict[str, Any]:
        value = self.value
        return {"value": np.asarray(value).tolist() if hasattr(value, "shape") else value}


@register("keras.initializers")
class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere.

    Args:
        gain: the value on the diagonal.

    Raises:
        ValueError: at the call, if the shape has not two axes.

    Example:
        >>> Identity(2.0)((2, 2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]

    Reference: `keras.initializers.Identity`.
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        if len(shape) != 2:
            raise ValueError(f"Identity: expected a shape [rows, columns], given {tuple(shape)}.")
        return on_device(self.gain * np.eye(shape[0], shape[1]), standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


@register("keras.initializers")
class STFT(Initializer):
    """Convolution kernels of a short-time Fourier transform: shape `[frame_length, 1, frequencies]`.

    The kernel of frequency `f` is `cos(2 pi t f / n)` (or `-sin`), for `n = 2 * (frequencies - 1)`, times a window.

    Args:
        side: `"real"` for the cosine, `"imag"` for the sine part.
        window: a window's name as `scipy.signal.get_window` takes it, its values `[frame_length]`, or None.
        scaling: divides the window by its L2 norm (`"density"`) or its L1 norm (`"spectrum"`); None leaves it.
        periodic: whether a named window is that of a periodic signal.

    Raises:
        ValueError: if side, window or scaling are unknown, or at the call if the window has another length.

    Example:
        >>> STFT(window=None)((4, 1, 3))[:, 0, 0].tolist()
        [1.0, 1.0, 1.0, 1.0]

    Reference: `keras.initializers.STFT`.
    """

    def __init__(
        self,
        side: str = "real",
        window: str | ArrayLike | None = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ):
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: expected side 'real' or 'imag', given {side!r}.")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(f"STFT: expected scaling 'density', 'spectrum' or None, given {scaling!r}.")
        if isinstance(window, str):
            _named_window(window, 1, periodic)
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        if len(shape) != 3:
            raise ValueError(f"STFT: expected a shape [frame_length, 1, frequencies], given {tuple(shape)}.")
        frame_length, _, frequencies = shape
        time = np.arange(frame_length).reshape(-1, 1, 1)
        angle = -2 * math.pi * time * np.arange(frequencies) / (2 * (frequencies - 1))
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            kernel = kernel * self._window(frame_length).reshape(-1, 1, 1)
        return on_device(kernel, standardize_dtype(dtype))

    def _window(self, frame_length: int) -> np.ndarray:
        if isinstance(self.window, str):
            window = _named_window(self.window, frame_length, self.periodic)
        else:
            window = np.asarray(self.window, np.float64)
        if window.shape != (frame_length,):
            raise ValueError(f"STFT: expected a window of shape [{frame_length}], given {window.shape}.")
        if self.scaling == "density":
            return window / np.sqrt(np.sum(window**2))
        if self.scaling == "spectrum":
            return window / np.sum(np.abs(window))
        return window

    def get_config(self) -> dict[str, Any]:
        window = self.window
        if window is not None and not isinstance(window, str):
            window = np.asarray(window).tolist()
        return {"side": self.side, "window": window, "periodic": self.periodic, "scaling": self.scaling}


def _named_window(name: str, length: int, periodic: bool) -> np.ndarray:
    from scipy.signal import get_window

    try:
        return get_window(name, length, periodic)
    except ValueError as e:
        raise ValueError(f"STFT: expected the name of a window that scipy.signal knows, given {name!r}.") from e


def _filled(value: ArrayLike, shape: Sequence[int], dtype: Any) -> jax.Array:
    shape, dtype = tuple(shape), standardize_dtype(dtype)
    if math.prod(shape) > HOST_ELEMENTS or is_traced():
        return jnp.full(shape, value, dtype)
    return on_device(np.full(shape, value), dtype)
