"""Symbolic tensors: what `Input` gives and what a layer gives when called on one; the graph of a functional model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import Frame, canonical, current_frame, is_plain_dict, standardize_dtype


class Node:
    """One call of a layer on symbolic tensors.

    Attributes:
        layer: what was called.
        args, kwargs: as given, with `KerasTensor`s in their places.
        outputs: the tree of `KerasTensor`s it gave.
        inputs: the `KerasTensor`s among the arguments, in order.
    """

    def __init__(self, layer: Any, args: tuple, kwargs: dict[str, Any]):
        self.layer, self.args, self.kwargs = layer, args, kwargs
        self.outputs: Any = None
        self.inputs: list[KerasTensor] = symbolic_leaves((args, kwargs))


class KerasTensor:
    """A placeholder with a shape and dtype but no value, that remembers the layer call it came from.

    Args:
        shape: with None for axes that may have any size; the first is the batch.
        dtype: a name; `"string"` for host strings.
        name: of the tensor.

    Reference: keras.KerasTensor.
    """

    def __init__(self, shape: Any, dtype: Any = "float32", *, name: str = "keras_tensor"):
        self.shape: tuple[int | None, ...] = tuple(None if d is None else int(d) for d in shape)
        self.dtype = standardize_dtype(dtype)
        self.name = name
        self.node: Node | None = None
        self.index = 0  # which output of the node, in flattened order

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def __jax_array__(self) -> Any:
        # A property and a ValueError, so that JAX meets the explanation when it asks whether this is an array, and passes it on.
        raise ValueError(
            f"{self!r} is symbolic: it has no value, and JAX functions can't be called on it. Put the computation into a layer: "
            "layers.Lambda(fn)(x)."
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.__jax_array__

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} is symbolic: it has no truth value. Put conditions into a layer's call.")

    def __len__(self) -> int:
        raise TypeError(f"{self!r} is symbolic: it has no length; its shape is {self.shape}.")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


def is_symbolic(x: Any) -> bool:
    """Whether a value is a `KerasTensor`."""
    return isinstance(x, KerasTensor)


def symbolic_leaves(tree: Any) -> list[KerasTensor]:
    """The `KerasTensor`s in nested lists, tuples and dicts, in order."""
    if isinstance(tree, KerasTensor):
        return [tree]
    if is_plain_dict(tree):
        return [t for v in tree.values() for t in symbolic_leaves(v)]
    if isinstance(tree, (list, tuple)):
        return [t for v in tree for t in symbolic_leaves(v)]
    return []


def map_symbolic(fn: Callable[[KerasTensor], Any], tree: Any) -> Any:
    """Replaces every `KerasTensor` of nested lists, tuples and dicts, keeping all else as it is."""
    if isinstance(tree, KerasTensor):
        return fn(tree)
    if is_plain_dict(tree):
        return {k: map_symbolic(fn, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [map_symbolic(fn, v) for v in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return tree


# Two sizes for unknown axes: an output axis that differs between them is unknown too. Primes, so that no reshape or stride of a
# usual layer makes them equal or invalid by chance.
_FILLS = (83, 89)


def output_spec(
    call: Callable[..., Any],
    args: tuple,
    kwargs: dict[str, Any],
    *,
    values: Mapping[str, Any] | None = None,
    bindings: Mapping[int, str] | None = None,
) -> Any:
    """The `KerasTensor`s that a call would give, found by tracing it twice with different sizes for unknown axes.

    Args:
        call: a function of arrays, which may read Variables.
        args, kwargs: with `KerasTensor`s for arrays.
        values, bindings: of the variables that the call may assign, as `Frame` takes them.
    """
    symbolic = symbolic_leaves((args, kwargs))
    outer = current_frame()
    scopes = [] if outer is None else outer._scopes

    def shapes(fill: int) -> Any:
        structs = [jax.ShapeDtypeStruct(tuple(fill if d is None else d for d in t.shape), canonical(t.dtype)) for t in symbolic]

        def run(key: Any, leaves: list) -> Any:
            it = iter(leaves)
            filled_args, filled_kwargs = map_symbolic(lambda _: next(it), (args, kwargs))
            with Frame(values, bindings, key=key, training=False) as frame:
                frame._scopes = list(scopes)
                return call(*filled_args, **filled_kwargs)

        return jax.eval_shape(run, jax.eval_shape(lambda: jax.random.key(0)), structs)

    first = shapes(_FILLS[0])
    if not any(d is None for t in symbolic for d in t.shape):
        return jax.tree.map(lambda a: KerasTensor(a.shape, a.dtype), first)
    second = shapes(_FILLS[1])

    def merge(a: Any, b: Any) -> KerasTensor:
        return KerasTensor([m if m == n else None for m, n in zip(a.shape, b.shape)], jnp.dtype(a.dtype).name)

    return jax.tree.map(merge, first, second)
