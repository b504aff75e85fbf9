"""SparseTensor, RaggedTensor, structures and specs."""

from __future__ import annotations

import collections
import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import estimax.data
from estimax.data import RaggedTensor, SparseTensor, TensorSpec
from estimax.data.specs import dtype_name, merge, spec_of
from estimax.data.structure import flatten, leaf_names, map_leaves, rebuild


@pytest.mark.parametrize("name", sorted(m.name for m in pkgutil.iter_modules(estimax.data.__path__)))
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"estimax.data.{name}"))
    assert result.failed == 0


def test_public_names_exist_and_are_documented() -> None:
    for name in estimax.data.__all__:
        value = getattr(estimax.data, name)
        assert isinstance(value, int) or value.__doc__, name


def test_sparse() -> None:
    dense = np.array([[0, 5, 0], [0, 0, 0], [7, 0, 8]])
    x = SparseTensor.from_dense(dense)
    np.testing.assert_array_equal(x.to_dense(), dense)
    np.testing.assert_array_equal(x.take(np.array([2, 0, 2])).to_dense(), dense[[2, 0, 2]])
    np.testing.assert_array_equal(x.row(2).to_dense(), dense[2])
    np.testing.assert_array_equal(SparseTensor.from_scipy(x.to_scipy()).to_dense(), dense)
    text = SparseTensor.from_dense([["a", ""], ["", "b"]])
    assert text.to_dense().tolist() == [["a", ""], ["", "b"]]
    assert SparseTensor.from_dense([1, -1, 2], missing=-1).values.tolist() == [1, 2]
    with pytest.raises(ValueError, match="need as many values"):
        SparseTensor([[0, 0]], [1, 2], [1, 1])
    with pytest.raises(ValueError, match=r"must be \[n, 2\]"):
        SparseTensor([[0]], [1], [1, 1])


def test_ragged() -> None:
    x = RaggedTensor.from_rows([[1, 2], [], [3]])
    assert x.to_dense().tolist() == [[1, 2], [0, 0], [3, 0]]
    assert x.to_padded(1, -1).tolist() == [[1], [-1], [3]]
    assert x.to_sparse().dense_shape.tolist() == [3, 2]
    assert x.take(np.array([2, 0])).to_list() == [[3], [1, 2]]
    nested = RaggedTensor([[0, 2, 3], *x.nested_row_splits], x.flat_values)
    assert nested.to_list() == [[[1, 2], []], [[3]]]
    assert nested.row(0).to_list() == [[1, 2], []]
    assert RaggedTensor.from_arrow(nested.to_arrow()).to_list() == nested.to_list()
    assert nested.shape == (2, None, None)
    with pytest.raises(ValueError, match="must rise from 0 to 2"):
        RaggedTensor([[0, 3]], [1, 2])


def test_structures() -> None:
    pair = collections.namedtuple("pair", "a b")
    tree = {"x": pair(1, (2, 3)), "y": 4}
    assert flatten(tree) == [1, 2, 3, 4]
    assert rebuild(tree, [5, 6, 7, 8]) == {"x": pair(5, (6, 7)), "y": 8}
    assert map_leaves(lambda v: -v, tree)["x"].b == (-2, -3)
    assert leaf_names(tree) == ['["x"][0]', '["x"][1][0]', '["x"][1][1]', '["y"]']


def test_specs() -> None:
    assert spec_of({"a": 1, "b": "x"}) == {"a": TensorSpec((), "int64"), "b": TensorSpec((), "string")}
    assert merge(TensorSpec((2, 3), "int64"), TensorSpec((4, 3), "int64")) == TensorSpec((None, 3), "int64")
    with pytest.raises(TypeError, match="dtypes int64 and float32 differ"):
        merge(TensorSpec((), "int64"), TensorSpec((), "float32"))
    with pytest.raises(TypeError, match="expected a NumPy dtype"):
        dtype_name(object())
