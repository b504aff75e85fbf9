"""What every initializer is: an object that makes an array of a shape and a dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from estimax.core import SeedGenerator, deserialize, next_key, register, serialize


@register("keras.initializers")
class Initializer:
    """Makes the first value of a weight; subclass it with `__call__(shape, dtype)` and `get_config`.

    Example:
        >>> import jax.numpy as jnp
        >>> class Ramp(Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return jnp.arange(shape[0], dtype=dtype)
        >>> Ramp()((3,), "float32").tolist()
        [0.0, 1.0, 2.0]

    Reference: `keras.initializers.Initializer`.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> jax.Array:
        """An array of shape `shape`; float32 if `dtype` is omitted."""
        raise TypeError(f"{type(self).__name__}: no values to give. Define __call__(self, shape, dtype=None) in the subclass.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that build an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """The initializer of a config that `get_config` wrote."""
        return cls(**config)

    def clone(self) -> Initializer:
        """A new initializer of the same config."""
        return type(self).from_config(self.get_config())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


class RandomInitializer(Initializer):
    """An initializer that draws: the same values for an integer seed, new ones at each call otherwise.

    Args:
        seed: an integer repeats its values at every call; None draws from the surrounding call or the eager seed
            (`set_random_seed`); a `SeedGenerator` gives a new, repeatable value at each call.

    Raises:
        ValueError: if the seed is something else.
    """

    def __init__(self, seed: int | SeedGenerator | None = None):
        if isinstance(seed, Mapping):
            seed = SeedGenerator(**seed["config"]) if "config" in seed else deserialize(seed)
        if seed is not None and not isinstance(seed, (int, SeedGenerator)):
            raise ValueError(
                f"{type(self).__name__}: given seed={seed!r} of type {type(seed).__name__}, expected an integer, "
                "a SeedGenerator or None."
            )
        self.seed = seed

    def key(self) -> jax.Array:
        """The random key of the next draw."""
        if self.seed is None:
            return next_key()
        if isinstance(self.seed, SeedGenerator):
            return self.seed.next()
        return jax.random.key(self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": serialize(self.seed)}
