"""Heads: from logits to loss, predictions, metrics and signatures."""

from estimax.estimator.heads.base import Head
from estimax.estimator.heads.binary_class import BinaryClassHead
from estimax.estimator.heads.multi_class import MultiClassHead
from estimax.estimator.heads.multi_head import MultiHead
from estimax.estimator.heads.multi_label import MultiLabelHead
from estimax.estimator.heads.regression import LogisticRegressionHead, PoissonRegressionHead, RegressionHead

__all__ = [
    "BinaryClassHead",
    "Head",
    "LogisticRegressionHead",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "PoissonRegressionHead",
    "RegressionHead",
]
