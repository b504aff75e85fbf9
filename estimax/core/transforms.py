"""`scan` and `remat` that carry the state of layers through, which JAX's own would refuse or lose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core.frame import Frame, current_frame


def _state_paths(frame: Frame) -> list[str]:
    """Paths of bound variables that a call may write: all that are not trainable."""
    return [p for p in frame.values if frame.kinds.get(p, "state") != "params"]


def scan(body: Callable, init: Any, xs: Any = None, length: int | None = None, *, reverse: bool = False, unroll: int = 1) -> Any:
    """`jax.lax.scan` whose body may call layers with state (BatchNormalization) or randomness (Dropout).

    Args:
        body: `(carry, x) -> (carry, y)`.
        init: the first carry.
        xs: tree of arrays `[length, ...]`, or None with `length`.
        length: number of steps, if `xs` is None.
        reverse: whether to run from the last to the first.
        unroll: steps a loop iteration.

    Returns:
        `(carry, ys)`.

    Example:
        >>> import jax.numpy as jnp
        >>> total, _ = scan(lambda c, x: (c + x, None), 0.0, jnp.arange(4.0))
        >>> float(total)
        6.0

    Reference: jax.lax.scan.
    """
    frame = current_frame()
    if frame is None or not frame.values:
        return jax.lax.scan(body, init, xs, length, reverse=reverse, unroll=unroll)
    paths = _state_paths(frame)
    key = frame.next_key() if frame.key is not None else None

    def step(carry: Any, x: Any) -> Any:
        state, values, i = carry
        with frame.inner(values, None if key is None else jax.random.fold_in(key, i)):
            state, y = body(state, x)
            values = {p: frame.values[p] for p in paths}
            losses = sum(frame.losses, jnp.zeros(()))
        return (state, values, i + 1), (y, losses)

    carry = (init, {p: frame.values[p] for p in paths}, jnp.zeros((), jnp.int32))
    (state, values, _), (ys, losses) = jax.lax.scan(step, carry, xs, length, reverse=reverse, unroll=unroll)
    for p in paths:
        frame.values[p] = values[p]
    frame.losses.append(jnp.sum(losses))
    return state, ys


def remat(fn: Callable, **options: Any) -> Callable:
    """`jax.checkpoint` of a function that may call layers with state: its activations are computed again for the gradient.

    Args:
        fn: any function of arrays.
        options: passed to `jax.checkpoint` (`policy`, `prevent_cse`, ...).

    Example:
        >>> import jax.numpy as jnp
        >>> float(remat(jnp.sin)(0.0))
        0.0

    Reference: jax.checkpoint.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        frame = current_frame()
        if frame is None or not frame.values:
            return jax.checkpoint(fn, **options)(*args, **kwargs)
        key = frame.next_key() if frame.key is not None else None
        state = _state_paths(frame)

        def inner(values: dict, key: Any, args: Any, kwargs: Any) -> Any:
            with frame.inner(values, key):
                out = fn(*args, **kwargs)
                return out, {p: frame.values[p] for p in state}, sum(frame.losses, jnp.zeros(()))

        out, values, losses = jax.checkpoint(inner, **options)(dict(frame.values), key, args, kwargs)
        for p in state:
            frame.values[p] = values[p]
        frame.losses.append(losses)
        return out

    return call
