"""tf.train.Example, SequenceExample and TFRecord files, compared with what TensorFlow read and wrote."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from estimax import data
from tests.golden import golden


def lookup(name: str) -> Any:
    target: Any = data
    for part in name.split(".")[1:]:  # "io.RaggedFeature.RowLengths" is data.RaggedFeature.RowLengths
        target = getattr(target, part)
    return target


def spec(tree: dict) -> dict:
    return golden.build_tf(tree, lookup, {})


def one_feature(tree: Any) -> Any:
    if tree is None:
        return data.Feature()
    ((kind, values),) = tree.items()
    dtype = {"bytes": "string", "float": "float32"}.get(kind, kind)
    return data.Feature(kind, golden.array(values, dtype, [-1]).tolist() if values else [])


def message(tree: dict) -> Any:
    if "context" in tree or "feature_lists" in tree:
        lists = {k: [one_feature(f) for f in v] for k, v in tree.get("feature_lists", {}).items()}
        return data.SequenceExample({k: one_feature(f) for k, f in tree.get("context", {}).items()}, lists)
    return data.Example({k: one_feature(f) for k, f in tree.items()})


def check(got: Any, want: dict, what: str) -> None:
    kind = next(iter(want))
    expected = golden.value(want)
    dtype = want[kind].get("dtype") or want[kind]["flat_values"]["dtype"]
    if kind == "sparse":
        np.testing.assert_array_equal(got.indices, expected.indices, err_msg=what)
        np.testing.assert_array_equal(got.dense_shape, expected.dense_shape, err_msg=what)
        got, expected = got.values, expected.values
    elif kind == "ragged":
        assert len(got.nested_row_splits) == len(expected.nested_row_splits), what
        for a, b in zip(got.nested_row_splits, expected.nested_row_splits):
            np.testing.assert_array_equal(a, b, err_msg=what)
        got, expected = got.flat_values, expected.flat_values
    if dtype != "string":
        assert np.asarray(got).dtype == dtype, f"{what}: dtype {np.asarray(got).dtype}"
    golden.assert_tf(got, expected, rtol=0, atol=0, what=what)


def check_all(got: dict, want: dict, what: str) -> None:
    assert set(got) == set(want), what
    for name in want:
        check(got[name], want[name], f"{what} {name}")


def run_parse(case: dict) -> tuple[dict, dict, dict]:
    raw = case["serialized"]
    given: Any = [base64.b64decode(s) for s in raw] if isinstance(raw, list) else base64.b64decode(raw)
    function = getattr(data, case["parse"])
    if "sequence" not in case["parse"]:
        return function(given, spec(case["spec"])), {}, {}
    context, values, *lengths = function(given, spec(case.get("context_spec", {})), spec(case["spec"]))
    return values, context, lengths[0] if lengths else {}


def run_records(case: dict) -> None:
    want, given = case["expected"], case["tfrecord"]
    expected = golden.value(want["records"]).tolist()
    path, read, failed = str(golden.root() / "tf" / given["file"]), [], False
    try:
        for record in data.tf_record_iterator(path, given["compression"]):
            read.append(record)
    except (data.DataLossError, FileNotFoundError):
        failed = True
    assert read == expected
    assert len(read) == want["records_read"]
    assert failed == ("error" in want)


@golden.parametrize("tf", "parsing")
def test_case(file: str, case: dict) -> None:
    want = case["expected"]
    if "tfrecord" in case:
        run_records(case)
        return
    if "example" in case and isinstance(case["serialized"], str):
        assert base64.b64encode(message(case["example"]).serialize()).decode() == case["serialized"]
    if "serialized_again" in want:
        built = message(case["example"])
        again = type(built).parse(base64.b64decode(case["serialized"])).serialize()
        assert base64.b64encode(again).decode() == want["serialized_again"]
        return
    if "error" in want:
        with pytest.raises((ValueError, TypeError)):  # DataLossError and InvalidDataError are ValueErrors
            run_parse(case)
        return
    values, context, lengths = run_parse(case)
    check_all(values, want["values"], "values")
    check_all(context, want.get("context", {}), "context")
    if "lengths" in want:
        check_all(lengths, want["lengths"], "lengths")
