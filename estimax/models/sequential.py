"""Sequential: layers in a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from estimax.core import (
    HostValue,
    Variable,
    current_frame,
    deserialize,
    first_free,
    is_host_array,
    open_frame,
    register,
    serialize,
)
from estimax.layers import InputLayer, KerasTensor, Layer
from estimax.layers.tracking import Tracked
from estimax.models.graph import Graph, rename
from estimax.models.model import Model


@register("keras", "Sequential")
class Sequential(Model):
    """A model whose layers are called one after another.

    Args:
        layers: the layers, the first may be an `Input`.
        trainable: whether its variables are trained.
        name: of the model.

    Raises:
        TypeError: if something is not a layer.
        ValueError: if the user gave two layers one name.

    Example:
        >>> from estimax.layers import Dense, Input
        >>> model = Sequential([Input((3,)), Dense(4, activation="relu"), Dense(1)])
        >>> model.output_shape, model.count_params()
        ((None, 1), 21)

    Reference: keras.Sequential.
    """

    def __init__(self, layers: Iterable[Layer] | None = None, trainable: bool = True, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self._stack: list[Layer] = []
        self._input_dtype: str | None = None
        for layer in layers or ():
            self._append(layer)
        self._rebuild()
        if not trainable:
            self.trainable = False

    def add(self, layer: Layer) -> None:
        """Appends a layer.

        Raises:
            TypeError: if it is none.
            ValueError: if its name is taken, or it is a second `Input`.
        """
        self._append(layer)
        self._rebuild()

    def pop(self) -> Layer:
        """Removes and gives the last layer.

        Raises:
            ValueError: if there is none.
        """
        if not self.layers:
            raise ValueError(f'Sequential "{self.name}": pop: the model has no layers.')
        layer = self._stack.pop()
        self._rebuild()
        return layer

    def _append(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor) and layer.node is not None and isinstance(layer.node.layer, InputLayer):
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            raise TypeError(
                f'Sequential "{self.name}": given {layer!r} of type {type(layer).__name__}, expected a layer. Wrap a function: '
                "layers.Lambda(fn)."
            )
        if not self._stack and layer._input_shape_given is not None and not isinstance(layer, InputLayer):
            self._stack.append(InputLayer(batch_shape=layer._input_shape_given, dtype=layer.compute_dtype))
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(
                f'Sequential "{self.name}": an Input can only be the first layer; it is given as layer {len(self._stack)}.'
            )
        if all(layer is not x for x in self._stack):
            taken = {x.name for x in self._stack}
            if layer.name in taken and not layer.auto_named:
                raise ValueError(
                    f'Sequential "{self.name}": two layers are named {layer.name!r}, expected different names. Pass another name= to one of '
                    "them."
                )
            if layer.name in taken:
                rename(layer, first_free(layer.name, taken))
        self._stack.append(layer)

    def _rebuild(self) -> None:
        """Builds the layers if the shape of the input is known."""
        self.built, self._graph = False, None
        self._reset_program()
        first = self._stack[0] if self._stack else None
        if isinstance(first, InputLayer) and len(self._stack) > 1:
            self.build(first.batch_shape)
        elif isinstance(first, Model) and first.graph is not None and len(self._stack) > 1:
            shape = first.input_shape
            if isinstance(shape, tuple):
                self.build(shape)

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [x for x in self._stack if not isinstance(x, InputLayer)]

    def _children(self) -> Iterator[Variable | Tracked]:
        yield from self._own_variables
        yield from self._stack
        # Attributes of subclasses; the graph's layers are those of the stack.
        yield from Layer._children(self)

    @property
    def output_names(self) -> None:
        """A Sequential has one output, without a name."""
        return None

    def build(self, input_shape: Any) -> None:
        """Builds the layers for an input of this shape, with the batch axis.

        Raises:
            ValueError: if there are no layers, or the model has an `Input` of another shape.
        """
        if not self.layers:
            raise ValueError(f'Sequential "{self.name}" has no layers to build. Add one: model.add(Dense(1)).')
        if not _is_shape(input_shape):
            return  # several inputs, or strings: the layers build themselves when they are called
        shape = tuple(None if d is None else int(d) for d in input_shape)
        if isinstance(self._stack[0], InputLayer):
            expected = self._stack[0].batch_shape
            if len(expected) != len(shape) or any(
                e is not None and d is not None and e != d for e, d in zip(expected[1:], shape[1:])
            ):
                raise ValueError(f'Sequential "{self.name}": given input shape {shape}, but its Input has shape {expected}.')
        else:
            dtype = self._input_dtype or self._stack[0].compute_dtype
            self._stack.insert(0, InputLayer(batch_shape=shape, dtype=dtype))
        source = self._stack[0].output  # type: ignore[attr-defined]
        x = source
        for layer in self.layers:
            x = layer(x)
        self._graph = Graph(source, x)

    def _build_for(self, args: tuple, kwargs: dict[str, Any]) -> None:
        given = args[0] if args else None
        is_text = isinstance(given, HostValue) or (isinstance(given, np.ndarray) and is_host_array(given))
        self._input_dtype = "string" if is_text or getattr(given, "dtype", None) == "string" else None
        shape = _shape_of_column(given) if isinstance(given, HostValue) else getattr(given, "shape", None)
        if shape:
            # A layer that keeps states for each row is built for the batch as it is.
            is_stateful = any(getattr(x, "stateful", False) for x in self.flatten_layers())
            self.build((shape[0] if is_stateful else None, *shape[1:]))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The output of the last layer."""
        frame = current_frame()
        if self._graph is not None:
            return self._run_graph(self._graph, inputs, mask)
        if mask is not None and frame is not None:
            frame.set_mask(inputs, mask)
        if isinstance(inputs, Mapping) and len(inputs) == 1 and isinstance(self._stack[0], InputLayer):
            inputs = next(iter(inputs.values()))
        x = inputs
        for layer in self.layers:
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        """Name, type and the configs of the layers."""
        config = Layer.get_config(self)
        config.pop("activity_regularizer", None)
        config["layers"] = [serialize(x) for x in self._stack]
        if self._graph is not None:
            config["build_input_shape"] = list(self._graph.flat_inputs[0].shape)
        return config

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape of the input, if it is known."""
        return None if self._graph is None else {"input_shape": list(self._graph.flat_inputs[0].shape)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Sequential:
        """The model of a config.

        Raises:
            ValueError: if the config has no layers, or a layer's class is unknown.
        """
        if not isinstance(config.get("layers"), list):
            raise ValueError(
                f"Sequential.from_config: given a config with the keys {sorted(config)}, expected 'name' and 'layers'."
            )
        model = cls(name=config.get("name"))
        for layer in config["layers"]:
            model._append(deserialize(layer, custom_objects))
        model._rebuild()
        shape = config.get("build_input_shape")
        if shape and model._graph is None and _is_shape(shape):
            model.build(tuple(shape))
        if model._graph is None:
            model._build_layers(config["layers"])
        if config.get("trainable") is False:
            model._trainable = False
        return model

    def _build_layers(self, configs: list[dict[str, Any]]) -> None:
        """Builds layer by layer where the input is no single array: a dict of features, say."""
        with open_frame() as frame, frame.scope(self.name, self):
            for layer, config in zip(self._stack, configs):
                if not layer.built and config.get("build_config"):
                    layer.build_from_config(config["build_config"])
                    self.built = True


def _shape_of_column(value: HostValue) -> tuple[int, ...] | None:
    """The shape of strings in the batch that is looked at, None for lists of different lengths."""
    frame = current_frame()
    sample = None if frame is None or frame.host is None else frame.host.sample
    try:
        return np.asarray(value.evaluate(sample or {})).shape
    except ValueError:
        return None


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(d is None or isinstance(d, int) for d in value)
