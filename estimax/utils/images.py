"""Images of files as arrays, and back, by Pillow."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np

from estimax.core import errors, floatx

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def _pillow(what: str) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(f"{what} needs Pillow. Install it: pip install pillow") from None
    return Image


def _is_first(data_format: str | None) -> bool:
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f"data_format: given {data_format!r}, expected 'channels_last' or 'channels_first'.")
    return data_format == "channels_first"


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """An image of a file, as Pillow's.

    Args:
        path: of the file, or a `BytesIO`.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        target_size: height and width; as in the file if omitted.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or `"lanczos"`.
        keep_aspect_ratio: whether to cut off what does not fit the ratio, instead of distorting.

    Raises:
        ImportError: if Pillow is not installed.
        ValueError: if an argument is another word.

    Reference: keras.utils.load_img.
    """
    image_module = _pillow("load_img")
    modes = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
    if color_mode not in modes:
        raise ValueError(f"load_img: color_mode: given {color_mode!r}, expected one of {', '.join(map(repr, modes))}.")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"load_img: interpolation: given {interpolation!r}, expected one of {', '.join(map(repr, INTERPOLATIONS))}."
        )
    if isinstance(path, io.BytesIO):
        image = image_module.open(path)
    else:
        with open(os.fsdecode(path), "rb") as f:
            image = image_module.open(io.BytesIO(f.read()))
    if not (color_mode == "grayscale" and image.mode in ("L", "I;16", "I")) and image.mode != modes[color_mode]:
        image = image.convert(modes[color_mode])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    box = None
    if keep_aspect_ratio:
        (width, height), (new_height, new_width) = image.size, target_size
        kept_height, kept_width = min(height, width * new_height // new_width), min(width, height * new_width // new_height)
        left, top = (width - kept_width) // 2, (height - kept_height) // 2
        box = (left, top, left + kept_width, top + kept_height)
    return image.resize((target_size[1], target_size[0]), getattr(image_module.Resampling, interpolation.upper()), box=box)


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """Pillow's image as an array.

    Args:
        img: an image, or an array of rank 2 or 3.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.
        dtype: float32 if omitted; values stay as they are, 0 to 255.

    Returns:
        `[height, width, channels]`.

    Raises:
        ValueError: if the rank is another.

    Example:
        >>> img_to_array(np.zeros((2, 3))).shape
        (2, 3, 1)

    Reference: keras.utils.img_to_array.
    """
    x = np.asarray(img, dtype=dtype or floatx())
    if x.ndim not in (2, 3):
        raise errors.ShapeError(f"img_to_array: given shape {x.shape}, expected [height, width] or [height, width, channels].")
    x = x if x.ndim == 3 else x[..., None]
    return x.transpose(2, 0, 1) if _is_first(data_format) else x


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array as Pillow's image.

    Args:
        x: `[height, width, channels]`, with 1, 3 or 4 channels.
        data_format: `"channels_last"` (if omitted) or `"channels_first"`.
        scale: whether the least value becomes 0 and the largest 255.
        dtype: to compute in; float32 if omitted.

    Raises:
        ImportError: if Pillow is not installed.
        ValueError: if the shape is another.

    Reference: keras.utils.array_to_img.
    """
    image_module = _pillow("array_to_img")
    x = np.asarray(x, dtype=dtype or floatx())
    if x.ndim != 3:
        raise errors.ShapeError(f"array_to_img: given shape {x.shape}, expected [height, width, channels].")
    x = x.transpose(1, 2, 0) if _is_first(data_format) else x
    if x.shape[2] not in (1, 3, 4):
        raise errors.ShapeError(f"array_to_img: given {x.shape[2]} channels, expected 1, 3 or 4.")
    if scale:
        x = x - x.min()
        x = x * (255 / x.max()) if x.max() else x
    if x.shape[2] == 1:
        wide = x.max() > 255
        return image_module.fromarray(x[..., 0].astype("int32" if wide else "uint8"))
    return image_module.fromarray(x.astype("uint8"))


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Writes an array as an image file.

    Args:
        path: of the file.
        x, data_format, scale: see `array_to_img`.
        file_format: by the file's ending if omitted.
        **kwargs: of Pillow's `save`.

    Raises:
        ImportError: if Pillow is not installed.

    Reference: keras.utils.save_img.
    """
    image = array_to_img(x, data_format=data_format, scale=scale)
    kind = file_format or os.path.splitext(os.fsdecode(path))[1].removeprefix(".")
    if image.mode == "RGBA" and kind.lower() in ("jpg", "jpeg"):
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)
