"""FarmHash Fingerprint64 and the cross fingerprint, over whole columns of byte strings.

Ids of hashed columns are part of a trained model: they must equal TensorFlow's bit for bit, on every machine. The strings of a
column are grouped by the length classes of the hash function; each class is then a fixed sequence of 64-bit operations on
whole arrays. A column is worked through in blocks that stay in the cache.

Reference: FarmHash, https://github.com/google/farmhash (Fingerprint64 is `farmhashna::Hash64`).
"""

from __future__ import annotations

import numpy as np

_U = np.uint64
_K0 = _U(0xC3A5C85C97CB3127)
_K1 = _U(0xB492B66FBE98F273)
_K2 = _U(0x9AE16A3B2F90404F)
_CROSS_MULTIPLIER = _U(0xC6A4A7935BD1E995)
_47, _64 = _U(47), 64

# 4096 values of 8 bytes: an operation reads and writes within the first two cache levels.
_BLOCK = 4096

# Length classes of the hash function: 0, 1-3, 4-7, 8-16, 17-32, 33-64, 65 and more.
_CLASS_OF_LENGTH = np.repeat(np.arange(7, dtype=np.uint8), [1, 3, 4, 9, 16, 32, 1])

DEFAULT_CROSS_KEY = 0xDECAFCAFFE
"""The start of a cross fingerprint when `crossed_column` is given no `hash_key`."""


def fingerprint64(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The FarmHash Fingerprint64 of each byte string.

    Args:
        data: the bytes that all strings lie in. Shape `[bytes]`, uint8, contiguous.
        starts: where each string begins in `data`. Shape `[n]`, int64.
        lengths: how many bytes each string has. Shape `[n]`, int64.

    Returns:
        The fingerprints. Shape `[n]`, uint64.

    Example:
        >>> import numpy as np
        >>> data = np.frombuffer(b"abb", np.uint8)
        >>> [int(h) for h in fingerprint64(data, np.array([0, 1]), np.array([1, 2]))]
        [12917804110809363939, 161571533504518082]

    Reference: FarmHash, https://github.com/google/farmhash, `farmhashna::Hash64`.
    """
    n = len(starts)
    out = np.empty(n, np.uint64)
    for begin in range(0, n, _BLOCK):
        block = slice(begin, begin + _BLOCK)
        _fingerprint_block(data, starts[block], lengths[block], out[block])
    return out


def _fingerprint_block(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, out: np.ndarray) -> None:
    shortest, longest = int(lengths.min()), int(lengths.max())
    lowest = int(_CLASS_OF_LENGTH[min(shortest, 65)])
    if lowest == _CLASS_OF_LENGTH[min(longest, 65)]:
        out[:] = _CLASSES[lowest](data, starts, lengths)
        return
    kinds = _CLASS_OF_LENGTH[np.minimum(lengths, 65)]
    for kind, count in enumerate(np.bincount(kinds)):
        if count:
            rows = np.flatnonzero(kinds == kind)
            out[rows] = _CLASSES[kind](data, starts[rows], lengths[rows])


def cross64(left: np.ndarray | np.uint64, right: np.ndarray) -> np.ndarray:
    """Joins two fingerprints into one; the order of the two matters.

    Args:
        left: fingerprints so far, or the hash key. Shape `[n]` or a scalar, uint64.
        right: fingerprints of the next part. Shape `[n]`, uint64.

    Returns:
        Shape `[n]`, uint64.

    Example:
        >>> import numpy as np
        >>> int(cross64(np.uint64(1), np.array([2], np.uint64))[0]) != int(cross64(np.uint64(2), np.array([1], np.uint64))[0])
        True

    Reference: TensorFlow, `FingerprintCat64`; the mixing is that of MurmurHash64A.
    """
    mixed = right * _CROSS_MULTIPLIER
    mixed = _fold(mixed)
    mixed *= _CROSS_MULTIPLIER
    mixed ^= left ^ _CROSS_MULTIPLIER
    mixed *= _CROSS_MULTIPLIER
    mixed = _fold(mixed)
    mixed *= _CROSS_MULTIPLIER
    return _fold(mixed)


def buckets(fingerprints: np.ndarray, num_buckets: int) -> np.ndarray:
    """Fingerprints as ids in `[0, num_buckets)`. Shape `[n]`, int64."""
    return np.remainder(fingerprints, _U(num_buckets)).view(np.int64)


# ---- Reading words at any byte ------------------------------------------------------------------------------------


def _words64(data: np.ndarray) -> np.ndarray:
    """`words[i]` is the little-endian 64-bit word that begins at byte i; a view, so nothing is copied."""
    return np.ndarray((max(data.size - 7, 0),), "<u8", buffer=data, strides=(1,))


def _words32(data: np.ndarray) -> np.ndarray:
    return np.ndarray((max(data.size - 3, 0),), "<u4", buffer=data, strides=(1,))


# ---- The mixing steps ---------------------------------------------------------------------------------------------


def _fold(x: np.ndarray) -> np.ndarray:
    return x ^ (x >> _47)


def _rotate(x: np.ndarray, bits: int) -> np.ndarray:
    turned = x >> _U(bits)
    turned |= x << _U(64 - bits)
    return turned


def _mix(u: np.ndarray, v: np.ndarray, multiplier: np.ndarray | np.uint64) -> np.ndarray:
    a = u ^ v
    a *= multiplier
    a ^= a >> _47
    a ^= v
    a *= multiplier
    a ^= a >> _47
    a *= multiplier
    return a


def _multiplier(lengths: np.ndarray) -> np.ndarray:
    return _K2 + lengths.astype(np.uint64) * _U(2)


# ---- One function per length class --------------------------------------------------------------------------------


def _hash_0(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.full(len(starts), _K2)


def _hash_1_to_3(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    first = data[starts].astype(np.uint64)
    middle = data[starts + (lengths >> 1)].astype(np.uint64)
    last = data[starts + (lengths - 1)].astype(np.uint64)
    y = first + (middle << _U(8))
    z = lengths.astype(np.uint64) + (last << _U(2))
    return _fold((y * _K2) ^ (z * _K0)) * _K2


def _hash_4_to_7(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    words = _words32(data)
    first = words[starts].astype(np.uint64)
    last = words[starts + (lengths - 4)].astype(np.uint64)
    return _mix(lengths.astype(np.uint64) + (first << _U(3)), last, _multiplier(lengths))


def _hash_8_to_16(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    words, multiplier = _words64(data), _multiplier(lengths)
    a = words[starts] + _K2
    b = words[starts + (lengths - 8)]
    c = _rotate(b, 37)
    c *= multiplier
    c += a
    d = _rotate(a, 25)
    d += b
    d *= multiplier
    return _mix(c, d, multiplier)


def _hash_17_to_32(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    words, multiplier, ends = _words64(data), _multiplier(lengths), starts + lengths
    a = words[starts] * _K1
    b = words[starts + 8]
    c = words[ends - 8] * multiplier
    d = words[ends - 16] * _K2
    return _mix(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _K2, 18) + c, multiplier)


def _hash_33_to_64(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    words, multiplier, ends = _words64(data), _multiplier(lengths), starts + lengths
    a = words[starts] * _K2
    b = words[starts + 8]
    c = words[ends - 8] * multiplier
    d = words[ends - 16] * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _mix(y, a + _rotate(b + _K2, 18) + c, multiplier)
    e = words[starts + 16] * multiplier
    f = words[starts + 24]
    g = (y + words[ends - 32]) * multiplier
    h = (z + words[ends - 24]) * multiplier
    return _mix(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, multiplier)


def _hash_65_and_more(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Rounds of 64 bytes; the strings are taken longest first, so that those still running are always a leading slice."""
    words = _words64(data)
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    rounds = (lengths - 1) // _64
    n = len(starts)
    seed = 81
    start_y = (seed * int(_K1) + 113) % 2**64
    start_z = _fold(np.full(n, (start_y * int(_K2) + 113) % 2**64, np.uint64)) * _K2
    with np.errstate(over="ignore"):
        x = _U(seed) * _K2 + words[starts]
    state = [x, np.full(n, start_y, np.uint64), start_z, *(np.zeros(n, np.uint64) for _ in range(4))]
    for i in range(int(rounds[0])):
        running = int(np.searchsorted(-rounds, -i, side="left"))
        now = [s[:running] for s in state]
        for s, new in zip(state, _round(words, starts[:running] + i * _64, now)):
            s[:running] = new
    x, y, z, v1, v2, w1, w2 = state
    multiplier = _K1 + ((z & _U(0xFF)) << _U(1))
    w1 = w1 + ((lengths - 1) & 63).astype(np.uint64)
    v1 = v1 + w1
    w1 = w1 + v1
    last = starts + lengths - _64
    x = _rotate(x + y + v1 + words[last + 8], 37) * multiplier
    y = _rotate(y + v2 + words[last + 48], 42) * multiplier
    x = x ^ (w2 * _U(9))
    y = y + v1 * _U(9) + words[last + 40]
    z = _rotate(z + w1, 33) * multiplier
    v1, v2 = _weak_pair(words, last, v2 * multiplier, x + w1)
    w1, w2 = _weak_pair(words, last + 32, z + w2, y + words[last + 16])
    z, x = x, z
    left = _mix(v1, w1, multiplier) + _fold(y) * _K0 + z
    out = np.empty(n, np.uint64)
    out[order] = _mix(left, _mix(v2, w2, multiplier) + x, multiplier)
    return out


def _round(words: np.ndarray, at: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    x, y, z, v1, v2, w1, w2 = state
    x = _rotate(x + y + v1 + words[at + 8], 37) * _K1
    y = _rotate(y + v2 + words[at + 48], 42) * _K1
    x = x ^ w2
    y = y + v1 + words[at + 40]
    z = _rotate(z + w1, 33) * _K1
    v1, v2 = _weak_pair(words, at, v2 * _K1, x + w1)
    w1, w2 = _weak_pair(words, at + 32, z + w2, y + words[at + 16])
    return z, y, x, v1, v2, w1, w2


def _weak_pair(words: np.ndarray, at: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w, x, y, z = words[at], words[at + 8], words[at + 16], words[at + 24]
    a = a + w
    b = _rotate(b + a + z, 21)
    c = a
    a = a + x + y
    b = b + _rotate(a, 44)
    return a + z, b + c


_CLASSES = (_hash_0, _hash_1_to_3, _hash_4_to_7, _hash_8_to_16, _hash_17_to_32, _hash_33_to_64, _hash_65_and_more)
