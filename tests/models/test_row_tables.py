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
