"""Outputs of exported signatures: what a served model answers, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ExportOutput:
    """Base of the three kinds of outputs; `outputs` is a dict of arrays by name.

    Reference: tf.estimator.export.ExportOutput.
    """

    method_name = ""

    @property
    def outputs(self) -> dict[str, Any]:
        """The arrays by name."""
        raise TypeError(f"{type(self).__name__} defines no outputs. Use ClassificationOutput, RegressionOutput or PredictOutput.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.outputs)})"


class PredictOutput(ExportOutput):
    """Any named outputs.

    Args:
        outputs: an array, or a dict of arrays by name; names may be tuples of strings, which are joined by "/".

    Raises:
        ValueError: if a name is not a string or tuple of strings.

    Example:
        >>> PredictOutput({"probabilities": [0.5]}).outputs
        {'probabilities': [0.5]}

    Reference: tf.estimator.export.PredictOutput.
    """

    method_name = "predict"

    def __init__(self, outputs: Any):
        if not isinstance(outputs, Mapping):
            outputs = {"output": outputs}
        self._outputs = {joined_name(k): v for k, v in outputs.items()}

    @property
    def outputs(self) -> dict[str, Any]:
        return dict(self._outputs)


class ClassificationOutput(ExportOutput):
    """Scores and names of classes.

    Args:
        scores: floats. Shape `[batch, classes]`, or None.
        classes: class names, a `HostOutput` or array of strings. Shape `[batch, classes]`, or None.

    Raises:
        ValueError: if neither is given.

    Example:
        >>> sorted(ClassificationOutput(scores=[[0.1, 0.9]]).outputs)
        ['scores']

    Reference: tf.estimator.export.ClassificationOutput.
    """

    method_name = "classify"

    def __init__(self, scores: Any = None, classes: Any = None):
        if scores is None and classes is None:
            raise ValueError("ClassificationOutput: given neither scores nor classes, expected at least one of them.")
        self.scores, self.classes = scores, classes

    @property
    def outputs(self) -> dict[str, Any]:
        return {k: v for k, v in (("scores", self.scores), ("classes", self.classes)) if v is not None}


class RegressionOutput(ExportOutput):
    """Predicted numbers.

    Args:
        value: floats. Shape `[batch, ...]`.

    Example:
        >>> RegressionOutput([[0.5]]).outputs
        {'outputs': [[0.5]]}

    Reference: tf.estimator.export.RegressionOutput.
    """

    method_name = "regress"

    def __init__(self, value: Any):
        if value is None:
            raise ValueError("RegressionOutput: given None, expected an array.")
        self.value = value

    @property
    def outputs(self) -> dict[str, Any]:
        return {"outputs": self.value}


def joined_name(name: Any) -> str:
    """A name of an output as one string.

    >>> joined_name(("tower", "logits"))
    'tower/logits'
    """
    if isinstance(name, tuple) and all(isinstance(n, str) for n in name):
        return "/".join(name)
    if not isinstance(name, str):
        raise ValueError(f"outputs: given the name {name!r}, expected a string or a tuple of strings.")
    return name
