"""Layers under Keras's names, arguments, defaults and numbers."""

from estimax.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
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
from estimax.layers.einsum_dense import EinsumDense
from estimax.layers.embedding import Embedding, ReversibleEmbedding
from estimax.layers.identity import ActivityRegularization, Identity, Lambda, Masking
from estimax.layers.input_layer import Input, InputLayer
from estimax.layers.input_spec import InputSpec
from estimax.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from estimax.layers.normalization import GroupNormalization, LayerNormalization, RMSNormalization, UnitNormalization
from estimax.layers.operation import Operation
from estimax.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    ConvLSTM1D,
    ConvLSTM2D,
    ConvLSTM3D,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from estimax.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from estimax.layers.symbolic import KerasTensor, is_symbolic
from estimax.layers.wrapper import SpectralNormalization, TimeDistributed, Wrapper

__all__ = [
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Dense",
    "Dot",
    "Dropout",
    "ELU",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GRU",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "KerasTensor",
    "LSTM",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "Maximum",
    "Minimum",
    "Multiply",
    "Operation",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "RNN",
    "ReLU",
    "RepeatVector",
    "Reshape",
    "ReversibleEmbedding",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpectralNormalization",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UnitNormalization",
    "Wrapper",
    "add",
    "average",
    "concatenate",
    "dot",
    "is_symbolic",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
