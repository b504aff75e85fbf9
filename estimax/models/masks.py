"""How masks travel through a functional model, written out as nodes: Keras's saved models have them among the calls."""

from __future__ import annotations

import inspect
import re
from typing import Any

from estimax.core import find_class, first_free, snake_case
from estimax.layers import KerasTensor, Layer
from estimax.layers.symbolic import Node, symbolic_leaves
from estimax.models.graph import Graph, _sorted_nodes


class MaskedGraph:
    """A graph as it is saved: calls of layers that take a mask name it, and the operations that make the masks are there.

    The model itself does not run these operations; masks travel in the frame there.

    Attributes:
        operations: layers and operations, earliest first.
        indices: by `id` of a node, which call of its layer it is.
    """

    def __init__(self, graph: Graph):
        self._graph = graph
        self._kwargs: dict[int, dict[str, Any]] = {}
        self._masks: dict[int, KerasTensor | None] = {}
        self._added: list[Node] = []
        self._names = {x.name for x in graph.operations}
        takes_masks = False
        for node in graph.nodes:
            kwargs = dict(node.kwargs)
            training = default_training(node.layer, kwargs)
            if training is not None:
                kwargs.setdefault("training", training)
            if _takes_mask(node) and "mask" not in kwargs:
                kwargs["mask"] = self._mask_tree(node.args[0]) if node.args else None
                takes_masks = takes_masks or bool(symbolic_leaves(kwargs["mask"]))
            self._kwargs[id(node)] = kwargs
            self._follow(node, kwargs)
        self.operations = list(graph.operations)
        self.indices = graph.node_indices()
        if takes_masks:
            self._sort()

    def kwargs_of(self, node: Node) -> dict[str, Any]:
        """The keyword arguments of a call, with its mask."""
        return self._kwargs.get(id(node), node.kwargs)

    def nodes_of(self, layer: Layer) -> list[Node]:
        """The calls of a layer, in their order."""
        added = [n for n in self._added if n.layer is layer]
        return added or self._graph.nodes_of(layer)

    def _sort(self) -> None:
        """Puts the mask operations where Keras has them: nodes with the masks among their inputs, sorted by depth."""
        saved = []
        for node in self._graph.nodes:
            saved.append((node, node.inputs))
            node.inputs = symbolic_leaves((node.args, self._kwargs[id(node)]))
        try:
            nodes, depths, first_seen = _sorted_nodes(self._graph.flat_inputs, self._graph.flat_outputs)
        finally:
            for node, inputs in saved:
                node.inputs = inputs
        layers = {id(n.layer): n.layer for n in nodes}
        depth = {i: max(depths[id(n)] for n in nodes if id(n.layer) == i) for i in layers}
        self.operations = [layers[i] for i in sorted(layers, key=lambda i: (-depth[i], first_seen.get(i, -1)))]
        kept = {id(n) for n in nodes}
        self._added = [n for n in self._added if id(n) in kept]
        self.indices |= {id(n): 0 for n in self._added}
        # Names are counted in the order of use, as if the operations had been made with the layers.
        for n in self._added:
            base = snake_case(type(n.layer).__name__)
            n.layer.name = first_free(base, self._names)
            self._names.add(n.layer.name)

    def _mask_tree(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._mask_tree(v) for v in value]
        if isinstance(value, dict):
            return {k: self._mask_tree(v) for k, v in value.items()}
        return self._masks.get(id(value))

    def _make(self, operation: str, *args: Any, shape: tuple, **options: Any) -> KerasTensor:
        layer = find_class("keras.src.ops.numpy", operation)(**options)
        node = Node(layer, args, {})
        node.outputs = out = KerasTensor(shape, "bool")
        out.node = node
        self._added.append(node)
        return out

    def _follow(self, node: Node, kwargs: dict[str, Any]) -> None:
        """Works out the masks of a call's outputs."""
        outputs = symbolic_leaves(node.outputs)
        if not outputs:
            return
        layer, kind = node.layer, type(node.layer).__name__
        first: Any = node.args[0] if node.args else None
        given = kwargs["mask"] if kwargs.get("mask") is not None else self._mask_tree(first)
        mask: Any = None
        if kind == "Embedding":
            mask = self._make("NotEqual", first, 0, shape=first.shape) if getattr(layer, "mask_zero", False) else None
        elif kind == "Masking":
            unequal = self._make("NotEqual", first, layer.mask_value, shape=first.shape)
            mask = self._make("Any", unequal, shape=first.shape[:-1], axis=-1, keepdims=False)
        elif kind == "Concatenate" and isinstance(given, list):
            mask = self._joined(layer, first, given)
        elif kind in ("Attention", "AdditiveAttention"):
            mask = given[0] if isinstance(given, list) else None
        elif kind in _MERGES and isinstance(given, list):
            mask = self._merged(given)
        elif kind in _RECURRENT:
            mask = given if getattr(layer, "return_sequences", False) else None
        elif kind == "TimeDistributed" or (layer.supports_masking and type(layer).compute_mask is Layer.compute_mask):
            mask = given
        elif kind == "MultiHeadAttention":
            mask = self._masks.get(id(first))
        if isinstance(mask, list):
            mask = next((m for m in mask if m is not None), None)
        self._masks[id(outputs[0])] = mask

    def _merged(self, masks: list[KerasTensor | None]) -> KerasTensor | None:
        if any(m is None for m in masks):
            return None
        result = masks[0]
        for m in masks[1:]:
            result = self._make("LogicalOr", result, m, shape=result.shape)  # type: ignore[union-attr]
        return result

    def _joined(self, layer: Any, inputs: Any, masks: list[KerasTensor | None]) -> KerasTensor | None:
        """Masks of concatenated inputs: an input without one counts whole."""
        if all(m is None for m in masks):
            return None
        parts = []
        for x, m in zip(inputs, masks):
            if m is None:
                parts.append(self._make("OnesLike", x, shape=x.shape, dtype="bool"))
            elif len(m.shape) < len(x.shape):
                wide = self._make("ExpandDims", m, shape=(*m.shape, 1), axis=-1)
                parts.append(
                    self._make("LogicalOr", wide, self._make("ZerosLike", x, shape=x.shape, dtype="bool"), shape=x.shape)
                )
            else:
                parts.append(m)
        sizes = [x.shape[layer.axis] for x in inputs]
        shape = list(inputs[0].shape)
        shape[layer.axis] = None if None in sizes else sum(sizes)
        whole = self._make("Concatenate", parts, shape=tuple(shape), axis=layer.axis)
        return self._make("Any", whole, shape=whole.shape[:-1], axis=-1, keepdims=False)


_MERGES = frozenset(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"))
# Their calls take masks here and not in Keras, where they only say what the mask of the output is.
_WITHOUT_MASK_ARGUMENT = _MERGES | {"Concatenate", "Dot", "MultiHeadAttention", "GroupedQueryAttention"}
# Layers whose call in Keras has a default for `training` that is not None: it is written into each saved call, but the model's own
# mode is what counts when it runs.
_INFERS_BY_DEFAULT = re.compile(
    r"Dropout|AlphaDropout|GaussianDropout|GaussianNoise|SpatialDropout[123]D|SpectralNormalization|LSTM|GRU|SimpleRNN|RNN|ConvLSTM[123]D|JaxLayer"
)
_TRAINS_BY_DEFAULT = re.compile(
    r"Random\w+|AugMix|AutoContrast|CenterCrop|ContrastLimitedAdaptiveHistogramEqualization|CutMix|Equalization|MixUp|Pipeline|RandAugment"
    r"|Resizing|Solarization"
)
_RECURRENT = frozenset(("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"))


def default_training(layer: Any, kwargs: dict[str, Any]) -> bool | None:
    """The `training` that Keras writes into a saved call to which none was given; None where it writes none.

    >>> from estimax.layers import Dense, Dropout, RandomFlip
    >>> default_training(Dropout(0.5), {}), default_training(RandomFlip(), {}), default_training(Dense(1), {})
    (False, True, None)
    """
    name = type(layer).__name__
    if "_config_name" not in vars(type(layer)) or kwargs.get("initial_state") is not None:
        return None
    return False if _INFERS_BY_DEFAULT.fullmatch(name) else True if _TRAINS_BY_DEFAULT.fullmatch(name) else None


def _takes_mask(node: Node) -> bool:
    """Whether Keras gives the call its mask as an argument: `call` has `mask`, and one argument holds tensors."""
    if type(node.layer).__name__ in _WITHOUT_MASK_ARGUMENT:
        return False
    names = inspect.signature(type(node.layer).call).parameters
    tensors = [a for a in (*node.args, *(v for k, v in node.kwargs.items() if k != "mask")) if symbolic_leaves(a)]
    return "mask" in names and len(tensors) == 1
