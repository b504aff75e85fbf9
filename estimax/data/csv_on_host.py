"""Lines of CSV that a served model is given: fields as host values, read when a request comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estimax.core import HostOp, HostValue, register
from estimax.data.csv import default_of


@register("estimax.data")
class ReadCsvLines(HostOp):
    """Lines of CSV to their fields, all at once.

    Args:
        defaults: of each field its default or, where the value must be there, its dtype.
        field_delim, use_quote_delim, na_value, select_cols: see `decode_csv`.
    """

    def __init__(
        self, defaults: Sequence[Any], field_delim: str, use_quote_delim: bool, na_value: str, select_cols: Sequence[int] | None
    ):
        self.defaults, self.select_cols = list(defaults), None if select_cols is None else list(select_cols)
        self.field_delim, self.use_quote_delim, self.na_value = field_delim, use_quote_delim, na_value

    def get_config(self) -> dict[str, Any]:
        names = ("defaults", "field_delim", "use_quote_delim", "na_value", "select_cols")
        return {name: getattr(self, name) for name in names}

    def __call__(self, lines: Any) -> list[np.ndarray]:
        from estimax.data.decoding import decode_csv

        lines = np.asarray(lines, object).reshape(-1)
        if not any(lines):  # the sample rows with which an export is traced
            kinds = [default_of(d, f"field {i}").dtype for i, d in enumerate(self.defaults)]
            return [np.full(lines.shape, "", object) if k == "string" else np.zeros(lines.shape, k) for k in kinds]
        return list(
            decode_csv(lines, self.defaults, self.field_delim, self.use_quote_delim, self.na_value, select_cols=self.select_cols)
        )


@register("estimax.data")
class CsvField(HostOp):
    """One of the fields that `ReadCsvLines` gives.

    Args:
        number: of the field, among those that are read.
    """

    def __init__(self, number: int):
        self.number = number

    def get_config(self) -> dict[str, Any]:
        return {"number": self.number}

    def __call__(self, fields: list[np.ndarray]) -> np.ndarray:
        return fields[self.number]


def fields_of(
    lines: HostValue,
    record_defaults: Sequence[Any],
    field_delim: str,
    use_quote_delim: bool,
    na_value: str,
    select_cols: Sequence[int] | None,
) -> list[Any]:
    """The fields of lines that are not known yet: arrays on the device for numbers, host values for text.

    Lines are read once for all fields of a request: host values of the same key are computed once.

    Args:
        lines: one line of CSV a row.
        record_defaults, field_delim, use_quote_delim, na_value, select_cols: see `decode_csv`.
    """
    chosen = None if select_cols is None else [int(i) for i in select_cols]
    op = ReadCsvLines([_plain(d) for d in record_defaults], field_delim, use_quote_delim, na_value, chosen)
    read = HostValue(op=op, inputs=[lines])
    found = []
    for i, default in enumerate(op.defaults):
        value = HostValue(op=CsvField(i), inputs=[read])
        found.append(value if default_of(default, f"field {i}").dtype == "string" else value.on_device())
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
