"""Many images at once give what one at a time gives."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest

from estimax.data import DataLossError, InvalidDataError, decode_image, decode_png
from estimax.data.png import simple_pngs

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")


def png(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(28, 28), (5, 7, 3), (1, 1, 4), (40, 1)])
def test_plain_images_in_one_call(shape: tuple[int, ...]) -> None:
    source = np.random.default_rng(0)
    steep = np.cumsum(source.integers(0, 3, (300, *shape)), axis=1).astype(np.uint8)  # rows are stored as differences
    files = [png(image) for image in steep]
    assert simple_pngs(files[:9]) is not None
    found = decode_png(np.array(files, object))
    np.testing.assert_array_equal(found.reshape(steep.shape), steep)
    np.testing.assert_array_equal(found[7], decode_image(files[7]))
    pair = decode_image(np.array(files[:4], object).reshape(2, 2), dtype=np.float32)
    np.testing.assert_array_equal(pair.reshape(4, *found.shape[1:]), found[:4].astype(np.float32) / np.float32(255))


def test_other_images_are_decoded_one_by_one() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    files = [png(grey), png(np.stack([grey] * 3, 2)), png(grey.astype(np.uint16) * 257)]
    assert simple_pngs(files) is None
    np.testing.assert_array_equal(decode_png(files, channels=1)[0, ..., 0], grey)
    with pytest.raises(InvalidDataError, match="must have one shape"):
        decode_png([png(grey), png(grey[:4])])
    assert decode_png(np.zeros((0,), object), channels=1).shape == (0, 0, 0, 1)


def test_damage_and_bombs_are_refused() -> None:
    good = png(np.zeros((8, 8), np.uint8))
    bomb = bytearray(good[:33])
    packed = zlib.compress(bytes(1 << 24))
    chunk = b"IDAT" + packed
    bomb += len(packed).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + good[-12:]
    assert simple_pngs([good, bytes(bomb)]) is None  # 72 bytes are expected, not 16 MB
    with pytest.raises(DataLossError, match="not a PNG"):
        decode_png([good, good[:40]])
    header = b"IHDR" + (8000).to_bytes(4, "big") * 2 + good[24:29]
    large = good[:12] + header + zlib.crc32(header).to_bytes(4, "big") + good[33:]
    with pytest.raises(DataLossError, match="8000 x 8000 pixels; the image is damaged"):
        decode_png(large)
