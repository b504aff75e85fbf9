"""New arrays: filled, counted, as windows; and what an array is: its shape, type and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import floatx, standardize_dtype
from estimax.layers import KerasTensor
from estimax.layers.operation import OperationFamily, as_array, as_dtype, make_operation
from estimax.layers.symbolic import symbolic_leaves
from estimax.ops.reductions import refuse_sparse

CREATION = OperationFamily("keras.src.ops.numpy")
define = CREATION.define

for _name in ("ones_like", "zeros_like", "empty_like"):
    define(f"{_name}(x; dtype=None)", getattr(jnp, _name))
define("full_like(x, fill_value; dtype=None)", jnp.full_like)
define("arange(start, stop=None, step=None; dtype=None)", jnp.arange, convert=False)
define("linspace(start, stop; num=50, endpoint=True, retstep=False, dtype=None, axis=0)", jnp.linspace)
define("logspace(start, stop; num=50, endpoint=True, base=10, dtype=None, axis=0)", jnp.logspace)
define("geomspace(start, stop; num=50, endpoint=True, dtype=None, axis=0)", jnp.geomspace)
define("size(x)", jnp.size)


@define("full(; shape, fill_value*, dtype=None)")
def _full(fill_value: jax.Array, *, shape: Any, dtype: Any) -> jax.Array:
    """An array of one value, float32 if no type is given.

    Example:
        >>> from estimax import ops
        >>> ops.full((2,), 3).tolist()
        [3.0, 3.0]

    Reference: keras.ops.full.
    """
    return jnp.full(shape, fill_value, dtype=dtype or floatx())


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of plain values, which never is a node of a model."""
    CREATION.functions[function.__name__] = function
    return function


@_plain
def ones(shape: Any, dtype: Any = None) -> jax.Array:
    """Ones, float32 if no type is given. Reference: keras.ops.ones."""
    return jnp.ones(shape, as_dtype(dtype) or floatx())


@_plain
def zeros(shape: Any, dtype: Any = None) -> jax.Array:
    """Zeros, float32 if no type is given. Reference: keras.ops.zeros."""
    return jnp.zeros(shape, as_dtype(dtype) or floatx())


@_plain
def empty(shape: Any, dtype: Any = None) -> jax.Array:
    """Zeros, float32 if no type is given: JAX has no uninitialized arrays. Reference: keras.ops.empty."""
    return jnp.empty(shape, as_dtype(dtype) or floatx())


@_plain
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> jax.Array:
    """Ones on a diagonal, zeros elsewhere. Shape `[N, M]`. Reference: keras.ops.eye."""
    return jnp.eye(N, M, k=k, dtype=as_dtype(dtype) or floatx())


@_plain
def identity(n: int, dtype: Any = None) -> jax.Array:
    """Ones on the diagonal, zeros elsewhere. Shape `[n, n]`. Reference: keras.ops.identity."""
    return jnp.identity(n, dtype=as_dtype(dtype) or floatx())


@_plain
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> jax.Array:
    """Ones on and below a diagonal, zeros above. Shape `[N, M]`. Reference: keras.ops.tri."""
    return jnp.tri(N, M, k=k, dtype=as_dtype(dtype) or floatx())


@_plain
def bartlett(x: int) -> jax.Array:
    """A triangular window. Shape `[x]`. Reference: keras.ops.bartlett."""
    return jnp.bartlett(int(x)).astype(floatx())


@_plain
def blackman(x: int) -> jax.Array:
    """Blackman's window. Shape `[x]`. Reference: keras.ops.blackman."""
    return jnp.blackman(int(x)).astype(floatx())


@_plain
def hamming(x: int) -> jax.Array:
    """Hamming's window. Shape `[x]`. Reference: keras.ops.hamming."""
    return jnp.hamming(int(x)).astype(floatx())


@_plain
def hanning(x: int) -> jax.Array:
    """Hann's window. Shape `[x]`. Reference: keras.ops.hanning."""
    return jnp.hanning(int(x)).astype(floatx())


@_plain
def kaiser(x: int, beta: float) -> jax.Array:
    """Kaiser's window. Shape `[x]`. Reference: keras.ops.kaiser."""
    return jnp.kaiser(int(x), beta).astype(floatx())


_MESHGRID = make_operation(
    "keras.src.ops.numpy",
    "Meshgrid",
    lambda *x, indexing: jnp.meshgrid(*map(as_array, x), indexing=indexing),
    tensors=None,
    options={"indexing": "xy"},
)


@_plain
def meshgrid(*x: Any, indexing: str = "xy") -> Any:
    """Coordinates on a grid, from those on its axes.

    Args:
        *x: each `[n_i]`.
        indexing: `"xy"` or `"ij"`: which axis of the results belongs to the first.

    Example:
        >>> from estimax import ops
        >>> [a.tolist() for a in ops.meshgrid([1, 2], [3, 4])]
        [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]

    Reference: keras.ops.meshgrid.
    """
    if symbolic_leaves(x):
        return _MESHGRID(indexing=indexing)(*x)
    return jnp.meshgrid(*map(as_array, x), indexing=indexing)


@_plain
def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    """`jax.numpy.vectorize`: a function of elements, for arrays. Reference: keras.ops.vectorize."""
    if not callable(pyfunc):
        raise ValueError(f"ops.vectorize: pyfunc: given {pyfunc!r}, expected a function.")
    return jnp.vectorize(pyfunc, excluded=excluded or frozenset(), signature=signature)


@_plain
def ndim(x: Any) -> int:
    """The number of axes, of symbolic tensors too. Reference: keras.ops.ndim."""
    return len(shape(x))


KINDS = OperationFamily("keras.src.ops.core")


def _kind(function: Callable[..., Any]) -> Callable[..., Any]:
    KINDS.functions[function.__name__] = function
    return function


@_kind
def shape(x: Any) -> tuple[int | None, ...]:
    """The sizes of the axes; None for unknown ones of symbolic tensors. Reference: keras.ops.shape."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


@_kind
def dtype(x: Any) -> str:
    """The name of the type. Reference: keras.ops.dtype."""
    return standardize_dtype(x.dtype)


@_kind
def is_tensor(x: Any) -> bool:
    """Whether `x` is a JAX array, traced ones included. Reference: keras.ops.is_tensor."""
    return isinstance(x, jax.Array)


@_kind
def convert_to_numpy(x: Any) -> np.ndarray:
    """A copy as a NumPy array. Reference: keras.ops.convert_to_numpy.

    Raises:
        TypeError: if `x` is symbolic.
    """
    if isinstance(x, KerasTensor):
        raise TypeError(f"ops.convert_to_numpy: given {x!r}, which has no values. Call a model on data first.")
    return np.array(x)


def cast_to(x: jax.Array, dtype: Any) -> jax.Array:
    """`x` as another type; 64 bits are 32 unless JAX's x64 is on. Reference: keras.ops.cast."""
    return x.astype(as_dtype(dtype))


KINDS.define("cast(x; dtype)", cast_to)


@KINDS.define("saturate_cast(x; dtype)")
def saturate_cast(x: jax.Array, *, dtype: Any) -> jax.Array:
    """`x` as another type, values out of its range at its end.

    Example:
        >>> from estimax import ops
        >>> ops.saturate_cast([-5.0, 300.0], "uint8").tolist()
        [0, 255]

    Reference: keras.ops.saturate_cast.
    """

    if x.dtype == jnp.bool_:
        return x.astype(as_dtype(dtype))
    (low, high), (own_low, own_high) = _limits(as_dtype(dtype)), _limits(x.dtype)
    # Where the type rounds an end outwards (2 ** 31 - 1 is no float32), the conversion to integers saturates.
    low, high = np.asarray(max(low, own_low)).astype(x.dtype), np.asarray(min(high, own_high)).astype(x.dtype)
    return jnp.clip(x, low, high).astype(as_dtype(dtype))


def _limits(dtype: Any) -> tuple[Any, Any]:
    if dtype == jnp.bool_:
        return 0, 1
    if jnp.issubdtype(dtype, jnp.integer):
        return int(jnp.iinfo(dtype).min), int(jnp.iinfo(dtype).max)
    return float(jnp.finfo(dtype).min), float(jnp.finfo(dtype).max)


@KINDS.define("convert_to_tensor(x; dtype=None, sparse=None, ragged=None)")
def _convert_to_tensor(x: jax.Array, *, dtype: Any, sparse: bool | None, ragged: bool | None) -> jax.Array:
    """A number, list, NumPy array or Variable as a JAX array.

    Args:
        x: values.
        dtype: of the array; that of `x` if omitted.
        sparse, ragged: only False: there are no such tensors.

    Raises:
        ValueError: if `sparse` or `ragged` is True.

    Example:
        >>> from estimax import ops
        >>> ops.convert_to_tensor([1, 2], "float32").tolist()
        [1.0, 2.0]

    Reference: keras.ops.convert_to_tensor.
    """
    refuse_sparse("convert_to_tensor", sparse)
    if ragged:
        raise ValueError(
            "ops.convert_to_tensor: ragged: given True, expected False: arrays are dense. Pad rows: utils.pad_sequences."
        )
    return x if dtype is None else x.astype(dtype)


KINDS.define("stop_gradient(variable)", jax.lax.stop_gradient)
