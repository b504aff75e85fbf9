"""How many floating point operations each layer of a model takes for one row, as XLA counts them."""

from __future__ import annotations

from typing import Any

import jax

from estimax.core import Frame, canonical
from estimax.layers import InputLayer
from estimax.layers.symbolic import map_symbolic, symbolic_leaves
from estimax.models.model import Model


def row_flops(model: Model) -> dict[int, int]:
    """FLOPs of one row by `id` of the layer, for layers whose input is known; lowered, not compiled."""
    graph = model.graph
    if graph is None:
        return {}
    found: dict[int, int] = {}
    for node in graph.nodes:
        if isinstance(node.layer, InputLayer) or not node.layer.built:
            continue
        tensors = symbolic_leaves((node.args, node.kwargs))
        if any(t.dtype == "string" or any(d is None for d in t.shape[1:]) for t in tensors):
            continue
        count = _count(node, tensors)
        if count is not None:
            found[id(node.layer)] = found.get(id(node.layer), 0) + count
        if isinstance(node.layer, Model):
            found |= row_flops(node.layer)
    return found


def _count(node: Any, tensors: list[Any]) -> int | None:
    layer = node.layer
    structs = [jax.ShapeDtypeStruct((1, *t.shape[1:]), canonical(t.dtype)) for t in tensors]
    values = {p: jax.ShapeDtypeStruct(v.shape, v.dtype) for p, v in layer.values.items()}

    def run(values: dict[str, Any], leaves: list[Any]) -> Any:
        given = iter(leaves)
        args, kwargs = map_symbolic(lambda _: next(given), (node.args, node.kwargs))
        with Frame(values, layer.bindings, key=jax.random.key(0), training=False):
            return layer(*args, **kwargs)

    try:
        analysis = jax.jit(run).lower(values, structs).cost_analysis()
    except (TypeError, ValueError):
        return None  # layers whose work is on the host
    if isinstance(analysis, list):
        analysis = analysis[0] if analysis else None
    flops = (analysis or {}).get("flops")
    return None if flops is None else int(flops)
