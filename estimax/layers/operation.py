"""Operations on symbolic tensors, `x + y` or `x[:, 0]`, as small layers without variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.symbolic import KerasTensor, map_symbolic


class Operation(Layer):
    """A function of arrays as a node of a functional model; it has a name and fixed options, and no variables.

    Models don't list operations among their layers, but save them, under the names that Keras's own operations have.

    Args:
        name: of the operation.
        **options: keyword arguments of the function.

    Example:
        >>> from estimax.layers import Input
        >>> x = Input((3,))
        >>> (2 * x + 1)[:, 0].shape
        (None,)
    """

    function: Callable[..., Any]
    defaults: Mapping[str, Any] = {}

    def __init__(self, *, name: str | None = None, **options: Any):
        super().__init__(name=name, autocast=False)
        unknown = sorted(set(options) - set(self.defaults))
        if unknown:
            raise ValueError(f"{type(self).__name__}: unknown arguments {unknown}. Expected some of {sorted(self.defaults)}.")
        self.options = {**self.defaults, **options}
        self.built = True

    def _cast(self, x: Any) -> Any:
        return x

    def _convert_first(self, x: Any) -> Any:
        return x

    def call(self, *args: Any) -> Any:
        """The function of the arguments."""
        return type(self).function(*args, **self.options)

    def get_build_config(self) -> None:
        """Nothing is built."""

    def get_config(self) -> dict[str, Any]:
        """The name and the options."""
        return {"name": self.name, **self.options}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Operation:
        """The operation of a config."""
        return cls(**config)


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _reduction(fn: Callable) -> Callable:
    return lambda x, axis=None, keepdims=False: fn(x, axis=_axes(axis), keepdims=keepdims)


def _get_item(x: Any, key: Any) -> Any:
    return x[tuple(key) if isinstance(key, list) else key]


_REDUCE = {"axis": None, "keepdims": False}
_LIKE = {"dtype": None}
# Name in Keras's configs, function, options with their defaults.
_TABLE: dict[str, tuple[Callable, dict[str, Any]]] = {
    "Add": (jnp.add, {}),
    "Subtract": (jnp.subtract, {}),
    "Multiply": (jnp.multiply, {}),
    "Divide": (jnp.divide, {}),
    "TrueDivide": (jnp.true_divide, {}),
    "FloorDivide": (jnp.floor_divide, {}),
    "Mod": (jnp.mod, {}),
    "Power": (jnp.power, {}),
    "Matmul": (jnp.matmul, {}),
    "Negative": (jnp.negative, {}),
    "Absolute": (jnp.abs, {}),
    "Square": (jnp.square, {}),
    "Sqrt": (jnp.sqrt, {}),
    "Exp": (jnp.exp, {}),
    "Log": (jnp.log, {}),
    "Sin": (jnp.sin, {}),
    "Cos": (jnp.cos, {}),
    "Tanh": (jnp.tanh, {}),
    "Maximum": (jnp.maximum, {}),
    "Minimum": (jnp.minimum, {}),
    "Equal": (jnp.equal, {}),
    "NotEqual": (jnp.not_equal, {}),
    "Less": (jnp.less, {}),
    "LessEqual": (jnp.less_equal, {}),
    "Greater": (jnp.greater, {}),
    "GreaterEqual": (jnp.greater_equal, {}),
    "LogicalAnd": (jnp.logical_and, {}),
    "LogicalOr": (jnp.logical_or, {}),
    "LogicalXor": (jnp.logical_xor, {}),
    "LogicalNot": (jnp.logical_not, {}),
    "Where": (jnp.where, {}),
    "GetItem": (_get_item, {}),
    "Any": (_reduction(jnp.any), _REDUCE),
    "All": (_reduction(jnp.all), _REDUCE),
    "Sum": (_reduction(jnp.sum), _REDUCE),
    "Mean": (_reduction(jnp.mean), _REDUCE),
    "Max": (_reduction(jnp.max), _REDUCE),
    "Min": (_reduction(jnp.min), _REDUCE),
    "Concatenate": (lambda xs, axis=0: jnp.concatenate(list(xs), axis=axis), {"axis": 0}),
    "Stack": (lambda xs, axis=0: jnp.stack(list(xs), axis=axis), {"axis": 0}),
    "ExpandDims": (lambda x, axis: jnp.expand_dims(x, _axes(axis)), {"axis": -1}),
    "Squeeze": (lambda x, axis=None: jnp.squeeze(x, _axes(axis)), {"axis": None}),
    "Transpose": (lambda x, axes=None: jnp.transpose(x, _axes(axes)), {"axes": None}),
    "Reshape": (lambda x, newshape: jnp.reshape(x, tuple(newshape)), {"newshape": (-1,)}),
    "Clip": (lambda x, x_min=None, x_max=None: jnp.clip(x, x_min, x_max), {"x_min": None, "x_max": None}),
    "Round": (lambda x, decimals=0: jnp.round(x, decimals), {"decimals": 0}),
    "OnesLike": (lambda x, dtype=None: jnp.ones_like(x, dtype=dtype), _LIKE),
    "ZerosLike": (lambda x, dtype=None: jnp.zeros_like(x, dtype=dtype), _LIKE),
    "Relu": (jax.nn.relu, {}),
    "Sigmoid": (jax.nn.sigmoid, {}),
    "Softmax": (lambda x, axis=-1: jax.nn.softmax(x, axis=axis), {"axis": -1}),
}
_NN = ("Relu", "Sigmoid", "Softmax")


def _make_class(name: str, function: Callable, defaults: dict[str, Any]) -> type[Operation]:
    body = {"function": staticmethod(function), "defaults": defaults, "__module__": __name__, "_registered_name": name}
    cls = type(name, (Operation,), {**body, "__doc__": f"`{name}` as a node of a functional model."})
    return register("keras.src.ops.nn" if name in _NN else "keras.src.ops.numpy")(cls)


OPERATIONS: Mapping[str, type[Operation]] = {n: _make_class(n, fn, options) for n, (fn, options) in _TABLE.items()}


def operate(name: str, *args: Any, **options: Any) -> Any:
    """A new operation by its name, called on symbolic tensors."""
    return OPERATIONS[name](**options)(*args)


def _plain_index(key: Any) -> Any:
    """An index that may go into a node: symbolic tensors are refused inside it."""
    found: list[KerasTensor] = []
    map_symbolic(lambda t: found.append(t), key)
    if found:
        raise TypeError(
            "A symbolic tensor can't be an index. Put the look-up into a layer: layers.Lambda(lambda x: x[0][x[1]])([x, i])."
        )
    return key


_BINARY = {
    "add": "Add", "sub": "Subtract", "mul": "Multiply", "truediv": "TrueDivide", "floordiv": "FloorDivide", "mod": "Mod",
    "pow": "Power", "matmul": "Matmul", "and": "LogicalAnd", "or": "LogicalOr", "xor": "LogicalXor",
}  # fmt: skip
_COMPARE = {"lt": "Less", "le": "LessEqual", "gt": "Greater", "ge": "GreaterEqual", "ne": "NotEqual"}
_UNARY = {"neg": "Negative", "abs": "Absolute", "invert": "LogicalNot"}


def _refuse_iteration(self: KerasTensor) -> Any:
    raise TypeError(f"{self!r} is symbolic: it can't be iterated over. Take parts by index: x[:, 0].")


def _install() -> None:
    """Gives `KerasTensor` its operators; equality stays identity, so that tensors can be keys."""
    for method, name in _BINARY.items():
        setattr(KerasTensor, f"__{method}__", lambda self, other, name=name: operate(name, self, other))
        setattr(KerasTensor, f"__r{method}__", lambda self, other, name=name: operate(name, other, self))
    for method, name in _COMPARE.items():
        setattr(KerasTensor, f"__{method}__", lambda self, other, name=name: operate(name, self, other))
    for method, name in _UNARY.items():
        setattr(KerasTensor, f"__{method}__", lambda self, name=name: operate(name, self))
    setattr(KerasTensor, "__getitem__", lambda self, key: operate("GetItem", self, _plain_index(key)))  # noqa: B010
    setattr(KerasTensor, "__iter__", _refuse_iteration)  # noqa: B010


_install()
