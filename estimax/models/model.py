"""Model: a layer that can be compiled, fitted, inspected and saved; the functional and the subclassed kind."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from estimax.core import HostValue, Variable, current_frame, is_float, serialize
from estimax.layers import KerasTensor, Layer, Operation
from estimax.layers.base import shape_of
from estimax.layers.symbolic import map_symbolic, output_spec, symbolic_leaves
from estimax.layers.tracking import Tracked
from estimax.models.graph import Graph, flat_tensors
from estimax.models.inputs import fit_inputs
from estimax.models.trainer import Trainer


def _is_functional(args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Whether these are the arguments of a functional model: `(inputs, outputs, ...)`."""
    return len(args) >= 2 or (len(args) == 1 and "outputs" in kwargs) or ("inputs" in kwargs and "outputs" in kwargs)


class Model(Trainer, Layer):
    """A network that can be trained.

    Three ways to make one: `Model(inputs, outputs)` from symbolic tensors; a subclass with its own `call`; `Sequential` for layers in a row.

    Args:
        inputs: an `Input`, or a list or dict of them.
        outputs: what layers gave when called on them, in any nesting.
        name: of the model.
        trainable: whether its variables are trained.

    Raises:
        ValueError: if the outputs do not follow from the inputs, or two layers were given one name.

    Example:
        >>> import jax.numpy as jnp
        >>> from estimax.layers import Dense, Input
        >>> x = Input((3,))
        >>> model = Model(x, Dense(2, kernel_initializer="ones")(x))
        >>> model(jnp.ones((1, 3))).tolist()
        [[3.0, 3.0]]
        >>> class Doubled(Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = Dense(1, kernel_initializer="ones")
        ...     def call(self, inputs):
        ...         return 2 * self.dense(inputs)
        >>> Doubled()(jnp.ones((1, 3))).tolist()
        [[6.0]]

    Reference: keras.Model.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Model:
        if cls is Model and _is_functional(args, kwargs):
            from estimax.models.functional import Functional

            return object.__new__(Functional)
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any):
        graph = None
        if _is_functional(args, kwargs):
            named = dict(zip(("inputs", "outputs", "name"), args)) | kwargs
            graph = Graph(named.pop("inputs"), named.pop("outputs"))
            kwargs = {k: v for k, v in named.items() if v is not None}
        elif args:
            raise TypeError(
                f"{type(self).__name__}: given {len(args)} arguments, expected Model(inputs, outputs), or a subclass whose __init__ calls "
                "super().__init__() without them."
            )
        trainable = kwargs.pop("trainable", True)
        Layer.__init__(self, **kwargs)
        Trainer.__init__(self)
        self._graph: Graph | None = graph
        self._input_dtypes: Any = None
        if graph is not None:
            self.built = True
            self._build_shapes = {"input_shape": None}
        if not trainable:
            self.trainable = False

    # -- structure ----------------------------------------------------------------------------------------------------

    def _children(self) -> Iterator[Variable | Tracked]:
        if self._graph is not None:
            yield from self._own_variables
            yield from (x for x in self._graph.operations if not isinstance(x, Operation))
        yield from super()._children()

    @property
    def graph(self) -> Graph | None:
        """The layer calls of a functional model, None for others."""
        return self._graph

    @property
    def operations(self) -> list[Layer]:
        """The layers of a functional model, and the operations between them."""
        return [] if self._graph is None else list(self._graph.operations)

    def _known_graph(self, what: str) -> Graph:
        if self.graph is None:
            raise AttributeError(
                f'{type(self).__name__} "{self.name}" has no {what}: only functional models, and Sequential ones once their input is known, '
                "have symbolic inputs. Build it first: model.build((None, features))."
            )
        return self.graph

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs, as a flat list."""
        return list(self._known_graph("inputs").flat_inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs, as a flat list."""
        return list(self._known_graph("outputs").flat_outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs in their structure."""
        return self._known_graph("input").inputs

    @property
    def output(self) -> Any:
        """The symbolic outputs in their structure."""
        return self._known_graph("output").outputs

    @property
    def input_shape(self) -> Any:
        """The shape of the input, a list of shapes if there are several."""
        shapes = [t.shape for t in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output, a list of shapes if there are several."""
        shapes = [t.shape for t in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def input_names(self) -> list[str]:
        """Names of the symbolic inputs."""
        return [t.name for t in self.inputs]

    @property
    def output_names(self) -> list[str] | None:
        """Names of the layers that give the outputs; None if the model is not functional."""
        if self._graph is None:
            return None
        return [t.node.layer.name for t in self._graph.flat_outputs if t.node is not None]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or index.

        Raises:
            ValueError: if there is none, or not exactly one of `name` and `index` is given.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError(f"get_layer: given name={name!r} and index={index!r}, expected exactly one of them.")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"get_layer: given index {index}, but the model has {len(layers)} layers.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"get_layer: no layer is named {name!r}. Layers: {[x.name for x in layers]}.")

    @property
    def has_call(self) -> bool:
        """Whether the model has a `call`; one with its own `train_step` may do without."""
        return self.graph is not None or type(self).call is not Model.call

    # -- calling ------------------------------------------------------------------------------------------------------

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs of a functional model; implement it in a subclass."""
        if self._graph is None:
            raise TypeError(
                f"{type(self).__name__} does not implement call(inputs). Implement it, or give Model(inputs, outputs)."
            )
        return self._run_graph(self._graph, inputs, mask)

    def _run_graph(self, graph: Graph, inputs: Any, mask: Any) -> Any:
        frame = current_frame()
        given = fit_inputs(self, graph, inputs)
        if mask is not None and frame is not None:
            masks = jax.tree.leaves(mask) if len(given) > 1 else [mask]
            for x, m in zip(given, masks):
                frame.set_mask(x, m)
        return graph.run({id(t): x for t, x in zip(graph.flat_inputs, given)})

    def build(self, input_shape: Any) -> None:
        """Builds all layers for an input of this shape, by tracing `call` without computing.

        Args:
            input_shape: with the batch axis, `(None, features)`; lists and dicts of shapes for several inputs.

        Raises:
            TypeError: if `call` cannot be traced on float inputs of this shape.
        """
        if self._graph is not None:
            return
        tensors = _tensors(input_shape, self._input_dtypes, self.compute_dtype)
        if any(t.dtype == "string" for t in symbolic_leaves(tensors)):
            # Strings have no abstract values: the model is traced as it is for a first batch, of empty strings.
            from estimax.models.program import ModelProgram

            ModelProgram(self).plan("infer", map_symbolic(_sample_of, tensors))
            return
        output_spec(self.call, (tensors,), {})

    def _build_for(self, args: tuple, kwargs: dict[str, Any]) -> None:
        if type(self).build is not Model.build:
            super()._build_for(args, kwargs)
            return
        # The layers inside build themselves while `call` runs; the shapes are for saving.
        self.built = True
        given = dict(args[0]) if args and isinstance(args[0], Mapping) else args[0] if args else None
        given = jax.tree.map(_sampled, given, is_leaf=lambda x: isinstance(x, HostValue))
        leaves = jax.tree.leaves(given)
        if len(args) == 1 and leaves and all(hasattr(x, "dtype") for x in leaves):
            self._input_dtypes = jax.tree.map(lambda x: str(x.dtype), given)
            self._build_shapes = {"input_shape": _any_batch(shape_of(given))}

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape that the model was built for, and types of inputs that are no floats."""
        config = super().get_build_config()
        if config is not None and any(d == "string" or not is_float(d) for d in jax.tree.leaves(self._input_dtypes)):
            config = {**config, "input_dtype": self._input_dtypes}
        return config

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds for the shape of `get_build_config`."""
        config = dict(config or {})
        self._input_dtypes = config.pop("input_dtype", None)
        super().build_from_config(config)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic outputs of a call on symbolic inputs."""
        graph = self.graph
        if graph is not None and len(args) == 1:
            given = flat_tensors(args[0])
            if len(given) == len(graph.flat_inputs) and all(
                isinstance(t, KerasTensor) and t.shape == ref.shape for t, ref in zip(given, graph.flat_inputs)
            ):
                return map_symbolic(lambda t: KerasTensor(t.shape, t.dtype), graph.outputs)
        return super().compute_output_spec(*args, **kwargs)

    # -- looking at it ------------------------------------------------------------------------------------------------

    def count_params(self) -> int:
        """The number of elements of all variables.

        Raises:
            ValueError: if the model is not built.
        """
        self._check_built("count_params")
        return super().count_params()

    def _check_built(self, what: str) -> None:
        if not self.built:
            raise ValueError(
                f'{type(self).__name__} "{self.name}": {what}: the model is not built, so its weights do not exist yet. Call it on data, or '
                "build it: model.build((None, features))."
            )

    def summary(
        self,
        line_length: int | None = None,
        *,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: tuple[str, str] | None = None,
    ) -> None:
        """Prints a table of the layers: output shapes, parameters, bytes and, where the input is known, FLOPs of one row.

        Args:
            line_length: width of the table.
            print_fn: takes the text instead of the terminal.
            expand_nested: whether the layers of models within the model are listed too.
            show_trainable: whether a column says which layers train.
            layer_range: names of the first and the last layer to list.

        Raises:
            ValueError: if `layer_range` names no layer.
        """
        from estimax.models.summary import print_summary

        print_summary(
            self,
            line_length=line_length,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON, in Keras 3's form; `kwargs` go to `json.dumps`."""
        return json.dumps(serialize(self), **kwargs)

    # -- saving -------------------------------------------------------------------------------------------------------

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        """Writes the model to a `.keras` archive: architecture, weights, compile arguments, optimizer state.

        Args:
            filepath: ends in `.keras`.
            overwrite: whether an existing file is replaced; it stays whole until the new one is complete.

        Raises:
            ValueError: if the model is not built, or the ending is another.
            FileExistsError: if the file exists and `overwrite` is False.
        """
        from estimax.models.saving import save_model

        save_model(self, filepath, overwrite=overwrite)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Writes the weights to `.weights.h5` or `.safetensors`.

        Raises:
            ValueError: if the model is not built, or the ending is another.
            FileExistsError: if the file exists and `overwrite` is False.
        """
        from estimax.models.saving import save_weights

        save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Reads weights from `.weights.h5`, `.safetensors` or a `.keras` archive.

        Args:
            filepath: the file.
            skip_mismatch: whether layers whose weights do not fit are left as they are, with a warning.

        Raises:
            ValueError: if the weights do not fit; nothing is changed then.
        """
        from estimax.models.saving import load_weights

        load_weights(self, filepath, skip_mismatch=skip_mismatch)


def _any_batch(shape: Any) -> Any:
    """Shapes with None for the batch."""
    if isinstance(shape, dict):
        return {k: _any_batch(v) for k, v in shape.items()}
    if isinstance(shape, list):
        return [_any_batch(v) for v in shape]
    return None if shape is None else (None, *shape[1:])


@dataclasses.dataclass
class _Column:
    """What is kept of a host column: its shape and type."""

    shape: tuple[int, ...]
    dtype: str = "string"


def _sampled(x: Any) -> Any:
    """Shape and type of a raw column of strings, which the frame's sample holds in an abstract pass; other values as they are."""
    if not isinstance(x, HostValue) or x.op is not None:
        return x
    frame = current_frame()
    sample = x.value if frame is None or frame.host is None else (frame.host.sample or {}).get(x.name, x.value)
    is_plain = isinstance(sample, np.ndarray) and sample.dtype.kind in "OSU"
    return _Column(sample.shape) if is_plain else x


def _sample_of(tensor: KerasTensor) -> np.ndarray:
    """Two rows of empty strings or zeros."""
    shape = tuple(2 if d is None else d for d in tensor.shape)
    return np.full(shape, "", object) if tensor.dtype == "string" else np.zeros(shape, tensor.dtype)


def _tensors(shape: Any, dtype: Any, default: str) -> Any:
    """Symbolic tensors of nested shapes, with the types of an equal nesting, or a default."""
    if isinstance(shape, dict):
        return {k: _tensors(s, dtype[k] if isinstance(dtype, dict) else dtype, default) for k, s in shape.items()}
    if isinstance(shape, (list, tuple)) and shape and isinstance(shape[0], (list, tuple, dict)):
        return [_tensors(s, dtype[i] if isinstance(dtype, (list, tuple)) else dtype, default) for i, s in enumerate(shape)]
    return KerasTensor(shape, dtype if isinstance(dtype, str) else default)
