"""What tf.estimator keeps under `experimental`."""

from estimax.estimator.early_stopping import (
    make_early_stopping_hook,
    read_eval_metrics,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from estimax.estimator.in_memory_evaluator import InMemoryEvaluatorHook
from estimax.estimator.premade.rnn import RNNClassifier, RNNEstimator

__all__ = [
    "InMemoryEvaluatorHook",
    "RNNClassifier",
    "RNNEstimator",
    "make_early_stopping_hook",
    "read_eval_metrics",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]
