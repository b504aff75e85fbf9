"""What layers with a host half share: raw columns as Arrow strings or integers, and where their operation runs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostOp, HostValue, as_host_value, current_frame
from estimax.core.errors import HostValueError, InputDataError
from estimax.core.text import Text, text_from_arrow
from estimax.layers.base import Layer
from estimax.layers.input_spec import layer_title


class HostLayer(Layer):
    """A layer whose first half works on whole columns on the host, in the input threads when the layer is inside a model.

    Called on concrete data (strings, lists, NumPy, Arrow) it computes at once; on a raw feature of a compiled step it declares its
    operation, which runs before the step; see `core.host`.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.built = True

    def _cast(self, x: Any) -> Any:
        return x

    def _convert_first(self, x: Any) -> Any:
        return x

    def on_host(self, op: HostOp, *inputs: Any) -> Any:
        """What an operation gives for these inputs, as device arrays."""
        frame = current_frame()
        if (frame is None or frame.host is None) and not any(isinstance(x, (HostValue, jax.core.Tracer)) for x in inputs):
            return jax.tree.map(jnp.asarray, op(*inputs))
        values = [as_host_value(x, self.name) for x in inputs]
        concrete = [v is not None and v.op is None and v.value is not None for v in values]
        if all(concrete):
            return jax.tree.map(jnp.asarray, op(*(v.value for v in values)))  # type: ignore[union-attr]
        if any(concrete) or None in values:
            raise HostValueError(
                f"{layer_title(self)}: given an array that the model computed, expected features as they come from the input. This layer "
                "works on the host, before the compiled step: call it on the model's input."
            )
        return HostValue(op=op, inputs=values).on_device()  # type: ignore[arg-type]

    def get_build_config(self) -> None:
        """Nothing is built."""


def strings(raw: Any) -> tuple[Any, tuple[int, ...]]:
    """A raw column as a flat Arrow array of strings or bytes (a missing value is null), and its shape.

    Raises:
        ValueError: if it holds something else.
    """
    import pyarrow as pa

    if isinstance(raw, (str, bytes)):
        return pa.array([raw]), ()
    if isinstance(raw, (pa.ChunkedArray, pa.Array)) or hasattr(raw, "__arrow_array__"):
        return _from_arrow(raw if isinstance(raw, (pa.ChunkedArray, pa.Array)) else pa.array(raw))
    if isinstance(raw, (list, tuple)) and raw and isinstance(raw[0], (str, bytes, type(None))):
        return _make(raw), (len(raw),)
    array = np.asarray(raw)
    if array.dtype.kind not in "USO":
        raise InputDataError(f"given {array.dtype}, expected strings. Cast the column to strings, or use the layer for integers.")
    return _make(array.reshape(-1)), array.shape


def _make(values: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    try:
        return pa.array(values, pa.large_binary(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise InputDataError(
            f"given values that are not all strings, expected str, bytes or None. {e} Convert the column to strings."
        ) from e


def _from_arrow(array: Any) -> tuple[Any, tuple[int, ...]]:
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    shape: tuple[int, ...] = (len(array),)
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        flat = array.flatten()
        width = len(flat) // max(len(array), 1)
        if width * len(array) != len(flat):
            raise InputDataError("given lists of different lengths, expected one string, or equally many, in each row.")
        array, shape = flat, (*shape, width)
    return array, shape


def text_column(raw: Any) -> tuple[Text, tuple[int, ...]]:
    """A raw column of strings as `Text` (a missing value is empty), and its shape."""
    array, shape = strings(raw)
    return as_text(array), shape


def as_text(array: Any) -> Text:
    """Arrow strings as `Text`."""
    import pyarrow as pa

    if pa.types.is_null(array.type):
        array = array.cast(pa.large_binary())
    return text_from_arrow(array)


def is_string_column(raw: Any) -> bool:
    """Whether a raw column holds strings, not numbers."""
    if isinstance(raw, (str, bytes)):
        return True
    if hasattr(raw, "dtype") and hasattr(raw.dtype, "kind"):
        return raw.dtype.kind in "USO"
    if hasattr(raw, "type"):
        import pyarrow as pa

        kind = raw.type
        while hasattr(kind, "value_type"):
            kind = kind.value_type
        return not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))
    return np.asarray(raw).dtype.kind in "USO"


def integer_column(raw: Any) -> np.ndarray:
    """A raw column of integers; floats are cut.

    Raises:
        ValueError: if it holds something else.
    """
    if hasattr(raw, "to_numpy") and not isinstance(raw, np.ndarray):
        raw = raw.to_numpy()
    array = np.asarray(raw)
    if array.dtype.kind not in "iufb":
        raise InputDataError(f"given {array.dtype}, expected integers. Cast the column, or use StringLookup for strings.")
    return array.astype(np.int64)
