"""A table of layers as text."""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """What a summary says of one layer.

    Attributes:
        name, kind: of the layer and of its class.
        output_shape: with None for the batch; nested for several outputs; None if it is not known.
        params, trainable_params: numbers of elements; None if the layer is not built.
        size_bytes: of its variables.
        flops: floating point operations for one row; None if they are not known.
        depth: how many models it lies in.
        trainable: whether it is trained.
    """

    name: str
    kind: str
    output_shape: Any
    params: int | None
    trainable_params: int = 0
    size_bytes: int = 0
    flops: int | None = None
    depth: int = 0
    trainable: bool = True


def readable_count(n: int | None, units: Sequence[str] = ("", " K", " M", " G", " T"), base: int = 1000) -> str:
    """A number with three digits and a unit.

    >>> readable_count(12), readable_count(12345), readable_count(None)
    ('12', '12.3 K', '?')
    """
    if n is None:
        return "?"
    value, unit = float(n), 0
    while value >= base and unit < len(units) - 1:
        value, unit = value / base, unit + 1
    return f"{n}{units[0]}" if unit == 0 else f"{value:.3g}{units[unit]}"


def readable_bytes(n: int) -> str:
    """A size with its unit.

    >>> readable_bytes(2048)
    '2 KiB'
    """
    return readable_count(n, (" B", " KiB", " MiB", " GiB", " TiB"), 1024)


def _shape_text(shape: Any) -> str:
    if shape is None:
        return "?"
    if isinstance(shape, dict):
        return "{" + ", ".join(f"{k}: {_shape_text(v)}" for k, v in shape.items()) + "}"
    if isinstance(shape, list):
        return "[" + ", ".join(_shape_text(v) for v in shape) + "]"
    return "(" + ", ".join("None" if d is None else str(d) for d in shape) + ("," if len(shape) == 1 else "") + ")"


def table_text(
    title: str, rows: Sequence[LayerRow], totals: tuple[int, int], *, width: int | None = None, show_trainable: bool = False
) -> str:
    """The table of a model's layers.

    Args:
        title: the line above.
        rows: one for each layer.
        totals: all and trainable parameters of the model; shared layers count once.
        width: of the table in characters; by default that of the terminal.
        show_trainable: whether a column says which layers are trained.

    Example:
        >>> print(table_text("Model", [LayerRow("dense", "Dense", (None, 2), 8, 8, 32, 14)], (8, 8), width=80).splitlines()[0].strip())
        Model
    """
    from rich.box import ROUNDED
    from rich.console import Console
    from rich.table import Table

    table = Table(box=ROUNDED, show_edge=True)
    table.add_column("Layer (type)", overflow="fold")
    table.add_column("Output shape", overflow="fold")
    for name in ("Params", "Bytes", "FLOPs/row"):
        table.add_column(name, justify="right")
    if show_trainable:
        table.add_column("Trains", justify="center")
    for row in rows:
        cells = [
            "  " * row.depth + f"{row.name} ({row.kind})",
            _shape_text(row.output_shape),
            "0 (unbuilt)" if row.params is None else f"{row.params:,}",
            readable_bytes(row.size_bytes),
            readable_count(row.flops),
        ]
        table.add_row(*cells, *(["yes" if row.trainable else "no"] if show_trainable else []))
    width = width or max(80, shutil.get_terminal_size((100, 24)).columns)
    with io.StringIO() as f:
        console = Console(file=f, width=width, no_color=True, highlight=False, markup=False)
        console.print(title)
        console.print(table)
        total, trainable = totals
        console.print(f"Total params: {total:,}\nTrainable params: {trainable:,}\nNon-trainable params: {total - trainable:,}")
        return f.getvalue().rstrip("\n")
