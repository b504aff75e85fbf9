"""CSV: types, missing values, streaming and in memory alike, and what broken files say."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from estimax.data import CsvDataset, DataLossError, Dataset, InvalidDataError, csv, decode_csv, make_csv_dataset, read_csv

TEXT = 'age,city,score\n31,Rome,1.5\n,"Bonn, DE",2\n7,,\n40,Rome,1e3\n'


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "a.csv"
    file.write_text(TEXT)
    return str(file)


@pytest.fixture(params=["in memory", "streamed"])
def how(request, monkeypatch) -> str:  # noqa: ANN001
    if request.param == "streamed":
        monkeypatch.setattr(csv, "IN_MEMORY_BYTES", 0)
    return request.param


def test_types_are_the_narrowest_and_gaps_are_filled(path: str) -> None:
    table = read_csv(path)
    assert {k: v.dtype.name for k, v in table.items()} == {"age": "int32", "city": "object", "score": "float32"}
    assert table["age"].tolist() == [31, 0, 7, 40]
    assert table["city"].tolist() == ["Rome", "Bonn, DE", "", "Rome"]
    assert table["score"].tolist() == [1.5, 2.0, 0.0, 1000.0]


def test_defaults_and_selection(path: str) -> None:
    table = read_csv(path, column_defaults={"age": -1, "score": "float64"}, select_columns=["age", "city"])
    assert table["age"].tolist() == [31, -1, 7, 40]
    assert list(table) == ["age", "city"]


def test_batches_with_labels(path: str, how: str) -> None:
    dataset = make_csv_dataset(path, 3, label_name="score", shuffle=False, num_epochs=2, prefetch_buffer_size=0)
    batches = list(dataset)
    assert [len(labels) for _, labels in batches] == [3, 3, 2]
    assert batches[0][0]["city"].tolist() == ["Rome", "Bonn, DE", ""]
    assert batches[1][0]["age"].tolist() == [40, 31, 0]
    assert set(dataset.element_spec[0]) == {"age", "city"}


def test_text_of_streams_can_be_encoded(path: str, how: str) -> None:
    dataset = make_csv_dataset([path] * 2000, 100, shuffle=True, shuffle_seed=1, num_epochs=1, prefetch_buffer_size=0)
    batch = next(dataset.make_iterator(columns="arrow"))
    assert isinstance(batch["city"], pa.DictionaryArray)
    assert set(batch["city"].to_pylist()) <= {"Rome", "Bonn, DE", ""}
    plain = next(dataset.make_iterator(columns="numpy"))
    assert isinstance(plain["city"], np.ndarray)


def test_resumes_in_the_middle_of_a_file(path: str, how: str) -> None:
    def dataset() -> Dataset:
        return make_csv_dataset([path] * 5, 3, shuffle_buffer_size=4, num_epochs=2, prefetch_buffer_size=0)

    iterator = iter(dataset())
    for _ in range(4):
        next(iterator)
    state, rest = iterator.get_state(), [b["age"].tolist() for b in iterator]
    again = iter(dataset())
    again.set_state(state)
    assert [b["age"].tolist() for b in again] == rest


def test_records_of_tuples(path: str, how: str) -> None:
    rows = list(CsvDataset(path, [0, "", 0.0], header=True))
    assert rows[1] == (0, "Bonn, DE", 2.0)
    assert rows[0][0].dtype == np.int32
    one = list(CsvDataset(path, [0.5], header=True, select_cols=[2]).take(2))
    assert [float(x) for (x,) in one] == [1.5, 2.0]


def test_packed_files(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(TEXT.encode()))
    assert read_csv(str(file), compression_type="GZIP")["age"].tolist() == [31, 0, 7, 40]


def test_other_formats(tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text("# about\n1; x ;NA\n2; y;3\n")
    table = read_csv(
        str(file), column_names=["i", "s", "v"], header=False, skip_rows=1, field_delim=";", na_value="NA", trim=True
    )
    assert table["s"].tolist() == ["x", "y"]
    assert table["v"].tolist() == [0, 3]


def test_a_large_vocabulary_turns_into_plain_text(tmp_path: Path, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(csv, "IN_MEMORY_BYTES", 0)
    file = tmp_path / "c.csv"
    file.write_text("s\n" + "\n".join(f"text {i}" for i in range(500)))
    batch = next(
        make_csv_dataset(str(file), 200, shuffle=False, num_epochs=1, prefetch_buffer_size=0).make_iterator(columns="arrow")
    )
    assert batch["s"].tolist()[:2] == ["text 0", "text 1"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: read_csv(p + ".absent"), FileNotFoundError, "no file matches"),
        (lambda p: read_csv(p, select_columns=["zip"]), InvalidDataError, r"no column 'zip'; the file has \['age'"),
        (lambda p: read_csv(p, column_defaults=[0, 0, 0]), DataLossError, "column_defaults"),
        (lambda p: read_csv(p, column_defaults=["int32", "", 0.0]), DataLossError, 'column "age" has no value in row 1'),
        (lambda p: read_csv(p, column_defaults=[0]), ValueError, "one entry for each of the 3 columns"),
        (lambda p: read_csv(p, header=False), ValueError, "give column_names"),
        (lambda p: make_csv_dataset(p, 2, label_name="y"), InvalidDataError, "label_name 'y' is no column"),
        (lambda p: CsvDataset(p, [0, 0], header=True), ValueError, "3 columns are read"),
        (lambda p: CsvDataset(p, [0], header=True, select_cols=[9]), ValueError, "must rise and be below 3"),
        (lambda p: read_csv(p, column_defaults={"age": "int8"}), ValueError, "given int8"),
    ],
)
def test_mistakes_are_explained(path: str, make, error, message) -> None:  # noqa: ANN001
    with pytest.raises(error, match=message):
        make(path)


def test_broken_lines_are_errors_or_left_out(tmp_path: Path, how: str) -> None:
    file = tmp_path / "b.csv"
    file.write_text("a,b\n1,2\n3\n4,5\n")
    with pytest.raises(DataLossError, match="Expected 2 columns, got 1"):
        list(make_csv_dataset(str(file), 5, num_epochs=1, column_defaults=[0, 0]))
    kept = list(make_csv_dataset(str(file), 5, num_epochs=1, shuffle=False, column_defaults=[0, 0], ignore_errors=True))
    assert kept[0]["a"].tolist() == [1, 4]
    file.write_text("")
    with pytest.raises(InvalidDataError, match="empty"):
        read_csv(str(file))


def test_decode_csv() -> None:
    age, city, score = decode_csv(np.array([["31,Rome,1.5"], [",,"]]), [[0], ["none"], 0.5])
    assert age.tolist() == [[31], [0]]
    assert city.tolist() == [["Rome"], ["none"]]
    assert score.dtype == np.float32
    (second,) = decode_csv(b"1,2,3", [0], select_cols=[1])
    assert second == 2
    with pytest.raises(DataLossError, match="3 fields are expected"):
        decode_csv(["1,2"], [0, 0, 0])
    with pytest.raises(DataLossError, match="no value"):
        decode_csv([",2"], ["int32", 0])
