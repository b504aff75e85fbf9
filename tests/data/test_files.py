"""Lines, fixed-length records, Parquet, caches on disk, decoding, and the catalogue of data sets."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from estimax import datasets
from estimax.data import (
    DataLossError,
    Dataset,
    Example,
    FixedLenFeature,
    FixedLengthRecordDataset,
    InvalidDataError,
    RaggedTensor,
    SparseTensor,
    TextLineDataset,
    TFRecordDataset,
    TFRecordWriter,
    catalog,
    decode_image,
    decode_jpeg,
    decode_json_example,
    decode_png,
    decode_raw,
    make_batched_features_dataset,
    make_csv_dataset,
    parquet,
    parse_example,
    read_csv,
)


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"one\r\n\ntwo\nlast")
    assert list(TextLineDataset(str(path))) == [b"one", b"", b"two", b"last"]
    assert list(TextLineDataset([str(path), str(path)], skip_lines=3)) == [b"last", b"last"]
    assert sorted(TextLineDataset([str(path)] * 2, num_parallel_reads=2)) == sorted([b"one", b"", b"two", b"last"] * 2)
    (tmp_path / "e.txt").write_bytes(b"")
    assert list(TextLineDataset(str(tmp_path / "e.txt"))) == []


def test_fixed_length_records(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"HEAD" + b"aabbcc" + b"F")
    dataset = FixedLengthRecordDataset(str(path), 2, header_bytes=4, footer_bytes=1)
    assert list(dataset) == [b"aa", b"bb", b"cc"]
    with pytest.raises(DataLossError, match="1 bytes are left"):
        list(FixedLengthRecordDataset(str(path), 2, header_bytes=4))


@pytest.mark.parametrize("limit", [1 << 30, 0])
def test_parquet(tmp_path: Path, monkeypatch, limit: int) -> None:  # noqa: ANN001
    monkeypatch.setattr(parquet, "IN_MEMORY_BYTES", limit)
    table = pa.table({"a": np.arange(100), "s": [f"v{i % 7}" for i in range(100)], "l": [[1] * (i % 3) for i in range(100)]})
    for name in "xy":
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=30)
    dataset = Dataset.from_parquet(str(tmp_path / "*.parquet"))
    assert len(dataset) == 200
    batch = next(iter(dataset.skip(100).batch(5)))
    assert batch["a"].tolist() == [0, 1, 2, 3, 4]
    assert batch["s"].tolist() == ["v0", "v1", "v2", "v3", "v4"]
    assert batch["l"].to_list() == [[], [1], [1, 1], [], [1]]
    with pytest.raises(ValueError, match="no column 'z'"):
        Dataset.from_parquet(str(tmp_path / "x.parquet"), columns=["z"])


def test_kept_elements_survive_the_process(tmp_path: Path) -> None:
    calls = []

    def make(x: np.int64) -> dict:
        calls.append(int(x))
        sparse = SparseTensor([[0, 1]], np.array([x]), [1, 2])
        return {
            "x": x,
            "t": f"é{x}",
            "b": b"\xff",
            "o": np.array(["a", "b"], object),
            "s": sparse,
            "r": RaggedTensor.from_rows([[1.0], []]),
        }

    first = [str(e) for e in Dataset.range(4).map(make).cache(tmp_path / "c")]
    again = list(Dataset.range(4).map(make).cache(tmp_path / "c"))
    assert first == [str(e) for e in again]
    assert again[2]["s"].to_dense().tolist() == [[0, 2]]
    assert again[2]["r"].to_list() == [[1.0], []]
    assert calls == [0, 1, 2, 3]


def test_an_unfinished_cache_is_absent(tmp_path: Path) -> None:
    def fail(x: np.int64) -> np.int64:
        if x == 2:
            raise ValueError("broken")
        return x

    with pytest.raises(ValueError, match="broken"):
        list(Dataset.range(4).map(fail).cache(tmp_path / "c"))
    assert os.listdir(tmp_path / "c") == []
    assert [int(x) for x in Dataset.range(2).cache(tmp_path / "c")] == [0, 1]


def test_snapshot_in_shards(tmp_path: Path) -> None:
    def dataset() -> Dataset:
        return Dataset.range(9).snapshot(
            tmp_path / "s", "GZIP", reader_func=lambda shards: shards.interleave(lambda s: s, 3), shard_func=lambda x: x % 3
        )

    assert [int(x) for x in dataset()] == list(range(9))
    assert len(list((tmp_path / "s").glob("*.tfrecord"))) == 3
    with pytest.raises(InvalidDataError, match="holds a Dataset"):
        list(Dataset.range(4).window(2).cache(tmp_path / "w"))


def test_batched_features(tmp_path: Path) -> None:
    with TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for i in range(20):
            writer.write(Example({"x": [float(i)], "y": [i]}).serialize())
    spec = {"x": FixedLenFeature([], "float32"), "y": FixedLenFeature([], "int64")}
    dataset = make_batched_features_dataset(str(tmp_path / "*.tfrecord"), 8, spec, label_key="y", num_epochs=1, shuffle_seed=1)
    labels = np.concatenate([y for _, y in dataset])
    assert sorted(labels.tolist()) == list(range(20))
    assert dataset.element_spec[1].shape == (None,)
    with pytest.raises(ValueError, match="label_key 'z'"):
        make_batched_features_dataset(str(tmp_path / "*.tfrecord"), 8, spec, label_key="z")


def test_decode_raw() -> None:
    assert decode_raw([b"\x01\x00", b"\x02\x00"], "int16").tolist() == [[1], [2]]
    assert decode_raw(b"\x00\x01", "uint16", little_endian=False).tolist() == [1]
    assert decode_raw([b"\x01", b"\x01\x02\x03"], "uint8", fixed_length=2).tolist() == [[1, 0], [1, 2]]
    with pytest.raises(InvalidDataError, match="no multiple of 4"):
        decode_raw(b"123", "int32")
    with pytest.raises(InvalidDataError, match="need one length"):
        decode_raw([b"1", b"12"], "uint8")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF"])
def test_decode_image(kind: str) -> None:
    pixels = np.zeros((5, 7), np.uint8)
    pixels[2:] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    array = decode_image(file.getvalue(), channels=3)
    assert array.shape == ((1, 5, 7, 3) if kind == "GIF" else (5, 7, 3))
    assert int(array.reshape(-1, 3)[0].max()) < 8
    assert int(array.reshape(-1, 3)[-1].min()) > 247
    scaled = decode_png(file.getvalue(), channels=1, dtype="float32")
    assert scaled.shape == (5, 7, 1)
    assert scaled.max() == 1.0
    assert decode_jpeg(file.getvalue(), channels=1).dtype == np.uint8
    with pytest.raises(DataLossError, match="or damaged"):
        decode_image(file.getvalue()[:20])


def test_decode_json_example() -> None:
    text = '{"features": {"feature": {"a": {"int64List": {"value": ["3"]}}, "b": {"bytesList": {"value": ["YQ=="]}}, "c": {}}}}'
    parsed = parse_example([decode_json_example(text)], {"a": FixedLenFeature([], "int64"), "b": FixedLenFeature([], "string")})
    assert (parsed["a"].tolist(), parsed["b"].tolist()) == ([3], [b"a"])
    with pytest.raises(DataLossError, match="text 1 is not an Example"):
        decode_json_example(["{}", "{]"])


def test_data_sets_come_from_a_folder_with_a_checksum(tmp_path: Path, monkeypatch) -> None:  # noqa: ANN001
    rows = (
        "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, Cuba, <=50K\n"
    )
    (tmp_path / "census").mkdir()
    (tmp_path / "census" / "adult.data").write_text(rows)
    with pytest.raises(DataLossError, match="checksum is not that of adult.data"):
        datasets.census(tmp_path)
    monkeypatch.setattr(catalog.DataFile, "check", lambda self, data: True)
    (tmp_path / "adult.test").write_text("|1x3 Cross validator\n" + rows.replace("<=50K", ">50K."))
    train, test = datasets.census(tmp_path)
    assert train["workclass"].tolist() == ["State-gov"]
    assert test["income"].tolist() == [">50K"]


def test_absent_data_sets_say_what_to_do(tmp_path: Path, monkeypatch) -> None:  # noqa: ANN001
    with pytest.raises(FileNotFoundError, match="download it from https"):
        datasets.titanic(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ESTIMAX_DATA", raising=False)

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(catalog.urllib.request, "urlopen", refuse)
    with pytest.raises(FileNotFoundError, match="ESTIMAX_DATA"):
        datasets.sms_spam()


def test_downloads_are_checked_and_kept(tmp_path: Path, monkeypatch) -> None:  # noqa: ANN001
    import hashlib

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ESTIMAX_DATA", raising=False)
    source = tmp_path / "home.csv"
    source.write_bytes(b"a,b\r\n1,2\r\n")
    file = catalog.DataFile("folder", "x.csv", hashlib.sha256(b"a,b\n1,2\n").hexdigest(), source.as_uri())
    assert catalog.contents(file) == source.read_bytes()
    source.unlink()
    assert catalog.contents(file) == b"a,b\r\n1,2\r\n"


def test_save_and_load(tmp_path: Path) -> None:
    Dataset.range(5).map(lambda x: {"x": x}).save(tmp_path / "d", "GZIP")
    loaded = Dataset.load(tmp_path / "d", "GZIP")
    assert [int(e["x"]) for e in loaded] == list(range(5))
    assert loaded.element_spec["x"].dtype == "int64"
    Dataset.range(2).save(tmp_path / "d")
    assert [int(x) for x in Dataset.load(tmp_path / "d")] == [0, 1]
    with pytest.raises(FileNotFoundError, match="no dataset that was saved"):
        Dataset.load(tmp_path / "absent")


def test_errors_can_be_left_out() -> None:
    errors: list[Exception] = []
    dataset = Dataset.range(5).map(lambda x: 6 // (x - 2) if int(x) != 2 else int("no")).ignore_errors(errors.append)
    assert [int(x) for x in dataset] == [-3, -6, 6, 3]
    assert len(errors) == 1


def test_urls_are_read_by_fsspec() -> None:
    import fsspec

    with TFRecordWriter("memory://folder/a.tfrecord") as writer:
        for i in range(3):
            writer.write(b"%d" % i)
    with fsspec.open("memory://folder/b.csv", "wb") as file:
        file.write(b"x,s\n1,a\n2,b\n")
    names = list(Dataset.list_files("memory://folder/*", shuffle=False))
    assert [name.rpartition("/")[2] for name in names] == ["a.tfrecord", "b.csv"]
    assert list(TFRecordDataset(names[0])) == [b"0", b"1", b"2"]
    assert list(TextLineDataset(names[1])) == [b"x,s", b"1,a", b"2,b"]
    assert read_csv(names[1])["x"].tolist() == [1, 2]
    batches = list(make_csv_dataset(names[1], 2, num_epochs=1, shuffle=False))
    assert batches[0]["s"].tolist() == ["a", "b"]
    table = pa.table({"a": [1, 2, 3]})
    with fsspec.open("memory://folder/c.parquet", "wb") as file:
        pq.write_table(table, file)
    assert [int(e["a"]) for e in Dataset.from_parquet("memory://folder/c.parquet")] == [1, 2, 3]
