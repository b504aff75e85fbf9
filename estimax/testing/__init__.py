"""Checks of the contracts that layers fulfil, for your own ones too."""

from estimax.testing.layers import check_layer

__all__ = ["check_layer"]
