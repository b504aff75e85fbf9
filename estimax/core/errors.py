"""The errors of estimax. All are ValueErrors, TypeErrors or RuntimeErrors too, so that code written for the references keeps working."""

from __future__ import annotations


class EstimaxError(Exception):
    """Base of every error that estimax raises by its own name."""


class TracerLeakError(EstimaxError, ValueError):
    """An object outside the pure call would have kept a traced value, or state was written inside an inner transformation."""


class UnboundVariableError(EstimaxError, ValueError):
    """A variable has no value here: it belongs to a finished pure call, or the state lacks its path."""


class HostValueError(EstimaxError, TypeError):
    """A value that lives on the host (a string, say) was used as if it were a device array."""


class ShapeError(EstimaxError, ValueError):
    """An array has another shape than the layer, column or head expects."""


class InputDataError(EstimaxError, ValueError):
    """The input data lack a feature, have the wrong type, or are empty."""


class CheckpointError(EstimaxError, ValueError):
    """A checkpoint is missing, unreadable, or belongs to another model."""


class ExportError(EstimaxError, ValueError):
    """An exported model is missing, broken, or cannot be written."""


class NanLossError(EstimaxError, RuntimeError):
    """The loss is NaN or infinite while training."""
