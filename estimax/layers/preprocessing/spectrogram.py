"""Sound as spectrograms: STFTSpectrogram and MelSpectrogram."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax import initializers
from estimax.core import register
from estimax.core.errors import ShapeError
from estimax.layers.base import Layer
from estimax.layers.input_spec import InputSpec, layer_title
from estimax.layers.shapes import data_format_of
from estimax.layers.symbolic import KerasTensor

EPSILON = 1e-7
MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
WINDOWS = ("hann", "hamming")


@register("keras.layers")
class STFTSpectrogram(Layer):
    """The spectrum of short frames of a signal, by a convolution with trained Fourier kernels.

    Args:
        mode: `"log"`, `"magnitude"`, `"psd"`, `"real"`, `"imag"`, `"angle"`, or `"stft"`: real and imaginary parts.
        frame_length: samples a frame.
        frame_step: samples from one frame to the next; half a frame by default.
        fft_length: length of the transform; the next power of two by default.
        window: name of a window, an array, or None.
        periodic: whether the window is periodic.
        scaling: `"density"`, `"spectrum"` or None.
        padding: `"valid"` or `"same"`.
        expand_dims: whether channels keep an axis of their own.
        data_format: `"channels_last"` or `"channels_first"`.

    Inputs `[batch, samples, channels]`, output `[batch, frames, channels * frequencies]`.

    Raises:
        ValueError: if a length does not fit or a name is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> STFTSpectrogram(frame_length=16, frame_step=8)(jnp.ones((1, 64, 1))).shape
        (1, 7, 9)

    Reference: keras.layers.STFTSpectrogram.
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(f"STFTSpectrogram: mode: given {mode!r}, expected one of {MODES}.")
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                f"STFTSpectrogram: frame_step: given {frame_step}, expected a number from 1 to frame_length={frame_length}."
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(f"STFTSpectrogram: fft_length: given {fft_length}, expected at least frame_length={frame_length}.")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(f"STFTSpectrogram: scaling: given {scaling!r}, expected 'density', 'spectrum' or None.")
        if padding not in ("valid", "same"):
            raise ValueError(f"STFTSpectrogram: padding: given {padding!r}, expected 'valid' or 'same'.")
        self.mode = mode
        self.frame_length, self.frame_step, self.fft_length = frame_length, frame_step, fft_length
        self.window, self.periodic, self.scaling = window, periodic, scaling
        self.padding, self.expand_dims = padding, expand_dims
        self.data_format = data_format_of(self, data_format)
        self.input_spec = InputSpec(ndim=3)
        self._kernels = [initializers.STFT(side, window, scaling, periodic) for side in ("real", "imag")]  # checks the window now
        self.real_kernel: Any = None
        self.imag_kernel: Any = None

    @property
    def _frequencies(self) -> int:
        length = self.fft_length or 2 ** math.ceil(math.log2(self.frame_length))
        return length // 2 + 1

    def build(self, input_shape: Any) -> None:
        """Creates `real_kernel` and `imag_kernel` `[frame_length, 1, frequencies]`."""
        shape = (self.frame_length, 1, self._frequencies)
        if self.mode != "imag":
            self.real_kernel = self.add_weight(shape, self._kernels[0], name="real_kernel")
        if self.mode != "real":
            self.imag_kernel = self.add_weight(shape, self._kernels[1], name="imag_kernel")

    def call(self, inputs: jax.Array) -> jax.Array:
        """The spectrogram."""
        x = inputs if self.data_format == "channels_first" else jnp.swapaxes(inputs, 1, 2)
        batch, channels, samples = x.shape
        step = self.frame_step or self.frame_length // 2

        def transform(kernel: Any) -> jax.Array:
            flat = x.reshape(batch * channels, samples, 1)
            numbers = ("NWC", "WIO", "NWC")
            y = jax.lax.conv_general_dilated(
                flat, kernel.value.astype(x.dtype), (step,), self.padding.upper(), dimension_numbers=numbers
            )
            return y.reshape(batch, channels, *y.shape[1:])

        real = None if self.real_kernel is None else transform(self.real_kernel)
        imag = None if self.imag_kernel is None else transform(self.imag_kernel)
        return self._arranged(self._measured(real, imag))

    def _measured(self, real: Any, imag: Any) -> jax.Array:
        """What the mode asks for. Shape `[batch, channels, frames, frequencies]`."""
        if self.mode in ("real", "imag"):
            return real if self.mode == "real" else imag
        if self.mode == "angle":
            return jnp.arctan2(imag, real)
        if self.mode == "stft":
            return jnp.concatenate([real, imag], -1)
        power = real**2 + imag**2
        if self.mode == "psd":
            # One-sided: all but the first and last frequency stand for two.
            return power + jnp.pad(power[..., 1:-1], [(0, 0)] * 3 + [(1, 1)])
        magnitude = jnp.sqrt(jnp.maximum(power, EPSILON))
        return magnitude if self.mode == "magnitude" else jnp.log(jnp.maximum(magnitude, EPSILON))

    def _arranged(self, y: jax.Array) -> jax.Array:
        """From `[batch, channels, frames, frequencies]` to the layer's axes."""
        first = self.data_format == "channels_first"
        if self.expand_dims:
            return y if first else jnp.moveaxis(y, 1, -1)
        y = jnp.swapaxes(y, 2, 3)
        y = y.reshape(y.shape[0], -1, y.shape[-1])
        return y if first else jnp.swapaxes(y, 1, 2)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The shape of the spectrogram."""
        first = self.data_format == "channels_first"
        batch, channels, samples = input_shape if first else (input_shape[0], input_shape[2], input_shape[1])
        step = self.frame_step or self.frame_length // 2
        frequencies = self._frequencies * (2 if self.mode == "stft" else 1)
        frames = samples
        if samples is not None:
            frames = -(-samples // step) if self.padding == "same" else (samples - self.frame_length) // step + 1
        if self.expand_dims:
            return (batch, channels, frames, frequencies) if first else (batch, frames, frequencies, channels)
        joined = None if channels is None else channels * frequencies
        return (batch, joined, frames) if first else (batch, frames, joined)

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The symbolic output of a call."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)


@register("keras.layers")
class MelSpectrogram(Layer):
    """The power of a signal in bands of the mel scale, frame by frame.

    Args:
        fft_length: length of the transform.
        sequence_stride: samples from one frame to the next.
        sequence_length: samples a frame; `fft_length` by default.
        window: `"hann"`, `"hamming"`, an array, or None.
        sampling_rate: samples a second.
        num_mel_bins: number of bands.
        min_freq, max_freq: lowest and highest frequency in Hz; half the sampling rate by default.
        power_to_db: whether the result is in decibels.
        top_db: how far below the loudest value decibels may lie.
        mag_exp: exponent of the magnitude: 1 for amplitude, 2 for power.
        min_power: smallest power, before decibels.
        ref_power: the power of 0 decibels.

    Inputs `[batch, samples]` or `[samples]`, output `[batch, num_mel_bins, frames]`.

    Raises:
        ValueError: if `fft_length` is less than `sequence_length`, or the window is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> MelSpectrogram(fft_length=64, sequence_stride=16, num_mel_bins=8, sampling_rate=8000)(jnp.ones((1, 256))).shape
        (1, 8, 17)

    Reference: keras.layers.MelSpectrogram; bands as in HTK.
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.fft_length = fft_length
        self.sequence_stride = sequence_stride
        self.sequence_length = sequence_length or fft_length
        if fft_length < self.sequence_length:
            raise ValueError(
                f"MelSpectrogram: fft_length: given {fft_length}, expected at least sequence_length={self.sequence_length}."
            )
        if isinstance(window, str) and window not in WINDOWS:
            raise ValueError(f"MelSpectrogram: window: given {window!r}, expected one of {WINDOWS}, an array or None.")
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = num_mel_bins
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power

    def call(self, inputs: Any) -> jax.Array:
        """The spectrogram."""
        x = jnp.asarray(inputs)
        if x.ndim not in (1, 2):
            raise ShapeError(f"{layer_title(self)}: expected signals [batch, samples] or [samples], given shape {x.shape}.")
        x = x.astype(jnp.promote_types(self.compute_dtype, jnp.float32))
        half = self.fft_length // 2
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], mode="reflect")
        frames = (x.shape[-1] - self.fft_length) // self.sequence_stride + 1
        at = np.arange(frames)[:, None] * self.sequence_stride + np.arange(self.fft_length)
        spectrum = jnp.abs(jnp.fft.rfft(x[..., at] * jnp.asarray(self._window(), x.dtype)))
        bands = (spectrum**self.mag_exp) @ jnp.asarray(self._bands(), x.dtype)
        if self.power_to_db:
            reference = max(abs(self.ref_power), self.min_power)
            bands = 10 * jnp.log10(jnp.maximum(bands, self.min_power)) - 10 * math.log10(reference)
            bands = jnp.maximum(bands, bands.max() - self.top_db)
        return jnp.swapaxes(bands, -1, -2).astype(self.compute_dtype)

    def _window(self) -> np.ndarray:
        """The window, with zeros on both sides up to `fft_length`."""
        n = self.sequence_length
        if self.window is None:
            window = np.ones(n)
        elif isinstance(self.window, str):
            mean = {"hann": 0.5, "hamming": 0.54}[self.window]
            window = mean - (1 - mean) * np.cos(2 * np.pi * np.arange(n) / n)
        else:
            window = np.asarray(self.window)
        left = (self.fft_length - n) // 2
        return np.pad(window, (left, self.fft_length - n - left))

    def _bands(self) -> np.ndarray:
        """How much each frequency counts in each band: triangles on the mel scale. Shape `[frequencies, num_mel_bins]`."""
        mel = lambda hertz: 1127.0 * np.log1p(np.asarray(hertz) / 700.0)  # noqa: E731
        frequencies = mel(np.linspace(0, self.sampling_rate / 2, self.fft_length // 2 + 1))[1:, None]
        edges = np.linspace(mel(self.min_freq), mel(self.max_freq), self.num_mel_bins + 2)
        low, middle, high = edges[:-2], edges[1:-1], edges[2:]
        weights = np.maximum(0, np.minimum((frequencies - low) / (middle - low), (high - frequencies) / (high - middle)))
        return np.pad(weights, [(1, 0), (0, 0)])  # the constant part counts in no band

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """`[batch, num_mel_bins, frames]`."""
        *batch, samples = input_shape
        frames = None if samples is None else (samples + 2 * (self.fft_length // 2) - self.fft_length) // self.sequence_stride + 1
        return (*batch, self.num_mel_bins, frames)

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The symbolic output of a call."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
