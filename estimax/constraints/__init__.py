"""Rules that weights keep after each update: `constraints.MaxNorm(3)`, or `"max_norm"` where a layer asks for one."""

from estimax.constraints.lookup import deserialize, get, serialize
from estimax.constraints.norms import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]
