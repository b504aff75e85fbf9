"""The variables of an Estimator by TensorFlow's names: weights under their paths, and the optimizers' state under `training/`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from estimax.core import TrainState
from estimax.training import TrainOp

GLOBAL_STEP = "global_step"


@dataclasses.dataclass(frozen=True)
class ScopedTrainOp(TrainOp):
    """A train_op whose optimizer's variables have another prefix than `training/`."""

    scope: str = "training"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a name's value lies in the state.

    Attributes:
        keys: path below `opt_state`, or `("step",)`, or `(group, path)` with the group `params` or `model_state`.
        constant: the value, if the state does not hold it.
        dtype: in which TensorFlow keeps it.
    """

    keys: tuple[str, ...] = ()
    constant: Any = None
    dtype: str | None = None

    def read(self, state: TrainState) -> np.ndarray:
        """The value."""
        if self.constant is not None:
            return np.asarray(self.constant)
        node: Any = {"step": state.step, "params": state.params, "model_state": state.model_state, "opt_state": state.opt_state}
        for key in self.keys:
            node = node[key]
        value = np.asarray(node)
        return value if self.dtype is None else value.astype(self.dtype)


def places(state: TrainState, train_ops: Sequence[TrainOp]) -> dict[str, Place]:
    """Every name, in alphabetical order, and where its value lies.

    Args:
        state: of the model.
        train_ops: whose optimizers' state it holds, in order.
    """
    found = {GLOBAL_STEP: Place(("step",), dtype="int64")}
    found |= {path: Place(("params", path)) for path in state.params}
    found |= {path: Place(("model_state", path)) for path in state.model_state}
    taken: set[str] = set()
    for i, op in enumerate(train_ops):
        opt_state = state.opt_state.get(str(i)) if isinstance(state.opt_state, dict) else None
        if isinstance(opt_state, dict):
            prefix = _first_free(f"{getattr(op, 'scope', 'training')}/{_optimizer_name(op.optimizer)}", taken)
            found |= _optimizer_places(prefix, str(i), op.optimizer, opt_state, own_step=i > 0)
    return dict(sorted(found.items()))


def _optimizer_places(prefix: str, index: str, optimizer: Any, opt_state: dict[str, Any], *, own_step: bool) -> dict[str, Place]:
    found: dict[str, Place] = {}
    root = ("opt_state", index)
    if own_step and "iteration" in opt_state:
        found[f"{prefix}/iter"] = Place((*root, "iteration"), dtype="int64")
    hyper = getattr(optimizer, "hyper_values", None)
    for name, value in (hyper(opt_state) if hyper is not None else {}).items():
        found[f"{prefix}/{name}"] = Place(constant=np.asarray(value, np.float32))
    if "learning_rate" in opt_state:
        found[f"{prefix}/learning_rate"] = Place((*root, "learning_rate"))
    for path, slots in opt_state.get("slots", {}).items():
        for slot in slots:
            found[f"{prefix}/{path}/{slot}"] = Place((*root, "slots", path, slot))
    for section in ("shared", "ema", "accumulated"):
        for name in opt_state.get(section, {}):
            suffix = name if section == "shared" else f"{name}/{section}"
            found[f"{prefix}/{suffix}"] = Place((*root, section, name))
    return found


def _optimizer_name(optimizer: Any) -> str:
    return getattr(optimizer, "name", None) or type(optimizer).__name__


def _first_free(name: str, taken: set[str]) -> str:
    """`training/SGD`, then `training/SGD_1`: two optimizers of one kind."""
    chosen, n = name, 0
    while chosen in taken:
        n += 1
        chosen = f"{name}_{n}"
    taken.add(chosen)
    return chosen


def with_values(state: TrainState, train_ops: Sequence[TrainOp], values: dict[str, Any]) -> TrainState:
    """The state with the values of some names replaced; names of hyper-parameters that the state does not hold are left out.

    Raises:
        ValueError: if a name is unknown or a shape differs.
    """
    known = places(state, train_ops)
    params, model_state, step = dict(state.params), dict(state.model_state), state.step
    opt_state = state.opt_state
    for name, value in values.items():
        if name not in known:
            raise ValueError(f'Variable "{name}": there is none of this name. Known: {list(known)[:20]}.')
        place = known[name]
        if place.constant is not None:
            continue
        old = place.read(state)
        if np.shape(value) != old.shape:
            raise ValueError(f'Variable "{name}": given shape {np.shape(value)}, expected {old.shape}.')
        if place.keys == ("step",):
            step = jnp.asarray(np.int32(value))
        elif place.keys[0] == "params":
            params[place.keys[1]] = jnp.array(value, params[place.keys[1]].dtype)
        elif place.keys[0] == "model_state":
            model_state[place.keys[1]] = jnp.array(value, model_state[place.keys[1]].dtype)
        else:
            opt_state = _replaced(opt_state, place.keys[1:], value)
    return state.replace(step=step, params=params, model_state=model_state, opt_state=opt_state)


def _replaced(node: Any, keys: tuple[str, ...], value: Any) -> Any:
    if not keys:
        return jnp.array(value, node.dtype)
    return node | {keys[0]: _replaced(node[keys[0]], keys[1:], value)}
