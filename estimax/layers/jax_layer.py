"""JaxLayer: a pair of plain JAX functions, one that makes parameters and one that computes, as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import SeedGenerator, Variable, register
from estimax.core.identifiers import function_config
from estimax.layers.base import Layer

_CALL_ARGUMENTS = ("params", "state", "rng", "inputs", "training")
_INIT_ARGUMENTS = ("rng", "inputs", "training")


@register("keras.layers")
class JaxLayer(Layer):
    """A layer made of `init_fn(rng, inputs) -> params` and `call_fn(params, inputs) -> outputs`.

    The functions may have these arguments, in any order, and are passed those that they have: `call_fn(params, state, rng, inputs,
    training)` and `init_fn(rng, inputs, training)`. With `state`, `init_fn` returns `(params, state)` and `call_fn` `(outputs, state)`.
    Parameters are any tree of arrays; each leaf becomes a variable.

    Args:
        call_fn: computes the output.
        init_fn: makes the parameters; not needed if they are given.
        params: first parameters, instead of `init_fn`.
        state: first state, instead of that of `init_fn`.
        seed: makes initial parameters and random numbers repeatable.

    Raises:
        ValueError: if a function has an argument that is not listed above, or neither `init_fn` nor `params` is given.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> def init(rng, inputs):
        ...     return {"scale": jnp.full(inputs.shape[-1], 2.0)}
        >>> def call(params, inputs):
        ...     return params["scale"] * inputs
        >>> layer = JaxLayer(call, init)
        >>> layer(jnp.ones((1, 2))).tolist(), [v.path for v in layer.weights]
        ([[2.0, 2.0]], ['jax_layer/scale'])

    Reference: keras.layers.JaxLayer.
    """

    def __init__(
        self,
        call_fn: Callable,
        init_fn: Callable | None = None,
        params: Any = None,
        state: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.call_fn = call_fn
        self.init_fn = init_fn
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)
        self._call_arguments = _arguments("call_fn", call_fn, _CALL_ARGUMENTS)
        if "inputs" not in self._call_arguments:
            raise ValueError("JaxLayer: call_fn: expected an argument named 'inputs'.")
        self._init_arguments = () if init_fn is None else _arguments("init_fn", init_fn, _INIT_ARGUMENTS)
        if init_fn is None and params is None and state is None:
            raise ValueError("JaxLayer: expected init_fn, or params and state as call_fn needs them; given neither.")
        self._first = (params, state)
        self._trees: Any = None

    @property
    def _has_state(self) -> bool:
        return "state" in self._call_arguments

    def build(self, input_shape: Any) -> None:
        """Makes the parameters and creates a variable for each leaf."""
        params, state = self._first
        if self.init_fn is not None and params is None and state is None:
            made = self._initial(input_shape)
            params, state = made if self._has_state else (made, None)
        self._first = (None, None)  # the variables hold them from now on
        self.params_variables = self._variables_for(params, "params", trainable=True)
        self.state_variables = self._variables_for(state, "state", trainable=False)
        self._trees = (jax.tree.structure(params), jax.tree.structure(state))

    def _initial(self, input_shape: Any) -> Any:
        # Also while something is traced: what is made here outlives the trace.
        with jax.ensure_compile_time_eval():
            inputs = _example(input_shape, self.compute_dtype)
            given = {"rng": self.seed_generator.next(), "inputs": inputs, "training": True}
            return self.init_fn(**{k: given[k] for k in self._init_arguments})  # type: ignore[misc]

    def _variables_for(self, tree: Any, kind: str, *, trainable: bool) -> list[Variable]:
        found = []
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            # NNX ends each path in "value"; Haiku has slashes in names.
            name = ".".join(_part(p) for p in path).replace("/", ".").removesuffix(".value") or kind
            leaf = jnp.asarray(leaf)
            is_trainable = trainable and jnp.issubdtype(leaf.dtype, jnp.inexact)
            found.append(self.add_weight(leaf.shape, _Given(leaf), leaf.dtype, is_trainable, name=name, autocast=False))
        return found

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Calls `call_fn` with the variables' values."""
        params, state = (
            jax.tree.unflatten(tree, [v.value for v in variables])
            for tree, variables in zip(self._trees, (self.params_variables, self.state_variables))
        )
        given = {"params": params, "state": state, "inputs": inputs, "training": training}
        if "rng" in self._call_arguments:
            given["rng"] = self.seed_generator.next()
        out = self.call_fn(**{k: given[k] for k in self._call_arguments})
        if not self._has_state:
            return out
        out, new = out
        if jax.tree.structure(new) != self._trees[1]:
            raise ValueError(
                f'JaxLayer "{self.name}": call_fn returned a state of structure {jax.tree.structure(new)}, expected that of the first '
                f"state, {self._trees[1]}."
            )
        for variable, value in zip(self.state_variables, jax.tree.leaves(new)):
            variable.assign(value)
        return out

    def get_config(self) -> dict[str, Any]:
        """The functions by name; parameters are saved as weights."""
        return {
            **super().get_config(),
            "call_fn": _named(self.call_fn, "call_fn"),
            "init_fn": None if self.init_fn is None else _named(self.init_fn, "init_fn"),
            "seed": self.seed,
        }


class _Given:
    """An initializer that gives back an array."""

    def __init__(self, value: jax.Array):
        self.value = value

    def __call__(self, shape: Any, dtype: Any) -> jax.Array:
        return self.value


def _arguments(what: str, fn: Any, allowed: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(fn, dict):
        raise ValueError(
            f"JaxLayer: {what}: the config names the function {fn.get('config')!r}; pass it when loading: custom_objects={{name: fn}}."
        )
    names = tuple(inspect.signature(fn).parameters)
    unknown = [n for n in names if n not in allowed]
    if unknown:
        raise ValueError(f"JaxLayer: {what}: has the arguments {names}, expected some of {allowed}.")
    return names


def _example(shape: Any, dtype: str) -> Any:
    """Ones of a shape, or of a tree of shapes; 1 where a size is unknown."""
    if isinstance(shape, dict):
        return {k: _example(v, dtype) for k, v in shape.items()}
    if isinstance(shape, list):
        return [_example(v, dtype) for v in shape]
    return jnp.ones([1 if d is None else d for d in shape], dtype)


def _part(key: Any) -> str:
    """One step of a path in a tree."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _named(fn: Any, what: str) -> dict[str, Any]:
    if getattr(fn, "__name__", "<lambda>") == "<lambda>":
        raise ValueError(
            f"JaxLayer: {what} has no name, and code is never saved. Define it with `def`, and pass custom_objects when loading."
        )
    return function_config(fn)
