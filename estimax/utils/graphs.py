"""Pictures of models, in the language of Graphviz."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

from estimax.layers import KerasTensor, Layer
from estimax.layers.symbolic import symbolic_leaves


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> str:
    """A model as a graph in Graphviz's language, as text.

    Args:
        model: a model that is built, or was called on symbolic tensors.
        show_shapes: whether to show shapes of outputs.
        show_dtype: whether to show their types.
        show_layer_names: whether to show names beside classes.
        rankdir: `"TB"` from top to bottom, `"LR"` from left to right.
        expand_nested: whether to show what is in models inside the model.
        dpi: of a picture.
        show_layer_activations: whether to show activations.
        show_trainable: whether to mark layers with weights as trainable or not.
        splines: form of the edges.

    Raises:
        ValueError: if the model has no graph and no layers.

    Example:
        >>> from estimax import Input, Model, layers
        >>> x = Input((3,), name="x")
        >>> print(model_to_dot(Model(x, layers.Dense(2, name="y")(x)), show_shapes=True))
        digraph model {
          graph [rankdir=TB, dpi=200, splines=ortho];
          node [shape=record];
          "x" [label="{x : InputLayer|(None, 3)}"];
          "y" [label="{y : Dense|(None, 2)}"];
          "x" -> "y";
        }

    Reference: keras.utils.model_to_dot; https://graphviz.org/doc/info/lang.html.
    """
    writer = _Writer(show_shapes, show_dtype, show_layer_names, expand_nested, show_layer_activations, show_trainable)
    writer.write(model, "", "  ")
    if not writer.lines:
        raise ValueError(f"model_to_dot: {model!r} has no layers. Build it, or call it on data first.")
    head = ["digraph model {", f"  graph [rankdir={rankdir}, dpi={dpi}, splines={splines}];", "  node [shape=record];"]
    return "\n".join([*head, *writer.lines, *writer.edges, "}"])


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> None:
    """Writes a picture of a model to a file.

    Args:
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, show_layer_activations, show_trainable, splines: see
            `model_to_dot`.
        to_file: a picture by its ending (`.png`, `.svg`, `.pdf`), which takes the program `dot` of Graphviz; or `.dot` or `.gv` for the text.

    Raises:
        RuntimeError: if the program is not installed, or fails.

    Reference: keras.utils.plot_model.
    """
    options = (
        show_shapes,
        show_dtype,
        show_layer_names,
        rankdir,
        expand_nested,
        dpi,
        show_layer_activations,
        show_trainable,
        splines,
    )
    text = model_to_dot(model, *options)
    path = os.fsdecode(to_file)
    kind = os.path.splitext(path)[1].removeprefix(".").lower() or "png"
    if kind in ("dot", "gv"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return
    program = shutil.which("dot")
    if program is None:
        raise RuntimeError(
            "plot_model: pictures need the program dot of Graphviz (https://graphviz.org/download), which is not there. Write the text instead: "
            "plot_model(model, 'model.dot')."
        )
    done = subprocess.run([program, f"-T{kind}", "-o", path], input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"plot_model: dot failed: {done.stderr.decode(errors='replace').strip()}")


class _Writer:
    """Collects the lines of nodes and edges."""

    def __init__(self, shapes: bool, dtype: bool, names: bool, nested: bool, activations: bool, trainable: bool):
        self.shapes, self.dtype, self.names, self.nested = shapes, dtype, names, nested
        self.activations, self.trainable = activations, trainable
        self.lines: list[str] = []
        self.edges: list[str] = []

    def write(self, model: Any, prefix: str, indent: str) -> None:
        """Adds a model's layers and the edges between them."""
        graph = getattr(model, "_graph", None)
        layers = graph.operations if graph is not None else model.layers
        for layer in layers:
            if self.nested and _is_model(layer):
                self.lines += [
                    f'{indent}subgraph "cluster_{prefix}{layer.name}" {{',
                    f'{indent}  label="{_escaped(layer.name)}";',
                ]
                self.write(layer, f"{prefix}{layer.name}/", indent + "  ")
                self.lines.append(f"{indent}}}")
            else:
                self.lines.append(f'{indent}"{prefix}{layer.name}" [label="{self.label(layer)}"];')
        if graph is None:
            pairs = list(zip(layers, layers[1:]))
        else:
            pairs = [(t.node.layer, n.layer) for n in graph.nodes for t in n.inputs if t.node is not None]
        for before, after in dict.fromkeys(pairs):
            start, end = self.place(before, prefix, last=True), self.place(after, prefix, last=False)
            self.edges.append(f'  "{start}" -> "{end}";')

    def place(self, layer: Any, prefix: str, *, last: bool) -> str:
        """The node at which an edge ends: of an expanded model its last or first layer."""
        if not (self.nested and _is_model(layer)):
            return f"{prefix}{layer.name}"
        inner = layer._graph.operations if getattr(layer, "_graph", None) is not None else layer.layers
        return self.place(inner[-1 if last else 0], f"{prefix}{layer.name}/", last=last)

    def label(self, layer: Layer) -> str:
        """What a node shows."""
        kind = type(layer).__name__
        parts = [f"{layer.name} : {kind}" if self.names else kind]
        if self.activations and hasattr(layer, "activation"):
            parts.append(getattr(layer.activation, "__name__", type(layer.activation).__name__))
        outputs: list[KerasTensor] = symbolic_leaves(layer.nodes[0].outputs) if layer.nodes else []
        if self.shapes and outputs:
            parts.append(", ".join(str(t.shape) for t in outputs))
        if self.dtype and outputs:
            parts.append(", ".join(str(t.dtype) for t in outputs))
        if self.trainable and layer.weights:
            parts.append("trainable" if layer.trainable_variables else "not trainable")
        return "{" + "|".join(map(_escaped, parts)) + "}"


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "_graph") and bool(layer.layers)


def _escaped(text: str) -> str:
    """Text within a record's label."""
    for sign in '\\"{}|<>':
        text = text.replace(sign, "\\" + sign)
    return text
