"""Large pages for large tables: advice that changes nothing but speed."""

from __future__ import annotations

import sys

import jax.numpy as jnp
import pytest

from estimax.training import huge_pages


def test_small_arrays_are_left_alone():
    assert huge_pages.use_huge_pages([jnp.zeros((1000, 16))]) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has madvise")
def test_large_arrays_keep_their_contents_and_place():
    table = jnp.arange(huge_pages.LEAST_BYTES // 4, dtype=jnp.int32)
    place = table.unsafe_buffer_pointer()
    ((start, end),) = huge_pages._ranges(table)
    assert start % huge_pages.PAGE == 0 and end % huge_pages.PAGE == 0
    assert place <= start < end <= place + table.nbytes and end - start >= table.nbytes - 2 * huge_pages.PAGE
    thread = huge_pages.use_huge_pages([table, jnp.zeros(10)])
    thread.join()
    assert table.unsafe_buffer_pointer() == place and bool((table == jnp.arange(table.size, dtype=jnp.int32)).all())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has madvise")
def test_an_array_that_was_freed_meanwhile_does_no_harm():
    table = jnp.zeros(huge_pages.LEAST_BYTES // 4)
    thread = huge_pages.use_huge_pages([table])
    del table
    thread.join()
