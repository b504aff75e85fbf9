"""Names of layers and paths of variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def snake_case(name: str) -> str:
    """The automatic name of a class.

    >>> snake_case("LayerNormalization"), snake_case("Conv2D"), snake_case("PReLU"), snake_case("GRUCell")
    ('layer_normalization', 'conv2d', 'p_re_lu', 'gru_cell')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def first_free(name: str, used: Any) -> str:
    """`name`, or `name_1`, `name_2`, ...: the first that is not in `used`.

    >>> first_free("dense", {"dense", "dense_1"})
    'dense_2'
    """
    if name not in used:
        return name
    n = 1
    while f"{name}_{n}" in used:
        n += 1
    return f"{name}_{n}"


def unique_paths(variables: Iterable[Any]) -> dict[int, str]:
    """A path for each variable, by identity: its own, with a counter where two variables have the same one."""
    paths: dict[int, str] = {}
    used: set[str] = set()
    for v in variables:
        if id(v) not in paths:
            head, _, last = v.path.rpartition("/")
            path, n = v.path, 0
            while path in used:
                n += 1
                # The counter goes to the layer's name, as an automatic name would have had it.
                path = f"{head}_{n}/{last}" if head else f"{last}_{n}"
            used.add(path)
            paths[id(v)] = path
    return paths
