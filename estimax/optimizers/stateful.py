"""The stateful door of optimizers: their state as variables with Keras's paths, and steps on Variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core.gradients import RowGradient
from estimax.optimizers.schedules import LearningRateSchedule, as_schedule, deserialize


class StateVariable:
    """One array of an optimizer's state, seen as a variable: reading and assigning go to `optimizer.state`.

    Args:
        optimizer: whose state it is.
        keys: where in the state the array lies.
        path: name in Keras's form.
    """

    trainable = False

    def __init__(self, optimizer: Any, keys: tuple[str | int, ...], path: str):
        self.optimizer, self.keys, self.path = optimizer, keys, path
        self.name = path.rsplit("/", 1)[-1]

    @property
    def value(self) -> jax.Array:
        """The array."""
        node = self.optimizer.state
        for key in self.keys:
            node = getattr(node, key) if isinstance(key, str) and isinstance(node, tuple) else node[key]
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


def _replaced(node: Any, keys: tuple[str | int, ...], value: Any) -> Any:
    """A copy of nested dictionaries and (named) tuples with one leaf replaced."""
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(node, tuple) and isinstance(key, str):
        return node._replace(**{key: _replaced(getattr(node, key), rest, value)})  # type: ignore[attr-defined]
    if isinstance(node, (tuple, list)):
        assert isinstance(key, int)
        return type(node)((*node[:key], _replaced(node[key], rest, value), *node[key + 1 :]))
    return node | {key: _replaced(node[key], rest, value)}


def state_variables(optimizer: Any) -> list[StateVariable]:
    """Every array of an optimizer's state, in the order in which Keras makes them."""
    state = optimizer.state
    if state is None:
        return []
    found: list[tuple[tuple[str, ...], str]] = [(("iteration",), "iteration")]
    if "learning_rate" in state:
        found.append((("learning_rate",), "learning_rate"))
    for section, suffix in (("ema", "average"), ("accumulated", "gradient_accumulator")):
        found += [
            ((section, path), _slot_path(path, suffix)) for path in _ordered(state.get(section, {}), optimizer.variable_paths)
        ]
    slots = _ordered(state["slots"], optimizer.variable_paths)
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


def _ordered(by_path: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    return {p: by_path[p] for p in (*paths, *by_path) if p in by_path}


def _slot_path(path: str, slot: str) -> str:
    return f"{path.replace('/', '_')}_{slot}"


def path_of(variable: Any) -> str:
    """The path of a variable, or a path itself."""
    if isinstance(variable, str):
        return variable
    return getattr(variable, "path", None) or variable.name


def checked_rate(owner: str, value: Any) -> float | LearningRateSchedule:
    """A learning rate as a number or a schedule.

    Args:
        owner: the optimizer's class, for messages.
        value: a number, a schedule, its config, or a function of the step.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, Mapping):
        value = deserialize(dict(value))
    if isinstance(value, LearningRateSchedule):
        return value
    if callable(value) and not hasattr(value, "dtype"):
        return as_schedule(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{owner}: learning_rate: given {value!r}, expected a number, a LearningRateSchedule or a function of the step."
        ) from None


class StatefulDoor:
    """The part of an optimizer that holds a state: for eager loops, callbacks and saving."""

    name: str
    use_ema: bool
    gradient_accumulation_steps: int | None
    slot_order: tuple[tuple[str, ...], ...]
    _learning_rate: float | LearningRateSchedule
    _state: dict[str, Any] | None
    _compiled: Any
    _no_decay_paths: set[str]
    _no_decay_patterns: list[str]
    # The pure side, which Optimizer defines.
    init: Any
    apply: Any
    finalize: Any
    settle: Any

    @property
    def learning_rate(self) -> float:
        """The learning rate now, also that of a schedule at the step reached. Set it at any time: nothing is compiled again.

        Setting takes effect through `state`, which the engine reads before each step.
        """
        if isinstance(self._learning_rate, LearningRateSchedule):
            return float(self._learning_rate(0 if self._state is None else self._state["iteration"]))
        return float(np.float32(self._learning_rate) if self._state is None else self._state["learning_rate"])

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        value = checked_rate(type(self).__name__, value)
        if isinstance(self._learning_rate, LearningRateSchedule) != isinstance(value, LearningRateSchedule):
            if self._state is not None:
                raise TypeError(
                    f"{self.name}: learning_rate: given {value!r} for {self._learning_rate!r}. After training has begun a number "
                    "can't replace a schedule, nor a schedule a number; make a new optimizer."
                )
        self._learning_rate = value
        if self._state is not None and not isinstance(value, LearningRateSchedule):
            self._state = self._state | {"learning_rate": jnp.asarray(value, jnp.float32)}

    @property
    def schedule(self) -> LearningRateSchedule | None:
        """The schedule of the learning rate, None if it is a number."""
        return self._learning_rate if isinstance(self._learning_rate, LearningRateSchedule) else None

    @property
    def state(self) -> dict[str, Any] | None:
        """The state of the object's own door, None before `build`. The engine reads it before each step and sets it after."""
        return self._state

    @state.setter
    def state(self, value: dict[str, Any] | None) -> None:
        self._state = value

    @property
    def built(self) -> bool:
        """Whether the object has a state."""
        return self._state is not None

    @property
    def iterations(self) -> int:
        """Steps taken: updates, where gradients are accumulated."""
        return 0 if self._state is None else int(self._state["iteration"]) // (self.gradient_accumulation_steps or 1)

    @property
    def variables(self) -> list[StateVariable]:
        """The state as variables with Keras's paths, `adam/dense_kernel_momentum`, in Keras's order."""
        return state_variables(self)

    def build(self, variables: Iterable[Any]) -> None:
        """Makes the state for these variables, unless there is one.

        Args:
            variables: objects with `path` (or `name`), `value` and `assign`.
        """
        if self._state is None:
            self._state = self.init({path_of(v): v.value for v in variables})

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> None:
        """Changes variables by their gradients.

        Args:
            grads_and_vars: pairs of gradient (or None) and variable.

        Raises:
            ValueError: if no variable has a gradient.

        Example:
            >>> from estimax.core import Variable
            >>> from estimax.optimizers import SGD
            >>> w = Variable([1.0], name="w")
            >>> SGD(0.1).apply_gradients([(jnp.array([1.0]), w)])
            >>> print(w.value)
            [0.9]
        """
        pairs = list(grads_and_vars)
        variables = {path_of(v): v for _, v in pairs}
        if len(variables) < len(pairs):
            raise ValueError(f"{self.name}: two variables have one path among {sorted(variables)}. Give them different names.")
        grads = {path_of(v): g if g is None or isinstance(g, RowGradient) else jnp.asarray(g) for g, v in pairs}
        self.build(variables.values())
        constraints = {p: c for p, v in variables.items() if (c := getattr(v, "constraint", None)) is not None}
        key = tuple((p, id(c)) for p, c in constraints.items())
        if self._compiled is None or self._compiled[0] != key:
            self._compiled = (key, jax.jit(lambda g, s, p: self.apply(g, s, p, constraints=constraints)))
        new, self.state = self._compiled[1](grads, self.state, {p: v.value for p, v in variables.items()})
        for path, variable in variables.items():
            if grads[path] is not None or self.use_ema:
                variable.assign(new[path])

    def exclude_from_weight_decay(self, var_list: Iterable[Any] | None = None, var_names: Iterable[str] | None = None) -> None:
        """Takes variables out of weight decay; call it before training.

        Args:
            var_list: variables.
            var_names: regular expressions, searched in the variables' paths.
        """
        self._no_decay_paths |= {path_of(v) for v in var_list or ()}
        self._no_decay_patterns += list(var_names or ())
        self._compiled = None

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Sets variables to the values to keep after training; see `finalize`."""
        if self._state is not None:
            variables = {path_of(v): v for v in var_list}
            params, self._state = self.settle({p: v.value for p, v in variables.items()}, self._state)
            for path, value in self.finalize(params, self._state).items():
                variables[path].assign(value)
