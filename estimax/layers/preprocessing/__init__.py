"""Preprocessing layers: tables, text, images, sound."""

from estimax.layers.preprocessing.category_encoding import CategoryEncoding
from estimax.layers.preprocessing.discretization import Discretization
from estimax.layers.preprocessing.hashing import HashedCrossing, Hashing
from estimax.layers.preprocessing.images import (
    AugMix,
    AutoContrast,
    CenterCrop,
    ContrastLimitedAdaptiveHistogramEqualization,
    CutMix,
    Equalization,
    MixUp,
    RandAugment,
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomErasing,
    RandomFlip,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPerspective,
    RandomPosterization,
    RandomRotation,
    RandomSaturation,
    RandomSharpness,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    Resizing,
    Solarization,
)
from estimax.layers.preprocessing.lookup import IntegerLookup, StringLookup
from estimax.layers.preprocessing.normalization import Normalization
from estimax.layers.preprocessing.pipeline import Pipeline
from estimax.layers.preprocessing.rescaling import Rescaling
from estimax.layers.preprocessing.spectrogram import MelSpectrogram, STFTSpectrogram
from estimax.layers.preprocessing.text import TextVectorization

__all__ = [
    "AugMix", "AutoContrast", "CategoryEncoding", "CenterCrop", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix",
    "Discretization", "Equalization", "HashedCrossing", "Hashing", "IntegerLookup", "MelSpectrogram", "MixUp",
    "Normalization", "Pipeline", "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur",
    "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomZoom", "Rescaling", "Resizing",
    "STFTSpectrogram", "Solarization", "StringLookup", "TextVectorization",
]  # fmt: skip
