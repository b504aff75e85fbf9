"""What a layer class accepts, read from the signatures of its methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from estimax.core import HostValue, is_plain_dict


class CallInfo(NamedTuple):
    """What a class's `call` and `build` accept."""

    names: tuple[str, ...]
    training: bool
    mask: bool
    masks: tuple[tuple[str, str], ...]  # (argument, its mask argument)
    build_names: tuple[str, ...]


def _call_info(cls: Any) -> CallInfo:
    parameters = list(inspect.signature(cls.call).parameters.values())[1:]
    names = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    every = {p.name for p in parameters}
    masks = tuple((n, f"{n}_mask") for n in names if f"{n}_mask" in every)
    build_names = tuple(p for p in inspect.signature(cls.build).parameters if p != "self")
    return CallInfo(names, "training" in every, "mask" in every, masks, build_names)


# What a class's `call` and `build` accept; read once for each class.
call_info: Callable[[Any], CallInfo] = functools.cache(_call_info)


def shape_of(x: Any) -> Any:
    """Shapes of a tree of arrays or symbolic tensors: a tuple for one, nested lists, tuples or dicts for many."""
    if is_plain_dict(x):
        return {k: shape_of(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [shape_of(v) for v in x]
    if x is None or isinstance(x, HostValue):
        return None
    return tuple(x.shape) if hasattr(x, "shape") else tuple(np.shape(x))


def _config_names(cls: Any, root: Any) -> tuple[str, ...]:
    """The constructor's arguments that belong into a config: those of the class, and of its bases while it passes keywords on."""
    skip = {"self", "name", "trainable", "dtype", "activity_regularizer", "autocast"}
    names: dict[str, None] = {}
    for base in cls.__mro__:
        if base is root:
            break
        if "__init__" not in base.__dict__:
            continue
        parameters = inspect.signature(base.__dict__["__init__"]).parameters.values()
        names |= {p.name: None for p in parameters if p.name not in skip and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if all(p.kind != p.VAR_KEYWORD for p in parameters):
            break
    return tuple(names)


config_names: Callable[[Any, Any], tuple[str, ...]] = functools.cache(_config_names)
