"""Functional: the class of `Model(inputs, outputs)`, and its config in Keras 3's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from estimax.core import deserialize, plain, register, serialize
from estimax.layers import InputLayer, KerasTensor, Layer
from estimax.models.graph import flat_tensors
from estimax.models.masks import MaskedGraph, default_training
from estimax.models.model import Model


@register("keras.src.models.functional")
class Functional(Model):
    """A model made of symbolic inputs and outputs; `Model(inputs, outputs)` gives one.

    Args:
        inputs, outputs, name, trainable: see `Model`.

    Example:
        >>> from estimax.layers import Dense, Input
        >>> x = Input((3,), name="x")
        >>> model = Functional(x, Dense(2)(x))
        >>> Functional.from_config(model.get_config()).output_shape
        (None, 2)

    Reference: keras.Model.
    """

    _registered_name = "Functional"

    def get_config(self) -> dict[str, Any]:
        """The layers, their calls, and which tensors are inputs and outputs."""
        assert self._graph is not None
        shown = MaskedGraph(self._graph)
        return {
            "name": self.name,
            "trainable": self._trainable,
            "layers": [_layer_config(shown, x) for x in shown.operations],
            "input_layers": _tensor_places(shown, self._graph.inputs),
            "output_layers": _tensor_places(shown, self._graph.outputs),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Functional:
        """The model of a config.

        Raises:
            ValueError: if the config is not one of a functional model, a class is unknown, or calls refer to missing layers.
        """
        missing = [k for k in ("layers", "input_layers", "output_layers") if k not in config]
        if missing:
            raise ValueError(f"Functional.from_config: the config lacks {missing}; it has the keys {sorted(config)}.")
        return GraphReader(config, custom_objects).model(cls)


def _layer_config(graph: MaskedGraph, layer: Layer) -> dict[str, Any]:
    calls = [
        {"args": _encode(graph, list(node.args)), "kwargs": _encode(graph, graph.kwargs_of(node))}
        for node in graph.nodes_of(layer)
        if not isinstance(layer, InputLayer)
    ]
    return {**serialize(layer), "name": layer.name, "inbound_nodes": calls}


def _place(graph: MaskedGraph, tensor: KerasTensor) -> list[Any]:
    assert tensor.node is not None
    return [tensor.node.layer.name, graph.indices[id(tensor.node)], tensor.index]


def _tensor_places(graph: MaskedGraph, tree: Any) -> Any:
    """Where the tensors of a tree come from; a model's own graph counts as its first node, as in Keras."""
    if isinstance(tree, dict):
        return {k: _tensor_places(graph, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_tensor_places(graph, v) for v in tree]
    name, node, index = _place(graph, tree)
    return [name, node + (1 if isinstance(tree.node.layer, Functional) else 0), index]


def _encode(graph: MaskedGraph, value: Any) -> Any:
    """Arguments of a call as JSON."""
    if isinstance(value, KerasTensor):
        config = {"shape": list(value.shape), "dtype": value.dtype, "keras_history": _place(graph, value)}
        return {"class_name": "__keras_tensor__", "config": config}
    if isinstance(value, dict):
        return {k: _encode(graph, v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(graph, v) for v in value]
    if isinstance(value, slice):
        start, stop, step = (_encode(graph, v) for v in (value.start, value.stop, value.step))
        return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, (np.ndarray, jax.Array)):
        return {"class_name": "__numpy__", "config": {"value": np.asarray(value).tolist(), "dtype": str(value.dtype)}}
    return plain(serialize(value))


class GraphReader:
    """Makes a functional model from its config: layers first, then their calls as far as their arguments exist.

    Args:
        config: of the model.
        custom_objects: classes and functions by name.
        layers: those to use instead of new ones, by name.
    """

    def __init__(
        self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None, layers: Mapping[str, Layer] | None = None
    ):
        self.config, self.custom_objects, self.given = config, custom_objects, layers or {}
        self.layers: dict[str, Layer] = {}
        self.first_call: dict[str, int] = {}  # calls that a nested model has from its own construction

    def model(self, cls: type[Functional]) -> Functional:
        """The model."""
        waiting: list[tuple[Layer, dict[str, Any]]] = []
        for entry in self.config["layers"]:
            layer = self.given.get(entry["name"])
            if layer is None:
                layer = deserialize({k: v for k, v in entry.items() if k not in ("name", "inbound_nodes")}, self.custom_objects)
            if not isinstance(layer, Layer):
                raise ValueError(
                    f"Functional.from_config: {entry.get('class_name')!r} is not a layer, but stands among the layers."
                )
            self.layers[entry["name"]] = layer
            self.first_call[entry["name"]] = 0 if isinstance(layer, InputLayer) else len(layer.nodes)
            waiting += [(layer, call) for call in entry.get("inbound_nodes", [])]
        while waiting:
            left = [(layer, call) for layer, call in waiting if not self._try(layer, call)]
            if len(left) == len(waiting):
                names = sorted({layer.name for layer, _ in left})
                raise ValueError(
                    f"Functional.from_config: the calls of layers {names} need each other, or tensors that no layer gives."
                )
            waiting = left
        inputs, outputs = self._tensors(self.config["input_layers"]), self._tensors(self.config["output_layers"])
        model = cls(inputs, outputs, name=self.config.get("name"))
        if self.config.get("trainable") is False:
            model._trainable = False
        return model

    def _try(self, layer: Layer, call: Any) -> bool:
        """Makes a call if its arguments exist."""
        if not isinstance(call, dict) or "args" not in call:
            raise ValueError(
                "Functional.from_config: given calls in the form of Keras 2, expected that of Keras 3. Load and save it in Keras 3."
            )
        try:
            args, kwargs = self._decode(call["args"]), self._decode(call.get("kwargs", {}))
        except _NotYet:
            return False
        if kwargs.get("training") is not None and kwargs["training"] == default_training(layer, kwargs):
            del kwargs["training"]  # written by Keras without being given; the model's mode decides
        kwargs = {
            k: v for k, v in kwargs.items() if not (k == "mask" and not any(isinstance(t, KerasTensor) for t in flat_tensors(v)))
        }
        layer(*args, **kwargs)
        return True

    def _tensor(self, name: str, node: int, index: int) -> KerasTensor:
        if name not in self.layers:
            raise ValueError(f"Functional.from_config: a call refers to the layer {name!r}, which the config does not have.")
        layer = self.layers[name]
        nodes = layer.nodes[self.first_call[name] :]
        if not 0 <= node < len(nodes):
            raise _NotYet
        outputs = sorted({id(t): t for t in flat_tensors(nodes[node].outputs)}.values(), key=lambda t: t.index)
        return outputs[index]

    def _tensors(self, tree: Any) -> Any:
        if isinstance(tree, list) and len(tree) == 3 and isinstance(tree[0], str):
            name, node, index = tree
            if isinstance(self.layers.get(name), Functional):
                node -= 1
            try:
                return self._tensor(name, node, index)
            except _NotYet:
                raise ValueError(
                    f"Functional.from_config: layer {name!r} has no call {node}, which the model's inputs or outputs name."
                ) from None
        if isinstance(tree, dict):
            return {k: self._tensors(v) for k, v in tree.items()}
        return [self._tensors(v) for v in tree]

    def _decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._decode(v) for v in value]
        if not isinstance(value, dict):
            return value
        name, config = value.get("class_name"), value.get("config", {})
        if name == "__keras_tensor__":
            return self._tensor(*config["keras_history"])
        if name == "__slice__":
            return slice(*(self._decode(config[k]) for k in ("start", "stop", "step")))
        if name == "__ellipsis__":
            return Ellipsis
        if name in ("__numpy__", "__tensor__"):
            return np.asarray(config["value"], config["dtype"])
        if name is not None and "config" in value:
            return deserialize(value, self.custom_objects)
        return {k: self._decode(v) for k, v in value.items()}


class _NotYet(Exception):
    """A call refers to a tensor that is not made yet."""
