"""The graph of a functional model: which layer calls lead from its inputs to its outputs, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax

from estimax.core import first_free
from estimax.layers import Input, InputLayer, KerasTensor, Layer
from estimax.layers.symbolic import Node, map_symbolic, symbolic_leaves


def flat_tensors(tree: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts; those of a dict in the order of its sorted keys, as JAX and Keras have it."""
    if isinstance(tree, dict):
        return [t for k in sorted(tree) for t in flat_tensors(tree[k])]
    if isinstance(tree, (list, tuple)):
        return [t for v in tree for t in flat_tensors(v)]
    return [tree]


class Graph:
    """Layer calls from given inputs to given outputs.

    Args:
        inputs, outputs: nested `KerasTensor`s.

    Attributes:
        inputs, outputs: as given; inputs that other layers computed are replaced by new `Input`s.
        nodes: the calls, each after those it needs.
        operations: the layers and operations, earliest first, in Keras's order.

    Raises:
        ValueError: if an output does not follow from the inputs, or two layers were given one name.
        TypeError: if something else than symbolic tensors is given.
    """

    def __init__(self, inputs: Any, outputs: Any):
        for what, tree in (("inputs", inputs), ("outputs", outputs)):
            flat = flat_tensors(tree)
            if not flat or not all(isinstance(t, KerasTensor) for t in flat):
                raise ValueError(
                    f"Model: {what}: given {tree!r}, expected symbolic tensors: x = Input((3,)); y = layer(x); Model(x, y). "
                    "For a model made of layers in a row use Sequential."
                )
        self.inputs, self.outputs = _own_inputs(inputs, outputs)
        self.flat_inputs: list[KerasTensor] = flat_tensors(self.inputs)
        self.flat_outputs: list[KerasTensor] = flat_tensors(self.outputs)
        self.nodes, depths, first_seen = _sorted_nodes(self.flat_inputs, self.flat_outputs)
        layer_depths: dict[int, int] = {}
        by_id: dict[int, Layer] = {}
        for node in self.nodes:
            by_id[id(node.layer)] = node.layer
            layer_depths[id(node.layer)] = max(depths[id(node)], layer_depths.get(id(node.layer), 0))
        order = sorted(by_id, key=lambda i: (-layer_depths[i], first_seen.get(i, -1)))
        self.operations: list[Layer] = [by_id[i] for i in order]
        make_names_unique(self.operations)
        self._steps = [n for n in self.nodes if not isinstance(n.layer, InputLayer)]
        self._single = [
            n.args[0] if len(n.args) == 1 and not n.kwargs and isinstance(n.args[0], KerasTensor) else None for n in self._steps
        ]
        self._outputs = [symbolic_leaves(n.outputs) for n in self._steps]

    def run(
        self, values: dict[int, Any], call: Callable[..., Any] = lambda layer, *args, **kwargs: layer(*args, **kwargs)
    ) -> Any:
        """Calls the layers in order.

        Args:
            values: of the inputs, by `id` of the symbolic tensor; those of all others are added.
            call: what to do for each layer.

        Returns:
            The values of the outputs, in their structure.
        """
        for node, single, outputs in zip(self._steps, self._single, self._outputs):
            if single is not None:
                out = call(node.layer, values[id(single)])
            else:
                args, kwargs = map_symbolic(lambda t: values[id(t)], (node.args, node.kwargs))
                out = call(node.layer, *args, **kwargs)
            if len(outputs) == 1 and not isinstance(out, (list, tuple, dict)):
                values[id(outputs[0])] = out
            else:
                values.update(zip(map(id, outputs), jax.tree.leaves(out)))
        return map_symbolic(lambda t: values[id(t)], self.outputs)

    def node_indices(self) -> dict[int, int]:
        """By `id` of each node: which call of its layer it is within this graph."""
        counts: dict[int, int] = {}
        found = {}
        position = {id(n): i for layer in self.operations for i, n in enumerate(layer.nodes)}
        for node in sorted(self.nodes, key=lambda n: position.get(id(n), 0)):
            found[id(node)] = counts.get(id(node.layer), 0)
            counts[id(node.layer)] = found[id(node)] + 1
        return found

    def nodes_of(self, layer: Layer) -> list[Node]:
        """The calls of a layer within this graph, in the order in which they were made."""
        indices = self.node_indices()
        return sorted((n for n in self.nodes if n.layer is layer), key=lambda n: indices[id(n)])


def _own_inputs(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The graph with an `Input` in place of every input that a layer computed: the calls after it are copied."""
    inner = [t for t in flat_tensors(inputs) if t.node is None or not isinstance(t.node.layer, InputLayer)]
    if not inner:
        return inputs, outputs
    swapped: dict[int, KerasTensor] = {id(t): t for t in flat_tensors(inputs)}
    for t in inner:
        swapped[id(t)] = Input(batch_shape=t.shape, dtype=t.dtype, name=None if t.name == "keras_tensor" else f"{t.name}_input")
    nodes, _, _ = _sorted_nodes(flat_tensors(inputs), flat_tensors(outputs))
    for node in nodes:
        if isinstance(node.layer, InputLayer) or not any(id(t) in swapped for t in node.inputs):
            continue
        args, kwargs = map_symbolic(lambda t: swapped.get(id(t), t), (node.args, node.kwargs))
        copy = Node(node.layer, args, kwargs)

        def clone(t: KerasTensor, copy: Node = copy) -> KerasTensor:
            if id(t) not in swapped:
                new = KerasTensor(t.shape, t.dtype, name=t.name)
                new.node, new.index = copy, t.index
                swapped[id(t)] = new
            return swapped[id(t)]

        copy.outputs = map_symbolic(clone, node.outputs)
        node.layer.nodes.append(copy)
    take = lambda t: swapped.get(id(t), t)  # noqa: E731
    return map_symbolic(take, inputs), map_symbolic(take, outputs)


def _sorted_nodes(inputs: list[KerasTensor], outputs: list[KerasTensor]) -> tuple[list[Node], dict[int, int], dict[int, int]]:
    """Nodes in an order in which they can run, the depth of each (0 at the outputs), and by layer when it was first met.

    The numbers make Keras's order of layers: by depth, then by a depth-first walk from the outputs.
    """
    given = {id(t) for t in inputs}
    order: list[Node] = []
    done: set[int] = set()
    first_seen: dict[int, int] = {}
    for output in outputs:
        stack: list[tuple[KerasTensor, bool]] = [(output, False)]
        while stack:
            tensor, is_finished = stack.pop()
            node = tensor.node
            if id(tensor) in given and (node is None or not isinstance(node.layer, InputLayer)):
                continue
            if node is None or (isinstance(node.layer, InputLayer) and id(tensor) not in given):
                raise ValueError(
                    f"Model: the outputs need {tensor!r}, which does not follow from the inputs {[t.name for t in inputs]}. Add the Input "
                    "that it comes from to the model's inputs."
                )
            if id(node) in done:
                continue
            if is_finished:
                done.add(id(node))
                order.append(node)
                continue
            first_seen.setdefault(id(node.layer), len(first_seen))
            stack.append((tensor, True))
            stack.extend((t, False) for t in reversed(node.inputs))
    depths: dict[int, int] = {}
    layer_depths: dict[int, int] = {}
    for node in reversed(order):
        depth = max(depths.get(id(node), 0), layer_depths.get(id(node.layer), 0))
        depths[id(node)] = layer_depths[id(node.layer)] = depth
        for t in node.inputs:
            if t.node is not None:
                depths[id(t.node)] = max(depth + 1, depths.get(id(t.node), 0))
    for t in inputs:
        if t.node is not None and id(t.node) not in done and isinstance(t.node.layer, InputLayer):
            order.insert(0, t.node)
            depths[id(t.node)] = 0
    return order, depths, first_seen


def rename(layer: Layer, name: str) -> None:
    """Gives a layer another name, also in the paths of its variables."""
    old, layer.name = layer.name, name
    for v in layer.weights:
        parts = v.path.split("/")
        if old in parts[:-1]:
            parts[parts.index(old)] = name
            v.path = "/".join(parts)


def make_names_unique(layers: Iterable[Layer]) -> None:
    """Counts automatic names where two are equal: `dense`, `dense_1`.

    Raises:
        ValueError: if the user gave two layers one name.
    """
    layers = list(layers)
    names = {layer.name for layer in layers if not layer.auto_named}
    taken: set[str] = set()
    for layer in layers:
        if layer.auto_named:
            if layer.name in taken or layer.name in names:
                rename(layer, first_free(layer.name, taken | names | {other.name for other in layers}))
        elif layer.name in taken:
            raise ValueError(
                f"Model: two layers are named {layer.name!r}, expected different names. Pass another name= to one of them."
            )
        taken.add(layer.name)
