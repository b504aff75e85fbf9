"""Dictionaries of string columns, given or learned, so that a value that comes again is not transformed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# A batch smaller than this is transformed faster than it is encoded.
_FEWEST_ROWS = 64
# A larger dictionary is slower to look up than its strings are to hash.
_MOST_VALUES = 1024


class DictionaryMemo:
    """Remembers the dictionary of one column from batch to batch; columns then keep ids for its values.

    A dictionary-encoded column brings its own; for plain strings with few distinct values one is learned. It is kept as long as
    batches bring few new values. Results do not depend on it, and threads may share it: at worst one learns what another knew.
    """

    def __init__(self) -> None:
        self._given: tuple[Any, Any, Any] = (None, None, None)
        self._learned: tuple[Any, Any] | None = None
        self._is_worth_it = True

    def values_of(self, token: Any, owner: Any, read: Callable[[], Any]) -> Any:
        """The values of a given dictionary: `read()`, or what it gave for the same token before.

        `owner` is kept alive, so that no other dictionary gets its token.
        """
        last = self._given
        if last[0] == token:
            return last[2]
        values = read()
        self._given = (token, owner, values)
        return values

    def encode(self, array: Any, read: Callable[[Any], Any]) -> tuple[Any, np.ndarray] | None:
        """A string column as values, the same object as before if possible, and the number of each row's value (0 for nulls).

        Args:
            array: of pyarrow, strings or fixed-width bytes.
            read: gives the form in which the values are wanted.

        Returns:
            None if the column has too many distinct values for this to pay.
        """
        if not self._is_worth_it or len(array) < _FEWEST_ROWS:
            return None
        learned = self._learned
        if learned is None or learned[0].value_set.type != array.type:
            values = array.unique().drop_null()
            if not len(values):
                return None
            if len(values) > min(_MOST_VALUES, len(array) // 2):
                self._is_worth_it = False
                return None
            learned = self._adopt(values, read)
        codes = _index_in(array, learned[0])
        if codes.null_count > array.null_count:
            extended = self._extended(array, codes, learned[0].value_set)
            if extended is None:
                self._is_worth_it = False
                return None
            learned = self._adopt(extended, read)
            codes = _index_in(array, learned[0])
        if codes.null_count:
            codes = codes.fill_null(0)
        return learned[1], codes.to_numpy().astype(np.intp)  # what NumPy indexes with

    def _adopt(self, values: Any, read: Callable[[Any], Any]) -> tuple[Any, Any]:
        import pyarrow.compute as pc

        learned = _Lookup(values, pc.SetLookupOptions(value_set=values)), read(values)
        self._learned = learned
        return learned

    @staticmethod
    def _extended(array: Any, codes: Any, known: Any) -> Any:
        import pyarrow as pa

        new = array.filter(codes.is_null()).unique().drop_null()
        if len(new) > len(array) // 4 or len(new) + len(known) > _MOST_VALUES:
            return None
        return pa.concat_arrays([known, new])


class _Lookup:
    """Values of a dictionary, and Arrow's options to look them up."""

    __slots__ = ("options", "value_set")

    def __init__(self, value_set: Any, options: Any):
        self.value_set, self.options = value_set, options


def _index_in(array: Any, lookup: _Lookup) -> Any:
    import pyarrow.compute as pc

    return pc.call_function("index_in", [array], lookup.options)
