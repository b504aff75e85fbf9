"""The contract of layers, over one list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from estimax import layers
from estimax.testing import check_layer

RNG = np.random.default_rng(0)


def x(*shape: int) -> np.ndarray:
    """Normal numbers, float32."""
    return RNG.normal(size=shape).astype(np.float32)


class Entry(NamedTuple):
    """A layer, its arguments, its inputs, and checks of `check_layer` that do not apply."""

    layer: str
    arguments: dict[str, Any]
    inputs: tuple
    skip: tuple[str, ...] = ()


def entry(name: str, /, *inputs: Any, skip: tuple[str, ...] = (), **arguments: Any) -> Entry:
    return Entry(name, arguments, inputs, skip)


def wrapped(make: Callable[..., Any]) -> Any:
    """An argument that must be made anew for each layer: the layer inside a wrapper."""
    return make


IDS = RNG.integers(0, 5, (2, 3))
BASIC = [
    entry("Dense", x(2, 3), units=4, activation="relu"),
    entry("Dense", x(2, 3), units=4, lora_rank=2),
    entry("EinsumDense", x(2, 3, 4), equation="abc,cd->abd", output_shape=(3, 5), bias_axes="d"),
    entry("Embedding", IDS, input_dim=5, output_dim=3, mask_zero=True),
    entry("ReversibleEmbedding", IDS, input_dim=5, output_dim=3),
    entry("Identity", x(2, 3)),
    entry("Masking", x(2, 3, 4)),
    entry("ActivityRegularization", x(2, 3), l1=0.1),
    entry("Activation", x(2, 3), activation="gelu"),
    entry("ReLU", x(2, 3), max_value=1.0, negative_slope=0.1),
    entry("LeakyReLU", x(2, 3)),
    entry("PReLU", x(2, 3)),
    entry("ELU", x(2, 3)),
    entry("Softmax", x(2, 3)),
    entry("Dropout", x(2, 3), rate=0.5),
    entry("SpatialDropout1D", x(2, 3, 4), rate=0.5),
    entry("SpatialDropout2D", x(2, 3, 3, 4), rate=0.5),
    entry("SpatialDropout3D", x(2, 3, 3, 3, 2), rate=0.5),
    entry("GaussianDropout", x(2, 3), rate=0.5),
    entry("GaussianNoise", x(2, 3), stddev=0.5),
    entry("AlphaDropout", x(2, 3), rate=0.5),
    entry("Flatten", x(2, 3, 4)),
    entry("Reshape", x(2, 12), target_shape=(3, -1)),
    entry("Permute", x(2, 3, 4), dims=(2, 1)),
    entry("RepeatVector", x(2, 3), n=4),
    entry("BatchNormalization", x(4, 3)),
    entry("BatchNormalization", x(4, 3), renorm=True),
    entry("LayerNormalization", x(2, 3, 4), axis=(1, 2)),
    entry("GroupNormalization", x(2, 3, 4), groups=2),
    entry("RMSNormalization", x(2, 4)),
    entry("UnitNormalization", x(2, 4)),
    entry("SpectralNormalization", x(2, 4), layer=wrapped(lambda **dtype: layers.Dense(3, **dtype))),
    entry("TimeDistributed", x(2, 3, 4), layer=wrapped(lambda **dtype: layers.Dense(5, **dtype))),
]
SPATIAL = [
    entry("Conv1D", x(2, 6, 4), filters=4, kernel_size=3, padding="causal", groups=2),
    entry("Conv2D", x(2, 6, 5, 3), filters=4, kernel_size=3, strides=2, padding="same"),
    entry("Conv2D", x(2, 3, 6, 5), filters=4, kernel_size=2, data_format="channels_first", lora_rank=1),
    entry("Conv3D", x(1, 4, 4, 4, 2), filters=2, kernel_size=2),
    entry("Conv1DTranspose", x(2, 4, 3), filters=2, kernel_size=3, strides=2, padding="same"),
    entry("Conv2DTranspose", x(1, 3, 4, 2), filters=2, kernel_size=3, strides=2),
    entry("Conv3DTranspose", x(1, 2, 2, 2, 2), filters=2, kernel_size=2, strides=2),
    entry("DepthwiseConv1D", x(2, 6, 3), kernel_size=3, depth_multiplier=2),
    entry("DepthwiseConv2D", x(2, 5, 5, 3), kernel_size=3),
    entry("SeparableConv1D", x(2, 6, 3), filters=4, kernel_size=3),
    entry("SeparableConv2D", x(2, 5, 5, 3), filters=4, kernel_size=3),
    *(entry(f"{kind}Pooling{n}D", x(2, *(5,) * n, 2), padding="same") for kind in ("Max", "Average") for n in (1, 2, 3)),
    *(entry(f"Global{kind}Pooling{n}D", x(2, *(3,) * n, 2)) for kind in ("Max", "Average") for n in (1, 2, 3)),
    *(entry(f"Adaptive{kind}Pooling{n}D", x(2, *(5,) * n, 2), output_size=2) for kind in ("Max", "Average") for n in (1, 2, 3)),
    *(entry(f"Cropping{n}D", x(2, *(4,) * n, 2), cropping=1) for n in (1, 2, 3)),
    *(entry(f"ZeroPadding{n}D", x(2, *(2,) * n, 2), padding=1) for n in (1, 2, 3)),
    *(entry(f"UpSampling{n}D", x(2, *(2,) * n, 2), size=2) for n in (1, 2, 3)),
    entry("UpSampling2D", x(1, 3, 3, 2), size=2, interpolation="bilinear"),
]
MERGING = [
    *(entry(name, [x(2, 3), x(2, 3)]) for name in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")),
    entry("Concatenate", [x(2, 3), x(2, 1)]),
    entry("Dot", [x(2, 3, 4), x(2, 4, 5)], axes=(2, 1)),
]

STATE = x(2, 3)
RECURRENT = [
    entry("SimpleRNN", x(2, 4, 3), units=3, dropout=0.5),
    entry("LSTM", x(2, 4, 3), units=3, return_sequences=True, go_backwards=True),
    entry("LSTM", x(2, 4, 3), units=3, return_state=True, recurrent_dropout=0.5),
    entry("GRU", x(2, 4, 3), units=3, reset_after=False, unroll=True),
    entry("SimpleRNNCell", x(2, 4), [STATE], units=3),
    entry("LSTMCell", x(2, 4), [STATE, STATE], units=3),
    entry("GRUCell", x(2, 4), [STATE], units=3),
    entry("RNN", x(2, 4, 3), cell=wrapped(lambda **dtype: layers.GRUCell(3, **dtype))),
    entry(
        "StackedRNNCells",
        x(2, 4),
        [[STATE], [STATE]],
        cells=wrapped(lambda **d: [layers.GRUCell(3, **d), layers.GRUCell(3, **d)]),
    ),
    entry("Bidirectional", x(2, 4, 3), layer=wrapped(lambda **dtype: layers.GRU(3, return_sequences=True, **dtype))),
    entry("ConvLSTM1D", x(1, 2, 4, 2), filters=2, kernel_size=2),
    entry("ConvLSTM2D", x(1, 2, 4, 3, 2), filters=2, kernel_size=2, return_sequences=True, data_format="channels_last"),
    entry("ConvLSTM3D", x(1, 2, 3, 3, 3, 1), filters=1, kernel_size=2, padding="same"),
]
ATTENTION = [
    entry("Attention", [x(2, 3, 4), x(2, 5, 4)], use_scale=True, score_mode="concat"),
    entry("AdditiveAttention", [x(2, 3, 4), x(2, 5, 4)]),
    entry("MultiHeadAttention", x(2, 3, 4), x(2, 5, 4), num_heads=2, key_dim=3, use_gate=True),
    entry("GroupedQueryAttention", x(2, 3, 4), x(2, 5, 4), head_dim=2, num_query_heads=4, num_key_value_heads=2),
    entry("GroupQueryAttention", x(2, 3, 4), x(2, 5, 4), head_dim=2, num_query_heads=2, num_key_value_heads=2, dropout=0.5),
]
IMAGES = RNG.uniform(0, 255, (2, 6, 5, 3)).astype(np.float32)
PREPROCESSING = [
    entry("Rescaling", x(2, 3), scale=2.0, offset=1.0),
    entry("Normalization", x(4, 3)),
    entry("Discretization", x(2, 3), bin_boundaries=[-1.0, 0.0, 1.0]),
    entry("CategoryEncoding", IDS, num_tokens=5, output_mode="count"),
    entry("IntegerLookup", IDS, vocabulary=[3, 1], num_oov_indices=2, skip=("mixed_bfloat16",)),
    entry("Pipeline", IMAGES, layers=wrapped(lambda **d: [layers.Rescaling(0.5, **d), layers.CenterCrop(2, 2, **d)])),
    entry("Resizing", IMAGES, height=3, width=4),
    entry("CenterCrop", IMAGES, height=3, width=4),
    entry("RandomCrop", IMAGES, height=3, width=4),
    entry("AutoContrast", IMAGES),
    entry("Equalization", IMAGES),
    entry("ContrastLimitedAdaptiveHistogramEqualization", IMAGES, tile_grid_size=(2, 2)),
    *(
        entry(name, IMAGES)
        for name in ("CutMix", "MixUp", "RandAugment", "AugMix", "RandomElasticTransform", "RandomErasing", "RandomFlip")
    ),
    *(
        entry(name, IMAGES)
        for name in ("RandomGaussianBlur", "RandomGrayscale", "RandomInvert", "RandomPerspective", "RandomShear")
    ),
    *(entry(f"Random{name}", IMAGES, factor=0.3) for name in ("Brightness", "ColorDegeneration", "Contrast", "Hue", "Rotation")),
    *(entry(f"Random{name}", IMAGES, factor=0.3) for name in ("Saturation", "Sharpness")),
    entry("RandomPosterization", IMAGES, factor=3),
    entry("RandomColorJitter", IMAGES, brightness_factor=0.1, contrast_factor=0.1, saturation_factor=0.6, hue_factor=0.1),
    entry("RandomTranslation", IMAGES, height_factor=0.2, width_factor=0.2),
    entry("RandomZoom", IMAGES, height_factor=0.2),
    entry("Solarization", IMAGES, threshold_factor=0.5),
    entry("STFTSpectrogram", x(2, 40, 1), frame_length=8),
    entry("MelSpectrogram", x(2, 64), fft_length=16, sequence_stride=8, num_mel_bins=4),
]
ENTRIES = [*BASIC, *SPATIAL, *MERGING, *RECURRENT, *ATTENTION, *PREPROCESSING]


@pytest.mark.parametrize("case", ENTRIES, ids=lambda e: e.layer)
def test_contract(case: Entry) -> None:
    def make(**dtype: Any) -> Any:
        arguments = {k: v(**dtype) if callable(v) else v for k, v in case.arguments.items()}
        return getattr(layers, case.layer)(**arguments, **dtype)

    check_layer(make, *case.inputs, skip=case.skip)


def test_every_layer_is_listed() -> None:
    public = {
        getattr(layers, name).__name__
        for name in layers.__all__
        if isinstance(getattr(layers, name), type) and issubclass(getattr(layers, name), layers.Layer)
    }
    abstract = {"Layer", "Wrapper", "Operation", "InputLayer"}
    by_function = {"Lambda", "JaxLayer"}  # tested in their own files: they hold functions
    on_host = {"Hashing", "HashedCrossing", "StringLookup", "TextVectorization"}  # tests/layers/preprocessing: they take strings
    missing = public - {e.layer for e in ENTRIES} - abstract - by_function - on_host
    assert not missing, f"add these layers to the list of the contract: {sorted(missing)}"
