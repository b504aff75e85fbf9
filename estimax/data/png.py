"""A short way for plain PNG images: Pillow's decoder without the cost of opening a file, which for small images is most."""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MODES = {0: ("L", 1), 2: ("RGB", 3), 6: ("RGBA", 4)}  # by the colour type
PIXELS = 1 << 26  # larger images are left to Pillow's own checks


def simple_png(contents: bytes, channels: int = 0) -> np.ndarray | None:
    """The pixels of a PNG of 8 bits a channel, not interlaced, with as many channels as wanted (0: as it has).

    Returns:
        Shape `[height, width, channels]`, uint8; None for every other or damaged image, which Pillow then reads or refuses.

    Reference: https://www.w3.org/TR/png-3/
    """
    if contents[:8] != SIGNATURE or len(contents) < 45:
        return None
    width, height, depth, colour, method, filtering, interlaced = struct.unpack_from(">IIBBBBB", contents, 16)
    mode, found = MODES.get(colour, ("", 0))
    if not mode or depth != 8 or method or filtering or interlaced or channels not in (0, found):
        return None
    if not 0 < width * height <= PIXELS:
        return None
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
            break
        elif kind == b"tRNS" or (kind != b"IHDR" and not kind[0] & 0x20):
            return None  # transparency by colour, or something that an image can't be read without
        at = stop + 4
    else:
        return None
    try:
        from PIL import Image

        image = Image.frombytes(mode, (width, height), b"".join(parts), "zip", mode, 0)
    except (ImportError, ValueError, OSError):
        return None
    return np.frombuffer(bytearray(image.tobytes()), np.uint8).reshape(height, width, found)
