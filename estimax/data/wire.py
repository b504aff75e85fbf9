"""The protocol-buffer wire format of tf.train.Example, one message at a time, in plain Python.

This is the reference: it takes every valid encoding (fields in any order, unknown fields, lists that are not packed,
messages in several parts) and names what is wrong with others. `wire_columns` is the fast way for many messages in the
usual encoding and leaves all others to this one.

Reference: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from estimax.data.errors import DataLossError

BYTES, FLOAT, INT64 = 1, 2, 3  # the fields of Feature
KIND_NAMES = {0: "none", BYTES: "bytes", FLOAT: "float", INT64: "int64"}

Feature = tuple[int, list[Any]]  # the kind (0: none set) and the values


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned number of up to 10 bytes, and where it ends."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            break
    raise DataLossError(f"not a valid protocol buffer: a number without end at byte {at}")


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: number, wire type, and where the contents start and stop."""
    while at < end:
        tag, at = varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise DataLossError(f"not a valid protocol buffer: field number 0 at byte {at}")
        if wire == 2:
            size, at = varint(data, at, end)
            stop = at + size
        elif wire == 0:
            _, stop = varint(data, at, end)
        elif wire == 5:
            stop = at + 4
        elif wire == 1:
            stop = at + 8
        elif wire == 3:
            stop = _end_of_group(data, at, end, number)
        else:
            raise DataLossError(f"not a valid protocol buffer: wire type {wire} at byte {at}")
        if stop > end:
            raise DataLossError(f"not a valid protocol buffer: a field of {stop - at} bytes at byte {at} passes the end")
        yield number, wire, at, stop
        at = stop


def _end_of_group(data: bytes, at: int, end: int, number: int) -> int:
    """Where a group (an encoding that is no longer used) ends; groups may hold groups."""
    open_groups = [number]
    while at < end:
        tag, at = varint(data, at, end)
        wire = tag & 7
        if wire == 3:
            open_groups.append(tag >> 3)
        elif wire == 4:
            if open_groups.pop() != tag >> 3:
                break
            if not open_groups:
                return at
        elif wire == 2:
            size, at = varint(data, at, end)
            at += size
        elif wire == 0:
            _, at = varint(data, at, end)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            break
    raise DataLossError(f"not a valid protocol buffer: a group without end at byte {at}")


def signed(value: int) -> int:
    """An unsigned 64-bit number read as a signed one."""
    return value - (1 << 64) if value >> 63 else value


def feature(data: bytes, at: int, end: int) -> Feature:
    """A Feature: of several kinds the last one counts, parts of one kind are joined."""
    kind, values = 0, []  # type: ignore[var-annotated]
    for number, wire, start, stop in fields(data, at, end):
        if wire != 2 or number not in (BYTES, FLOAT, INT64):
            continue
        if number != kind:
            kind, values = number, []
        values += _LISTS[number](data, start, stop)
    return kind, values


def _bytes_list(data: bytes, at: int, end: int) -> list[bytes]:
    return [data[start:stop] for number, wire, start, stop in fields(data, at, end) if number == 1 and wire == 2]


def _float_list(data: bytes, at: int, end: int) -> list[float]:
    out: list[float] = []
    for number, wire, start, stop in fields(data, at, end):
        if number != 1 or wire not in (2, 5):
            continue
        if (stop - start) % 4:
            raise DataLossError(f"not a valid protocol buffer: {stop - start} bytes of floats at byte {start}")
        out += struct.unpack_from(f"<{(stop - start) // 4}f", data, start)
    return out


def _int64_list(data: bytes, at: int, end: int) -> list[int]:
    out: list[int] = []
    for number, wire, start, stop in fields(data, at, end):
        if number != 1 or wire not in (0, 2):
            continue
        while start < stop:
            value, start = varint(data, start, stop)
            out.append(signed(value))
    return out


_LISTS: dict[int, Callable[[bytes, int, int], list[Any]]] = {BYTES: _bytes_list, FLOAT: _float_list, INT64: _int64_list}


def _entries(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The entries of a map: key, and where the value is (empty if there is none)."""
    for number, wire, start, stop in fields(data, at, end):
        if number != 1 or wire != 2:
            continue
        key, value = b"", (stop, stop)
        for part, part_wire, part_start, part_stop in fields(data, start, stop):
            if part_wire == 2 and part == 1:
                key = data[part_start:part_stop]
            elif part_wire == 2 and part == 2:
                value = (part_start, part_stop)
        yield key, *value


def features(data: bytes, at: int, end: int, wanted: Any = None) -> dict[bytes, Feature]:
    """A Features message; of a repeated key the last value counts. `wanted` limits what is decoded."""
    spans = {key: (start, stop) for key, start, stop in _entries(data, at, end)}
    return {key: feature(data, *span) for key, span in spans.items() if wanted is None or key in wanted}


def example(data: bytes, wanted: Any = None) -> dict[bytes, Feature]:
    """The features of a tf.train.Example.

    Raises:
        DataLossError: if the bytes are not a valid message.
    """
    found = _usual_example(data, wanted)
    if found is not None:
        return found
    found = {}
    for number, wire, start, stop in fields(data, 0, len(data)):
        if number == 1 and wire == 2:
            found.update(features(data, start, stop, wanted))
    return found


def _usual_example(data: bytes, wanted: Any) -> dict[bytes, Feature] | None:
    """`example` for the encoding that writers use, without generators; None for any other."""
    end = len(data)
    try:
        if not end:
            return {}
        size, at = varint(data, 1, end)
        if data[0] != 0x0A or at + size != end:
            return None
        found: dict[bytes, Feature] = {}
        while at < end:
            if data[at] != 0x0A:
                return None
            size = data[at + 1]
            at += 2
            if size >= 0x80:
                size, at = varint(data, at - 1, end)
            stop = at + size
            key_stop = at + 2 + data[at + 1]
            if stop > end or data[at] != 0x0A or data[at + 1] >= 0x80 or key_stop >= stop or data[key_stop] != 0x12:
                return None
            size, value = data[key_stop + 1], key_stop + 2
            if size >= 0x80:
                size, value = varint(data, key_stop + 1, stop)
            key = data[at + 2 : key_stop]
            if value + size != stop or key in found:
                return None
            if wanted is None or key in wanted:
                found[key] = _usual_feature(data, value, stop)
            at = stop
    except (IndexError, DataLossError):
        return None
    return found


def _usual_feature(data: bytes, at: int, end: int) -> Feature:
    """`feature`, with short ways for one short text and for one packed list."""
    if end - at >= 4 and data[at + 1] == end - at - 2 < 0x80 and data[at + 2] == 0x0A and data[at + 3] == end - at - 4:
        start = at + 4
        if data[at] == 0x0A:
            return BYTES, [data[start:end]]
        if data[at] == 0x12 and (end - start) % 4 == 0:
            return FLOAT, list(struct.unpack_from(f"<{(end - start) // 4}f", data, start))
        if data[at] == 0x1A and end - start == 1 and data[start] < 0x80:
            return INT64, [data[start]]
    return feature(data, at, end)


def keys(data: bytes) -> list[bytes]:
    """The feature names of a tf.train.Example, as they come."""
    return [
        key
        for number, wire, start, stop in fields(data, 0, len(data))
        if number == 1 and wire == 2
        for key, _, _ in _entries(data, start, stop)
    ]


def sequence_example(data: bytes, wanted: Any = None) -> tuple[dict[bytes, Feature], dict[bytes, list[Feature]]]:
    """The context and the feature lists of a tf.train.SequenceExample.

    Raises:
        DataLossError: if the bytes are not a valid message.
    """
    context: dict[bytes, Feature] = {}
    lists: dict[bytes, list[Feature]] = {}
    for number, wire, start, stop in fields(data, 0, len(data)):
        if wire != 2:
            continue
        if number == 1:
            context.update(features(data, start, stop, wanted))
        elif number == 2:
            for key, value_start, value_stop in _entries(data, start, stop):
                if wanted is not None and key not in wanted:
                    continue
                lists[key] = [
                    feature(data, s, e)
                    for part, part_wire, s, e in fields(data, value_start, value_stop)
                    if part == 1 and part_wire == 2
                ]
    return context, lists


# ---- writing ----


def put_varint(value: int) -> bytes:
    """A number in the wire format; a negative one takes ten bytes.

    >>> put_varint(300).hex(), len(put_varint(-1))
    ('ac02', 10)
    """
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put(number: int, payload: bytes) -> bytes:
    """A field that holds bytes."""
    return put_varint(number << 3 | 2) + put_varint(len(payload)) + payload


def put_feature(kind: int, values: list[Any]) -> bytes:
    """A Feature."""
    if kind == 0:
        return b""
    if kind == BYTES:
        return put(BYTES, b"".join(put(1, value) for value in values))
    if not values:
        return put(kind, b"")
    packed = struct.pack(f"<{len(values)}f", *values) if kind == FLOAT else b"".join(map(put_varint, values))
    return put(kind, put(1, packed))


def put_map(entries: dict[bytes, bytes]) -> bytes:
    """The entries of a map, keys in order so that equal maps give equal bytes.

    A key comes after those that it is the beginning of, as in what protobuf (upb) writes when told to be deterministic.
    """
    return b"".join(put(1, put(1, key) + put(2, entries[key])) for key in sorted(entries, key=lambda key: (*key, 256)))
