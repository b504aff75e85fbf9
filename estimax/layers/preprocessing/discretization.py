"""Discretization: numbers to the index of the bin they fall into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import register
from estimax.layers.base import Layer
from estimax.layers.input_spec import layer_title
from estimax.layers.preprocessing.encoding import (
    batches_of,
    checked_mode,
    device_array,
    encode_categories,
    encoded_shape,
    refuse_sparse,
)
from estimax.layers.symbolic import KerasTensor


@register("keras.layers")
class Discretization(Layer):
    """The bin of each number: bin `i` holds `boundaries[i - 1] <= x < boundaries[i]`.

    Args:
        bin_boundaries: the bins' borders, ascending.
        num_bins: how many bins `adapt` shall make, with about equally many numbers each; instead of `bin_boundaries`.
        epsilon: precision of these quantiles, as a share of the data.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`.
        sparse: only False; Keras's configs have it.

    Raises:
        ValueError: if not exactly one of `bin_boundaries` and `num_bins` is given, or the mode is unknown.

    Example:
        >>> Discretization([0.0, 10.0])([[-1.0, 0.0, 10.5]]).tolist()
        [[0, 1, 2]]

    Reference: keras.layers.Discretization; quantiles by mergeable summaries as there.
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, dtype=dtype, **kwargs)
        refuse_sparse(self, sparse)
        if (bin_boundaries is None) == (num_bins is None):
            given = "neither" if num_bins is None else "both"
            raise ValueError(f"Discretization: given {given} of bin_boundaries and num_bins, expected exactly one of them.")
        if num_bins is not None and num_bins < 1:
            raise ValueError(f"Discretization: num_bins: given {num_bins}, expected a positive integer.")
        self.bin_boundaries = None if bin_boundaries is None else np.asarray(bin_boundaries).tolist()
        if self.bin_boundaries is not None and sorted(self.bin_boundaries) != self.bin_boundaries:
            raise ValueError(f"Discretization: bin_boundaries: given {self.bin_boundaries}, expected ascending numbers.")
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.output_mode = checked_mode(self, output_mode)
        self.sparse = False
        self._summary: np.ndarray = np.zeros((2, 0), np.float32)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Finds boundaries of bins with about equally many numbers.

        Args:
            data: an array, or an iterable of batches.
            steps: how many batches to read; all if omitted.

        Raises:
            ValueError: if `bin_boundaries` were given.
        """
        if self.num_bins is None:
            raise ValueError(
                f"{layer_title(self)}: adapt: bin_boundaries were given, so there is nothing to find. Pass num_bins instead."
            )
        self.reset_state()
        for batch in batches_of(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Adds a batch to the summary of quantiles."""
        values = np.sort(np.asarray(data, np.float32).reshape(-1))
        step = max(len(values) * self.epsilon, 1)
        kept = values[int(step - 1) :: int(step)]
        added = np.stack([kept, np.full_like(kept, step)])
        merged = np.concatenate([added, self._summary], axis=1)
        self._summary = _compressed(merged[:, np.argsort(merged[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Sets the boundaries from the summary."""
        if self.num_bins is not None:
            self.bin_boundaries = _compressed(self._summary, 1 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forgets what `update_state` was given."""
        self._summary = np.zeros((2, 0), np.float32)

    def call(self, inputs: Any) -> jax.Array:
        """The bins."""
        if self.bin_boundaries is None:
            raise ValueError(
                f"{layer_title(self)}: it has no boundaries yet. Call layer.adapt(data) first, or pass bin_boundaries."
            )
        x = device_array(inputs, "float32")
        ids = jnp.searchsorted(jnp.asarray(self.bin_boundaries, jnp.float32), x, side="right")
        return encode_categories(ids, self.output_mode, len(self.bin_boundaries) + 1, self._output_dtype)

    @property
    def _output_dtype(self) -> str:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """That of the input, or with an axis for the bins."""
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        return encoded_shape(input_shape, self.output_mode, depth)

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The symbolic output of a call."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self._output_dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the layer again, with boundaries that `adapt` found."""
        names = ("bin_boundaries", "num_bins", "epsilon", "output_mode", "sparse", "name")
        return {**{name: getattr(self, name) for name in names}, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Discretization:
        """The layer of a config; one that was adapted has both boundaries and a number of bins."""
        config = dict(config)
        found = config.pop("bin_boundaries", None) if config.get("num_bins") is not None else None
        layer = cls(**config)
        if found is not None:
            layer.bin_boundaries = list(found)
        return layer


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary (values and their weights) with at most about `1 / epsilon` entries, by interpolation of cumulative weights."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    weights = summary[1].cumsum()
    values = np.interp(shares, weights / weights[-1], summary[0])
    cumulative = np.interp(shares, weights / weights[-1], weights)
    return np.stack([values, np.diff(cumulative, prepend=0)]).astype(np.float32)
