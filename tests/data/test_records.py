"""TFRecord files: checksums, damage, and mutated files for a bounded time."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest

from estimax.data import DataLossError, TFRecordDataset, TFRecordWriter, tf_record_iterator
from estimax.data import crc32c as module
from estimax.data.crc32c import crc32c_many, crc32c_of_uint64, masked

FUZZ_SECONDS = 2.0


def plain_crc(data: bytes) -> int:
    table, crc = module._byte_table(), 0xFFFFFFFF
    for byte in data:
        crc = int(table[(crc ^ byte) & 0xFF]) ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def test_checksums_of_the_standard() -> None:
    # RFC 3720, section B.4.
    vectors = {bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E, b"123456789": 0xE3069283}
    assert dict(zip(vectors, crc32c_many(list(vectors)).tolist())) == vectors


def test_checksums_of_many_lengths_at_once() -> None:
    source = random.Random(0)
    for _ in range(5):
        parts = [source.randbytes(source.choice([0, 1, 2, 3, 4, 5, 8, 63, 64, 65, 300, 2000])) for _ in range(20)]
        assert crc32c_many(parts).tolist() == [plain_crc(p) for p in parts]
    numbers = np.array([0, 5, 2**40, 2**63], np.uint64)
    assert crc32c_of_uint64(numbers).tolist() == [plain_crc(int(n).to_bytes(8, "little")) for n in numbers]
    assert int(masked(np.uint32(0))) == 0xA282EAD8


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_writes_and_reads(tmp_path: Path, compression: str) -> None:
    source = random.Random(1)
    records = [source.randbytes(source.choice([0, 1, 50, 4000, 1_500_000 if i % 40 == 0 else 3])) for i in range(80)]
    path = tmp_path / "x"
    with TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)
        writer.flush()
    assert list(tf_record_iterator(str(path), compression)) == records
    assert list(TFRecordDataset([str(path)] * 2, compression)) == records * 2


def write(path: Path, count: int) -> bytes:
    with TFRecordWriter(str(path)) as writer:
        for i in range(count):
            writer.write(b"record %d" % i)
    return path.read_bytes()


def test_damage_is_named_with_file_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "x"
    data = bytearray(write(path, 10))
    data[24 * 3 + 14] ^= 1
    path.write_bytes(data)
    read = []
    with pytest.raises(DataLossError, match=r"x: the checksum of the record at byte 72 does not fit"):
        for record in tf_record_iterator(str(path)):
            read.append(record)
    assert read == [b"record 0", b"record 1", b"record 2"]


def test_damage_can_be_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "x"
    data = bytearray(write(path, 10))
    data[24 * 3 + 14] ^= 1
    data[24 * 8] ^= 1
    path.write_bytes(data)
    errors: list[DataLossError] = []
    found = list(TFRecordDataset(str(path), on_corrupt=errors.append))
    assert found == [b"record %d" % i for i in (0, 1, 2, 4, 5, 6, 7)]
    assert ["at byte 72" in str(e) or "at byte 192" in str(e) for e in errors] == [True, True]


def test_a_huge_declared_size_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    length = (1 << 50).to_bytes(8, "little")
    crc = int(masked(crc32c_of_uint64(np.array([1 << 50], np.uint64)))[0]).to_bytes(4, "little")
    path.write_bytes(length + crc + b"little")
    with pytest.raises(DataLossError, match="ends inside a record of 1125899906842624 bytes"):
        list(tf_record_iterator(str(path)))


def test_mutated_files_give_records_or_an_error(tmp_path: Path) -> None:
    source, start, path = random.Random(2), time.monotonic(), tmp_path / "x"
    whole = write(path, 20)
    outcomes = {"read": 0, "error": 0}
    while time.monotonic() - start < FUZZ_SECONDS:
        data = bytearray(whole)
        for _ in range(source.randint(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        path.write_bytes(data[: source.randint(0, len(data))] if source.random() < 0.3 else data)
        try:
            for record in tf_record_iterator(str(path)):
                assert record.startswith(b"record ")
            outcomes["read"] += 1
        except DataLossError as error:
            assert "byte" in str(error)
            outcomes["error"] += 1
    assert outcomes["error"] > 100


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compression_type must be"):
        TFRecordDataset("x", "LZ4")
    with TFRecordWriter(str(tmp_path / "x")) as writer, pytest.raises(TypeError, match="must be bytes, given str"):
        writer.write("text")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        list(TFRecordDataset(str(tmp_path / "absent")))
