"""CRC-32C (Castagnoli) of many byte strings at once, with array operations only.

The checksum is linear over GF(2). Every string is cut into chunks, aligned at its end (zero bytes in front do not change
a CRC that starts from 0); all chunks advance together, eight bytes a step, by four tables of 2^16 entries; then the chunks
of each string are joined by the operator "append that many zero bytes". If `google_crc32c` is installed it is used instead.

References: RFC 3720, appendix B.4; Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based
CRC Generators", 2005 (slicing).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

ROWS = 1 << 13  # that advance together: their words stay in the cache
POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed
MASK_DELTA = 0xA282EAD8  # TFRecord stores checksums rotated by 15 bits plus this, as a checksum of checksums is weak


@functools.cache
def _byte_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ np.where(table & np.uint32(1), np.uint32(POLYNOMIAL), np.uint32(0))
    return table


def _span(basis: np.ndarray) -> np.ndarray:
    """All XOR combinations of n numbers, by the bits of the index. Shape `[2^n]`."""
    table = np.zeros(1 << len(basis), np.uint32)
    for bit, value in enumerate(basis):
        table[1 << bit : 2 << bit] = table[: 1 << bit] ^ value
    return table


@functools.cache
def _word_tables() -> list[np.ndarray]:
    """The CRC of eight bytes of which two are given, for each of the four pairs."""
    bytes_ = _byte_table()
    state = np.uint64(1) << np.arange(64, dtype=np.uint64)
    crc = np.zeros(64, np.uint32)
    for step in range(8):
        byte = (state >> np.uint64(8 * step)).astype(np.uint32) & np.uint32(0xFF)
        crc = bytes_[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return [_span(crc[16 * j : 16 * j + 16]) for j in range(4)]


@functools.cache
def _append_zeros(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The CRC after `count` zero bytes, for the low and the high half of the CRC before."""
    bytes_ = _byte_table()
    basis = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for _ in range(count):
        basis = bytes_[basis & np.uint32(0xFF)] ^ (basis >> np.uint32(8))
    return _span(basis[:16]), _span(basis[16:])


def _chunk_size(longest: int, total: int) -> int:
    """Balances steps inside a chunk against chunks to be joined, with some ten thousand chunks to advance together."""
    return min(1 << 15, max(64, 1 << (longest.bit_length() // 2), 1 << (total >> 13).bit_length()))


def crc32c_many(parts: Sequence[bytes | memoryview]) -> np.ndarray:
    """The CRC-32C of each byte string. Shape `[strings]`, uint32.

    >>> [hex(c) for c in crc32c_many([b"123456789", b""])]
    ['0xe3069283', '0x0']
    """
    native = _native()
    if native is not None:
        return np.fromiter((native(bytes(p)) for p in parts), np.uint32, len(parts))
    lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    if not len(lengths):
        return np.zeros(0, np.uint32)
    size = _chunk_size(int(lengths.max()), int(lengths.sum()))
    chunks = -(-(lengths + 4) // size)
    before = _leading(size)
    pieces: list[bytes | memoryview] = []
    for part, gap in zip(parts, (chunks * size - lengths).tolist()):
        pieces += (before[gap], part)
    words = np.frombuffer(b"".join(pieces), "<u8").reshape(-1, size // 8)
    first = np.cumsum(chunks) - chunks
    state = _advance(words)
    crc = state[first]
    low, high = _append_zeros(size)
    order = np.argsort(-chunks, kind="stable")
    sorted_chunks = chunks[order]
    for step in range(1, int(chunks.max())):
        active = order[: np.searchsorted(-sorted_chunks, -step)]  # the strings of more than `step` chunks
        now = crc[active]
        crc[active] = low[now & np.uint32(0xFFFF)] ^ high[now >> np.uint32(16)] ^ state[first[active] + step]
    return crc ^ np.uint32(0xFFFFFFFF)


@functools.cache
def _leading(size: int) -> list[bytes]:
    """What is put before a string to fill its first chunk, by length.

    A CRC starts from all ones. Four bytes take it there from 0: those that a register of all ones is left with when it runs
    backwards over them. Zeros before these change nothing.
    """
    bytes_ = _byte_table()
    last = {int(value) >> 24: number for number, value in enumerate(bytes_)}
    register = 0xFFFFFFFF
    for _ in range(4):
        index = last[register >> 24]
        register = ((register ^ int(bytes_[index])) << 8 & 0xFFFFFFFF) | index
    return [bytes(max(0, n - 4)) + register.to_bytes(4, "little") for n in range(size + 4)]


def _advance(words: np.ndarray) -> np.ndarray:
    """The CRC, from 0, of rows of 8-byte words. Shapes `[rows, words]` to `[rows]`."""
    tables = _word_tables()
    out = np.empty(len(words), np.uint32)
    for at in range(0, len(words), ROWS):
        block = words[at : at + ROWS]
        crc = np.zeros(len(block), np.uint32)
        for column in block.T:
            pairs = (column ^ crc).view(np.uint16).reshape(-1, 4)
            crc = tables[0].take(pairs[:, 0])
            for j in (1, 2, 3):
                crc ^= tables[j].take(pairs[:, j])
        out[at : at + ROWS] = crc
    return out


def crc32c_of_uint64(numbers: np.ndarray) -> np.ndarray:
    """The CRC-32C of each number's eight little-endian bytes, as TFRecord lengths have it. Shape `[n]`, uint32."""
    words = np.asarray(numbers, np.uint64) ^ np.uint64(0xFFFFFFFF)
    return _advance(words.reshape(-1, 1)) ^ np.uint32(0xFFFFFFFF)


def masked(crc: np.ndarray) -> np.ndarray:
    """Checksums in the form in which TFRecord stores them."""
    crc = np.asarray(crc, np.uint32)
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(MASK_DELTA)


@functools.cache
def _native():  # noqa: ANN202 - a function of an optional package, or None
    try:
        import google_crc32c
    except ImportError:
        return None
    return google_crc32c.value
