"""estimax: the tf.estimator API and a Keras-like model API over one training engine on JAX."""

from estimax._version import __version__

__all__ = ["__version__"]
