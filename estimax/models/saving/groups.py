"""Where each layer's weights lie in Keras's weight files: groups by attribute and class, never by the user's names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from estimax.core import Variable, snake_case
from estimax.layers import Layer
from estimax.models.model import Model
from estimax.models.sequential import Sequential

_INTERNAL = frozenset(("nodes", "_own_variables", "_losses", "_losses_of", "_stack", "_graph"))


def weight_groups(model: Layer) -> list[tuple[str, Layer, list[Variable]]]:
    """Group, layer and own variables of each layer below and including a model, each layer once.

    Example:
        >>> from estimax.layers import Dense, Input
        >>> model = Sequential([Input((3,)), Dense(2), Dense(1)])
        >>> [group for group, _, variables in weight_groups(model) if variables]
        ['layers/dense', 'layers/dense_1']
    """
    found: list[tuple[str, Layer, list[Variable]]] = []
    seen: set[int] = set()

    def visit(layer: Layer, group: str) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        own = own_variables(layer)
        found.append((group, layer, own))
        for attribute, value in _parts(layer):
            path = f"{group}/{attribute}" if group else attribute
            if isinstance(value, Layer):
                visit(value, path)
            else:
                visit_all(value, path)

    def visit_all(container: Any, group: str) -> None:
        counts: dict[str, int] = {}
        for value in container.values() if isinstance(container, dict) else container:
            if isinstance(value, Layer):
                visit(value, f"{group}/{_counted(snake_case(type(value).__name__), counts)}")
            elif isinstance(value, (list, tuple, dict)):
                visit_all(value, f"{group}/{_counted('container', counts)}")

    visit(model, "")
    return found


class LowRankParts(NamedTuple):
    """A frozen table and the two thin ones that are trained in its place: `frozen + scale * (a @ b)`."""

    frozen: Variable
    a: Variable
    b: Variable
    scale: float


def low_rank_parts(layer: Any) -> LowRankParts | None:
    """The tables of a layer's low-rank adaptation, if it has one."""
    for name in ("kernel", "embeddings"):
        a, b = (getattr(layer, f"lora_{name}_{part}", None) for part in "ab")
        if a is not None and b is not None:
            return LowRankParts(getattr(layer, name), a, b, layer.lora_alpha / layer.lora_rank)
    return None


def own_variables(layer: Layer) -> list[Variable]:
    """A layer's own variables in the order of weight files: trainable ones first; without the parts of a low-rank adaptation."""
    kept = [v for v in layer._own_variables if not getattr(v, "transient", False)]
    parts = low_rank_parts(layer)
    if parts is not None:
        return [v for v in kept if v is not parts.a and v is not parts.b]
    return [v for v in kept if v.trainable] + [v for v in kept if not v.trainable]


def _parts(layer: Layer) -> Iterator[tuple[str, Any]]:
    """Attributes that hold layers, in the order in which Keras visits them: by name, private ones last."""
    parts = {k: v for k, v in vars(layer).items() if k not in _INTERNAL and not k.startswith("_ref_") and _holds_layers(v)}
    if isinstance(layer, Sequential) or (isinstance(layer, Model) and layer.graph is not None):
        yield "layers", layer.layers
    elif isinstance(layer, Model):
        parts["layers"] = layer.layers
    if type(layer).__name__ == "GroupedQueryAttention":
        # Private attributes in Keras, and so are their groups.
        parts = {f"_{k}" if k.endswith("_dense") else k: v for k, v in parts.items()}
    for name in sorted(parts, key=lambda n: f"~{n}" if n.startswith("_") else n):
        yield name, parts[name]


def _holds_layers(value: Any) -> bool:
    if isinstance(value, Layer):
        return True
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, (list, tuple)) and any(_holds_layers(v) for v in value)


def _counted(name: str, counts: dict[str, int]) -> str:
    n = counts.get(name)
    counts[name] = 0 if n is None else n + 1
    return name if n is None else f"{name}_{n + 1}"
