"""Premade estimators: columns, a network and a head."""

from estimax.estimator.premade.baseline import BaselineClassifier, BaselineEstimator, BaselineRegressor
from estimax.estimator.premade.dnn import DNNClassifier, DNNEstimator, DNNRegressor
from estimax.estimator.premade.dnn_linear_combined import (
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
)
from estimax.estimator.premade.kmeans import KMeans
from estimax.estimator.premade.linear import LinearClassifier, LinearEstimator, LinearRegressor
from estimax.estimator.premade.rnn import RNNClassifier, RNNEstimator
from estimax.estimator.premade.svm import LinearSVM

__all__ = [
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "KMeans",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "LinearSVM",
    "RNNClassifier",
    "RNNEstimator",
]
