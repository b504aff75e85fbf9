"""What tf.estimator keeps under `experimental`."""

from estimax.estimator.early_stopping import (
    make_early_stopping_hook,
    make_stop_at_checkpoint_step_hook,
    read_eval_metrics,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from estimax.estimator.export.supervised import build_raw_supervised_input_receiver_fn
from estimax.estimator.in_memory_evaluator import InMemoryEvaluatorHook
from estimax.estimator.premade.kmeans import KMeans
from estimax.estimator.premade.linear_sdca import LinearSDCA
from estimax.estimator.premade.logit_fns import call_logit_fn, dnn_logit_fn_builder, linear_logit_fn_builder
from estimax.estimator.premade.rnn import RNNClassifier, RNNEstimator
from estimax.estimator.premade.svm import LinearSVM

__all__ = [
    "InMemoryEvaluatorHook",
    "KMeans",
    "LinearSDCA",
    "LinearSVM",
    "RNNClassifier",
    "RNNEstimator",
    "build_raw_supervised_input_receiver_fn",
    "call_logit_fn",
    "dnn_logit_fn_builder",
    "linear_logit_fn_builder",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "read_eval_metrics",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]
