"""Functions of arrays as nodes of functional models: what the operators of symbolic tensors and `estimax.ops` are made of."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import Variable, canonical, register, standardize_dtype
from estimax.layers.base import Layer
from estimax.layers.symbolic import KerasTensor, symbolic_leaves


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
    tensors: Mapping[str, Any] | None = None  # names of the arguments of a call, with defaults; None if it takes any
    defaults: Mapping[str, Any] = {}  # options with their defaults
    only: Mapping[str, Any] = {}  # options that Keras's configs have, and the one value that they may have here

    def __init__(self, *, name: str | None = None, **options: Any):
        super().__init__(name=name, autocast=False)
        unknown = sorted(set(options) - set(self.defaults))
        if unknown:
            raise ValueError(f"{type(self).__name__}: unknown arguments {unknown}. Expected some of {sorted(self.defaults)}.")
        if symbolic_leaves(options):
            found = sorted(k for k, v in options.items() if symbolic_leaves(v))
            raise TypeError(
                f"{type(self).__name__}: {', '.join(found)}: given a symbolic tensor, expected a plain value, which is fixed when the model "
                "is built. Put the computation into a layer: layers.Lambda(lambda inputs: ...)([x, y])."
            )
        self.options = {k: _axes(v) for k, v in {**self.defaults, **options}.items()}
        missing = sorted(k for k, v in self.options.items() if v is inspect.Parameter.empty)
        if missing:
            raise ValueError(f"{type(self).__name__}: the arguments {missing} are missing.")
        self.built = True

    def _cast(self, x: Any) -> Any:
        return x

    def _convert_first(self, x: Any) -> Any:
        return x

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The function of the arguments."""
        if self.tensors is None:
            return type(self).function(*args, **kwargs, **self.options)
        values = {**self.tensors, **dict(zip(self.tensors, args)), **kwargs}
        return type(self).function(*values.values(), **self.options)

    def get_build_config(self) -> None:
        """Nothing is built."""

    def get_config(self) -> dict[str, Any]:
        """The name and the options."""
        return {"name": self.name, **self.options}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Operation:
        """The operation of a config."""
        for option, value in cls.only.items():
            if config.get(option, value) != value:
                raise ValueError(
                    f"{cls.__name__}: {option}: given {config[option]!r}, expected {value!r}: estimax has nothing else."
                )
        return cls(**{k: v for k, v in config.items() if k not in cls.only})


def _axes(value: Any) -> Any:
    """An option as JAX takes it: lists, which JSON makes of tuples, as tuples."""
    return tuple(map(_axes, value)) if isinstance(value, list) else value


def as_array(value: Any) -> Any:
    """A number, NumPy array, Variable or nested list as a JAX array; JAX arrays, functions and None as they are.

    Example:
        >>> as_array([1.0, 2.0]).dtype.name, as_array(None)
        ('float32', None)
    """
    if isinstance(value, jax.Array) or value is None:
        return value
    if isinstance(value, Variable):
        return value.value
    if isinstance(value, np.ndarray) and value.dtype != canonical(value.dtype):
        return jnp.asarray(value.astype(canonical(value.dtype)))
    return jnp.asarray(value)


def as_dtype(dtype: Any) -> Any:
    """A type by its name as JAX stores it (64 bits become 32 unless JAX's x64 is on); None stays."""
    return None if dtype is None else canonical(standardize_dtype(dtype)).name


class OperationFamily:
    """Functions that work on arrays, and on symbolic tensors as nodes of a model.

    Args:
        module: where Keras has their classes; configs name it.

    Attributes:
        functions: by name, in the order of definition.

    Example:
        >>> from estimax.layers import Input
        >>> family = OperationFamily("example")
        >>> double = family.define("double(x; factor=2)", lambda x, factor: x * factor)
        >>> double([1.0, 2.0]).tolist(), double(Input((3,)), factor=3).shape
        ([2.0, 4.0], (None, 3))
    """

    def __init__(self, module: str):
        self.module = module
        self.functions: dict[str, Callable[..., Any]] = {}

    def define(
        self,
        text: str,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        convert: bool = True,
        only: Mapping[str, Any] | None = None,
    ) -> Callable[..., Any]:
        """Adds a function and returns it in its public form; without `function` a decorator, which leaves what it decorates as it is.

        Args:
            text: its name and arguments, as `"average(x; axis=None, weights*=None)"`. Those before the semicolon, and later ones with
                a star, are tensors: what a node is called on; `[xs]` is a list of them. The others are options of the node.
            function: called with the tensors in order, then the options by name.
            name: of the class in configs, if it is not `text`'s in camel case.
            convert: whether tensors are made arrays before the call.
            only: options that Keras's configs have beside these, and the one value that they may have here.
        """
        if function is None:

            def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
                self.define(text, function, name=name, convert=convert, only=only)
                return function

            return decorate
        own, tensors, lists, signature = _parse(text)
        defaults = {n: p.default for n, p in signature.parameters.items()}
        cls = make_operation(
            self.module,
            name or "".join(part.capitalize() for part in own.split("_")),
            function,
            tensors={n: defaults[n] for n in tensors},
            options={n: d for n, d in defaults.items() if n not in tensors},
            prepare=_converter(tensors, lists) if convert else None,
        )
        cls.only = only or {}
        has_dtype = "dtype" in cls.defaults
        compute = cls.function

        def public(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            values = bound.arguments
            given = [values.pop(n) for n in tensors]
            for label, value in values.items():
                if isinstance(value, list):
                    values[label] = _axes(value)
            if has_dtype:
                values["dtype"] = as_dtype(values["dtype"])
            if symbolic_leaves(given):
                return cls(**values)(*given)
            return compute(*given, **values)

        documented = function.__doc__ and function.__module__.startswith(("estimax.ops", __name__))
        public.__name__ = public.__qualname__ = own
        public.__module__ = function.__module__ if documented else "estimax.ops"
        public.__doc__ = function.__doc__ if documented else _generated_doc(own, function)
        public.__signature__ = signature  # type: ignore[attr-defined]
        self.functions[own] = public
        return public

    def alias(self, name: str, other: str) -> None:
        """Gives a function a second name."""
        self.functions[name] = self.functions[other]


def make_operation(
    module: str,
    name: str,
    function: Callable[..., Any],
    *,
    tensors: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    prepare: Callable[[tuple], Any] | None = None,
) -> type[Operation]:
    """A class of nodes.

    Args:
        module, name: in configs.
        function: of tensors and options.
        tensors: arguments of a call with their defaults; None if the function takes any.
        options: with their defaults.
        prepare: what to do with the tensors before the call.
    """

    def compute(*args: Any, **kwargs: Any) -> Any:
        return function(*(args if prepare is None else prepare(args)), **kwargs)

    body = {"function": staticmethod(compute), "tensors": tensors, "defaults": options, "_registered_name": name}
    cls = type(name, (Operation,), {**body, "__module__": __name__, "__doc__": f"`{name}` as a node of a functional model."})
    return register(module)(cls)


def _parse(text: str) -> tuple[str, list[str], frozenset[str], inspect.Signature]:
    """Name, tensors, those of them that are lists, and signature of a definition."""
    own, _, rest = text[:-1].partition("(")
    before, _, after = rest.partition(";")
    tensors, lists, parameters = [], set(), []
    for part, is_tensor in [(p, True) for p in _split(before)] + [(p, False) for p in _split(after)]:
        declared, _, default = part.partition("=")
        label = declared.strip("[]*")
        if is_tensor or declared.endswith("*"):
            tensors.append(label)
        if declared.startswith("["):
            lists.add(label)
        value = ast.literal_eval(default) if default else inspect.Parameter.empty
        parameters.append(inspect.Parameter(label, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value))
    return own, tensors, frozenset(lists), inspect.Signature(parameters)


def _split(text: str) -> list[str]:
    return [p.strip() for p in re.split(r",\s*(?![^(]*\))", text) if p.strip()]


def _converter(tensors: list[str], lists: frozenset[str]) -> Callable[[tuple], Any]:
    """Makes arrays of the tensors of a call."""
    if not lists:
        return lambda args: map(as_array, args)
    many = [n in lists for n in tensors]
    return lambda args: [_list_of_arrays(a) if m else as_array(a) for a, m in zip(args, many)]


def _list_of_arrays(values: Any) -> Any:
    return [as_array(v) for v in values] if isinstance(values, (list, tuple)) else as_array(values)


# Where users find the functions of these modules.
_PLACES = {
    "jax._src.numpy.linalg": "jax.numpy.linalg", "jax._src.numpy": "jax.numpy", "jax._src.nn": "jax.nn", "jax._src.lax": "jax.lax",
    "jax._src.scipy.special": "jax.scipy.special", "jax.ops": "jax.ops", "estimax.activations": "ex.activations",
    "estimax.core.formulas": "ex.losses",
}  # fmt: skip


def _generated_doc(own: str, function: Callable[..., Any]) -> str:
    """The docstring of a function that is another library's: where that is described."""
    module, label = getattr(function, "__module__", "") or "", getattr(function, "__name__", "<lambda>")
    place = next((p for start, p in _PLACES.items() if module.startswith(start)), "")
    found = f"{place}.{label}" if place and label != "<lambda>" else f"jax.numpy.{own}" if hasattr(jnp, own) else ""
    what = f"`{found}` of arrays" if found else "A function of arrays"
    return f"{what}; on symbolic tensors a node of the model.\n\nReference: keras.ops.{own}."


def _get_item(x: Any, key: Any) -> Any:
    return x[tuple(key) if isinstance(key, list) else key]


# What the operators of symbolic tensors give.
OPERATORS = OperationFamily("keras.src.ops.numpy")
_ROWS: dict[str, Callable[..., Any]] = {
    "add(x1, x2)": jnp.add,
    "subtract(x1, x2)": jnp.subtract,
    "multiply(x1, x2)": jnp.multiply,
    "divide(x1, x2)": jnp.divide,
    "true_divide(x1, x2)": jnp.true_divide,
    "floor_divide(x1, x2)": jnp.floor_divide,
    "mod(x1, x2)": jnp.mod,
    "power(x1, x2)": jnp.power,
    "negative(x)": jnp.negative,
    "absolute(x)": jnp.absolute,
    "not_equal(x1, x2)": jnp.not_equal,
    "less(x1, x2)": jnp.less,
    "less_equal(x1, x2)": jnp.less_equal,
    "greater(x1, x2)": jnp.greater,
    "greater_equal(x1, x2)": jnp.greater_equal,
    "logical_and(x1, x2)": jnp.logical_and,
    "logical_or(x1, x2)": jnp.logical_or,
    "logical_xor(x1, x2)": jnp.logical_xor,
    "logical_not(x)": jnp.logical_not,
}
for _text, _function in _ROWS.items():
    OPERATORS.define(_text, _function)


@OPERATORS.define("matmul(x1, x2)")
def _matmul(x1: jax.Array, x2: jax.Array) -> jax.Array:
    """The product of matrices; of 8-bit integers in 32 bits.

    Args:
        x1: `[..., rows, inner]`.
        x2: `[..., inner, columns]`.

    Example:
        >>> from estimax import ops
        >>> ops.matmul([[1, 2]], [[3], [4]]).tolist()
        [[11]]

    Reference: keras.ops.matmul.
    """
    small = x1.dtype == x2.dtype == jnp.int8
    return jnp.matmul(x1, x2, preferred_element_type=jnp.int32 if small else None)


@OPERATORS.define("get_item(x, key)", convert=False)
def _item(x: Any, key: Any) -> Any:
    """`x[key]`.

    Example:
        >>> from estimax import ops
        >>> ops.get_item(ops.arange(4), 2).item()
        2

    Reference: keras.ops.get_item.
    """
    return _get_item(as_array(x), key)


def operate(name: str, *args: Any) -> Any:
    """One of `OPERATORS` by its function's name."""
    return OPERATORS.functions[name](*args)


def _plain_index(key: Any) -> Any:
    """An index that may go into a node: symbolic tensors are refused inside it."""
    if symbolic_leaves(key):
        raise TypeError(
            "A symbolic tensor can't be an index. Use ops.take(x, indices, axis), or put the look-up into a layer: "
            "layers.Lambda(lambda x: x[0][x[1]])([x, i])."
        )
    return key


_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide", "mod": "mod",
    "pow": "power", "matmul": "matmul", "and": "logical_and", "or": "logical_or", "xor": "logical_xor",
}  # fmt: skip
_COMPARE = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "ne": "not_equal"}
_UNARY = {"neg": "negative", "abs": "absolute", "invert": "logical_not"}


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
    setattr(KerasTensor, "__getitem__", lambda self, key: operate("get_item", self, _plain_index(key)))  # noqa: B010
    setattr(KerasTensor, "__iter__", _refuse_iteration)  # noqa: B010


_install()
