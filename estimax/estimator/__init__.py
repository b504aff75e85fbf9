"""Estimators: a model_fn or a premade model, trained, evaluated, served, with tf.estimator's names."""

from estimax.estimator import experimental, export
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
from estimax.estimator.model_fn import named
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
from estimax.estimator.session import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from estimax.estimator.spec import EstimatorSpec
from estimax.estimator.train_specs import EvalSpec, TrainSpec
from estimax.estimator.warm_start import VocabInfo, WarmStartSettings
from estimax.training.hooks import (
    CheckpointSaverHook,
    CheckpointSaverListener,
    FinalOpsHook,
    LoggingTensorHook,
    NanTensorHook,
    ProfilerHook,
    StepCounterHook,
    StopAtStepHook,
    SummarySaverHook,
)
