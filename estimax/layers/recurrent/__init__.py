"""Recurrent layers: cells, and what runs them over time."""

from estimax.layers.recurrent.bidirectional import Bidirectional
from estimax.layers.recurrent.built_in import GRU, LSTM, SimpleRNN
from estimax.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from estimax.layers.recurrent.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from estimax.layers.recurrent.rnn import RNN
from estimax.layers.recurrent.stacked import StackedRNNCells

__all__ = [
    "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "SimpleRNN",
    "SimpleRNNCell", "StackedRNNCells",
]  # fmt: skip
