"""Ids by hashing: no vocabulary, some values share an id."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimax.core import register
from estimax.core.fingerprint import buckets
from estimax.core.text import Text, text_from_integers
from estimax.feature_columns.base import MODULE, OneFeatureColumn, check_id_dtype, check_key, check_size
from estimax.feature_columns.host_ops import CategoricalOp


@register(MODULE)
class HashIds(CategoricalOp):
    """Entries to their hash buckets; integers are hashed as decimal text.

    Args:
        name: of the column, for messages.
        num_buckets: number of ids.
        accepts: `"string"` or `"integer"`.
    """

    def __init__(self, name: str, num_buckets: int, accepts: str):
        self.name, self.num_buckets, self.accepts = name, num_buckets, accepts

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "num_buckets": self.num_buckets, "accepts": self.accepts}

    def ids_of(self, values: Any) -> np.ndarray:
        return hash_buckets(values, self.num_buckets)


def hash_buckets(values: Text | np.ndarray, num_buckets: int) -> np.ndarray:
    """The hash bucket of each string or integer. Shape `[n]`, int64."""
    text = values if isinstance(values, Text) else text_from_integers(values)
    return buckets(text.fingerprints, num_buckets)


@register(MODULE)
class HashedCategoricalColumn(OneFeatureColumn):
    """See `categorical_column_with_hash_bucket`."""

    def __init__(self, key: str, hash_bucket_size: int, dtype: Any = "string"):
        self.key = check_key(key)
        self.hash_bucket_size = check_size(hash_bucket_size, "hash_bucket_size", key)
        self.dtype = check_id_dtype(dtype, key)

    @property
    def num_buckets(self) -> int:
        return self.hash_bucket_size

    def make_op(self) -> HashIds:
        return HashIds(self.name, self.hash_bucket_size, "string" if self.dtype == "string" else "integer")


def categorical_column_with_hash_bucket(key: str, hash_bucket_size: int, dtype: Any = "string") -> HashedCategoricalColumn:
    """A categorical column whose ids are hashes of the values.

    The hash is FarmHash's Fingerprint64 modulo `hash_bucket_size`, of strings as UTF-8 bytes and of integers as decimal text:
    TensorFlow's ids, bit for bit.

    Args:
        key: name of the feature.
        hash_bucket_size: number of ids, at least 2 to tell values apart.
        dtype: `"string"` or an integer type.

    Raises:
        ValueError: if the size is below 1 or the dtype is neither string nor integer.

    Example:
        >>> from estimax.feature_columns import categorical_column_with_hash_bucket, ids_of
        >>> ids_of(categorical_column_with_hash_bucket("tags", 10), {"tags": ["a", "bb", ""]}).values.tolist()
        [9, 2]

    Reference: tf.feature_column.categorical_column_with_hash_bucket.
    """
    return HashedCategoricalColumn(key, hash_bucket_size, dtype)
