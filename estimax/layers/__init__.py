"""Layers under Keras's names, arguments, defaults and numbers."""

from estimax.layers.base import Layer
from estimax.layers.symbolic import KerasTensor, is_symbolic

__all__ = ["KerasTensor", "Layer", "is_symbolic"]
