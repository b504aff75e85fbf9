"""Layers under Keras's names, arguments, defaults and numbers."""

from estimax.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from estimax.layers.attention import AdditiveAttention, Attention, GroupedQueryAttention, GroupQueryAttention, MultiHeadAttention
from estimax.layers.base import Layer
from estimax.layers.batch_normalization import BatchNormalization
from estimax.layers.convolution import Conv1D, Conv2D, Conv3D
from estimax.layers.convolution_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from estimax.layers.dense import Dense
from estimax.layers.depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
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
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
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
    "GroupQueryAttention",
    "GroupedQueryAttention",
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
    "MultiHeadAttention",
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
    "SeparableConv1D",
    "SeparableConv2D",
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
