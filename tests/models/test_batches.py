"""Sources of batches: passes, shuffling, rows by number, class weights, splits."""

from __future__ import annotations

import numpy as np
import pytest

from estimax.core.errors import InputDataError
from estimax.models.batches import class_weights, columns_of, make_source, narrowed, split_off

X, Y = np.arange(10.0).reshape(10, 1), np.arange(10)


def test_a_pass_covers_every_row_once() -> None:
    source = make_source(X, Y, batch_size=4, shuffle=True, seed=1)
    passes = [np.concatenate([y for _, y, _ in source.one_pass()]) for _ in range(2)]
    assert source.steps == 3 and not np.array_equal(*passes)
    assert all(sorted(p) == list(range(10)) for p in passes)


def test_rows_by_number_are_those_of_the_batches() -> None:
    source = make_source({"a": X}, [Y, Y], np.ones(10), batch_size=4, shuffle=True, seed=2)
    batches = source.one_pass()
    table, numbers = batches.over_rows()
    for batch, rows in zip(list(batches), list(numbers), strict=True):
        gathered = table.gather(rows)
        np.testing.assert_array_equal(batch[0]["a"], gathered[0]["a"])
        np.testing.assert_array_equal(batch[1][1], gathered[1][1])


def test_columns_of_text_are_no_table_of_numbers() -> None:
    assert make_source(np.array(["a", "b"])).one_pass().over_rows() is None


def test_a_stream_goes_on_over_passes() -> None:
    source = make_source(X, Y, batch_size=5)
    stream = source.stream()
    assert [next(stream)[1][0] for _ in range(5)] == [0, 5, 0, 5, 0] and source.stream() is stream


def test_tables_become_columns() -> None:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    data = {"n": [1.0, 2.0], "t": ["a", "b"], "c": [1, 2]}
    for table in (pd.DataFrame(data), pa.table(data), pl.DataFrame(data)):
        columns = columns_of(table)
        assert list(columns) == ["n", "t", "c"] and columns["n"].tolist() == [1.0, 2.0] and len(columns["t"]) == 2
    (batch,) = make_source(pa.table(data), batch_size=2).one_pass()
    assert batch[0]["t"].to_pylist() == ["a", "b"]


def test_wide_numbers_are_narrowed_if_they_fit() -> None:
    assert narrowed(np.array([1, 2])).dtype == np.int32 and narrowed(np.array([1.0])).dtype == np.float32
    assert narrowed(np.array([2**40])).dtype == np.int64


def test_class_weights() -> None:
    weights = {0: 0.5, 3: 2.0}
    assert class_weights(weights, np.array([0, 3, 1]), "fit").tolist() == [0.5, 2.0, 1.0]
    assert class_weights(weights, np.eye(4)[[3, 0]], "fit").tolist() == [2.0, 0.5]
    assert class_weights(weights, np.array([[3.0], [0.0]]), "fit").tolist() == [2.0, 0.5]
    with pytest.raises(ValueError, match="class_weight: given {'a': 1}"):
        class_weights({"a": 1}, Y, "fit")  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="expected one array of labels"):
        class_weights(weights, {"a": Y}, "fit")


def test_a_split_takes_the_last_rows() -> None:
    train, validation = split_off(X, Y, None, 0.25)
    assert train[1].tolist() == list(range(7)) and validation[1].tolist() == [7, 8, 9] and validation[2] is None
    with pytest.raises(ValueError, match="leaves one part empty"):
        split_off(X[:1], Y[:1], None, 0.5)


def test_lengths_must_agree() -> None:
    with pytest.raises(InputDataError, match=r"given x\['a'\]: 10, y: 3"):
        make_source({"a": X}, Y[:3])
    with pytest.raises(InputDataError, match="a single value"):
        make_source(X, np.float32(1.0).reshape(()))
