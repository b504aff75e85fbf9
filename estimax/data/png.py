"""A short way for plain PNG images: Pillow's decoder without the cost of opening a file, which for small images is most."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
MODES = {0: ("L", 1), 2: ("RGB", 3), 6: ("RGBA", 4)}  # by the colour type
PIXELS = 1 << 26  # larger images are left to Pillow's own checks

RATIO = 1032  # deflate makes at most so many bytes of one: https://www.zlib.net/zlib_tech.html

_HEADER = 33  # bytes of the signature and the chunk IHDR


def _form(contents: bytes, channels: int) -> tuple[str, int, int, int] | None:
    """Mode, height, width and channels of a PNG of 8 bits a channel, not interlaced; None for every other image."""
    if contents[:8] != SIGNATURE or len(contents) < 45:
        return None
    width, height, depth, colour, method, filtering, interlaced = struct.unpack_from(">IIBBBBB", contents, 16)
    mode, found = MODES.get(colour, ("", 0))
    if not mode or depth != 8 or method or filtering or interlaced or channels not in (0, found):
        return None
    fits = 0 < width * height <= PIXELS and height * (1 + width * found) <= RATIO * len(contents)
    return (mode, height, width, found) if fits else None


def _packed(contents: bytes) -> bytes | None:
    """The joined data of the chunks IDAT; None if there is a chunk that an image can't be read without, or damage."""
    size = int.from_bytes(contents[_HEADER : _HEADER + 4], "big")
    stop = _HEADER + 8 + size
    if contents[_HEADER + 4 : _HEADER + 8] == b"IDAT" and contents[stop + 4 :] == END:
        good = zlib.crc32(contents[_HEADER + 4 : stop]) == int.from_bytes(contents[stop : stop + 4], "big")
        return contents[_HEADER + 8 : stop] if good and _whole(contents) else None
    parts, at = [], 8
    while at + 12 <= len(contents):
        (size,) = struct.unpack_from(">I", contents, at)
        kind, stop = contents[at + 4 : at + 8], at + 8 + size
        if stop + 4 > len(contents):
            return None
        if kind in (b"IHDR", b"IDAT") and zlib.crc32(contents[at + 4 : stop]) != struct.unpack_from(">I", contents, stop)[0]:
            return None
        if kind == b"IDAT":
            parts.append(contents[at + 8 : stop])
        elif kind == b"IEND":
            return b"".join(parts)
        elif kind == b"tRNS" or (kind != b"IHDR" and not kind[0] & 0x20):
            return None  # transparency by colour, or something that an image can't be read without
        at = stop + 4
    return None


def _whole(contents: bytes) -> bool:
    """Whether the chunk IHDR has its size and checksum."""
    return contents[8:16] == b"\x00\x00\x00\x0dIHDR" and zlib.crc32(contents[12:29]) == int.from_bytes(contents[29:33], "big")


def simple_png(contents: bytes, channels: int = 0) -> np.ndarray | None:
    """The pixels of a PNG of 8 bits a channel, not interlaced, with as many channels as wanted (0: as it has).

    Returns:
        Shape `[height, width, channels]`, uint8; None for every other or damaged image, which Pillow then reads or refuses.

    Reference: https://www.w3.org/TR/png-3/
    """
    form = _form(contents, channels)
    packed = None if form is None else _packed(contents)
    if form is None or packed is None:
        return None
    mode, height, width, found = form
    pixels = _unpacked(mode, width, height, packed)
    return None if pixels is None else pixels.reshape(height, width, found)


def _unpacked(mode: str, width: int, height: int, packed: bytes) -> np.ndarray | None:
    try:
        from PIL import Image

        image = Image.frombytes(mode, (width, height), packed, "zip", mode, 0)
    except (ImportError, ValueError, OSError):
        return None
    return np.frombuffer(bytearray(image.tobytes()), np.uint8)


def simple_pngs(contents: Sequence[bytes], channels: int = 0) -> np.ndarray | None:
    """`simple_png` of many images of one form, in one call of Pillow.

    The inflated rows of all images are put below each other as one tall image. A row may be stored as its difference from
    the one above, which for the first row of an image is taken to be zero: a row of zeros between images sees to that.

    Returns:
        Shape `[images, height, width, channels]`, uint8; None if one of them is not such an image, or forms differ.
    """
    form = _form(contents[0], channels) if contents else None
    if form is None or len({c[:_HEADER] for c in contents}) > 1:
        return None
    mode, height, width, found = form
    row = 1 + width * found
    if len(contents) * (height + 1) * width > PIXELS:
        return None
    parts: list[bytes] = []
    gap = bytes(row)
    for one in contents:
        packed = _packed(one)
        if packed is None:
            return None
        inflate = zlib.decompressobj()
        try:
            rows = inflate.decompress(packed, height * row + 1)
        except zlib.error:
            return None
        if len(rows) != height * row or not inflate.eof:
            return None
        parts += (rows, gap)
    pixels = _unpacked(mode, width, len(contents) * (height + 1), zlib.compress(b"".join(parts), 0))
    if pixels is None:
        return None
    return np.ascontiguousarray(pixels.reshape(len(contents), height + 1, width, found)[:, :height])
