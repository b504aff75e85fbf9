"""Functions of arrays under the names of `keras.ops`; on symbolic tensors each is a node of a functional model.

They take NumPy arrays, numbers, lists and Variables, give JAX arrays, and work under `jax.jit`, `grad` and `vmap`. Names, arguments, defaults and
numbers are those of Keras 3; most are functions of `jax.numpy`. Models save their nodes under Keras's names, and read those of Keras.

Example:
    >>> from estimax import Input, Model, ops
    >>> ops.mean([[1.0, 3.0]], axis=1).tolist()
    [2.0]
    >>> x = Input((4,))
    >>> Model(x, ops.mean(x, axis=1)).predict([[1.0, 2.0, 3.0, 6.0]], verbose=0).tolist()
    [3.0]
"""

from collections.abc import Callable
from typing import Any

from estimax.ops import image, linalg, nn, numpy
from estimax.ops.control import CONTROL
from estimax.ops.creation import KINDS
from estimax.ops.einops import rearrange
from estimax.ops.functions import FUNCTIONS as _SPECIAL
from estimax.ops.matrices import LOG_DETERMINANTS

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **numpy.FUNCTIONS, **nn.FUNCTIONS, **linalg.FUNCTIONS, **CONTROL.functions, **KINDS.functions, **_SPECIAL.functions,
    **LOG_DETERMINANTS.functions, "rearrange": rearrange,
}  # fmt: skip
globals().update(_FUNCTIONS)

__all__ = [*sorted(_FUNCTIONS), "image", "linalg", "nn", "numpy"]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'estimax.ops' has no attribute {name!r}. It has the functions of keras.ops: {', '.join(__all__)}."
    )
