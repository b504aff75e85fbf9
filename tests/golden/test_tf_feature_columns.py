"""TensorFlow's feature columns, case by case: names, parse specs, ids, and what the layers give."""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import data
from estimax import feature_columns as fc
from tests.golden import golden


def of_floats(function: Any, *constants: Any) -> Any:
    """A function as TensorFlow has it: integers are refused, where a function gives floats or a constant is one."""

    def checked(x: Any) -> Any:
        if jnp.issubdtype(x.dtype, jnp.integer) and (not constants or any(isinstance(c, float) for c in constants)):
            raise TypeError(f"given {x.dtype}, expected floats")
        return function(x)

    return checked


CALLABLES = {
    "scale": lambda a: of_floats(lambda x: x * a, a),
    "shift_scale": lambda m, s: of_floats(lambda x: (x - m) / s, m, s),
    "clip": lambda lo, hi: of_floats(lambda x: jnp.clip(x, lo, hi), lo, hi),
    "log1p": lambda: of_floats(jnp.log1p),
    "square": lambda: jnp.square,
    "exp": lambda: of_floats(jnp.exp),
    "sigmoid": lambda: of_floats(jax.nn.sigmoid),
    "softplus": lambda: of_floats(jax.nn.softplus),
    "relu": lambda: jax.nn.relu,
    "tanh": lambda: of_floats(jnp.tanh),
    "identity": lambda: lambda x: x,
    "add_scalar_of_ones": lambda: lambda x: x + jnp.ones_like(x),
}


def lookup(name: str) -> Any:
    family, _, last = name.rpartition(".")
    if family == "io":
        return getattr(data, last)
    if family == "estimator":
        from estimax import estimator

        return getattr(estimator, last)
    return getattr(fc, name)


def decode(t: dict) -> Any:
    found = golden.value(t)
    if isinstance(found, golden.Sparse):
        return data.SparseTensor(found.indices, found.values, found.dense_shape)
    if isinstance(found, golden.Ragged):
        return data.RaggedTensor(found.nested_row_splits, found.flat_values)
    return found


def build(tree: Any) -> Any:
    return golden.build_tf(tree, lookup, CALLABLES, decode)


def build_columns(trees: list) -> list:
    columns: list = []
    for tree in trees:
        built = build(tree)
        columns += built if isinstance(built, list) else [built]
    return columns


def categorical_columns(columns: list) -> dict[str, Any]:
    """The categorical columns, also those inside indicator and embedding columns, by name."""
    found = {}
    for column in columns:
        inner = getattr(column, "categorical_column", None)
        if inner is not None and not isinstance(column, fc.CategoricalColumn):
            column = inner
        if isinstance(column, fc.CategoricalColumn):
            found[column.name] = column
    return found


def is_error(expected: Any) -> bool:
    return isinstance(expected, dict) and "error" in expected


def departs(case: dict, part: str) -> str | None:
    """Why estimax gives something else than TensorFlow here, on purpose (see docs/differences.md)."""
    text = str(case["columns"])
    if is_error(case["expected"].get(part)) and "'sequence_numeric_column'" in text and "'normalizer_fn'" in text:
        return "the normalizer of a sequence_numeric_column gets an array, so that any function of arrays works"
    if (
        "'use_safe_embedding_lookup': False" in text
        and part == "dense"
        and any(map(ends_empty, build(case["features"]).values()))
    ):
        return "an empty last row gives a row of zeros instead of no row"
    return None


def ends_empty(value: Any) -> bool:
    """Whether the last row of a feature holds nothing."""
    if isinstance(value, data.SparseTensor):
        return int(np.max(np.asarray(value.indices)[:, 0], initial=-1)) + 1 < value.dense_shape[0]
    return isinstance(value, np.ndarray) and len(value) > 0 and bool(np.isin(value[-1], [-1, b""]).all())


def as_sparse(features: dict) -> dict:
    """Ragged features as sparse ones: TensorFlow refuses ragged ones, estimax takes them for the same."""
    return {k: v.to_sparse() if isinstance(v, data.RaggedTensor) else v for k, v in features.items()}


def as_dense(value: Any) -> Any:
    return value.to_dense() if isinstance(value, data.RaggedTensor) else value


def set_weights(layer: Any, weights: dict) -> None:
    by_path = {v.path.partition("/")[2]: v for v in layer.variables}
    for name, value in weights.items():
        by_path[name].assign(golden.value(value))


def run_model(kind: str, columns: list, features: dict, settings: dict) -> Any:
    if kind == "linear":
        layer: Any = fc.LinearModel(columns, settings.get("units", 1), settings.get("sparse_combiner", "sum"))
    else:
        layer = fc.DenseFeatures(columns) if kind == "dense" else fc.SequenceFeatures(columns)
    layer.build(None)
    set_weights(layer, settings.get("weights", {}))
    return layer, layer(features)


def check_ids(found: Any, want: dict, rtol: float, atol: float) -> None:
    sparse = golden.value(want["ids"])
    assert found.values.dtype == sparse.values.dtype
    np.testing.assert_array_equal(found.values, sparse.values)
    np.testing.assert_array_equal(found.indices(), sparse.indices)
    np.testing.assert_array_equal(found.shape, sparse.dense_shape)
    if "weights" in want:
        weights = golden.value(want["weights"])
        golden.assert_tf(found.weights.values, weights.values, rtol=rtol, atol=atol, what="weights")
        np.testing.assert_array_equal(found.weights.indices(), weights.indices)


def check_spec(got: dict, want: dict) -> None:
    want = build(want)
    assert sorted(got) == sorted(want)
    for key in want:
        assert got[key] == want[key] or str(got[key]) == str(want[key]), key  # as text NaN equals NaN


def check_case(file: str, case: dict) -> None:
    expected = case["expected"]
    rtol, atol = golden.read(file).get("rtol", 1e-5), golden.read(file).get("atol", 1e-6)
    if is_error(expected.get("build")):
        with pytest.raises((ValueError, TypeError)):
            build_columns(case["columns"])
        return
    columns = build_columns(case["columns"])
    assert [c.name for c in columns] == expected["names"]
    if is_error(expected["parse_spec"]):
        with pytest.raises(ValueError):
            fc.make_parse_example_spec(columns)
    else:
        check_spec(fc.make_parse_example_spec(columns), expected["parse_spec"])
    if "features" not in case:
        return
    features = build(case["features"])
    ragged = any(isinstance(v, data.RaggedTensor) for v in features.values())
    if "ids" in expected:
        categorical = categorical_columns(columns)
        if ragged:
            for column in categorical.values():
                a, b = fc.ids_of(column, features), fc.ids_of(column, as_sparse(features))
                np.testing.assert_array_equal(a.values, b.values)
                np.testing.assert_array_equal(a.indices(), b.indices())
        elif is_error(expected["ids"]):
            with pytest.raises((ValueError, TypeError)):
                for column in categorical.values():
                    fc.ids_of(column, features)
        else:
            for name, want in expected["ids"].items():
                if is_error(want):
                    with pytest.raises((ValueError, TypeError)):
                        fc.ids_of(categorical[name], features)
                else:
                    check_ids(fc.ids_of(categorical[name], features), want, rtol, atol)
    for kind, settings in case.get("models", {}).items():
        check_model(case, kind, settings, columns, features, ragged, rtol, atol)


def check_ragged(kind: str, settings: dict, columns: list, features: dict) -> None:
    """TensorFlow refuses ragged features; estimax gives the same as for sparse ones of equal width."""
    layer, got = run_model(kind, columns, features, settings)
    try:
        want = layer(as_sparse(features))
    except (ValueError, TypeError):
        # Numeric columns refuse sparse values, but rows of one length are as good as dense ones.
        want = layer({k: as_dense(v) for k, v in features.items()})
    if kind == "sequence":
        np.testing.assert_array_equal(got[1], want[1])
        got, want = got[0][:, : want[0].shape[1]], want[0]
    golden.assert_tf(got, want, what=kind)


def check_model(
    case: dict, kind: str, settings: dict, columns: list, features: dict, ragged: bool, rtol: float, atol: float
) -> None:
    expected = case["expected"][kind]
    if reason := departs(case, kind):
        with contextlib.suppress(*([ValueError, TypeError] if is_error(expected) else [])):
            run_model(kind, columns, features, settings)
            pytest.xfail(reason)
        return
    if is_error(expected):
        if ragged:
            check_ragged(kind, settings, columns, features)
            return
        with pytest.raises((ValueError, TypeError)):
            run_model(kind, columns, features, settings)
        return
    layer, got = run_model(kind, columns, features, settings)
    if kind == "sequence":
        got, lengths = got
        golden.assert_tf(lengths, golden.value(expected["sequence_length"]), what="sequence_length")
    golden.assert_tf(got, golden.value(expected["output"]), rtol=rtol, atol=atol, what=kind)
    if "order" in expected:
        assert sorted(c.name for c in columns) == expected["order"]
    if "per_column" in expected:
        parts: dict = {}
        layer(features, parts)
        by_name = {c.name: v for c, v in parts.items()}
        for name, want in expected["per_column"].items():
            golden.assert_tf(by_name[name], golden.value(want), rtol=rtol, atol=atol, what=name)


@golden.parametrize("tf", "feature_columns", only=lambda file, case: "columns" in case)
def test_columns(file: str, case: dict) -> None:
    check_case(file, case)


@golden.parametrize("tf", "feature_columns", only=lambda file, case: "spec_call" in case)
def test_parse_spec_of_estimators(file: str, case: dict) -> None:
    expected = case["expected"]
    if is_error(expected.get("build")):
        with pytest.raises((ValueError, TypeError)):
            build(case["spec_call"])
        return
    check_spec(build(case["spec_call"]), expected["parse_spec"])
