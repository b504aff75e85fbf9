"""Lines of CSV that a served model is given: fields as host values, read when a request comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.core import HostOp, HostValue, register
from estimax.data.csv import default_of


@register("estimax.data")
class ReadCsvField(HostOp):
    """One field of lines of CSV.

    Args:
        number: of the field.
        default: its default or, where the value must be there, its dtype.
        field_delim, use_quote_delim, na_value: see `decode_csv`.
        width: number of fields; None if any.
    """

    def __init__(self, number: int, default: Any, field_delim: str, use_quote_delim: bool, na_value: str, width: int | None):
        self.number, self.default, self.width = number, default, width
        self.field_delim, self.use_quote_delim, self.na_value = field_delim, use_quote_delim, na_value

    def get_config(self) -> dict[str, Any]:
        names = ("number", "default", "field_delim", "use_quote_delim", "na_value", "width")
        return {name: getattr(self, name) for name in names}

    @property
    def dtype(self) -> str:
        """What the field is read as: a NumPy name, or `"string"`."""
        return default_of(self.default, f"field {self.number}").dtype

    def __call__(self, lines: Any) -> np.ndarray:
        from estimax.data.decoding import decode_csv

        lines = np.asarray(lines, object).reshape(-1)
        if not any(lines):  # the sample rows with which an export is traced
            return np.full(lines.shape, "", object) if self.dtype == "string" else np.zeros(lines.shape, self.dtype)
        options = (self.field_delim, self.use_quote_delim, self.na_value)
        if self.width is None:
            return decode_csv(lines, [self.default], *options, [self.number])[0]
        defaults = [self.default if i == self.number else "" for i in range(self.width)]  # a line of another width is an error
        return decode_csv(lines, defaults, *options)[self.number]


def fields_of(
    lines: HostValue,
    record_defaults: Sequence[Any],
    field_delim: str,
    use_quote_delim: bool,
    na_value: str,
    select_cols: Sequence[int] | None,
) -> list[Any]:
    """The fields of lines that are not known yet: arrays on the device for numbers, host values for text.

    Args:
        lines: one line of CSV a row.
        record_defaults, field_delim, use_quote_delim, na_value, select_cols: see `decode_csv`.
    """
    width = len(record_defaults) if select_cols is None else None
    chosen = range(len(record_defaults)) if select_cols is None else select_cols
    found = []
    for number, default in zip(chosen, record_defaults):
        op = ReadCsvField(int(number), _plain(default), field_delim, use_quote_delim, na_value, width)
        value = HostValue(op=op, inputs=[lines])
        found.append(value if op.dtype == "string" else value.on_device())
    return found


def _plain(default: Any) -> Any:
    """A default as JSON can hold it."""
    if isinstance(default, np.ndarray) and default.size == 0:
        return str(default.dtype)
    if isinstance(default, (list, tuple, np.ndarray)):
        return [_plain(v) for v in default]
    if isinstance(default, np.generic):
        return default.item()
    if isinstance(default, (str, bytes, int, float)) or default is None:
        return default.decode() if isinstance(default, bytes) else default
    return str(np.dtype(default))
