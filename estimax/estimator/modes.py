"""The three modes in which a model_fn is called."""

from __future__ import annotations


class ModeKeys:
    """Names of the modes: training, evaluation, prediction.

    Example:
        >>> ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT
        ('train', 'eval', 'infer')

    Reference: tf.estimator.ModeKeys.
    """

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


MODES = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)


def check_mode(mode: str) -> str:
    """The mode itself.

    Raises:
        ValueError: if it is none of the three.
    """
    if mode not in MODES:
        raise ValueError(
            f"mode: given {mode!r}, expected ModeKeys.TRAIN ('train'), ModeKeys.EVAL ('eval') or ModeKeys.PREDICT ('infer')."
        )
    return mode
