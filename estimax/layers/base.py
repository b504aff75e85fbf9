"""The Layer: variables and a call, usable at once, inside models, and as a pure function."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax import activations, initializers
from estimax.core import (
    DTypePolicy,
    Frame,
    Variable,
    current_frame,
    deserialize,
    get_policy,
    is_float,
    is_plain_dict,
    open_frame,
    serialize,
    snake_case,
)
from estimax.core.custom_objects import get_registered_object
from estimax.core.errors import TracerLeakError
from estimax.layers.identifiers import constraint_of, regularizer_of
from estimax.layers.input_spec import InputSpec, check_inputs
from estimax.layers.masks import attach_masks, fill_masks
from estimax.layers.signature import call_info, config_names, shape_of
from estimax.layers.symbolic import KerasTensor, Node, is_symbolic, map_symbolic, output_spec, symbolic_leaves
from estimax.layers.tracking import Tracked


class _OfFirstCall:
    """An attribute that the first symbolic call gives; a layer may use the name for something of its own."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer: Any, owner: type) -> Any:
        if layer is None:
            return self
        if not layer.nodes:
            raise ValueError(
                f'{owner.__name__} "{layer.name}": it has no symbolic {self.name}, as it was not called on symbolic tensors yet. Build '
                "the model with Input, or call layer(Input(shape))."
            )
        node = layer.nodes[0]
        if self.name == "output":
            return node.outputs
        return node.args[0] if len(node.args) == 1 else node.inputs


class Layer(Tracked):
    """A computation with variables.

    Calling a layer builds it (creates its variables for the input's shape) and computes, at once; inside a model's compiled step the
    same code is pure. Subclasses implement `call`, and `build` if their variables depend on the input's shape.

    Args:
        name: of the layer; by default its class in snake case, counted where several would be equal.
        trainable: whether its variables are trained.
        dtype: a type or policy name, as `"float32"` or `"mixed_bfloat16"`.
        activity_regularizer: `output -> scalar`, added to the losses.
        autocast: whether float inputs are cast to the compute dtype.

    Example:
        >>> import jax.numpy as jnp
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight((input_shape[-1],), initializer="ones", name="factor")
        ...     def call(self, inputs):
        ...         return inputs * self.factor.value
        >>> Scale()(jnp.ones((1, 2))).tolist()
        [[1.0, 1.0]]

    Reference: keras.layers.Layer.
    """

    # What `training` is if neither the caller nor a model around the layer says so; image augmentation has True, as in Keras.
    default_training = False

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        activity_regularizer: Any = None,
        autocast: bool = True,
        **kwargs: Any,
    ):
        frame = current_frame()
        if name is not None and (not isinstance(name, str) or not name):
            raise ValueError(f"name: given {name!r}, expected a non-empty string or None.")
        self.auto_named = name is None
        if name is None:
            name = snake_case(type(self).__name__)
            if frame is not None and frame.naming:
                name = frame.unique_name(name)
        self.name = name
        self.dtype_policy: DTypePolicy = get_policy(dtype)
        self.autocast = autocast
        self.built = False
        self._building = False
        self.supports_masking = False
        self.input_spec: InputSpec | list[InputSpec] | None = None
        self._trainable = bool(trainable)
        self._losses: list[Any] = []
        self._losses_of: Any = None
        self._build_shapes: dict[str, Any] = {}
        self._own_variables: list[Variable] = []
        self.nodes: list[Node] = []
        self.activity_regularizer = regularizer_of(activity_regularizer)
        self._input_shape_given: tuple | None = None
        if "batch_shape" in kwargs:
            self._input_shape_given = tuple(kwargs.pop("batch_shape"))
        elif "input_shape" in kwargs:
            self._input_shape_given = (None, *kwargs.pop("input_shape"))
        elif "input_dim" in kwargs and "input_dim" not in inspect.signature(type(self).__init__).parameters:
            self._input_shape_given = (None, kwargs.pop("input_dim"))
        if kwargs:
            raise ValueError(
                f"{type(self).__name__}: unknown arguments {sorted(kwargs)}. Expected name, trainable, dtype, activity_regularizer, "
                "autocast, input_shape, or an argument of this class."
            )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _building(cls.__dict__["build"])  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, jax.core.Tracer):
            raise TracerLeakError(
                f'{type(self).__name__} "{self.name}": attribute {name!r} would keep a traced value after the trace. Return it from '
                "call, or keep it in a Variable made by add_weight."
            )
        object.__setattr__(self, name, value)

    input = _OfFirstCall("input")
    output = _OfFirstCall("output")

    # -- to be implemented --------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Creates the variables for inputs of this shape."""
        self.built = True
        self._build_shapes = {"input_shape": input_shape}

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output."""
        raise TypeError(f"{type(self).__name__} does not implement call(inputs).")

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output, from the mask of the input; the same unless overridden."""
        return mask

    # -- variables ----------------------------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: tuple[int, ...] | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        *,
        name: str | None = None,
        regularizer: Any = None,
        constraint: Any = None,
        autocast: bool = True,
    ) -> Variable:
        """Creates a variable of this layer.

        Args:
            shape: of the array; a scalar by default.
            initializer: a function, name or array; Glorot uniform by default, zeros for integers.
            dtype: by default the policy's variable dtype.
            trainable: whether training changes it.
            name: the last part of its path.
            regularizer: name, object or function of the value.
            constraint: name, object or function of the value.
            autocast: whether it is read in the compute dtype.
        """
        dtype = dtype or self.dtype_policy.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if is_float(dtype) else "zeros"
        if isinstance(initializer, (str, dict, type)):
            initializer = initializers.get(initializer)
        with open_frame() as frame, frame.scope(self.name, self):
            variable = Variable(
                initializer,
                tuple(shape or ()) if shape is not None or callable(initializer) else None,
                dtype,
                trainable,
                name or "variable",
                regularizer=regularizer_of(regularizer),
                constraint=constraint_of(constraint),
                autocast=autocast,
            )
        self._own_variables.append(variable)
        return variable

    add_variable = add_weight

    def call_accepts(self, argument: str) -> bool:
        """Whether `call` has an argument of this name."""
        info = call_info(type(self))
        return argument in info.names or {"mask": info.mask, "training": info.training}.get(argument, False)

    # -- losses -------------------------------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Adds a scalar to what training minimises, from inside `call`."""
        frame = current_frame()
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            value = jnp.asarray(value)
            if frame is not None:
                frame.losses.append(value)
            if not isinstance(value, jax.core.Tracer):
                if self._losses_of is not frame:
                    self._losses = []
                self._losses_of = frame
                self._losses.append(value)

    @property
    def losses(self) -> list[Any]:
        """Losses added by the last eager call, and those of weight regularizers."""
        added = [loss for layer in self.flatten_layers() for loss in layer._losses]
        return added + self.regularization_losses()

    def regularization_losses(self) -> list[Any]:
        """One scalar for each trainable variable with a regularizer."""
        return [v.regularizer(v.value) for v in self.trainable_variables if v.regularizer is not None]

    # -- calling ------------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """The type of variables."""
        return self.dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The type of computations."""
        return self.dtype_policy.compute_dtype

    def _cast(self, x: Any) -> Any:
        """An argument as a device array in the compute dtype, where it is one."""
        if isinstance(x, jax.Array):  # first and without asarray: this is the usual case, and eager calls must be cheap
            return x.astype(self.compute_dtype) if self._needs_cast(x) else x
        if isinstance(x, (np.ndarray, np.generic, float)):
            if isinstance(x, np.ndarray) and x.dtype.kind in "OSUMm":
                return x
            x = jnp.asarray(x)
            return x.astype(self.compute_dtype) if self._needs_cast(x) else x
        if isinstance(x, Variable):
            return self._cast(x.value)
        if is_plain_dict(x):
            return {k: self._cast(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)) and x and not isinstance(x[0], (int, float, str, bytes, bool)):
            items = [self._cast(v) for v in x]
            return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
        return x

    def _needs_cast(self, x: jax.Array) -> bool:
        return self.autocast and x.dtype != self.dtype_policy.compute_dtype and is_float(x.dtype)

    def _convert_first(self, x: Any) -> Any:
        """The first argument: plain nested lists of numbers are arrays there."""
        if isinstance(x, (int, list, tuple)) and not symbolic_leaves(x):
            leaves = jax.tree.leaves(x)
            if leaves and all(isinstance(v, (bool, int, float)) for v in leaves):
                return self._cast(np.asarray(x))
        return self._cast(x)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer if needed and computes; on symbolic inputs adds a node to the graph."""
        plain = len(args) == 1 and isinstance(args[0], jax.Array)
        if not plain and symbolic_leaves(args) or (kwargs and symbolic_leaves(kwargs)):
            return self._call_symbolic(args, kwargs)
        frame = current_frame()
        if frame is None:
            with Frame.eager() as frame:
                return self._call_in(frame, args, kwargs)
        return self._call_in(frame, args, kwargs)

    def _call_in(self, frame: Frame, args: tuple, kwargs: dict[str, Any]) -> Any:
        info = call_info(type(self))
        if args:
            given_first = args[0]
            args = (self._convert_first(given_first), *map(self._cast, args[1:]))
        else:
            given_first = None
        kwargs = {k: self._cast(v) for k, v in kwargs.items()} if kwargs else {}
        outer_training, outer_autocast = frame.training, frame.autocast
        training = kwargs.pop("training", None)
        if training is None and info.training and "training" in info.names[: len(args)]:
            position = info.names.index("training")
            kwargs |= dict(zip(info.names[position + 1 :], args[position + 1 :]))
            training, args = args[position], args[:position]
        if training is None:
            training = self.default_training if outer_training is None else outer_training
        if frame._masks:
            masks = fill_masks(frame, info, args, kwargs, given_first)
        else:
            masks = kwargs.get("mask") if info.mask else None
        frame.training = training
        frame._scopes.append((self.name, self))
        try:
            if self.input_spec is not None and args:
                check_inputs(self, self.input_spec, args[0])
            if not self.built:
                self._build_for(args, kwargs)
            if info.training:
                kwargs["training"] = training
            policy = self.dtype_policy
            frame.autocast = policy.compute_dtype if policy.compute_dtype != policy.variable_dtype else None
            out = self.call(*args, **kwargs)
            if self.activity_regularizer is not None:
                self._regularize_activity(frame, out)
        finally:
            frame._scopes.pop()
            frame.training, frame.autocast = outer_training, outer_autocast
        if self.supports_masking and (masks is not None or type(self).compute_mask is not Layer.compute_mask):
            attach_masks(frame, self.compute_mask(args[0] if args else None, masks), out)
        return out

    def _regularize_activity(self, frame: Frame, out: Any) -> None:
        """Adds the activity regularizer's loss: a mean over the rows of the batch, without those that only pad it."""
        regularizer: Any = self.activity_regularizer
        for leaf in jax.tree.leaves(out):
            rows, count = frame.row_mask, leaf.shape[0] if leaf.ndim else 1
            if rows is not None and rows.shape[0] == count:
                leaf = jnp.where(rows.reshape((-1,) + (1,) * (leaf.ndim - 1)), leaf, jnp.zeros((), leaf.dtype))
                count = jnp.maximum(jnp.sum(rows), 1)
            self.add_loss(regularizer(leaf) / count)

    def _build_for(self, args: tuple, kwargs: dict[str, Any]) -> None:
        """Builds for the shapes of these arguments."""
        info = call_info(type(self))
        named = dict(zip(info.names, args)) | kwargs
        if len(info.build_names) > 1 or (info.build_names and info.build_names[0] not in ("input_shape", "kwargs")):
            shapes = {}
            for name in info.build_names:
                source = named.get(name.removesuffix("_shape"))
                if source is not None:
                    shapes[name] = shape_of(source)
            if not shapes and args:
                shapes = {info.build_names[0]: shape_of(args[0])}
        else:
            shapes = {"input_shape": shape_of(args[0] if args else next(iter(named.values()), None))}
        self.build_from_shapes(shapes)

    def build_from_shapes(self, shapes: dict[str, Any]) -> None:
        """Calls `build` in this layer's scope, once."""
        if self.built:
            return
        names = call_info(type(self)).build_names
        if list(shapes) == ["input_shape"] and "input_shape" not in names:
            self.build(shapes["input_shape"])
        else:
            self.build(**shapes)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that the layer was built for, for saving; None if it needs no building."""
        if not self._build_shapes or _KERAS_BUILT_AT_INIT.search(type(self).__name__):
            return None
        if len(self._build_shapes) == 1:
            return {"input_shape": next(iter(self._build_shapes.values()))}
        return {"shapes_dict": dict(self._build_shapes)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds for the shapes of `get_build_config`."""
        shapes = (config or {}).get("shapes_dict", config)
        if shapes and any(v is not None for v in shapes.values()):
            self.build_from_shapes({k: _as_shape(v) for k, v in shapes.items()})

    def _call_symbolic(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if not self.built:
            self._build_for(args, {k: v for k, v in kwargs.items() if k not in ("training", "mask")})
        node = Node(self, args, kwargs)
        outputs = self.compute_output_spec(*args, **kwargs)
        flat = symbolic_leaves(outputs)
        node.outputs = map_symbolic(lambda t: t, outputs)
        for i, t in enumerate(flat):
            t.node, t.index = node, i
        self.nodes.append(node)
        return node.outputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic outputs of a call on symbolic inputs, found by abstract evaluation."""
        return output_spec(self.__call__, args, kwargs, values=self.values, bindings=self.bindings)

    def compute_output_shape(self, *shapes: Any, **named_shapes: Any) -> Any:
        """The shape of the output, with None for unknown axes, from the shapes of the arguments of `call`."""
        names = call_info(type(self)).names
        dtype = self.compute_dtype

        def tensor(shape: Any) -> Any:
            if isinstance(shape, dict):
                return {k: tensor(v) for k, v in shape.items()}
            if isinstance(shape, (list, tuple)) and shape and isinstance(shape[0], (list, tuple)):
                return [tensor(s) for s in shape]
            return None if shape is None else KerasTensor(shape, dtype)

        args = tuple(tensor(s) for s in shapes)
        kwargs = {n.removesuffix("_shape"): tensor(s) for n, s in named_shapes.items()}
        if not self.built:
            self._build_for(args, {k: v for k, v in kwargs.items() if k in names})
        return map_symbolic(lambda t: t.shape, self.compute_output_spec(*args, **kwargs))

    def apply(
        self, values: Mapping[str, Any], *args: Any, training: bool = False, key: jax.Array | None = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """The layer as a pure function, for `jax.jit`, `jax.grad`, `jax.vmap` and `jax.export`.

        Args:
            values: arrays by path, as from `layer.values`.
            args, kwargs: of `call`.
            training: whether the layer trains.
            key: random key, needed by layers that draw random numbers while training.

        Returns:
            The output, and the values after the call.

        Raises:
            ValueError: if the layer is not built, or a path is missing.

        Example:
            >>> import jax, jax.numpy as jnp
            >>> from estimax.layers import Dense
            >>> layer = Dense(2)
            >>> _ = layer(jnp.ones((1, 3)))
            >>> y, values = jax.jit(layer.apply)(layer.values, jnp.ones((4, 3)))
            >>> y.shape, sorted(values)
            ((4, 2), ['dense/bias', 'dense/kernel'])
        """
        with Frame(values, self.bindings, key=key, training=training, kinds=self.kinds) as frame:
            out = self(*args, **kwargs)
        return out, frame.values

    def stateless_call(
        self, trainable_variables: Sequence[Any], non_trainable_variables: Sequence[Any], *args: Any, **kwargs: Any
    ) -> tuple[Any, list[Any]]:
        """`apply` in Keras's form: lists of values in, output and new values of the non-trainable variables out.

        Args:
            trainable_variables: values in the order of `layer.trainable_variables`.
            non_trainable_variables: values in the order of `layer.non_trainable_variables`.
            args, kwargs: of the call, `training` included.

        Raises:
            ValueError: if the layer is not built, or the number of values differs.

        Example:
            >>> import jax.numpy as jnp
            >>> from estimax.layers import Dense
            >>> layer = Dense(2)
            >>> _ = layer(jnp.ones((1, 3)))
            >>> y, _ = layer.stateless_call([v.value for v in layer.trainable_variables], [], jnp.ones((4, 3)))
            >>> y.shape
            (4, 2)

        Reference: keras.layers.Layer.stateless_call.
        """
        paths = self.bindings
        values: dict[str, Any] = {}
        for variables, given in (
            (self.trainable_variables, trainable_variables),
            (self.non_trainable_variables, non_trainable_variables),
        ):
            if len(variables) != len(given):
                raise ValueError(
                    f'{type(self).__name__} "{self.name}": stateless_call: given {len(given)} values, expected {len(variables)}, for '
                    f"{[v.path for v in variables]}."
                )
            values |= {paths[id(v)]: value for v, value in zip(variables, given)}
        out, new = self.apply(values, *args, training=bool(kwargs.pop("training", False)), **kwargs)
        return out, [new[paths[id(v)]] for v in self.non_trainable_variables]

    # -- config -------------------------------------------------------------------------------------------------------

    # What `get_config` finds by itself, for classes that say no more than these: arguments that a config has only if they are
    # not None, arguments that it never has (saved as weights), and whether it has the activity regularizer also where there is
    # none (Keras's layers differ).
    config_if_set: tuple[str, ...] = ()
    config_leaves_out: tuple[str, ...] = ()
    config_has_activity_regularizer = False

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again; constructor arguments kept under their own names are found by name."""
        config: dict[str, Any] = {"name": self.name, "trainable": self._trainable, "dtype": serialize(self.dtype_policy)}
        config["dtype"] = {**config["dtype"], "module": "keras", "registered_name": None}
        if self.activity_regularizer is not None or self.config_has_activity_regularizer:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        if type(self).get_config is Layer.get_config:
            for name in config_names(type(self), Layer):
                if name in self.config_leaves_out:
                    continue
                if name not in self.__dict__:
                    raise TypeError(
                        f"{type(self).__name__}: its constructor's argument {name!r} is not kept as an attribute of that name. Keep "
                        f"it (self.{name} = {name}), or implement get_config()."
                    )
                value = self.__dict__[name]
                if value is not None or name not in self.config_if_set:
                    config[name] = activations.serialize(value) if name.endswith("activation") else serialize(value)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Layer:
        """The layer of a config.

        Args:
            config: as from `get_config`.
            custom_objects: classes and functions by name, for those that are not estimax's.
        """
        return cls(**{k: v if k == "dtype" else _from_config_value(v, custom_objects) for k, v in config.items()})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _from_config_value(value: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    """A config's value: objects made again, all else left to the constructor."""
    if isinstance(value, str):
        return (
            get_registered_object(value, custom_objects, {value: value})
            if ">" in value
            else (custom_objects or {}).get(value, value)
        )
    if isinstance(value, list):
        return [_from_config_value(v, custom_objects) for v in value]
    if isinstance(value, dict) and value.get("class_name") == "function":
        found = get_registered_object(value["config"], custom_objects)
        return value if found is None else found
    if isinstance(value, dict) and "class_name" in value and "config" in value:
        return deserialize(value, custom_objects)
    return value


# Classes of layers without weights whose saved form has no shapes, as Keras builds them when they are made.
_KERAS_BUILT_AT_INIT = re.compile(
    "^(Activation|ELU|LeakyReLU|ReLU|Softmax|Identity|Masking|UnitNormalization|ActivityRegularization|InputLayer|Reshape"
    "|.*Dropout.*|GaussianNoise|(Global)?(Max|Average)Pooling[123]D)$"
)


def _as_shape(value: Any) -> Any:
    """A shape as JSON has it, as a tuple; nested ones keep their structure."""
    if isinstance(value, dict):
        return {k: _as_shape(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        nested = any(isinstance(d, (list, tuple, dict)) for d in value)
        return [_as_shape(v) for v in value] if nested else tuple(value)
    return value


def _building(build: Callable) -> Callable:
    """`build` in its layer's scope; afterwards the layer counts as built and knows the shapes."""

    @functools.wraps(build)
    def wrapped(self: Layer, *shapes: Any, **named: Any) -> None:
        outermost = not self._building
        self._building = True
        try:
            with open_frame() as frame, frame.scope(self.name, self):
                build(self, *shapes, **named)
        finally:
            if outermost:
                self._building = False
        if outermost:
            self.built = True
            names = [p for p in inspect.signature(build).parameters if p != "self"]
            self._build_shapes = {**dict(zip(names, shapes)), **named}

    return wrapped


__all__ = ["KerasTensor", "Layer", "is_symbolic", "shape_of"]
