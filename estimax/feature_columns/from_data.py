"""Arguments of columns that data decide: normalizers, boundaries, vocabularies. `adapt` fills them in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from estimax.core import register
from estimax.feature_columns.host_ops import MODULE

_REPAIR = "Fill it from data first: columns = feature_columns.adapt(columns, data)."


@register(MODULE)
class Standardize:
    """A normalizer to mean 0 and standard deviation 1.

    Args:
        mean: subtracted; a number or one for each element, None until adapted.
        std: divided by; None until adapted.

    Raises:
        ValueError: when it is called before it knows mean and std.

    Example:
        >>> import jax.numpy as jnp
        >>> Standardize(mean=2.0, std=4.0)(jnp.array([4.0])).tolist()
        [0.5]
    """

    def __init__(self, mean: Any = None, std: Any = None):
        self.mean, self.std = mean, std

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.mean is None or self.std is None:
            raise ValueError(f"{self!r}: mean and std are not known yet. {_REPAIR}")
        return (x - jnp.asarray(self.mean, jnp.float32)) / jnp.asarray(self.std, jnp.float32)

    @property
    def is_adapted(self) -> bool:
        """Whether mean and std are known."""
        return self.mean is not None and self.std is not None

    def adapted(self, summary: Any) -> Standardize:
        """The same with the numbers of data; a constant feature keeps its scale."""
        return Standardize(summary.mean, summary.std or 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Standardize:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Standardize) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"Standardize(mean={self.mean!r}, std={self.std!r})"


@register(MODULE)
class Rescale:
    """A normalizer of the range of data to [0, 1].

    Args:
        low: becomes 0; None until adapted.
        high: becomes 1; None until adapted.

    Raises:
        ValueError: when it is called before it knows the range.

    Example:
        >>> import jax.numpy as jnp
        >>> Rescale(low=10.0, high=20.0)(jnp.array([15.0])).tolist()
        [0.5]
    """

    def __init__(self, low: float | None = None, high: float | None = None):
        self.low, self.high = low, high

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.low is None or self.high is None:
            raise ValueError(f"{self!r}: the range is not known yet. {_REPAIR}")
        return (x - jnp.float32(self.low)) / jnp.float32(self.high - self.low or 1.0)

    @property
    def is_adapted(self) -> bool:
        """Whether the range is known."""
        return self.low is not None and self.high is not None

    def adapted(self, summary: Any) -> Rescale:
        """The same with the range of data."""
        return Rescale(summary.low, summary.high)

    def get_config(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Rescale:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rescale) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"Rescale(low={self.low!r}, high={self.high!r})"


class _Later:
    """A list that `adapt` puts in its place; asking for its content before is an error."""

    def _refuse(self) -> Any:
        raise ValueError(f"{self!r} has no content yet. {_REPAIR}")

    def __len__(self) -> int:
        return self._refuse()

    def __iter__(self) -> Iterator[Any]:
        return self._refuse()

    def __bool__(self) -> bool:
        return True


@register(MODULE)
class Quantiles(_Later):
    """Boundaries of a `bucketized_column` at the quantiles of data, so that ranges hold about equally many rows.

    Args:
        num_buckets: how many ranges; fewer come out where many rows have one value.

    Raises:
        ValueError: if there are fewer than 2.

    Example:
        >>> from estimax import feature_columns as fc
        >>> age = fc.bucketized_column(fc.numeric_column("age"), fc.Quantiles(2))
        >>> fc.adapt([age], {"age": [10, 20, 30, 40]})[0].boundaries
        (25.0,)
    """

    def __init__(self, num_buckets: int = 10):
        if num_buckets < 2:
            raise ValueError(f"Quantiles: num_buckets is {num_buckets}, expected at least 2.")
        self.num_buckets = num_buckets

    def get_config(self) -> dict[str, Any]:
        return {"num_buckets": self.num_buckets}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Quantiles:
        return cls(**config)

    def __repr__(self) -> str:
        return f"Quantiles({self.num_buckets})"


@register(MODULE)
class FrequentValues(_Later):
    """The vocabulary of a `categorical_column_with_vocabulary_list`: the values of data, the most frequent first.

    Args:
        max_size: at most so many values.
        min_count: only values that occur at least so often.

    Example:
        >>> from estimax import feature_columns as fc
        >>> job = fc.categorical_column_with_vocabulary_list("job", fc.FrequentValues(max_size=2))
        >>> fc.adapt([job], {"job": ["cook", "smith", "cook", "", "baker", "smith", "cook"]})[0].vocabulary_list
        ['cook', 'smith']
    """

    def __init__(self, max_size: int | None = None, min_count: int = 1):
        self.max_size, self.min_count = max_size, min_count

    def get_config(self) -> dict[str, Any]:
        return {"max_size": self.max_size, "min_count": self.min_count}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FrequentValues:
        return cls(**config)

    def __repr__(self) -> str:
        return f"FrequentValues(max_size={self.max_size}, min_count={self.min_count})"
