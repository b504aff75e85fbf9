"""Layers under Keras's names, arguments, defaults and numbers."""

from estimax.layers.activation import Activation
from estimax.layers.base import Layer
from estimax.layers.batch_normalization import BatchNormalization
from estimax.layers.dense import Dense
from estimax.layers.dropout import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from estimax.layers.embedding import Embedding
from estimax.layers.input_layer import Input, InputLayer
from estimax.layers.input_spec import InputSpec
from estimax.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from estimax.layers.symbolic import KerasTensor, is_symbolic

__all__ = [
    "Activation",
    "AlphaDropout",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Permute",
    "RepeatVector",
    "Reshape",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "is_symbolic",
]
