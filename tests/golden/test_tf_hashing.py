"""TensorFlow's hashes and the ids of crosses, case by case."""

from __future__ import annotations

import numpy as np

from estimax import feature_columns as fc
from estimax.core.fingerprint import buckets
from estimax.core.text import text_from_bytes, text_from_integers
from tests.golden import golden
from tests.golden.test_tf_feature_columns import check_case


def is_cross(file: str, case: dict) -> bool:
    return "columns" in case


@golden.parametrize("tf", "hashing", only=lambda file, case: not is_cross(file, case))
def test_hashes(file: str, case: dict) -> None:
    values = golden.value(case["inputs"]).reshape(-1)
    text = text_from_bytes(values.tolist()) if values.dtype == object else text_from_integers(values)
    fingerprints = text.fingerprints
    assert [str(f) for f in fingerprints.tolist()] == case["expected"]["fingerprint64"]
    dtype = "string" if values.dtype == object else str(values.dtype)
    for n, want in case["expected"]["buckets"].items():
        assert buckets(fingerprints, int(n)).tolist() == want
        # The column gives the same ids, where its input has no missing value.
        column = fc.categorical_column_with_hash_bucket("x", int(n), dtype)
        kept = [i for i, v in enumerate(values.tolist()) if v not in (b"", -1)]
        np.testing.assert_array_equal(fc.ids_of(column, {"x": values[kept]}).values, np.array(want)[kept])


@golden.parametrize("tf", "hashing", only=is_cross)
def test_cross(file: str, case: dict) -> None:
    check_case(file, case)
