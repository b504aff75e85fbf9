"""Numbers as ids of the ranges they fall in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostValue, Variable, register
from estimax.core.errors import HostValueError
from estimax.feature_columns.base import MODULE, CategoricalColumn, DenseColumn, FeatureReader
from estimax.feature_columns.combine import multi_hot
from estimax.feature_columns.entries import Entries
from estimax.feature_columns.from_data import Quantiles
from estimax.feature_columns.host_ops import ColumnOp
from estimax.feature_columns.numeric import NumericColumn


@register(MODULE)
class BucketIds(ColumnOp):
    """Numbers to their ranges: the number of boundaries that are not above the value; NaN goes to the last range.

    Args:
        name: of the column.
        boundaries: ascending.
        by_element: whether each element of a vector has ids of its own.
    """

    pad_value = -1

    def __init__(self, name: str, boundaries: Sequence[float], by_element: bool = True):
        self.name, self.boundaries, self.by_element = name, [float(b) for b in boundaries], by_element
        self._float32 = np.asarray(self.boundaries, np.float32)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "boundaries": self.boundaries, "by_element": self.by_element}

    def __call__(self, numbers: np.ndarray) -> Entries:
        numbers = numbers.astype(np.float32, copy=False)
        ids = np.searchsorted(self._float32, numbers, side="right").astype(np.int32)  # NaN sorts last
        if self.by_element and ids.ndim > 1 and ids.shape[1] > 1:
            ids += np.arange(ids.shape[1], dtype=np.int32) * (len(self.boundaries) + 1)
        return Entries(ids.reshape(-1), ids.shape)


@register(MODULE)
class BucketizedColumn(CategoricalColumn, DenseColumn):
    """See `bucketized_column`."""

    def __init__(self, source_column: NumericColumn, boundaries: Sequence[float] | Quantiles):
        if not isinstance(source_column, NumericColumn):
            raise ValueError(f"bucketized_column: source_column is {source_column!r}, expected a numeric_column.")
        if len(source_column.shape) > 1:
            raise ValueError(
                f'column "{source_column.key}": a column of shape {source_column.shape} cannot be bucketized, expected at most one axis.'
            )
        self.source_column = source_column
        self.boundaries: Any = boundaries
        if isinstance(boundaries, Quantiles):
            return
        if not isinstance(boundaries, (list, tuple)) or not boundaries:
            raise ValueError(f'column "{source_column.key}": boundaries is {boundaries!r}, expected a list of numbers.')
        if any(not a < b for a, b in zip(boundaries, boundaries[1:])):
            raise ValueError(f'column "{source_column.key}": boundaries is {boundaries!r}, expected strictly ascending numbers.')
        self.boundaries = tuple(boundaries)

    @property
    def name(self) -> str:
        return f"{self.source_column.name}_bucketized"

    @property
    def parents(self) -> tuple[Any, ...]:
        return (self.source_column,)

    @property
    def num_buckets(self) -> int:
        return (len(self.boundaries) + 1) * self.source_column.shape[0]

    @property
    def variable_shape(self) -> tuple[int, ...]:
        return (self.source_column.shape[0], len(self.boundaries) + 1)

    def ids(self, features: FeatureReader) -> HostValue:
        return self._bucket_ids(features, True)

    def ids_to_weigh(self, features: FeatureReader) -> HostValue:
        # In TensorFlow the elements of a weighted vector share the ids of the first: a model keeps its meaning.
        return self._bucket_ids(features, False)

    def _bucket_ids(self, features: FeatureReader, by_element: bool) -> HostValue:
        numbers = self.source_column.host_numbers(features)
        if numbers is None:
            raise HostValueError(
                f'column "{self.name}": feature {self.source_column.key!r} is an array computed inside the model, but ids are made on '
                "the host, from raw features. Compute it in input_fn or as the normalizer_fn of the numeric_column."
            )
        return HostValue(op=BucketIds(self.name, self.boundaries, by_element), inputs=[numbers])

    def computed_ids(self, features: FeatureReader) -> jax.Array | None:
        if features.host(self.source_column.key) is not None:
            return None
        numbers = self.source_column.computed(features)
        ids = jnp.searchsorted(jnp.asarray(self.boundaries, jnp.float32), numbers, side="right").astype(jnp.int32)
        return ids + jnp.arange(ids.shape[1], dtype=jnp.int32) * (len(self.boundaries) + 1)

    def dense(self, features: FeatureReader, variables: Mapping[str, Variable]) -> jax.Array:
        ids = self.padded(features, variables).ids
        one_hot = multi_hot(ids[..., None] % jnp.int32(len(self.boundaries) + 1), None, len(self.boundaries) + 1)
        # A padding row has id -1, which the remainder would make a real one.
        return jnp.where(ids[..., None] < 0, 0.0, one_hot)


def bucketized_column(source_column: NumericColumn, boundaries: Sequence[float] | Quantiles) -> BucketizedColumn:
    """A column of ranges of numbers: one-hot in DenseFeatures, ids in LinearModel, crosses and embeddings.

    Args:
        source_column: a `numeric_column` of at most one axis.
        boundaries: ascending; `[0., 1., 2.]` makes the ranges (-inf, 0), [0, 1), [1, 2) and [2, inf). NaN falls in the last.
            `Quantiles(n)` leaves them to `adapt`.

    Raises:
        ValueError: if the source is no numeric column, or the boundaries are not a strictly ascending list.

    Example:
        >>> from estimax.feature_columns import bucketized_column, ids_of, numeric_column
        >>> ids_of(bucketized_column(numeric_column("age"), [18, 65]), {"age": [17, 18, 70]}).values.tolist()
        [0, 1, 2]

    Reference: tf.feature_column.bucketized_column.
    """
    return BucketizedColumn(source_column, boundaries)
