"""Penalties on weights: `regularizers.L2(1e-4)`, or `"l2"` where a layer asks for one."""

from estimax.regularizers.lookup import deserialize, get, serialize
from estimax.regularizers.penalties import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

l1 = L1
l1_l2 = L1L2
l2 = L2
orthogonal_regularizer = OrthogonalRegularizer

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]
