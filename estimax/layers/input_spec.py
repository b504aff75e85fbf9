"""What a layer expects of its input's shape, and the error when it gets something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from estimax.core import current_frame
from estimax.core.errors import ShapeError


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """What a layer expects of one input; None for what does not matter.

    Args:
        ndim: the number of axes.
        min_ndim: the least number of axes.
        max_ndim: the largest number of axes.
        axes: size by axis; negative axes count from the end.
        shape: the whole shape, with None for axes of any size.

    Example:
        >>> InputSpec(min_ndim=2, axes={-1: 16})
        InputSpec(ndim=None, min_ndim=2, max_ndim=None, axes={-1: 16}, shape=None)

    Reference: keras.layers.InputSpec.
    """

    ndim: int | None = None
    min_ndim: int | None = None
    max_ndim: int | None = None
    axes: Mapping[int, int | None] = dataclasses.field(default_factory=dict)
    shape: tuple[int | None, ...] | None = None

    def fault(self, shape: tuple[int | None, ...]) -> str | None:
        """What is expected, if a shape is not that; else None."""
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim:
            return f"{self.ndim} axes{self._sizes()}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {self.min_ndim} axes{self._sizes()}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {self.max_ndim} axes{self._sizes()}"
        for axis, size in self.axes.items():
            if size is not None and -rank <= axis < rank and shape[axis] not in (None, size):
                return f"size {size} on axis {axis}"
        if self.shape is not None:
            fits = len(self.shape) == rank and all(a is None or b is None or a == b for a, b in zip(self.shape, shape))
            return None if fits else f"shape {self.shape}"
        return None

    def _sizes(self) -> str:
        return "".join(f", size {size} on axis {axis}" for axis, size in self.axes.items() if size is not None)


def layer_title(layer: Any) -> str:
    """Class and path of a layer, for messages: `Dense "tower/dense"`."""
    frame = current_frame()
    scopes = [] if frame is None else list(frame._scopes)
    if not scopes or scopes[-1][1] is not layer:
        scopes.append((layer.name, layer))
    return f'{type(layer).__name__} "{"/".join(name for name, _ in scopes)}"'


def shape_error(layer: Any, expected: str, given: Any, hint: str = "") -> ShapeError:
    """The error for an input of the wrong shape."""
    text = f"{layer_title(layer)}: expected input of {expected}, given shape {given}."
    return ShapeError(text + (" " + hint if hint else ""))


def check_inputs(layer: Any, spec: Any, inputs: Any) -> None:
    """Raises if the first argument of a layer is not what the layer expects.

    Raises:
        ValueError: naming the layer's path, what it expects and what it was given.
    """
    if isinstance(spec, (list, tuple)):
        given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        if len(given) != len(spec):
            raise ShapeError(f"{layer_title(layer)}: expected {len(spec)} inputs, given {len(given)}.")
        for s, x in zip(spec, given):
            check_inputs(layer, s, x)
        return
    shape = getattr(inputs, "shape", None)
    if spec is None or shape is None:
        return
    expected = spec.fault(shape)
    if expected is not None:
        hint = "The layer was built for other inputs: rebuild the model, or check what comes before it." if layer.built else ""
        raise shape_error(layer, expected, tuple(shape), hint)
