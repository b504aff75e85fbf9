"""Variable scopes, as TensorFlow 1 had them: layers called twice share their variables by name."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from estimax.core.frame import Frame, open_frame
from estimax.core.shared import AUTO_REUSE


@contextlib.contextmanager
def variable_scope(name: str, reuse: bool | str | None = None) -> Iterator[str]:
    """Prefixes the paths of variables, and says whether those of the same path are one, inside a `model_fn`.

    Names of layers are counted anew each time the scope is opened, so that the second call of a network finds the variables of the first.

    Args:
        name: the prefix.
        reuse: True: every variable must be there; `AUTO_REUSE`: it is shared if it is there; None: as the scope around, and else a variable that is
            there is an error.

    Yields:
        The prefix.

    Raises:
        ValueError: for another value of `reuse`, or inside, for a variable that is missing or there already.

    Example:
        >>> import numpy as np, estimax as ex
        >>> legacy = ex.layers.legacy
        >>> def model_fn(features, labels, mode):
        ...     with legacy.variable_scope("net"):
        ...         y = legacy.dense(features["x"], 1)
        ...     with legacy.variable_scope("net", reuse=True):
        ...         y = y - legacy.dense(features["z"], 1)
        ...     return ex.estimator.RegressionHead().create_estimator_spec(features, mode, y, labels, optimizer="sgd")
        >>> rows = {"x": np.ones((2, 3), np.float32), "z": np.zeros((2, 3), np.float32)}, np.ones((2, 1), np.float32)
        >>> estimator = ex.estimator.Estimator(model_fn).train(lambda: rows, steps=1)
        >>> [name for name in estimator.get_variable_names() if name.startswith("net/")]
        ['net/dense/bias', 'net/dense/kernel']

    Reference: tf.compat.v1.variable_scope.
    """
    if reuse not in (None, False, True, AUTO_REUSE):
        raise ValueError(f"variable_scope: reuse: given {reuse!r}, expected True, False, None or AUTO_REUSE.")
    with open_frame() as frame, frame.scope(name), reusing(frame, _inherited(frame, reuse)):
        names, frame._names = frame._names, set()
        try:
            yield frame.prefix.rstrip("/")
        finally:
            frame._names = names


def _inherited(frame: Frame, reuse: bool | str | None) -> bool | str:
    if reuse:
        return reuse
    return frame.reuse if frame.reuse is not None else False


@contextlib.contextmanager
def reusing(frame: Frame, reuse: bool | str | None) -> Iterator[None]:
    """Says, for the time being, whether variables of the same path are one."""
    before, frame.reuse = frame.reuse, reuse
    try:
        yield
    finally:
        frame.reuse = before


def with_reuse(layer: Any) -> Any:
    """A function of `layers.legacy` that takes `reuse=` too."""

    @functools.wraps(layer)
    def call(*arguments: Any, reuse: bool | str | None = None, **named: Any) -> Any:
        if reuse is None:
            return layer(*arguments, **named)
        with open_frame() as frame, reusing(frame, _inherited(frame, reuse)):
            return layer(*arguments, **named)

    return call
