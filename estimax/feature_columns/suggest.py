"""Columns proposed from data, as code with reasons."""

from __future__ import annotations

import dataclasses
import keyword
import math
import re
from typing import Any

import numpy as np

from estimax.core.errors import InputDataError
from estimax.feature_columns.adapt import quantile_boundaries
from estimax.feature_columns.summaries import Summary, batches_of

# Above this many distinct values a vocabulary is longer than code should be: ids are hashed.
_LARGEST_VOCABULARY = 200
_MOST_COUNTED = 100_000
# As many ids or fewer are one-hot in the deep part; more are embedded.
_LARGEST_INDICATOR = 16


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """Columns for a table, and the code that makes them.

    Attributes:
        code: Python source with a comment for each feature; printing a suggestion prints it.
        linear_columns: for the wide part: ids, ranges and numbers.
        dnn_columns: for the deep part: dense columns.
    """

    code: str
    linear_columns: list[Any]
    dnn_columns: list[Any]

    def __str__(self) -> str:
        return self.code


@dataclasses.dataclass
class _Part:
    """What is proposed for one feature."""

    reason: str
    lines: list[str] = dataclasses.field(default_factory=list)
    linear: list[str] = dataclasses.field(default_factory=list)
    dnn: list[str] = dataclasses.field(default_factory=list)


def suggest(table: Any, *, label: str | None = None, weight: str | None = None) -> Suggestion:
    """Proposes feature columns for a table, by the types, the number of different values and the spread of its features.

    Numbers are standardized, and cut at their deciles for the linear part; few words get a vocabulary, many are hashed; ids are one-hot
    or embedded by their number. Features with one value only, and texts that differ in nearly every row, are left out. It is a start:
    print it, change it, keep it.

    Args:
        table: a dict of columns, a pandas, polars or Arrow table, an iterable of batches (a `Dataset`), or an input_fn; read once.
        label: the column to predict, which is left out.
        weight: the column of row weights, which is left out too.

    Returns:
        A `Suggestion`: `print` it, or use its `linear_columns` and `dnn_columns`.

    Raises:
        ValueError: if there are no rows or features, or the label is not there.

    Example:
        >>> from estimax import feature_columns as fc
        >>> jobs = ["cook", "smith", "cook", "baker"] * 25
        >>> print(fc.suggest({"job": jobs, "id": range(100), "rich": [0, 1] * 50}, label="rich"))  # doctest: +ELLIPSIS
        from estimax import feature_columns as fc
        <BLANKLINE>
        # job: 3 different words in 100 rows: a vocabulary, most frequent first; 1 more id for others; one-hot.
        job = fc.categorical_column_with_vocabulary_list("job", ['cook', 'baker', 'smith'], num_oov_buckets=1)
        # id: left out: a whole number in steps of 1, another in every row: a row number.
        <BLANKLINE>
        linear_columns = [job]
        dnn_columns = [fc.indicator_column(job)]
    """
    summaries: dict[str, Summary] = {}
    for features in batches_of(table):
        for key, raw in features.items():
            summaries.setdefault(str(key), Summary(str(key))).add(_column(raw), most_values=_MOST_COUNTED)
    for name, chosen in (("label", label), ("weight", weight)):
        if chosen is not None and summaries.pop(chosen, None) is None:
            raise InputDataError(f"{name}: {chosen!r} is not in the table. Its columns: {sorted(summaries)}.")
    if not summaries or not any(s.rows for s in summaries.values()):
        raise InputDataError("table: there are no rows or no features. Give a table, a dict of columns, or batches.")
    names = _variable_names(list(summaries))
    parts = [_part(names[key], summary) for key, summary in summaries.items()]
    code = ["from estimax import feature_columns as fc", ""]
    for part in parts:
        code += [f"# {part.reason}", *part.lines]
    linear, dnn = ([x for p in parts for x in getattr(p, kind)] for kind in ("linear", "dnn"))
    code += ["", f"linear_columns = [{', '.join(linear)}]", f"dnn_columns = [{', '.join(dnn)}]"]
    text = "\n".join(code)
    scope: dict[str, Any] = {}
    # The columns are what the printed code makes, so that the two cannot differ. All names in it are literals made by repr().
    exec(compile(text, "<suggestion>", "exec"), scope)  # noqa: S102
    return Suggestion(text, scope["linear_columns"], scope["dnn_columns"])


def _column(raw: Any) -> Any:
    return list(raw) if isinstance(raw, range) else raw


def _part(name: str, summary: Summary) -> _Part:
    title = _one_line(summary.key)
    for propose in (_left_out, _numbers, _integers, _words):
        part = propose(name, summary)
        if part is not None:
            return dataclasses.replace(part, reason=f"{title}: {part.reason}")
    return _Part(f"{title}: left out: values of type {summary.kind}.")


def _left_out(name: str, s: Summary) -> _Part | None:
    distinct = len(s.counts()) if s.kind != "float" else len(np.unique(s.sample))
    if not s.entries:
        return _Part("left out: no value at all.")
    if distinct == 1 and not s.nulls:
        return _Part("left out: the same value in every row.")
    if s.width > 1 or s.layout != "dense":
        return None
    every = s.has_all_counts and distinct == s.entries and s.entries >= 50
    if s.kind == "integer" and every and s.low is not None and s.high is not None and s.high - s.low + 1 == distinct:
        return _Part("left out: a whole number in steps of 1, another in every row: a row number.")
    if s.kind == "string" and (not s.has_all_counts or distinct > 0.9 * s.entries) and s.entries >= 50:
        return _Part("left out: a text that differs in nearly every row: a name or key. Split it into parts that repeat.")
    return None


def _numbers(name: str, s: Summary) -> _Part | None:
    if s.kind not in ("float", "integer", "bool") or s.layout not in ("dense", "lists") and s.kind != "float":
        return None
    distinct = len(np.unique(s.sample)) if s.kind == "float" else len(s.counts())
    if s.kind == "integer" and distinct <= 20:
        return None
    if s.layout not in ("dense", "lists"):
        return _Part(
            f"numbers in rows of up to {s.width}: a sequence, for SequenceFeatures and the RNN estimators.",
            [f"{name} = fc.sequence_numeric_column({_double(s.key)})"],
        )
    shape = "" if s.width == 1 else f", shape=({s.width},)"
    default = f", default_value={_short(float(np.median(s.sample)))}" if s.nulls else ""
    filled = f"; {s.nulls} missing, filled with the median (NaN passes: drop or fill those in input_fn)" if s.nulls else ""
    if s.kind == "bool":
        line = f"{name} = fc.numeric_column({_double(s.key)}{shape}{default})"
        return _Part(f"true or false, as 1 and 0{filled}.", [line], [name], [name])
    scaled = f"fc.Standardize(mean={_short(s.mean or 0.0)}, std={_short(s.std or 1.0)})"
    kind = "whole numbers" if s.kind == "integer" else "numbers"
    cuts = quantile_boundaries(s.sample, 10)
    lines = [
        f"{name} = fc.numeric_column({_double(s.key)}{shape}{default}, normalizer_fn={scaled})",
        f"{name}_ranges = fc.bucketized_column(fc.numeric_column({_double(s.key)}{shape}{default}), {[_plain(c) for c in cuts]})",
    ]
    reason = f"{kind} from {_short(s.low or 0.0)} to {_short(s.high or 0.0)}: standardized; {len(cuts) + 1} ranges at the deciles{filled}."
    return _Part(reason, lines, [f"{name}_ranges"], [name])


def _integers(name: str, s: Summary) -> _Part | None:
    if s.kind != "integer":
        return None
    counts = s.counts()
    low, high = int(s.low or 0), int(s.high or 0)
    if 0 <= low and high < 2 * len(counts) + 8:
        line = f"{name} = fc.categorical_column_with_identity({_double(s.key)}, {high + 1}, default_value=0)"
        return _ids(name, high + 1, f"{len(counts)} small whole numbers up to {high}: ids as they are, others as 0", [line])
    return _vocabulary(name, s, "whole numbers")


def _words(name: str, s: Summary) -> _Part | None:
    return _vocabulary(name, s, "words") if s.kind == "string" else None


def _vocabulary(name: str, s: Summary, kind: str) -> _Part:
    counts = s.counts()
    many = "rows of several: " if s.width > 1 or s.layout != "dense" else ""
    if len(counts) <= _LARGEST_VOCABULARY and s.has_all_counts:
        values = [v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else v for v, _ in counts]
        line = f"{name} = fc.categorical_column_with_vocabulary_list({_double(s.key)}, {values!r}, num_oov_buckets=1)"
        reason = f"{many}{len(counts)} different {kind} in {s.rows} rows: a vocabulary, most frequent first; 1 more id for others"
        return _ids(name, len(counts) + 1, reason, [line])
    size = 2 ** math.ceil(math.log2(2 * len(counts)))
    dtype = "" if s.kind == "string" else ', dtype="int64"'
    line = f"{name} = fc.categorical_column_with_hash_bucket({_double(s.key)}, {size}{dtype})"
    least = "" if s.has_all_counts else "at least "
    return _ids(name, size, f"{many}{least}{len(counts)} different {kind}: hashed to {size} ids, at least two for each", [line])


def _ids(name: str, size: int, reason: str, lines: list[str]) -> _Part:
    if size <= _LARGEST_INDICATOR:
        return _Part(f"{reason}; one-hot.", lines, [name], [f"fc.indicator_column({name})"])
    # The fourth root of the number of ids, doubled: Cheng et al., "Wide & Deep Learning", 2016, use 32 for large vocabularies.
    dimension = min(64, max(4, round(2 * size**0.25)))
    return _Part(f"{reason}; embedded in {dimension} dimensions.", lines, [name], [f"fc.embedding_column({name}, {dimension})"])


def _variable_names(keys: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    used = {"fc", "linear_columns", "dnn_columns"}
    for key in keys:
        name = re.sub(r"\W|^(?=\d)", "_", key, flags=re.ASCII).lower() or "feature"
        name = name + "_" if keyword.iskeyword(name) else name
        while name in used or f"{name}_ranges" in used:
            name += "_"
        used |= {name, f"{name}_ranges"}
        names[key] = name
    return names


def _one_line(key: str) -> str:
    return key if key.isprintable() else repr(key)


def _double(key: str) -> str:
    return f'"{key}"' if key.isprintable() and not set(key) & {'"', "\\"} else repr(key)


def _short(x: float) -> str:
    return f"{x:.6g}"


def _plain(x: float) -> float | int:
    return int(x) if float(x).is_integer() and abs(x) < 2**53 else x
