"""Which tables of a model train by the rows that were looked up."""

from __future__ import annotations

import numpy as np
import pytest

from estimax import Sequential, layers


@pytest.mark.parametrize(("sparse", "by_rows"), [(True, ["sequential/embedding/embeddings"]), (None, [])])
def test_embedding_says_how_its_table_trains(sparse: bool | None, by_rows: list[str]) -> None:
    model = Sequential([layers.Embedding(10, 4, sparse=sparse), layers.Flatten(), layers.Dense(1)], name="sequential")
    model.compile("sgd", "mse")
    model.fit(np.array([[1, 2], [3, 4]]), np.ones((2, 1), np.float32), verbose=0)
    (plan,) = model._program._plans.values()
    assert sorted(plan.row_tables) == by_rows


def test_a_frozen_table_is_only_looked_up_and_refused_by_name_if_it_is_to_train_by_rows() -> None:
    x, y = np.array([[1, 2], [3, 4]]), np.ones((2, 1), np.float32)
    for sparse in (None, True):
        table = layers.Embedding(100_000, 4, sparse=sparse, name="table")  # large enough to train by rows
        model = Sequential([table, layers.Flatten(), layers.Dense(1)], name="frozen")
        table.trainable = False
        model.compile("sgd", "mse")
        if sparse:
            with pytest.raises(ValueError, match='Table "frozen/table/embeddings": sparse=True, but .* not trainable'):
                model.fit(x, y, verbose=0)
            continue
        model.build((None, 2))
        before = np.asarray(table.embeddings.value)
        model.fit(x, y, verbose=0)
        assert not next(iter(model._program._plans.values())).row_tables
        np.testing.assert_array_equal(table.embeddings.value, before)
