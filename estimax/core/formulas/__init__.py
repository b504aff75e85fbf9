"""Formulas that losses and metrics share: pure functions of targets and predictions, one value a row."""

from estimax.core.formulas.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_generalized_cross_entropy,
    sparse_categorical_crossentropy,
)
from estimax.core.formulas.divergence import kl_divergence, poisson
from estimax.core.formulas.focal import binary_focal_crossentropy, categorical_focal_crossentropy
from estimax.core.formulas.margin import categorical_hinge, hinge, squared_hinge
from estimax.core.formulas.names import FUNCTIONS
from estimax.core.formulas.overlap import dice, tversky
from estimax.core.formulas.regression import (
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from estimax.core.formulas.sequence import ctc
from estimax.core.formulas.similarity import circle, cosine_similarity

__all__ = [
    "FUNCTIONS",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "dice",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
