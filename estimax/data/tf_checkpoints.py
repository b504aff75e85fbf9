"""Reading TensorFlow's checkpoints: `model.ckpt-N.index`, a sorted table of entries, and `model.ckpt-N.data-*`, the bytes.

The files may come from anywhere: every offset, size and checksum is checked before it is used.

References: tensorflow/core/protobuf/tensor_bundle.proto; the LevelDB table format, "doc/table_format.md".
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from estimax.core.errors import CheckpointError
from estimax.data import wire
from estimax.data.crc32c import crc32c_many, masked
from estimax.data.errors import DataLossError

MAGIC = 0xDB4775248B80FB57
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
MOST_ELEMENTS = 2**40

# DataType of tensorflow/core/framework/types.proto.
_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 8: "complex64", 9: "int64", 10: "bool",
    14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
_STRING = 7


@dataclasses.dataclass(frozen=True)
class _Entry:
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    slices: tuple[tuple[tuple[int, int], ...], ...]


def prefix_of(path: str) -> str:
    """The prefix of a checkpoint's files, also from a SavedModel's folder or the name of its index.

    >>> prefix_of("dir/model.ckpt-5.index")
    'dir/model.ckpt-5'
    """
    inside = os.path.join(path, "variables", "variables")
    if os.path.isfile(inside + ".index"):
        return inside
    return path.removesuffix(".index")


def exists(path: str) -> bool:
    """Whether there is a TensorFlow checkpoint of this prefix, or a SavedModel in this folder."""
    return os.path.isfile(prefix_of(path) + ".index")


def latest(folder: str) -> str | None:
    """The prefix that the file `checkpoint` of a folder names; None if there is none whose files exist."""
    try:
        with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as f:
            text = f.read(1 << 20)
    except (OSError, UnicodeDecodeError):
        return None
    found = re.search(r'^\s*model_checkpoint_path:\s*"((?:[^"\\]|\\.)*)"', text, re.MULTILINE)
    if found is None:
        return None
    name = found.group(1).replace('\\"', '"').replace("\\\\", "\\")
    path = name if os.path.isabs(name) else os.path.join(folder, name)
    moved = os.path.join(folder, os.path.basename(name))
    return next((p for p in (path, moved) if exists(p)), None)


def read(path: str) -> dict[str, np.ndarray]:
    """All variables of a checkpoint by name; strings as object arrays of bytes.

    Args:
        path: the prefix, as `model_dir/model.ckpt-100`, or the folder of a SavedModel.

    Raises:
        CheckpointError: if a file is missing, cut, damaged, or of a kind that TensorFlow's checkpoints do not have.
    """
    prefix = prefix_of(os.fspath(path))
    try:
        with open(prefix + ".index", "rb") as f:
            index = dict(_table(f.read()))
        shards = _shards(index, prefix)
        entries = {k: _entry(v) for k, v in index.items() if k and not k.startswith(b"\0")}
        found = {}
        for key, entry in entries.items():
            name = key.decode()
            if name != OBJECT_GRAPH:
                found[name] = _sliced(key, entry, index, shards) if entry.slices else _tensor(name, entry, shards)
        return found
    except OSError as e:
        raise CheckpointError(
            f"TensorFlow checkpoint {prefix!r} cannot be read: {e}. Its .index and .data files must lie together."
        ) from e
    except (DataLossError, ValueError, IndexError, struct.error, OverflowError) as e:
        raise CheckpointError(
            f"TensorFlow checkpoint {prefix!r} is damaged or not one: {e}. Copy it again, or use another one."
        ) from e


# ---- the table ----------------------------------------------------------------------------------------------------


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The sorted key-value pairs of a LevelDB table."""
    if len(data) < 48 or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise ValueError("the index has no table footer")
    footer = len(data) - 48
    at = footer
    for _ in range(2):  # the meta index, which is empty, then the index
        offset, at = wire.varint(data, at, len(data))
        size, at = wire.varint(data, at, len(data))
    for _, handle in _block(data, offset, size, footer):
        start, end = wire.varint(handle, 0, len(handle))
        length, _ = wire.varint(handle, end, len(handle))
        yield from _block(data, start, length, footer)


def _block(data: bytes, offset: int, size: int, limit: int) -> Iterator[tuple[bytes, bytes]]:
    if offset + size + 5 > limit or size < 4:
        raise ValueError(f"a block at {offset} of {size} bytes passes the end of the index")
    if data[offset + size] != 0:
        raise ValueError("the index is compressed, which TensorFlow's checkpoints are not")
    stored = struct.unpack_from("<I", data, offset + size + 1)[0]
    if _masked_crc(data[offset : offset + size + 1]) != stored:
        raise ValueError(f"the checksum of the index block at {offset} differs")
    (restarts,) = struct.unpack_from("<I", data, offset + size - 4)
    end = offset + size - 4 - 4 * restarts
    if end < offset:
        raise ValueError(f"the index block at {offset} has {restarts} restarts")
    key, at = b"", offset
    while at < end:
        shared, at = wire.varint(data, at, end)
        added, at = wire.varint(data, at, end)
        length, at = wire.varint(data, at, end)
        if shared > len(key) or at + added + length > end:
            raise ValueError(f"an entry at {at} passes the end of its block")
        key = key[:shared] + data[at : at + added]
        at += added
        yield key, data[at : at + length]
        at += length


def _masked_crc(data: bytes) -> int:
    return int(np.asarray(masked(crc32c_many([data])))[0])


# ---- entries ------------------------------------------------------------------------------------------------------


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _number(data: bytes, start: int, stop: int) -> int:
    return _signed(wire.varint(data, start, stop)[0])


def _entry(data: bytes) -> _Entry:
    found: dict[str, Any] = {"dtype": 0, "shape": (), "shard": 0, "offset": 0, "size": 0, "checksum": 0}
    slices = []
    for number, kind, start, stop in wire.fields(data, 0, len(data)):
        if number == 2 and kind == 2:
            found["shape"] = tuple(_dims(data, start, stop))
        elif number == 6 and kind == 5:
            found["checksum"] = struct.unpack_from("<I", data, start)[0]
        elif number == 7 and kind == 2:
            slices.append(tuple(_extents(data, start, stop)))
        elif number in (1, 3, 4, 5) and kind == 0:
            found[{1: "dtype", 3: "shard", 4: "offset", 5: "size"}[number]] = _number(data, start, stop)
    if any(d < 0 for d in found["shape"]) or math.prod(found["shape"]) > MOST_ELEMENTS:
        raise ValueError(f"an entry has the shape {found['shape']}")
    return _Entry(**found, slices=tuple(slices))


def _dims(data: bytes, start: int, stop: int) -> Iterator[int]:
    for number, kind, inner, end in wire.fields(data, start, stop):
        if number == 2 and kind == 2:
            sizes = [_number(data, a, b) for n, k, a, b in wire.fields(data, inner, end) if n == 1 and k == 0]
            yield sizes[0] if sizes else 0
        elif number == 3:
            raise ValueError("an entry has no rank")


def _extents(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    for number, kind, inner, end in wire.fields(data, start, stop):
        if number == 1 and kind == 2:
            values = {n: _number(data, a, b) for n, k, a, b in wire.fields(data, inner, end) if k == 0}
            yield values.get(1, 0), values.get(2, -1)


def _shards(index: dict[bytes, bytes], prefix: str) -> list[str]:
    header = index.get(b"", b"")
    fields = {n: _number(header, a, b) for n, k, a, b in wire.fields(header, 0, len(header)) if k == 0}
    count = fields.get(1, 1)
    if not 1 <= count <= 99999:
        raise ValueError(f"the index names {count} data files")
    if fields.get(2, 0) != 0:
        raise ValueError("its numbers are big-endian")
    return [f"{prefix}.data-{i:05d}-of-{count:05d}" for i in range(count)]


def _bytes(name: str, entry: _Entry, shards: list[str]) -> bytes:
    if not 0 <= entry.shard < len(shards):
        raise ValueError(f"{name} is said to lie in data file {entry.shard} of {len(shards)}")
    with open(shards[entry.shard], "rb") as f:
        end = os.fstat(f.fileno()).st_size
        if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > end:
            raise ValueError(f"{name} passes the end of its data file of {end} bytes")
        f.seek(entry.offset)
        return f.read(entry.size)


def _tensor(name: str, entry: _Entry, shards: list[str]) -> np.ndarray:
    data = _bytes(name, entry, shards)
    count = math.prod(entry.shape)
    if entry.dtype == _STRING:
        return _strings(name, data, count, entry.checksum).reshape(entry.shape)
    if entry.dtype not in _DTYPES:
        raise ValueError(f"{name} has the dtype number {entry.dtype}, which is not supported")
    if entry.dtype == 14:
        import jax.numpy as jnp

        dtype = np.dtype(jnp.bfloat16)
    else:
        dtype = np.dtype(_DTYPES[entry.dtype])
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"{name} of shape {entry.shape} has {len(data)} bytes, expected {count * dtype.itemsize}")
    if _masked_crc(data) != entry.checksum:
        raise ValueError(f"the checksum of {name} differs")
    return np.frombuffer(data, dtype).reshape(entry.shape).copy()


def _strings(name: str, data: bytes, count: int, checksum: int) -> np.ndarray:
    """Lengths as varints, a checksum of the lengths, then the bytes of all."""
    lengths, at = [], 0
    for _ in range(count):
        length, at = wire.varint(data, at, len(data))
        lengths.append(length)
    if at + 4 + sum(lengths) != len(data):
        raise ValueError(f"the strings of {name} do not fill its {len(data)} bytes")
    # The checksum covers the lengths as fixed-size numbers, then the stored checksum, then the bytes.
    wide = b"".join(struct.pack("<I", n) if n <= 0xFFFFFFFF else struct.pack("<Q", n) for n in lengths)
    if _masked_crc(wide) != struct.unpack_from("<I", data, at)[0] or _masked_crc(wide + data[at:]) != checksum:
        raise ValueError(f"the checksum of {name} differs")
    out, at = np.empty(count, object), at + 4
    for i, length in enumerate(lengths):
        out[i], at = data[at : at + length], at + length
    return out


# ---- partitioned variables ----------------------------------------------------------------------------------------


def _sliced(key: bytes, entry: _Entry, index: dict[bytes, bytes], shards: list[str]) -> np.ndarray:
    """A variable that was saved in slices, put together."""
    parts = []
    for extents in entry.slices:
        where = _slice_key(key, extents)
        if where not in index:
            raise ValueError(f"a slice of {key.decode()} is missing")
        parts.append((extents, _tensor(key.decode(), _entry(index[where]), shards)))
    whole = np.zeros(entry.shape, parts[0][1].dtype)
    covered = 0
    for extents, part in parts:
        at = tuple(slice(s, None if n < 0 else s + n) for s, n in extents)
        if whole[at].shape != part.shape:
            raise ValueError(f"a slice of {key.decode()} has the shape {part.shape}, expected {whole[at].shape}")
        whole[at] = part
        covered += part.size
    if covered != whole.size:
        raise ValueError(f"the slices of {key.decode()} hold {covered} of {whole.size} elements")
    return whole


def _slice_key(name: bytes, extents: tuple[tuple[int, int], ...]) -> bytes:
    """The key of a slice, in TensorFlow's ordered code (tensorflow/core/lib/strings/ordered_code.h)."""
    escaped = name.replace(b"\xff", b"\xff\x00").replace(b"\x00", b"\x00\xff") if b"\xff" in name or b"\0" in name else name
    parts = [_unsigned_code(0), escaped + b"\x00\x01", _unsigned_code(len(extents))]
    parts += [_signed_code(n) for pair in extents for n in pair]
    return b"".join(parts)


def _unsigned_code(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _signed_code(value: int) -> bytes:
    size = 1
    while not -(1 << (7 * size - 1)) <= value < 1 << (7 * size - 1):
        size += 1
    # The header: as many leading ones as bytes (flipped for negative numbers), over a sign-extended number.
    number = value & ((1 << (8 * size)) - 1)
    header = ((1 << size) - 1) << (8 * size - size)
    return (number ^ header).to_bytes(size, "big")
