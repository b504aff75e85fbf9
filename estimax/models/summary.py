"""The table of `model.summary()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from estimax.introspect.summary import LayerRow, table_text
from estimax.layers import Layer
from estimax.layers.base import shape_of
from estimax.models.flops import row_flops
from estimax.models.model import Model


def layer_rows(
    model: Model, *, expand_nested: bool = False, depth: int = 0, flops: dict[int, int] | None = None
) -> list[LayerRow]:
    """A row for each layer."""
    flops = row_flops(model) if flops is None else flops
    rows = []
    for layer in model.layers:
        variables = layer._variables()
        rows.append(
            LayerRow(
                name=layer.name,
                kind=type(layer).__name__,
                output_shape=output_shape_of(layer),
                params=sum(v.size for v in layer.weights) if layer.built else None,
                trainable_params=sum(v.size for v, trains in variables if trains),
                size_bytes=sum(v.size * _item_size(v) for v in layer.weights),
                flops=flops.get(id(layer)),
                depth=depth,
                trainable=layer.trainable,
            )
        )
        if expand_nested and isinstance(layer, Model):
            rows += layer_rows(layer, expand_nested=True, depth=depth + 1, flops=flops)
    return rows


def output_shape_of(layer: Layer) -> Any:
    """The shape of a layer's first output in a graph, None if it is in none."""
    if not layer.nodes:
        if isinstance(layer, Model) and layer.graph is not None:
            return shape_of(layer.graph.outputs)
        return None
    return shape_of(layer.nodes[0].outputs)


def _item_size(variable: Any) -> int:
    return jnp.dtype(variable.dtype).itemsize


def print_summary(
    model: Model,
    *,
    line_length: int | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: tuple[str, str] | None = None,
) -> None:
    """Prints the table; see `Model.summary`."""
    rows = layer_rows(model, expand_nested=expand_nested)
    if layer_range is not None:
        names = [r.name for r in rows]
        missing = [n for n in layer_range if n not in names]
        if len(layer_range) != 2 or missing:
            raise ValueError(f"summary: layer_range: given {layer_range!r}, expected the names of two layers of {names}.")
        rows = rows[names.index(layer_range[0]) : names.index(layer_range[1]) + 1]
    variables = model._variables()
    totals = (sum(v.size for v in model.weights), sum(v.size for v, trains in variables if trains))
    text = table_text(
        f"Model: {model.name!r} ({type(model).__name__})", rows, totals, width=line_length, show_trainable=show_trainable
    )
    (print_fn or print)(text)
