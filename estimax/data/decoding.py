"""Text and bytes to arrays: `decode_csv`, `decode_raw`, `decode_image`, `decode_json_example`."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.core import HostValue
from estimax.data.csv import CsvFormat, column_of, default_of, options_of
from estimax.data.csv_on_host import fields_of
from estimax.data.errors import DataLossError, InvalidDataError
from estimax.data.example import Example, Feature
from estimax.data.png import simple_png, simple_pngs


def _texts(values: Any, what: str) -> tuple[list[Any], tuple[int, ...]]:
    """Text or bytes as a flat list, and their shape."""
    if isinstance(values, str | bytes):
        return [values], ()
    array = np.asarray(values, object) if not isinstance(values, np.ndarray) else values
    flat = array.ravel().tolist()
    wrong = next((v for v in flat if not isinstance(v, str | bytes)), None)
    if wrong is not None:
        raise InvalidDataError(f"{what}: expected text or bytes, given {type(wrong).__name__}")
    return flat, array.shape


def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
) -> list[Any]:
    """Lines of CSV as one array for each column.

    Args:
        records: one line, or an array of lines, as text or bytes; or the text feature of a served model, in the function of a
            `ServingInputReceiver`.
        record_defaults: for each column a dtype (the value must be there) or a default (`[0.0]` or `0.0`).
        field_delim, use_quote_delim, na_value: separator, whether quotes count, a text that means "missing".
        select_cols: numbers of the columns to read, rising; all if omitted.

    Returns:
        A list of arrays in the shape of `records`.

    Raises:
        ValueError: if numbers of columns and defaults do not fit.
        DataLossError: if a line has another number of fields or a value does not have its column's type.

    Example:
        >>> age, city = decode_csv(["31,Rome", ",Bonn"], [[0], ""])
        >>> age.tolist(), city.tolist()
        ([31, 0], ['Rome', 'Bonn'])

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/decode_csv
    """
    import pyarrow as pa
    from pyarrow import csv as pacsv

    if isinstance(records, HostValue):
        return fields_of(records, record_defaults, field_delim, use_quote_delim, na_value, select_cols)
    lines, shape = _texts(records, "decode_csv")
    if select_cols is not None and len(select_cols) != len(record_defaults):
        raise ValueError(f"decode_csv: {len(select_cols)} select_cols need as many record_defaults, given {len(record_defaults)}")
    chosen = list(range(len(record_defaults))) if select_cols is None else [int(c) for c in select_cols]
    if any(b <= a for a, b in zip(chosen, chosen[1:])):
        raise ValueError(f"decode_csv: select_cols must rise, given {chosen}")
    data = [line.encode() if isinstance(line, str) else line for line in lines]
    width = len(chosen) if select_cols is None else _width(data, field_delim, use_quote_delim)
    if chosen and chosen[-1] >= width and data:
        raise ValueError(f"decode_csv: column {chosen[-1]} does not exist, the lines have {width} fields")
    names = [f"field {i}" for i in range(width)]
    columns = [default_of(value, names[c]) for c, value in zip(chosen, record_defaults)]
    form = CsvFormat(tuple(names), False, field_delim, use_quote_delim, na_value)
    if not data:
        return [np.zeros(shape, object if c.dtype == "string" else c.dtype) for c in columns]
    options = options_of(form, columns, 1 << 20)
    options["parse_options"].ignore_empty_lines = False
    try:
        table = pacsv.read_csv(pa.BufferReader(b"\n".join(data) + b"\n"), **options)
    except pa.ArrowInvalid as error:
        raise DataLossError(f"decode_csv: {str(error).splitlines()[0]}; {width} fields are expected") from None
    out = []
    for c in columns:
        values = column_of(table.column(c.name), c, form, "decode_csv").to_numpy(zero_copy_only=False)
        if len(values) != len(data):
            raise DataLossError(f"decode_csv: {len(data)} lines gave {len(values)} rows; a line must be one record")
        values = values.reshape(shape)
        out.append(values if shape else values[()])
    return out


def _width(data: list[bytes], delimiter: str, quotes: bool) -> int:
    style: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    return len(next(csv.reader([data[0].decode(errors="replace")], delimiter=delimiter, quoting=style))) if data else 0


def decode_raw(input_bytes: Any, out_type: Any, little_endian: bool = True, fixed_length: int | None = None) -> np.ndarray:
    """The memory of numbers as an array.

    Args:
        input_bytes: one byte string, or an array of them.
        out_type: the dtype of the numbers.
        little_endian: the order of their bytes.
        fixed_length: bytes to read of each string: longer ones are cut, shorter ones padded with zeros.

    Returns:
        Numbers, in the shape of `input_bytes` and one further axis.

    Raises:
        InvalidDataError: if lengths differ or are no multiple of the size of a number.

    Example:
        >>> decode_raw(b"\\x01\\x00\\x02\\x00", "uint16").tolist()
        [1, 2]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/decode_raw
    """
    flat, shape = _texts(input_bytes, "decode_raw")
    dtype = np.dtype(out_type).newbyteorder("<" if little_endian else ">")
    parts = [v.encode() if isinstance(v, str) else v for v in flat]
    if fixed_length is not None:
        if fixed_length <= 0 or fixed_length % dtype.itemsize:
            raise InvalidDataError(
                f"decode_raw: fixed_length must be a positive multiple of {dtype.itemsize}, the size of {dtype.name}; "
                f"given {fixed_length}"
            )
        parts = [part[:fixed_length].ljust(fixed_length, b"\0") for part in parts]
    sizes = {len(part) for part in parts}
    if len(sizes) > 1:
        raise InvalidDataError(f"decode_raw: all strings need one length, given {sorted(sizes)[:5]}; give fixed_length")
    size = sizes.pop() if sizes else 0
    if size % dtype.itemsize:
        raise InvalidDataError(f"decode_raw: {size} bytes are no multiple of {dtype.itemsize}, the size of {dtype.name}")
    numbers = np.frombuffer(b"".join(parts), dtype).astype(np.dtype(out_type))
    return numbers.reshape(*shape, size // dtype.itemsize)


MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def decode_image(contents: Any, channels: int = 0, dtype: Any = np.uint8, expand_animations: bool = True) -> np.ndarray:
    """A PNG, JPEG, GIF or BMP image as an array; or many images of one size, which for small ones is several times faster.

    Args:
        contents: the bytes of the file, or an array of such.
        channels: 0 for as many as the image has, 1 for grey, 3 for red, green and blue, 4 with opacity.
        dtype: uint8, uint16 or a float dtype, whose values are scaled to [0, 1].
        expand_animations: whether a GIF gives all its frames, with one further axis in front; else the first.

    Returns:
        Shape `[..., height, width, channels]`, or `[..., frames, height, width, channels]` for a GIF; `...` that of `contents`.

    Raises:
        InvalidDataError: if images of an array differ in shape.
        ImportError: if Pillow is not installed.
        DataLossError: if the bytes are no such image.
        ValueError: if `channels` or `dtype` is none of these.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (4, 2), "red").save(file, "PNG")
        >>> decode_image(file.getvalue())[0, 0].tolist()
        [255, 0, 0]

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/decode_image
    """
    try:
        from PIL import Image, ImageSequence, UnidentifiedImageError
    except ImportError:
        raise ImportError("decode_image needs Pillow: pip install 'estimax[images]'") from None
    if channels not in (0, *MODES):
        raise ValueError(f"decode_image: channels must be 0, 1, 3 or 4, given {channels}")
    wanted = np.dtype(dtype)
    if wanted.kind != "f" and wanted not in (np.uint8, np.uint16):
        raise ValueError(f"decode_image: dtype must be uint8, uint16 or a float dtype, given {wanted}")
    if not isinstance(contents, bytes | bytearray | memoryview):
        return _many_images(contents, channels, wanted, expand_animations)
    contents = bytes(contents)
    quick = simple_png(contents, channels)
    if quick is not None:
        return _scaled(quick, wanted)
    kind = next((name for magic, name in _MAGIC.items() if contents[: len(magic)] == magic), None)
    if kind is None:
        raise DataLossError("decode_image: not a PNG, JPEG, GIF or BMP image")
    try:
        with Image.open(io.BytesIO(contents), formats=[kind]) as image:
            _check_size(image, len(contents))
            animated = image.format == "GIF" and expand_animations
            frames = (
                [_pixels(frame, MODES.get(channels)) for frame in ImageSequence.Iterator(image)]
                if animated
                else [_pixels(image, MODES.get(channels))]
            )
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataLossError(f"decode_image: not a PNG, JPEG, GIF or BMP image, or damaged ({error})") from None
    array = np.stack(frames) if animated else frames[0]
    return _scaled(array, wanted)


def _many_images(contents: Any, channels: int, dtype: np.dtype, expand_animations: bool) -> np.ndarray:
    flat, shape = _texts(contents, "decode_image")
    parts = [
        _scaled(quick, dtype)
        if (quick := simple_pngs(block, channels)) is not None
        else _stacked([decode_image(one, channels, dtype, expand_animations) for one in block])
        for block in (flat[at : at + IMAGES] for at in range(0, len(flat), IMAGES))
    ]
    if not parts:
        return np.zeros((*shape, 0, 0, max(channels, 1)), dtype)
    if len({part.shape[1:] for part in parts}) > 1:
        raise InvalidDataError(f"decode_image: images differ in shape: {sorted({part.shape[1:] for part in parts})}")
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return whole.reshape(*shape, *whole.shape[1:])


def _check_size(image: Any, size: int) -> None:
    """Refuses images that say to be larger than their bytes can be, before memory for them is taken."""
    width, height = image.size
    if image.format != "JPEG" and width * height > PIXELS_A_BYTE * max(size, 64):
        raise DataLossError(f"decode_image: {size} bytes are said to be {width} x {height} pixels; the image is damaged")


# Of one bit each, 8 to a byte, and deflate makes at most 1032 bytes of one (https://www.zlib.net/zlib_tech.html); GIF less.
PIXELS_A_BYTE = 8 * 1032
IMAGES = 256  # images that are decoded at once


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    if len({image.shape for image in images}) > 1:
        raise InvalidDataError(
            f"decode_image: images of an array must have one shape, found {sorted({image.shape for image in images})[:3]}; "
            "decode them one by one"
        )
    return np.stack(images)


_MAGIC = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP"}


def _pixels(image: Any, mode: str | None) -> np.ndarray:
    if mode is None:
        if image.format == "GIF" or image.mode in ("P", "CMYK", "YCbCr"):
            mode = "RGBA" if "transparency" in image.info and image.format != "GIF" else "RGB"
        elif image.mode == "1":
            mode = "L"
    if mode is not None and image.mode != mode:
        if image.mode.startswith("I;16") or image.mode == "I":
            grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)[..., None]
            return np.repeat(grey, {"L": 1, "RGB": 3}.get(mode, 3), axis=2)
        image = image.convert(mode)
    array = np.asarray(image)
    if array.dtype.kind in "iu" and array.dtype.itemsize > 1:
        array = array.astype(np.uint16)
    return array[..., None] if array.ndim == 2 else array


def _scaled(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if array.dtype == dtype:
        return array
    top = np.iinfo(array.dtype).max
    if dtype.kind == "f":
        return array.astype(dtype) / dtype.type(top)
    return (array.astype(np.uint16) * 257) if dtype == np.uint16 else (array >> 8).astype(np.uint8)


def decode_png(contents: Any, channels: int = 0, dtype: Any = np.uint8) -> np.ndarray:
    """A PNG (or JPEG, BMP, first frame of a GIF) image as an array `[..., height, width, channels]`; see `decode_image`."""
    return decode_image(contents, channels, dtype, expand_animations=False)


def decode_jpeg(contents: Any, channels: int = 0) -> np.ndarray:
    """A JPEG (or PNG, BMP, first frame of a GIF) image as a uint8 array `[..., height, width, channels]`; see `decode_image`."""
    return decode_image(contents, channels, expand_animations=False)


def decode_json_example(json_examples: Any) -> Any:
    """Examples written as JSON (protocol buffers' form of it) as serialized messages.

    Args:
        json_examples: one text, or an array of them: `{"features": {"feature": {"age": {"int64List": {"value": [31]}}}}}`.

    Returns:
        Bytes, in the shape given.

    Raises:
        DataLossError: if a text is not such JSON.

    Example:
        >>> text = '{"features": {"feature": {"x": {"floatList": {"value": [1.5]}}}}}'
        >>> Example.parse(decode_json_example(text)).features["x"]
        Feature(kind='float', values=[1.5])

    Reference: https://www.tensorflow.org/api_docs/python/tf/io/decode_json_example
    """
    flat, shape = _texts(json_examples, "decode_json_example")
    out = np.empty(len(flat), object)
    out[:] = [_json_example(text, i) for i, text in enumerate(flat)]
    return out.reshape(shape) if shape else out[0]


def _json_example(text: Any, number: int) -> bytes:
    kinds = {"bytesList": "bytes", "floatList": "float", "int64List": "int64"}
    kinds |= {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}
    try:
        found = json.loads(text)
        features = {}
        for name, feature in found.get("features", {}).get("feature", {}).items():
            if not feature:
                features[name] = Feature()
                continue
            ((kind, body),) = feature.items()
            values = body.get("value", [])
            if kinds[kind] == "bytes":
                values = [base64.b64decode(v.replace("-", "+").replace("_", "/"), validate=True) for v in values]
            features[name] = Feature(kinds[kind], values)
        return Example(features).serialize()
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise DataLossError(f"decode_json_example: text {number} is not an Example in JSON: {error}") from None
