"""Ids that the feature holds itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import register
from estimax.core.errors import ShapeError
from estimax.feature_columns.base import MODULE, FeatureReader, OneFeatureColumn, check_key, check_size
from estimax.feature_columns.host_ops import CategoricalOp


@register(MODULE)
class IdentityIds(CategoricalOp):
    """Integers as ids; those outside the range become `default_value`, if there is one.

    Args:
        name: of the column, for messages.
        num_buckets: ids are in `[0, num_buckets)`.
        default_value: an id, or None to let all integers pass.
    """

    accepts = "integer"

    def __init__(self, name: str, num_buckets: int, default_value: int | None = None):
        self.name, self.num_buckets, self.default_value = name, num_buckets, default_value

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "num_buckets": self.num_buckets, "default_value": self.default_value}

    def ids_of(self, values: Any) -> np.ndarray:
        ids = values.astype(np.int64)
        if self.default_value is None:
            return ids
        return np.where((ids < 0) | (ids >= self.num_buckets), self.default_value, ids)


@register(MODULE)
class IdentityCategoricalColumn(OneFeatureColumn):
    """See `categorical_column_with_identity`."""

    dtype = "int64"

    def __init__(self, key: str, num_buckets: int, default_value: int | None = None):
        self.key = check_key(key)
        self._num_buckets = check_size(num_buckets, "num_buckets", key)
        if default_value is not None and not 0 <= default_value < num_buckets:
            raise ValueError(
                f'column "{key}": default_value is {default_value}, expected an id in [0, {num_buckets}). Give another id, or more buckets.'
            )
        self.default_value = default_value

    @property
    def num_buckets(self) -> int:
        return self._num_buckets

    def computed_ids(self, features: FeatureReader) -> jax.Array | None:
        if features.host(self.key) is not None:
            return None
        ids = jnp.asarray(features.array(self.key))
        if not jnp.issubdtype(ids.dtype, jnp.integer) or ids.ndim > 2:
            raise ShapeError(
                f'column "{self.name}": expected integers [batch] or [batch, width], given {ids.dtype} {list(ids.shape)}.'
            )
        ids = ids[:, None] if ids.ndim == 1 else ids
        if self.default_value is None:
            return ids
        return jnp.where((ids != -1) & ((ids < 0) | (ids >= self.num_buckets)), self.default_value, ids)

    def make_op(self) -> IdentityIds:
        return IdentityIds(self.name, self.num_buckets, self.default_value)


def categorical_column_with_identity(key: str, num_buckets: int, default_value: int | None = None) -> IdentityCategoricalColumn:
    """A categorical column whose feature holds the ids.

    Without a `default_value` ids are not checked when read: one at or above `num_buckets` is an error where a table has no row for it
    and all zeros in an indicator; a negative one counts as absent.

    Args:
        key: name of the feature, of integers.
        num_buckets: ids are in `[0, num_buckets)`.
        default_value: the id of integers outside that range.

    Raises:
        ValueError: if `num_buckets` is below 1 or `default_value` outside the range.

    Example:
        >>> from estimax.feature_columns import categorical_column_with_identity, ids_of
        >>> ids_of(categorical_column_with_identity("zone", 5, default_value=0), {"zone": [3, 9, -1]}).values.tolist()
        [3, 0]

    Reference: tf.feature_column.categorical_column_with_identity.
    """
    return IdentityCategoricalColumn(key, num_buckets, default_value)
