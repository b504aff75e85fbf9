"""SipHash-2-4, a hash with a secret key, of whole columns of strings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimax.core.text import Text

_U = np.uint64


def siphash(text: Text, key: Sequence[int]) -> np.ndarray:
    """The SipHash-2-4 of each string.

    Args:
        text: the strings.
        key: two 64-bit integers.

    Returns:
        Shape `[n]`, uint64.

    Example:
        >>> from estimax.core.text import text_from_bytes
        >>> k0, k1 = 0x0706050403020100, 0x0F0E0D0C0B0A0908
        >>> hex(int(siphash(text_from_bytes([bytes(range(15))]), [k0, k1])[0]))
        '0xa129ca6149be45e5'

    Reference: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, whose appendix A has this example.
    """
    k0, k1 = (_U(int(k) & 0xFFFFFFFFFFFFFFFF) for k in key)
    n = len(text)
    constants = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [np.full(n, _U(c) ^ k) for c, k in zip(constants, (k0, k1, k0, k1))]
    data = np.concatenate([text.data, np.zeros(8, np.uint8)])
    words = np.ndarray((data.size - 7,), "<u8", buffer=data, strides=(1,))
    whole = text.lengths // 8
    for block in range(int(whole.max(initial=0))):
        rows = np.flatnonzero(whole > block)
        part = [v[rows] for v in state]
        _absorb(part, words[text.starts[rows] + 8 * block])
        for v, p in zip(state, part):
            v[rows] = p
    rest = text.lengths % 8
    last = words[text.starts + 8 * whole] & ((_U(1) << (_U(8) * rest.astype(np.uint64))) - _U(1))
    _absorb(state, last | ((text.lengths.astype(np.uint64) & _U(255)) << _U(56)))
    state[2] = state[2] ^ _U(255)
    for _ in range(4):
        _round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _absorb(state: list[np.ndarray], word: np.ndarray) -> None:
    state[3] = state[3] ^ word
    _round(state)
    _round(state)
    state[0] = state[0] ^ word


def _round(v: list[np.ndarray]) -> None:
    v[0] = v[0] + v[1]
    v[1] = _rotate(v[1], 13) ^ v[0]
    v[0] = _rotate(v[0], 32)
    v[2] = v[2] + v[3]
    v[3] = _rotate(v[3], 16) ^ v[2]
    v[0] = v[0] + v[3]
    v[3] = _rotate(v[3], 21) ^ v[0]
    v[2] = v[2] + v[1]
    v[1] = _rotate(v[1], 17) ^ v[2]
    v[2] = _rotate(v[2], 32)


def _rotate(x: np.ndarray, bits: int) -> np.ndarray:
    return (x << _U(bits)) | (x >> _U(64 - bits))
