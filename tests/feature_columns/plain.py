"""The definitions of ids, read slowly: one value at a time, in plain Python integers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

M = 2**64 - 1
K0, K1, K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _rotate(x: int, n: int) -> int:
    return (x >> n | x << (64 - n)) & M


def _fold(x: int) -> int:
    return x ^ (x >> 47)


def _mix(u: int, v: int, m: int) -> int:
    a = _fold((u ^ v) * m & M)
    return _fold((v ^ a) * m & M) * m & M


def fingerprint(s: bytes) -> int:
    """FarmHash Fingerprint64 of one string."""
    n = len(s)

    def word(i: int, size: int = 8) -> int:
        return int.from_bytes(s[i : i + size], "little")

    m = (K2 + 2 * n) & M
    if n == 0:
        return K2
    if n < 4:
        return _fold((s[0] + (s[n >> 1] << 8)) * K2 & M ^ (n + (s[-1] << 2)) * K0 & M) * K2 & M
    if n < 8:
        return _mix((n + (word(0, 4) << 3)) & M, word(n - 4, 4), m)
    if n <= 16:
        a, b = (word(0) + K2) & M, word(n - 8)
        return _mix((_rotate(b, 37) * m + a) & M, (_rotate(a, 25) + b) * m & M, m)
    if n <= 32:
        a, b, c, d = word(0) * K1 & M, word(8), word(n - 8) * m & M, word(n - 16) * K2 & M
        return _mix((_rotate((a + b) & M, 43) + _rotate(c, 30) + d) & M, (a + _rotate((b + K2) & M, 18) + c) & M, m)
    if n <= 64:
        a, b, c, d = word(0) * K2 & M, word(8), word(n - 8) * m & M, word(n - 16) * K2 & M
        y = (_rotate((a + b) & M, 43) + _rotate(c, 30) + d) & M
        z = _mix(y, (a + _rotate((b + K2) & M, 18) + c) & M, m)
        e, f = word(16) * m & M, word(24)
        g, h = (y + word(n - 32)) * m & M, (z + word(n - 24)) * m & M
        return _mix((_rotate((e + f) & M, 43) + _rotate(g, 30) + h) & M, (e + _rotate((f + a) & M, 18) + g) & M, m)
    return _long(s, word)


def _long(s: bytes, word) -> int:  # noqa: ANN001
    n = len(s)
    x, y = 81, (81 * K1 + 113) & M
    z = _fold((y * K2 + 113) & M) * K2 & M
    v, w = (0, 0), (0, 0)
    x = (x * K2 + word(0)) & M

    def weak(i: int, a: int, b: int) -> tuple[int, int]:
        a = (a + word(i)) & M
        b = _rotate((b + a + word(i + 24)) & M, 21)
        c = a
        a = (a + word(i + 8) + word(i + 16)) & M
        return (a + word(i + 24)) & M, (b + _rotate(a, 44) + c) & M

    for i in range(0, (n - 1) // 64 * 64, 64):
        x = _rotate((x + y + v[0] + word(i + 8)) & M, 37) * K1 & M
        y = _rotate((y + v[1] + word(i + 48)) & M, 42) * K1 & M
        x ^= w[1]
        y = (y + v[0] + word(i + 40)) & M
        z = _rotate((z + w[0]) & M, 33) * K1 & M
        v = weak(i, v[1] * K1 & M, (x + w[0]) & M)
        w = weak(i + 32, (z + w[1]) & M, (y + word(i + 16)) & M)
        x, z = z, x
    m, i = (K1 + ((z & 0xFF) << 1)) & M, n - 64
    w = ((w[0] + ((n - 1) & 63)) & M, w[1])
    v = ((v[0] + w[0]) & M, v[1])
    w = ((w[0] + v[0]) & M, w[1])
    x = _rotate((x + y + v[0] + word(i + 8)) & M, 37) * m & M
    y = _rotate((y + v[1] + word(i + 48)) & M, 42) * m & M
    x ^= w[1] * 9 & M
    y = (y + v[0] * 9 + word(i + 40)) & M
    z = _rotate((z + w[0]) & M, 33) * m & M
    v = weak(i, v[1] * m & M, (x + w[0]) & M)
    w = weak(i + 32, (z + w[1]) & M, (y + word(i + 16)) & M)
    x, z = z, x
    return _mix((_mix(v[0], w[0], m) + _fold(y) * K0 + z) & M, (_mix(v[1], w[1], m) + x) & M, m)


def as_bytes(value: str | bytes | int) -> bytes:
    """What is hashed: UTF-8, or the decimal text of an integer."""
    return value if isinstance(value, bytes) else str(value).encode()


def hash_id(value: str | bytes | int, buckets: int) -> int:
    return fingerprint(as_bytes(value)) % buckets


def join(left: int, right: int) -> int:
    """FingerprintCat64."""
    k = 0xC6A4A7935BD1E995
    mixed = _fold(right * k & M) * k & M
    return _fold(_fold(((left ^ k) ^ mixed) * k & M) * k & M)


def cross_ids(parts: Sequence[Iterable[str | int]], buckets: int, key: int = 0xDECAFCAFFE) -> list[int]:
    """Ids of all combinations of one row, the last part fastest; strings by fingerprint, integers as they are."""
    found = []
    for combination in itertools.product(*parts):
        state = key
        for value in combination:
            state = join(state, value & M if isinstance(value, int) else fingerprint(as_bytes(value)))
        found.append(state % buckets)
    return found


def vocabulary_id(value: str | int, vocabulary: Sequence, *, oov: int = 0, default: int = -1) -> int:
    if value in vocabulary:
        return list(vocabulary).index(value)
    return len(vocabulary) + hash_id(value, oov) if oov else default


def bucket(value: float, boundaries: Sequence[float]) -> int:
    return sum(not value < b for b in boundaries)
