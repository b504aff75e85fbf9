"""Large pages for large tables: advice that changes nothing but speed."""

from __future__ import annotations

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import core
from estimax.optimizers import legacy
from estimax.training import Outputs, Program, Run, TrainOp, huge_pages


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
    thread.join(10)
    assert not thread.is_alive()  # an error in the thread fails the test: pytest turns it into a warning, and those are errors


def test_a_table_that_trains_by_rows_stays_where_it_is():
    """Steps change tables and slots in place: pages stay large, and no step copies a table."""
    rows, width = 100_000, 16
    optimizer = legacy.Adagrad(0.1)

    def forward(mode, features, labels, weights):
        table = core.Variable(lambda s, d: jnp.zeros(s, d), (rows, width), name="table")
        loss = jnp.mean((core.embedding_lookup(table, features["ids"]).sum((1, 2)) - labels) ** 2)
        return Outputs(loss=loss, train_ops=(TrainOp(optimizer, loss),))

    rng = np.random.default_rng(0)
    batches = [({"ids": rng.integers(0, rows, (8, 3)).astype("int32")}, np.ones(8, "float32")) for _ in range(5)]
    run = Run(Program(forward), group=1)
    run.train(batches)
    arrays = run.program.row_arrays(run.plan, run.state)
    assert [a.shape for a in arrays] == [(rows, width)] * 2
    places = sorted(a.unsafe_buffer_pointer() for a in arrays)
    run.train(batches)
    assert sorted(a.unsafe_buffer_pointer() for a in run.program.row_arrays(run.plan, run.state)) == places
    with pytest.raises(RuntimeError, match="deleted"):
        arrays[0].unsafe_buffer_pointer()
