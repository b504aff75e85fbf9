"""Initializers whose spread follows from the number of inputs and outputs of the layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax

from estimax.core import SeedGenerator, register, standardize_dtype
from estimax.initializers.base import RandomInitializer
from estimax.initializers.random import draw

# Standard deviation of a standard normal distribution cut at -2 and 2.
TRUNCATED_STDDEV = 0.87962566103423978


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """The number of inputs that feed one output, and of outputs that one input feeds, of a weight.

    Args:
        shape: shape of the weight: `[inputs, outputs]`, or `[..., inputs, outputs]` for a convolution, whose leading
            axes multiply both numbers.
        input_axes: axes whose lengths multiply to the number of inputs; used if `output_axes` is given too.
        output_axes: axes whose lengths multiply to the number of outputs.

    Example:
        >>> compute_fans((3, 3, 16, 32))
        (144, 288)

    Reference: `keras.initializers.VarianceScaling`.
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


@register("keras.initializers")
class VarianceScaling(RandomInitializer):
    """Draws with a variance of `scale / n`, where `n` counts inputs, outputs or their mean.

    Args:
        scale: the numerator; positive.
        mode: what `n` counts: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"` (also named `"normal"`), `"untruncated_normal"` or `"uniform"`.
        seed: see `RandomInitializer`.
        input_axes: axes of the weight that count as inputs; see `compute_fans`.
        output_axes: axes of the weight that count as outputs.

    Raises:
        ValueError: if `scale` is not positive, or mode or distribution are unknown.

    Example:
        >>> VarianceScaling(2.0, mode="fan_out", seed=1)((4, 5)).shape
        (4, 5)

    Reference: He et al., "Delving deep into rectifiers", 2015; `keras.initializers.VarianceScaling`.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | SeedGenerator | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ):
        super().__init__(seed)
        if scale <= 0:
            raise ValueError(f"VarianceScaling: expected scale > 0, given {scale}. 1.0 keeps the variance of inputs.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: expected mode 'fan_in', 'fan_out' or 'fan_avg', given {mode!r}.")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                "VarianceScaling: expected distribution 'truncated_normal', 'untruncated_normal' or 'uniform', "
                f"given {distribution!r}."
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        inputs, outputs = compute_fans(shape, self.input_axes, self.output_axes)
        count = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, count))
        distribution, spread = {
            "truncated_normal": ("truncated_normal", stddev / TRUNCATED_STDDEV),
            "untruncated_normal": ("normal", stddev),
            "uniform": ("uniform", math.sqrt(3) * stddev),
        }[self.distribution]
        return draw(self.key(), 0.0, spread, distribution, tuple(shape), standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Preset(VarianceScaling):
    """A `VarianceScaling` whose scale, mode and distribution are given by its name."""

    preset: tuple[float, str, str]

    def __init__(
        self,
        seed: int | SeedGenerator | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ):
        super().__init__(*self.preset, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


@register("keras.initializers")
class GlorotUniform(_Preset):
    """Uniform in `[-limit, limit]` with `limit = sqrt(6 / (inputs + outputs))`: the default of most layers.

    Example:
        >>> bool(abs(GlorotUniform(seed=1)((3, 3))).max() <= 1.0)
        True

    Reference: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    preset = (1.0, "fan_avg", "uniform")


@register("keras.initializers")
class GlorotNormal(_Preset):
    """Truncated normal with `stddev = sqrt(2 / (inputs + outputs))`.

    Example:
        >>> GlorotNormal(seed=1)((3, 4)).shape
        (3, 4)

    Reference: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    preset = (1.0, "fan_avg", "truncated_normal")


@register("keras.initializers")
class HeUniform(_Preset):
    """Uniform in `[-limit, limit]` with `limit = sqrt(6 / inputs)`, for layers with a rectifier.

    Example:
        >>> HeUniform(seed=1)((3, 4)).shape
        (3, 4)

    Reference: He et al., "Delving deep into rectifiers", 2015.
    """

    preset = (2.0, "fan_in", "uniform")


@register("keras.initializers")
class HeNormal(_Preset):
    """Truncated normal with `stddev = sqrt(2 / inputs)`, for layers with a rectifier.

    Example:
        >>> HeNormal(seed=1)((3, 4)).shape
        (3, 4)

    Reference: He et al., "Delving deep into rectifiers", 2015.
    """

    preset = (2.0, "fan_in", "truncated_normal")


@register("keras.initializers")
class LecunUniform(_Preset):
    """Uniform in `[-limit, limit]` with `limit = sqrt(3 / inputs)`.

    Example:
        >>> LecunUniform(seed=1)((3, 4)).shape
        (3, 4)

    Reference: LeCun et al., "Efficient BackProp", 1998.
    """

    preset = (1.0, "fan_in", "uniform")


@register("keras.initializers")
class LecunNormal(_Preset):
    """Truncated normal with `stddev = sqrt(1 / inputs)`, for layers with `selu`.

    Example:
        >>> LecunNormal(seed=1)((3, 4)).shape
        (3, 4)

    Reference: LeCun et al., "Efficient BackProp", 1998.
    """

    preset = (1.0, "fan_in", "truncated_normal")
