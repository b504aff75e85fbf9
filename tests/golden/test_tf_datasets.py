"""Order, shape and type of tf.data pipelines, compared with what TensorFlow gave."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from estimax.data import (
    Dataset,
    DatasetSpec,
    RaggedTensor,
    RaggedTensorSpec,
    SparseTensor,
    SparseTensorSpec,
    TensorSpec,
)
from tests.golden import golden


def _map_dict(x: Any) -> Any:
    return {"x": x, "y": x * 2}


CALLABLES = {
    "add": lambda a: lambda x: x + a,
    "mul": lambda a: lambda x: x * a,
    "is_even": lambda: lambda x: x % 2 == 0,
    "mod_equals": lambda m, r: lambda x: x % m == r,
    "less_than": lambda a: lambda x: x < a,
    "range_of": lambda: lambda x: Dataset.range(x),
    "repeat_elem": lambda n: lambda x: Dataset.from_tensors(x).repeat(n),
    "range_from_times10": lambda n: lambda x: Dataset.range(x * 10, x * 10 + n),
    "iota": lambda: lambda x: np.arange(x),
    "fill": lambda: lambda x: np.full([x], x, np.int64),
    "pair_with_square": lambda: lambda x: (x, x * x),
    "swap": lambda: lambda a, b: (b, a),
    "sum2": lambda: lambda a, b: a + b,
    "as_dict": lambda: _map_dict,
    "running_sum": lambda: lambda s, x: (s + x, s + x),
    "running_max": lambda: lambda s, x: (np.maximum(s, x), np.maximum(s, x)),
    "fib": lambda: lambda s, x: ((s[1], s[0] + s[1]), s[0]),
    "length": lambda: lambda x: np.shape(x)[0],
    "sum_reduce": lambda: lambda s, x: s + x,
    "batch_window": lambda n: lambda w: w.batch(n),
}


def decode(value: dict) -> Any:
    found = golden.value(value)
    if isinstance(found, golden.Sparse):
        return SparseTensor(found.indices, found.values, found.dense_shape)
    if isinstance(found, golden.Ragged):
        return RaggedTensor(found.nested_row_splits, found.flat_values)
    return found


def argument(tree: Any) -> Any:
    if isinstance(tree, list):
        return [argument(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if "dataset" in tree:
        return chain(tree["dataset"])
    if "tuple" in tree and len(tree) == 1:
        return tuple(argument(tree["tuple"]))
    if "dict" in tree and len(tree) == 1:
        return {key: argument(part) for key, part in tree["dict"].items()}
    if golden.is_value(tree):
        return decode(tree)
    if "callable" in tree:
        return CALLABLES[tree["callable"]](*tree.get("args", []))
    return golden.build_tf(tree, lambda name: getattr(Dataset, name.rpartition(".")[2]), CALLABLES, decode)


def chain(steps: list) -> Dataset:
    dataset: Any = Dataset
    for method, *rest in steps:
        args = argument(rest[0]) if rest else []
        kwargs = {key: argument(part) for key, part in (rest[1] if len(rest) > 1 else {}).items()}
        dataset = getattr(dataset, method)(*args, **kwargs)
    return dataset


def spec_tree(spec: Any) -> Any:
    if isinstance(spec, dict):
        return {key: spec_tree(part) for key, part in spec.items()}
    if isinstance(spec, tuple):
        return {"tuple": [spec_tree(part) for part in spec]}
    if isinstance(spec, TensorSpec):
        return {"dtype": spec.dtype, "shape": None if spec.shape is None else list(spec.shape)}
    named = {SparseTensorSpec: "SparseTensorSpec", RaggedTensorSpec: "RaggedTensorSpec", DatasetSpec: "DatasetSpec"}
    return named[type(spec)]


def assert_element(got: Any, want: Any, what: str) -> None:
    if "tuple" in want:
        assert isinstance(got, tuple) and len(got) == len(want["tuple"]), f"{what}: {got!r}"
        for i, (g, w) in enumerate(zip(got, want["tuple"])):
            assert_element(g, w, f"{what}[{i}]")
    elif "dict" in want:
        assert isinstance(got, dict) and set(got) == set(want["dict"]), f"{what}: {got!r}"
        for key, w in want["dict"].items():
            assert_element(got[key], w, f"{what}[{key!r}]")
    elif "elements" in want:
        elements = list(got)
        assert len(elements) == len(want["elements"]), f"{what}: {elements!r}"
        for i, (g, w) in enumerate(zip(elements, want["elements"])):
            assert_element(g, w, f"{what}[{i}]")
    elif "sparse" in want:
        w = golden.value(want)
        np.testing.assert_array_equal(got.indices, w.indices, err_msg=what)
        np.testing.assert_array_equal(got.dense_shape, w.dense_shape, err_msg=what)
        golden.assert_tf(got.values, w.values, what=what)
    elif "ragged" in want:
        w = golden.value(want)
        assert isinstance(got, RaggedTensor)
        assert len(got.nested_row_splits) == len(w.nested_row_splits)
        for a, b in zip(got.nested_row_splits, w.nested_row_splits):
            np.testing.assert_array_equal(a, b, err_msg=what)
        golden.assert_tf(got.flat_values, w.flat_values, what=what)
    else:
        dtype = want["dense"]["dtype"]
        if dtype != "string":
            assert np.asarray(got).dtype.name == dtype, f"{what}: dtype {np.asarray(got).dtype}, expected {dtype}"
        golden.assert_tf(np.asarray(got), golden.value(want), what=what)


def flat(elements: list) -> list:
    return [v for e in elements for v in np.asarray(e).ravel().tolist()]


def check_shuffled(dataset: Dataset, rules: dict, want: dict) -> None:
    elements = list(dataset)
    values = flat(elements)
    assert len(elements) == want["count"]
    assert sorted(values) == want["multiset"]
    if rules.get("check_lookahead", True) and "buffer_size" in rules:
        positions: dict[Any, list[int]] = {}
        for i, value in enumerate(flat(list(chain(rules["source"])))):
            positions.setdefault(value, []).append(i)
        assert Counter(values) == Counter({k: len(v) for k, v in positions.items()})
        for p, value in enumerate(values):
            assert positions[value][0] < p + rules["buffer_size"], f"position {p} holds {value}"
    if rules.get("same_on_second_pass"):
        assert flat(list(dataset)) == values


@golden.parametrize("tf", "datasets")
def test_case(file: str, case: dict) -> None:
    want = case["expected"]
    if "error" in want:
        with pytest.raises((ValueError, TypeError)):  # DataLossError is a ValueError
            dataset = chain(case["chain"])
            if "reduce" in case:
                dataset.reduce(*argument(case["reduce"]))
            for element in dataset:
                assert element is not None
        return
    dataset = chain(case["chain"])
    if "reduce" in case:
        assert_element(dataset.reduce(*argument(case["reduce"])), want["result"], "reduce")
        return
    assert dataset.cardinality() == want["cardinality"]
    if "element_spec" in want:
        assert spec_tree(dataset.element_spec) == want["element_spec"]
    if "shuffled" in case:
        check_shuffled(dataset, case["shuffled"], want)
        return
    elements = list(dataset)
    assert len(elements) == len(want["elements"])
    for i, (got, expected) in enumerate(zip(elements, want["elements"])):
        assert_element(got, expected, f"element {i}")
    half = iter(dataset)
    for _ in range(len(elements) // 2):
        next(half)
    state = json.loads(json.dumps(half.get_state()))
    resumed = iter(chain(case["chain"]))
    resumed.set_state(state)
    rest = list(resumed)
    assert len(rest) == len(elements) - len(elements) // 2
    for got, expected in zip(rest, want["elements"][len(elements) // 2 :]):
        assert_element(got, expected, "after a restart")
