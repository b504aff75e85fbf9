"""Seeds, memory, and questions about symbolic tensors."""

from __future__ import annotations

import gc
import random
from typing import Any

import jax
import numpy as np

from estimax import core
from estimax.layers import InputLayer, KerasTensor


def set_random_seed(seed: int) -> None:
    """Makes Python's, NumPy's and estimax's random numbers repeatable; `ex.set_random_seed` leaves the first two alone.

    Args:
        seed: an integer.

    Example:
        >>> set_random_seed(1)
        >>> first = np.random.rand()
        >>> set_random_seed(1)
        >>> first == np.random.rand()
        True

    Reference: keras.utils.set_random_seed.
    """
    random.seed(seed)
    np.random.seed(seed)
    core.set_random_seed(seed)


def clear_session(free_memory: bool = True) -> None:
    """Frees the memory of models that nobody holds any more.

    Nothing else is left to clear: names are counted within a model, not within the process, and there is no global graph.

    Args:
        free_memory: whether to collect garbage and forget compiled functions; models that live compile once more.

    Reference: keras.utils.clear_session.
    """
    if free_memory:
        gc.collect()
        jax.clear_caches()


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a symbolic tensor, as `Input` gives one.

    Example:
        >>> from estimax import Input
        >>> is_keras_tensor(Input((3,))), is_keras_tensor(3)
        (True, False)

    Reference: keras.utils.is_keras_tensor.
    """
    return isinstance(x, KerasTensor)


def get_source_inputs(tensor: KerasTensor) -> list[KerasTensor]:
    """The `Input`s that a symbolic tensor was computed from.

    Args:
        tensor: a symbolic tensor.

    Example:
        >>> from estimax import Input
        >>> x = Input((3,))
        >>> get_source_inputs(2 * x + 1)[0] is x
        True

    Reference: keras.utils.get_source_inputs.
    """
    found: dict[int, KerasTensor] = {}
    seen: set[int] = set()
    stack = [tensor]
    while stack:
        t = stack.pop()
        if id(t) in seen:
            continue
        seen.add(id(t))
        if t.node is None or isinstance(t.node.layer, InputLayer):
            found[id(t)] = t
        else:
            stack += reversed(t.node.inputs)
    return list(found.values())
