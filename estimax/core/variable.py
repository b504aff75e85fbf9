"""The Variable: an array with a name that holds its value at any moment, also while training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core.dtypes import is_float, standardize_dtype
from estimax.core.errors import ShapeError, TracerLeakError, UnboundVariableError
from estimax.core.frame import current_frame


class Variable:
    """An array with a name, that holds its value.

    Outside pure calls `value` is the variable's own array and `assign` replaces it. Inside a `Frame` that binds the variable,
    both go to the frame, so that the same code is pure under `jax.jit`, `jax.grad` and `jax.export`.

    Args:
        initializer: an array-like, or a function `(shape, dtype) -> array`.
        shape: of the array; needed with a function.
        dtype: of the array; float32 for functions, else that of the value.
        trainable: whether training changes it.
        name: the last part of its path.
        kind: `"params"`, `"state"` or `"metrics"`; by default by `trainable`.
        regularizer: `value -> scalar` added to the loss while training.
        constraint: `value -> value`, applied after each update.
        row_sparse: whether a table trains by the rows that were looked up; None lets the engine decide by its size.
        autocast: whether a layer that computes in 16 bits reads it in 16 bits.

    Raises:
        ValueError: if a function is given without a shape, or the name contains a slash.

    Example:
        >>> v = Variable([1.0, 2.0], name="v")
        >>> v.assign_add([1.0, 1.0])
        >>> v
        Variable(path='v', shape=(2,), dtype=float32, value=[2. 3.])

    Reference: keras.Variable.
    """

    def __init__(
        self,
        initializer: Any,
        shape: tuple[int, ...] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str = "variable",
        *,
        kind: str | None = None,
        regularizer: Callable | None = None,
        constraint: Callable | None = None,
        autocast: bool = True,
        row_sparse: bool | None = None,
    ):
        if "/" in name:
            raise ValueError(f"name: given {name!r}, expected a name without '/'. Use core.name_scope for a prefix.")
        if callable(initializer):
            if shape is None:
                raise ValueError(f'Variable "{name}": given a function as initializer, expected a shape with it. Pass shape=.')
            self.shape = tuple(int(d) for d in shape)
            self.dtype = standardize_dtype(dtype)
            make = lambda: jnp.asarray(initializer(self.shape, self.dtype), self.dtype)  # noqa: E731
        else:
            if dtype is None and not hasattr(initializer, "dtype"):
                kind_of = np.asarray(initializer).dtype.kind
                dtype = {"f": "float32", "i": "int32", "b": "bool"}.get(kind_of)
            given = jnp.asarray(initializer, None if dtype is None else standardize_dtype(dtype))
            if shape is not None and tuple(shape) != given.shape:
                raise ShapeError(f'Variable "{name}": given a value of shape {given.shape}, expected {tuple(shape)}.')
            self.shape, self.dtype = given.shape, str(given.dtype)
            make = lambda: given  # noqa: E731
        self.name = name
        self.trainable = trainable
        self.regularizer = regularizer
        self.constraint = constraint
        self.autocast = autocast
        self.row_sparse = row_sparse
        self.kind = kind or ("params" if trainable else "state")
        self._array: jax.Array | None = None
        frame = current_frame()
        self.path = name if frame is None else frame.prefix + name
        if frame is not None and frame.creates != "own":
            frame.add_variable(self, self.kind, make)
        else:
            # Concrete even while something is traced: a variable that is built during a trace outlives it.
            with jax.ensure_compile_time_eval(), _eager_keys(frame):
                array = make()
            if isinstance(array, jax.core.Tracer):
                raise TracerLeakError(
                    f'Variable "{self.path}": its initial value is a traced array, which must not outlive the trace. '
                    "Create it outside jax.jit, or from an initializer function."
                )
            self._array = array

    @property
    def value(self) -> jax.Array:
        """The array now: the open frame's if it binds this variable, else the variable's own. Shape `shape`."""
        frame = current_frame()
        if frame is not None:
            path = frame.bindings.get(id(self))
            array = self._array if path is None else frame.read(path)
            if array is not None:
                if frame.autocast is not None and self.autocast and is_float(array.dtype):
                    return array.astype(frame.autocast)
                return array
        if self._array is None:
            raise UnboundVariableError(
                f'Variable "{self.path}": it was created inside a model_fn or another pure call, which is over; its value lives '
                f'in the state of that call. Read it with estimator.get_variable_value("{self.path}").'
            )
        return self._array

    def assign(self, value: Any) -> None:
        """Sets the value; it is cast to the variable's dtype.

        Raises:
            ValueError: if the shape differs, or a traced value would be kept outside a frame.
        """
        value = jnp.asarray(value, self.dtype)
        if value.shape != self.shape:
            raise ShapeError(f'Variable "{self.path}": expected a value of shape {self.shape}, given {value.shape}.')
        frame = current_frame()
        if frame is not None:
            path = frame.bindings.get(id(self))
            if path is not None:
                frame.write(path, value)
                return
        if isinstance(value, jax.core.Tracer):
            raise TracerLeakError(
                f'Variable "{self.path}" would keep a traced value. Inside jax.jit or jax.grad call layer.apply(values, ...), which '
                "returns the new values, instead of a layer that changes its own."
            )
        self._array = value

    def attach(self, array: jax.Array) -> None:
        """Points at an array without checks or copies; the engine calls it after every step."""
        self._array = array

    def assign_add(self, value: Any) -> None:
        """Adds to the value."""
        self.assign(self.value + jnp.asarray(value, self.dtype))

    def assign_sub(self, value: Any) -> None:
        """Subtracts from the value."""
        self.assign(self.value - jnp.asarray(value, self.dtype))

    def numpy(self) -> np.ndarray:
        """The value as a NumPy array."""
        return np.asarray(self.value)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))

    def __jax_array__(self) -> jax.Array:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value, dtype=dtype)

    def __neg__(self) -> jax.Array:
        return -self.value

    def __getitem__(self, index: Any) -> jax.Array:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __repr__(self) -> str:
        try:
            shown = f", value={np.array2string(np.asarray(self.value), precision=4, threshold=20)}"
        except (UnboundVariableError, jax.errors.TracerArrayConversionError):
            shown = ""
        return f"Variable(path='{self.path}', shape={self.shape}, dtype={self.dtype}{shown})"


@contextlib.contextmanager
def _eager_keys(frame: Any) -> Iterator[None]:
    """Random keys of the eager seed instead of the open frame's, which may be traced."""
    key = None if frame is None else frame.key
    if frame is not None:
        frame.key = None
    try:
        yield
    finally:
        if frame is not None:
            frame.key = key


def _binary(op: Callable) -> Callable:
    return lambda self, other: op(self.value, other.value if isinstance(other, Variable) else other)


def _reflected(op: Callable) -> Callable:
    return lambda self, other: op(other, self.value)


_ARITHMETIC: dict[str, Callable] = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "truediv": jnp.true_divide,
    "floordiv": jnp.floor_divide,
    "mod": jnp.mod,
    "pow": jnp.power,
    "matmul": jnp.matmul,
}
_COMPARISON: dict[str, Callable] = {"lt": jnp.less, "le": jnp.less_equal, "gt": jnp.greater, "ge": jnp.greater_equal}
for _name, _op in _ARITHMETIC.items():
    setattr(Variable, f"__{_name}__", _binary(_op))
    setattr(Variable, f"__r{_name}__", _reflected(_op))
for _name, _op in _COMPARISON.items():
    setattr(Variable, f"__{_name}__", _binary(_op))
