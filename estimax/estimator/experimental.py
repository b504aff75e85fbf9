"""What tf.estimator keeps under `experimental`."""

from estimax.estimator.premade.rnn import RNNClassifier, RNNEstimator

__all__ = ["RNNClassifier", "RNNEstimator"]
