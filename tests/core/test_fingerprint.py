"""Hashes of whole columns equal the definition, value by value."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from estimax.core.fingerprint import cross64, fingerprint64
from estimax.core.text import text_from_bytes, text_from_integers
from tests.feature_columns import plain


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=40))
def test_fingerprints_equal_the_definition(strings):
    assert text_from_bytes(strings).fingerprints.tolist() == [plain.fingerprint(s) for s in strings]


def test_every_length_and_class_border():
    rng = np.random.default_rng(0)
    strings = [rng.bytes(n) for n in [*range(0, 140), 255, 256, 257, 1000]]
    assert text_from_bytes(strings).fingerprints.tolist() == [plain.fingerprint(s) for s in strings]


def test_blocks_do_not_show():
    data = np.random.default_rng(1).integers(0, 256, 9000, np.uint8)
    starts, lengths = np.arange(0, 8990), np.full(8990, 9)
    whole = fingerprint64(data, starts, lengths)
    assert whole[5000] == fingerprint64(data, starts[5000:5001], lengths[5000:5001])[0]
    assert len(set(whole.tolist())) == 8990


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_hash_as_decimal_text(numbers):
    got = text_from_integers(np.array(numbers, np.int64)).fingerprints.tolist()
    assert got == [plain.fingerprint(str(n).encode()) for n in numbers]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, plain.M), st.lists(st.integers(0, plain.M), min_size=1, max_size=8))
def test_cross_equals_the_definition(left, right):
    got = cross64(np.uint64(left), np.array(right, np.uint64)).tolist()
    assert got == [plain.join(left, r) for r in right]
