"""Losses: `losses.MeanSquaredError()(y_true, y_pred)`, or `"mse"` where a model asks for one."""

from estimax.core.formulas.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_generalized_cross_entropy,
    sparse_categorical_crossentropy,
)
from estimax.core.formulas.divergence import kl_divergence, poisson
from estimax.core.formulas.focal import binary_focal_crossentropy, categorical_focal_crossentropy
from estimax.core.formulas.margin import categorical_hinge, hinge, squared_hinge
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
from estimax.losses import legacy
from estimax.losses.base import Loss
from estimax.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    SparseCategoricalCrossentropy,
)
from estimax.losses.divergence import KLDivergence, Poisson
from estimax.losses.focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from estimax.losses.lookup import deserialize, get, resolve, serialize
from estimax.losses.margin import CategoricalHinge, Hinge, SquaredHinge
from estimax.losses.overlap import Dice, Tversky
from estimax.losses.reduction import reduce_weighted
from estimax.losses.regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)
from estimax.losses.sequence import CTC
from estimax.losses.similarity import Circle, CosineSimilarity
from estimax.losses.wrapper import LossFunctionWrapper

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "legacy",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "reduce_weighted",
    "resolve",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
