"""Special functions, segments, nearest neighbours, Fourier transforms."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.signal
import jax.scipy.special
import numpy as np

from estimax.core import errors
from estimax.layers.operation import OperationFamily, as_array

FUNCTIONS = OperationFamily("keras.src.ops.math")
define = FUNCTIONS.define

define("erf(x)", jax.scipy.special.erf)
define("erfc(x)", jax.scipy.special.erfc)
define("erfinv(x)", jax.scipy.special.erfinv)
define("rsqrt(x)", jax.lax.rsqrt)
define("logsumexp(x; axis=None, keepdims=False)", jax.scipy.special.logsumexp)


def _segments(reduce: Any) -> Any:
    def run(data: jax.Array, segment_ids: jax.Array, *, num_segments: int | None, sorted: bool) -> jax.Array:
        if segment_ids.ndim != 1 or segment_ids.shape[0] != data.shape[0]:
            raise errors.ShapeError(
                f"ops.segment_*: given data {data.shape} and segment_ids {segment_ids.shape}, expected one number for each row: [rows]."
            )
        if num_segments is None:
            raise ValueError(
                "ops.segment_*: num_segments is missing: shapes must be known before values. Pass the number of segments."
            )
        return reduce(data, segment_ids, num_segments, indices_are_sorted=sorted)

    run.__name__, run.__module__ = reduce.__name__, "jax.ops"
    return run


for _name in ("segment_sum", "segment_max", "segment_min", "segment_prod"):
    define(f"{_name}(data, segment_ids; num_segments=None, sorted=False)", _segments(getattr(jax.ops, _name)))


@define("top_k(x; k, sorted=True)")
def _top_k(x: jax.Array, *, k: int, sorted: bool) -> tuple[jax.Array, jax.Array]:
    """The `k` largest elements of the last axis and their places, largest first.

    Args:
        x: `[..., n]`.
        k: how many.
        sorted: they are always in order, which is allowed for False too.

    Returns:
        Values and indices, each `[..., k]`.

    Example:
        >>> from estimax import ops
        >>> [a.tolist() for a in ops.top_k([1, 3, 2], 2)]
        [[3, 2], [1, 2]]

    Reference: keras.ops.top_k.
    """
    values, indices = jax.lax.top_k(x, k)
    return values, indices


@define("in_top_k(targets, predictions; k)")
def _in_top_k(targets: jax.Array, predictions: jax.Array, *, k: int) -> jax.Array:
    """Whether the class of a row is among its `k` best; equal scores count as better ones do not.

    Args:
        targets: class numbers. Shape `[batch]`.
        predictions: scores. Shape `[batch, classes]`.
        k: how many are good enough.

    Example:
        >>> from estimax import ops
        >>> ops.in_top_k([0, 1], [[0.1, 0.9], [0.1, 0.9]], k=1).tolist()
        [False, True]

    Reference: keras.ops.in_top_k.
    """
    own = jnp.take_along_axis(predictions, targets[..., None], -1)
    own = jnp.where(jnp.isnan(own), -jnp.inf, own)
    return jnp.sum(predictions > own, -1) < k


@define("cdist(x, y)", name="CDist")
def _cdist(x: jax.Array, y: jax.Array) -> jax.Array:
    """Euclidean distances of the points of two sets.

    Args:
        x: `[..., n, dimensions]`.
        y: `[..., m, dimensions]`.

    Returns:
        `[..., n, m]`.

    Raises:
        ValueError: if a rank is below 2, or the dimensions differ.

    Example:
        >>> from estimax import ops
        >>> ops.cdist([[0.0, 0.0]], [[3.0, 4.0]]).tolist()
        [[5.0]]

    Reference: keras.ops.cdist.
    """
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise errors.ShapeError(f"ops.cdist: given {x.shape} and {y.shape}, expected [..., n, d] and [..., m, d].")
    return jnp.sqrt(jnp.sum((x[..., :, None, :] - y[..., None, :, :]) ** 2, -1))


@define("extract_sequences(x; sequence_length, sequence_stride)")
def _extract_sequences(x: jax.Array, *, sequence_length: int, sequence_stride: int) -> jax.Array:
    """Windows over the last axis.

    Args:
        x: `[..., samples]`.
        sequence_length: of a window.
        sequence_stride: from one window's start to the next one's.

    Returns:
        `[..., windows, sequence_length]`.

    Example:
        >>> from estimax import ops
        >>> ops.extract_sequences([1, 2, 3, 4, 5], 3, 2).tolist()
        [[1, 2, 3], [3, 4, 5]]

    Reference: keras.ops.extract_sequences.
    """
    first = np.arange(0, x.shape[-1] - sequence_length + 1, sequence_stride)
    return x[..., first[:, None] + np.arange(sequence_length)]


def _complex(x: Any) -> jax.Array:
    """A complex array of the pair (real, imaginary)."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"ops: given {type(x).__name__}, expected a pair of arrays: real and imaginary parts.")
    real, imaginary = as_array(x[0]), as_array(x[1])
    if real.shape != imaginary.shape or not jnp.issubdtype(real.dtype, jnp.floating) or real.dtype != imaginary.dtype:
        raise errors.ShapeError(
            f"ops: given parts of shapes {real.shape} and {imaginary.shape}, types {real.dtype} and {imaginary.dtype}, expected one shape "
            "and one float type."
        )
    return jax.lax.complex(real, imaginary)


def _parts(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.real(x), jnp.imag(x)


define("fft(x)", lambda x: _parts(jnp.fft.fft(_complex(x))), name="FFT", convert=False)
define("fft2(x)", lambda x: _parts(jnp.fft.fft2(_complex(x))), name="FFT2", convert=False)
define("ifft2(x)", lambda x: _parts(jnp.fft.ifft2(_complex(x))), name="IFFT2", convert=False)
define("rfft(x; fft_length=None)", lambda x, fft_length: _parts(jnp.fft.rfft(x, fft_length)), name="RFFT")
define("irfft(x; fft_length=None)", lambda x, fft_length: jnp.fft.irfft(_complex(x), fft_length), name="IRFFT", convert=False)


def _window(function: str, window: Any, length: int, fft_length: int, dtype: Any) -> tuple[Any, float]:
    """The window in the middle of `fft_length` zeros, and its sum."""
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(f"ops.{function}: window: given {window!r}, expected 'hann', 'hamming', an array or None.")
        mean = {"hann": 0.5, "hamming": 0.54}[window]
        window = mean - (1 - mean) * np.cos(2 * np.pi * np.arange(length) / length)
    before = (fft_length - length) // 2
    if window is None:
        return np.ones(fft_length, dtype), float(fft_length)
    window = np.asarray(window)
    if window.shape != (length,):
        raise errors.ShapeError(f"ops.{function}: window: given shape {window.shape}, expected [sequence_length], {length}.")
    return np.pad(window, (before, fft_length - length - before)).astype(dtype), float(window.sum())


@define("stft(x; sequence_length, sequence_stride, fft_length, window='hann', center=True)", name="STFT")
def _stft(
    x: jax.Array, *, sequence_length: int, sequence_stride: int, fft_length: int, window: Any, center: bool
) -> tuple[jax.Array, jax.Array]:
    """The Fourier transform of windows over a signal.

    Args:
        x: float32. Shape `[..., samples]`.
        sequence_length: of a window.
        sequence_stride: from one window's start to the next one's.
        fft_length: samples of a transform, at least the window's.
        window: `"hann"`, `"hamming"`, an array `[sequence_length]`, or None for ones.
        center: whether the signal is mirrored at its ends, so that the first window lies around the first sample.

    Returns:
        Real and imaginary parts, each `[..., windows, fft_length // 2 + 1]`.

    Raises:
        ValueError: if the lengths or the window do not fit.

    Example:
        >>> from estimax import ops
        >>> ops.stft(ops.ones((8,)), 4, 2, 4)[0].shape
        (5, 3)

    Reference: keras.ops.stft.
    """
    if x.dtype not in (jnp.float32, jnp.float64):
        raise ValueError(f"ops.stft: given {x.dtype}, expected float32. Cast it: ops.cast(x, 'float32').")
    if fft_length < sequence_length:
        raise ValueError(f"ops.stft: fft_length: given {fft_length}, expected at least sequence_length, {sequence_length}.")
    weights, _ = _window("stft", window, sequence_length, fft_length, x.dtype)
    if center:
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)], mode="reflect")
    frames = _extract_sequences(x, sequence_length=fft_length, sequence_stride=sequence_stride)
    return _parts(jnp.fft.rfft(frames * weights, fft_length))


@define(
    "istft(x; sequence_length, sequence_stride, fft_length, length=None, window='hann', center=True)", name="ISTFT", convert=False
)
def _istft(
    x: Any, *, sequence_length: int, sequence_stride: int, fft_length: int, length: int | None, window: Any, center: bool
) -> jax.Array:
    """The signal of a transform that `stft` gave.

    Args:
        x: real and imaginary parts, each `[..., windows, fft_length // 2 + 1]`.
        sequence_length, sequence_stride, fft_length, window, center: as for `stft`.
        length: samples of the result; all if omitted.

    Returns:
        `[..., samples]`.

    Example:
        >>> from estimax import ops
        >>> ops.istft(ops.stft(ops.ones((8,)), 4, 2, 4), 4, 2, 4).round(4).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    Reference: keras.ops.istft.
    """
    values = _complex(x)
    if values.ndim < 2:
        raise errors.ShapeError(f"ops.istft: given shape {values.shape}, expected [..., windows, frequencies].")
    weights, total = _window("istft", window, sequence_length, fft_length, jnp.real(values).dtype)
    signal = jax.scipy.signal.istft(
        values,
        window=weights,
        nperseg=fft_length,
        noverlap=fft_length - sequence_stride,
        nfft=fft_length,
        boundary=False,
        time_axis=-2,
        freq_axis=-1,
    )[-1]
    signal = signal / (sequence_stride if window is None else total)
    start = fft_length // 2 if center else 0
    if length is not None:
        return signal[..., start : start + length]
    return signal[..., start : -start if center else fft_length + sequence_stride * (values.shape[-2] - 1)]


@define("view_as_complex(x)")
def _view_as_complex(x: jax.Array) -> jax.Array:
    """Complex numbers from pairs (real, imaginary).

    Args:
        x: `[..., 2]`.

    Raises:
        ValueError: if the last axis is not of size 2.

    Example:
        >>> from estimax import ops
        >>> ops.view_as_complex([1.0, 2.0]).item()
        (1+2j)

    Reference: keras.ops.view_as_complex.
    """
    if x.ndim < 1 or x.shape[-1] != 2:
        raise errors.ShapeError(f"ops.view_as_complex: given shape {x.shape}, expected [..., 2].")
    return jax.lax.complex(x[..., 0].astype(jnp.float32), x[..., 1].astype(jnp.float32))


define("view_as_real(x)", lambda x: jnp.stack([jnp.real(x), jnp.imag(x)], -1))
