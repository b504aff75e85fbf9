"""Element by element: arithmetic, roots and powers, trigonometry, comparison, bits."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from estimax.core import is_float
from estimax.layers.operation import OperationFamily

ARITHMETIC = OperationFamily("keras.src.ops.numpy")
define = ARITHMETIC.define

# Functions of `jax.numpy` with the same name, arguments and numbers.
_OF_ONE = (
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "conjugate", "copy", "cos", "cosh", "deg2rad", "exp", "exp2",
    "expm1", "fabs", "i0", "imag", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "isreal", "log", "log10", "log1p", "log2", "rad2deg", "real",
    "reciprocal", "sign", "signbit", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh",
)  # fmt: skip
_OF_TWO = (
    "arctan2", "equal", "fmax", "fmin", "fmod", "gcd", "heaviside", "hypot", "kron", "lcm", "logaddexp", "logaddexp2", "maximum", "minimum", "nextafter",
    "dot", "inner", "outer", "vdot",
)  # fmt: skip
for _name in _OF_ONE:
    define(f"{_name}(x)", getattr(jnp, _name))
for _name in _OF_TWO:
    define(f"{_name}(x1, x2)", getattr(jnp, _name))
for _name in (
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "left_shift",
    "right_shift",
):
    define(f"{_name}(x, y)", getattr(jnp, _name))
define("bitwise_invert(x)", jnp.invert)
define("bitwise_not(x)", jnp.invert)
define("ceil(x)", lambda x: jnp.ceil(inexact(x)))
define("floor(x)", lambda x: jnp.floor(inexact(x)))
define("angle(x)", lambda x: jnp.angle(x if jnp.iscomplexobj(x) else inexact(x)))
define("isclose(x1, x2, rtol=1e-05, atol=1e-08; equal_nan=False)", jnp.isclose)
define("allclose(x1, x2; rtol=1e-05, atol=1e-08, equal_nan=False)", jnp.allclose, name="AllClose")
define("isin(x1, x2; assume_unique=False, invert=False)", jnp.isin, name="IsIn")
define("cross(x1, x2; axisa=-1, axisb=-1, axisc=-1, axis=None)", jnp.cross)
define("tensordot(x1, x2; axes=2)", jnp.tensordot)
define("nan_to_num(x; nan=0.0, posinf=None, neginf=None)", jnp.nan_to_num)
define("digitize(x, bins)", jnp.digitize)
ARITHMETIC.alias("conj", "conjugate")


def inexact(x: jax.Array) -> jax.Array:
    """Integers and booleans as float32, other arrays as they are."""
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.float32)


@define("clip(x; x_min, x_max)")
def _clip(x: jax.Array, *, x_min: jax.typing.ArrayLike, x_max: jax.typing.ArrayLike) -> jax.Array:
    """`x` within `[x_min, x_max]`; booleans as integers.

    Example:
        >>> from estimax import ops
        >>> ops.clip([-1.0, 0.5, 2.0], 0, 1).tolist()
        [0.0, 0.5, 1.0]

    Reference: keras.ops.clip.
    """
    return jnp.clip(x.astype(jnp.int32) if x.dtype == jnp.bool_ else x, x_min, x_max)


@define("divide_no_nan(x1, x2)")
def _divide_no_nan(x1: jax.Array, x2: jax.Array) -> jax.Array:
    """`x1 / x2`, and 0 where `x2` is 0; its gradient is finite too.

    Example:
        >>> from estimax import ops
        >>> ops.divide_no_nan([1.0, 2.0], [0.0, 4.0]).tolist()
        [0.0, 0.5]

    Reference: keras.ops.divide_no_nan.
    """
    return jnp.where(x2 == 0, 0, jnp.divide(x1, jnp.where(x2 == 0, 1, x2)))


@define("ldexp(x1, x2)")
def _ldexp(x1: jax.Array, x2: jax.Array) -> jax.Array:
    """`x1 * 2 ** x2` for integers `x2`.

    Raises:
        ValueError: if `x2` are not integers.

    Example:
        >>> from estimax import ops
        >>> ops.ldexp([1.5, 2.0], [2, -1]).tolist()
        [6.0, 1.0]

    Reference: keras.ops.ldexp.
    """
    if not jnp.issubdtype(x2.dtype, jnp.integer):
        raise ValueError(f"ops.ldexp: x2: given {x2.dtype}, expected integers. Cast them: ops.cast(x2, 'int32').")
    return jnp.ldexp(x1, x2)


@define("round(x; decimals=0)")
def _round(x: jax.Array, *, decimals: int) -> jax.Array:
    """`x` rounded to so many decimals, halves to even; negative ones round to tens and hundreds.

    Example:
        >>> from estimax import ops
        >>> ops.round([14, 26], -1).tolist()
        [10, 30]

    Reference: keras.ops.round.
    """
    if jnp.issubdtype(x.dtype, jnp.integer) and decimals < 0:
        factor = 10.0**decimals
        return (jnp.round(x.astype(jnp.float32) * factor) / factor).astype(x.dtype)
    return jnp.round(x, decimals)


@define("trunc(x)")
def _trunc(x: jax.Array) -> jax.Array:
    """`x` without its decimals; integers as they are.

    Example:
        >>> from estimax import ops
        >>> ops.trunc([-1.7, 2.5]).tolist()
        [-1.0, 2.0]

    Reference: keras.ops.trunc.
    """
    return jnp.trunc(x) if is_float(x.dtype) else x
