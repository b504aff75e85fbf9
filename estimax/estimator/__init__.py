"""Estimators: a model_fn or a premade model, trained, evaluated, served, with tf.estimator's names."""

from estimax.core.errors import NanLossError as NanLossDuringTrainingError
from estimax.estimator import experimental, export
from estimax.estimator.add_metrics import add_metrics
from estimax.estimator.estimator import Estimator
from estimax.estimator.exporters import BestExporter, Exporter, FinalExporter, LatestExporter
from estimax.estimator.heads import (
    BinaryClassHead,
    Head,
    LogisticRegressionHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
)
from estimax.estimator.model_fn import get_global_step, named
from estimax.estimator.model_to_estimator import model_to_estimator
from estimax.estimator.modes import ModeKeys
from estimax.estimator.parse_specs import classifier_parse_example_spec, regressor_parse_example_spec
from estimax.estimator.premade import (
    BaselineClassifier,
    BaselineEstimator,
    BaselineRegressor,
    DNNClassifier,
    DNNEstimator,
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
    DNNRegressor,
    LinearClassifier,
    LinearEstimator,
    LinearRegressor,
)
from estimax.estimator.run_config import RunConfig
from estimax.estimator.session import Scaffold, SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from estimax.estimator.spec import EstimatorSpec
from estimax.estimator.timer import SecondOrStepTimer
from estimax.estimator.train_specs import EvalSpec, TrainSpec
from estimax.estimator.training import train_and_evaluate
from estimax.estimator.variable_tree import VariableTree
from estimax.estimator.warm_start import VocabInfo, WarmStartSettings
from estimax.training.hooks import (
    CheckpointSaverHook,
    CheckpointSaverListener,
    FeedFnHook,
    FinalOpsHook,
    GlobalStepWaiterHook,
    LoggingTensorHook,
    NanTensorHook,
    ProfilerHook,
    StepCounterHook,
    StopAtStepHook,
    SummarySaverHook,
)

__all__ = [
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "BestExporter",
    "BinaryClassHead",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FeedFnHook",
    "FinalExporter",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
    "Head",
    "LatestExporter",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "LoggingTensorHook",
    "LogisticRegressionHead",
    "ModeKeys",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "PoissonRegressionHead",
    "ProfilerHook",
    "RegressionHead",
    "RunConfig",
    "Scaffold",
    "SecondOrStepTimer",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "TrainSpec",
    "VariableTree",
    "VocabInfo",
    "WarmStartSettings",
    "add_metrics",
    "classifier_parse_example_spec",
    "experimental",
    "export",
    "get_global_step",
    "model_to_estimator",
    "named",
    "regressor_parse_example_spec",
    "train_and_evaluate",
]
