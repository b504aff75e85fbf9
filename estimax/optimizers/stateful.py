"""The stateful door of optimizers: their state as variables with Keras's paths, and steps on Variables."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class StateVariable:
    """One array of an optimizer's state, seen as a variable: reading and assigning go to `optimizer.state`.

    Args:
        optimizer: whose state it is.
        keys: where in the state the array lies.
        path: name in Keras's form.
    """

    trainable = False

    def __init__(self, optimizer: Any, keys: tuple[str, ...], path: str):
        self.optimizer, self.keys, self.path = optimizer, keys, path
        self.name = path.rsplit("/", 1)[-1]

    @property
    def value(self) -> jax.Array:
        """The array."""
        node = self.optimizer.state
        for key in self.keys:
            node = node[key]
        return node

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(self.value.shape)

    @property
    def dtype(self) -> str:
        """Name of the array's type."""
        return str(self.value.dtype)

    def numpy(self) -> np.ndarray:
        """The array on the host."""
        return np.asarray(self.value)

    def assign(self, value: Any) -> None:
        """Replaces the array.

        Raises:
            ValueError: if the shape differs.
        """
        old = self.value
        new = jnp.asarray(value, old.dtype)
        if new.shape != old.shape:
            raise ValueError(f'Optimizer variable "{self.path}": given shape {new.shape}, expected {old.shape}.')
        self.optimizer.state = _replaced(self.optimizer.state, self.keys, new)

    def __repr__(self) -> str:
        return f"StateVariable(path={self.path!r}, shape={self.shape}, dtype={self.dtype})"


def _replaced(node: Any, keys: tuple[str, ...], value: Any) -> Any:
    return value if not keys else node | {keys[0]: _replaced(node[keys[0]], keys[1:], value)}


def state_variables(optimizer: Any) -> list[StateVariable]:
    """Every array of an optimizer's state, in the order in which Keras makes them."""
    state = optimizer.state
    if state is None:
        return []
    found: list[tuple[tuple[str, ...], str]] = [(("iteration",), "iteration")]
    if "learning_rate" in state:
        found.append((("learning_rate",), "learning_rate"))
    for section, suffix in (("ema", "average"), ("accumulated", "gradient_accumulator")):
        found += [((section, path), _slot_path(path, suffix)) for path in _ordered(state.get(section, {}), optimizer._paths)]
    slots = _ordered(state["slots"], optimizer._paths)
    listed: set[tuple[str, str]] = set()
    rest = tuple(dict.fromkeys(name for s in slots.values() for name in s))
    for group in (*optimizer.slot_order, rest):
        for path, names in slots.items():
            for name in group:
                if name in names and (path, name) not in listed:
                    listed.add((path, name))
                    found.append((("slots", path, name), _slot_path(path, name)))
    found += [(("shared", name), name) for name in state.get("shared", {})]
    return [StateVariable(optimizer, keys, f"{optimizer.name}/{last}") for keys, last in found]


def _ordered(by_path: dict[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    return {p: by_path[p] for p in (*paths, *by_path) if p in by_path}


def _slot_path(path: str, slot: str) -> str:
    return f"{path.replace('/', '_')}_{slot}"


def apply_to_variables(optimizer: Any, grads_and_vars: list[tuple[Any, Any]]) -> None:
    """One compiled step on variables; see `Optimizer.apply_gradients`."""
    variables = {getattr(v, "path", None) or v.name: v for _, v in grads_and_vars}
    grads = {p: g if g is None or hasattr(g, "ids") else jnp.asarray(g) for p, (g, _) in zip(variables, grads_and_vars)}
    if len(variables) < len(grads_and_vars):
        raise ValueError(f"{optimizer.name}: two variables have one path among {sorted(variables)}. Give them different names.")
    optimizer.build(variables.values())
    constraints = {p: c for p, v in variables.items() if (c := getattr(v, "constraint", None)) is not None}
    params = {p: v.value for p, v in variables.items()}
    key = tuple((p, id(c)) for p, c in constraints.items())
    if optimizer._compiled is None or optimizer._compiled[0] != key:
        optimizer._compiled = (key, jax.jit(lambda g, s, p: optimizer.apply(g, s, p, constraints=constraints)))
    new, optimizer.state = optimizer._compiled[1](grads, optimizer.state, params)
    for path, variable in variables.items():
        if grads[path] is not None or optimizer.use_ema:
            variable.assign(new[path])
