"""Names of number types, and the policy that pairs a type to compute in with a type to store."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

FLOATX = "float32"


def floatx() -> str:
    """The default float type, `"float32"`.

    >>> floatx()
    'float32'
    """
    return FLOATX


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype given as a name, a NumPy or JAX type, or None for the default float type.

    Raises:
        ValueError: if it names no type.

    >>> import numpy as np
    >>> standardize_dtype(np.float32), standardize_dtype(None), standardize_dtype("int")
    ('float32', 'float32', 'int32')
    """
    if dtype is None:
        return FLOATX
    if isinstance(dtype, str):
        if dtype in ("string", "str"):
            return "string"
        if dtype in ("int", "float"):
            return {"int": "int32", "float": FLOATX}[dtype]
        if dtype == "bool":
            return "bool"
    elif dtype is int or dtype is float:  # not `in`: NumPy's float64 equals float
        return "int32" if dtype is int else FLOATX
    try:
        return jnp.dtype(dtype).name
    except TypeError as e:
        raise ValueError(f"dtype: given {dtype!r}, expected the name of a number type such as 'float32'.") from e


def is_float(dtype: Any) -> bool:
    """Whether a dtype is a floating type (bfloat16 included)."""
    return jnp.issubdtype(dtype, jnp.floating)


def canonical(dtype: Any) -> np.dtype:
    """The dtype that JAX really stores: 64-bit types become 32-bit unless x64 is enabled."""
    return jax.dtypes.canonicalize_dtype(np.dtype(jnp.dtype(dtype)))


class DTypePolicy:
    """The type of variables and the type of computations of a layer.

    Args:
        name: a float type, or `"mixed_float16"` / `"mixed_bfloat16"` (compute in 16 bits, store in float32).

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> policy = DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')

    Reference: keras.DTypePolicy.
    """

    def __init__(self, name: str = FLOATX):
        self.name = name
        if name in ("mixed_float16", "mixed_bfloat16"):
            self.compute_dtype, self.variable_dtype = name.removeprefix("mixed_"), "float32"
        else:
            self.compute_dtype = self.variable_dtype = standardize_dtype(name)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"DTypePolicy({self.name!r})"


def get_policy(identifier: Any) -> DTypePolicy:
    """A policy from a policy, a name, a dtype, a saved config, or None for the default."""
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return DTypePolicy(**identifier["config"])
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    return DTypePolicy(standardize_dtype(identifier))
