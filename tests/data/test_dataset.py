"""Elements, types and order of chains that the golden cases do not cover, and what bad arguments say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from estimax.data import Dataset, InvalidDataError, RaggedTensor, SparseTensor, TensorSpec


def ints(dataset: Dataset) -> list[int]:
    return [int(x) for x in dataset]


def test_types_of_python_values() -> None:
    (element,) = Dataset.from_tensors({"i": 1, "f": 1.5, "b": True, "s": "x", "l": [1.0, 2.0], "n": ["a", "b"]})
    assert element["i"].dtype == np.int64
    assert element["f"].dtype == np.float32
    assert element["b"].dtype == np.bool_
    assert element["s"] == "x"
    assert element["l"].dtype == np.float32
    assert element["n"].tolist() == ["a", "b"]


def test_numpy_types_stay() -> None:
    batch = next(
        iter(Dataset.from_tensor_slices({"x": np.arange(4, dtype=np.int16), "s": np.array([b"a", b"b", b"c", b"d"])}).batch(2))
    )
    assert batch["x"].dtype == np.int16
    assert batch["s"].dtype == np.dtype("S1")


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_data_frames_are_dicts_of_columns(kind: str) -> None:
    columns = {"a": [1, 2, 3], "s": ["x", None, "z"]}
    frame = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[kind](columns)
    dataset = Dataset.from_tensor_slices((frame, np.arange(3)))
    features, labels = next(iter(dataset.batch(3)))
    assert features["a"].tolist() == [1, 2, 3]
    assert features["s"].tolist() == ["x", "", "z"]
    assert labels.tolist() == [0, 1, 2]
    assert dataset.element_spec == ({"a": TensorSpec((), "int64"), "s": TensorSpec((), "string")}, TensorSpec((), "int64"))


def test_arrow_lists_are_ragged() -> None:
    dataset = Dataset.from_arrow(pa.table({"l": [[1, 2], None, [3]]})).shuffle(3, seed=1).batch(3)
    batch = next(iter(dataset))
    assert isinstance(batch["l"], RaggedTensor)
    assert sorted(batch["l"].to_list()) == [[], [1, 2], [3]]


def test_gaps_in_arrow_columns() -> None:
    table = pa.table({"i": pa.array([1, None], pa.int32()), "u": pa.array([None, 2], pa.uint8()), "f": [None, 1.5]})
    batch = next(iter(Dataset.from_arrow(table).batch(2)))
    assert batch["i"].tolist() == [1, -1]
    assert batch["i"].dtype == np.int32
    assert batch["u"].tolist() == [-1, 2]
    assert np.isnan(batch["f"][0])
    frame = pd.DataFrame({"i": pd.array([3, None], "Int64")})
    assert next(iter(Dataset.from_tensor_slices(frame).batch(2)))["i"].tolist() == [3, -1]


def test_text_is_encoded_only_where_wanted() -> None:
    text = np.array(["a", "b", "c", "d"] * 2000, object)
    dataset = Dataset.from_tensor_slices({"s": text, "x": np.arange(8000)}).shuffle(8000, seed=1).batch(100)
    plain, encoded = next(iter(dataset)), next(dataset.make_iterator(columns="arrow"))
    assert isinstance(plain["s"], np.ndarray)
    assert isinstance(encoded["s"], pa.DictionaryArray)
    assert encoded["s"].to_pylist() == text[encoded["x"]].tolist()
    assert plain["s"].tolist() == text[plain["x"]].tolist()


def test_functions_never_see_encoded_text() -> None:
    text = np.array(["a", "b"] * 4000, object)
    seen = []
    dataset = Dataset.from_tensor_slices({"s": text}).batch(10).map(lambda f: seen.append(type(f["s"])) or f)
    next(dataset.make_iterator(columns="arrow"))
    assert seen == [np.ndarray]


def test_many_numeric_columns_are_gathered_by_rows() -> None:
    n = 60_000  # large enough to be laid out by rows
    columns = {f"c{i}": np.arange(n, dtype=np.float32) + i for i in range(20)} | {"i": np.arange(n), "b": np.arange(n) % 2 == 0}
    dataset = Dataset.from_tensor_slices(columns).shuffle(n, seed=3).batch(500)
    for batch in dataset.take(3):
        for i in range(20):
            np.testing.assert_array_equal(batch[f"c{i}"], batch["i"].astype(np.float32) + i)
        np.testing.assert_array_equal(batch["b"], batch["i"] % 2 == 0)


def test_vectorized_map_sees_many_rows() -> None:
    sizes = []

    def double(x: np.ndarray) -> np.ndarray:
        sizes.append(len(x))
        return x * 2

    assert ints(Dataset.range(1000).map(double, vectorized=True).take(5)) == [0, 2, 4, 6, 8]
    assert sizes[0] > 1


def test_vectorized_map_must_keep_the_rows() -> None:
    with pytest.raises(InvalidDataError, match="one row for each"):
        list(Dataset.range(10).map(lambda x: x[:1], vectorized=True))


def test_tuples_are_arguments_and_lists_become_tuples() -> None:
    pairs = list(Dataset.range(2).map(lambda x: [x, x + 1]).map(lambda a, b: a + b))
    assert [int(p) for p in pairs] == [1, 3]


def test_enumerate_zip_concatenate_stay_columnar_and_right() -> None:
    dataset = Dataset.range(5).concatenate(Dataset.range(100, 103)).enumerate(start=10)
    assert [(int(a), int(b)) for a, b in dataset][4:6] == [(14, 4), (15, 100)]
    batch = next(iter(dataset.batch(8)))
    assert batch[1].tolist() == [0, 1, 2, 3, 4, 100, 101, 102]


def test_sample_and_choose() -> None:
    zeros, ones = Dataset.from_tensors(np.int64(0)).repeat(), Dataset.from_tensors(np.int64(1)).repeat()
    drawn = ints(Dataset.sample_from_datasets([zeros, ones], [0.9, 0.1], seed=1).take(2000))
    assert 0.05 < np.mean(drawn) < 0.15
    ended = Dataset.sample_from_datasets([Dataset.range(3), Dataset.range(10, 13)], seed=2)
    assert sorted(ints(ended)) == [0, 1, 2, 10, 11, 12]


def test_rejection_resample_reaches_the_target() -> None:
    labels = np.array([0] * 900 + [1] * 100)
    dataset = Dataset.from_tensor_slices(labels).shuffle(1000, seed=1).repeat(20)
    kinds = [int(k) for k, _ in dataset.rejection_resample(lambda x: x, [0.5, 0.5], [0.9, 0.1], seed=2)]
    assert 0.45 < np.mean(kinds) < 0.55


def test_group_by_window() -> None:
    dataset = Dataset.range(10).group_by_window(lambda x: x % 2, lambda key, group: group.batch(3), window_size=3)
    assert [b.tolist() for b in dataset] == [[0, 2, 4], [1, 3, 5], [6, 8], [7, 9]]


def test_ragged_and_sparse_elements_batch() -> None:
    ragged = next(iter(Dataset.from_tensor_slices(RaggedTensor.from_rows([[1, 2], [], [3]])).batch(2)))
    assert ragged.to_list() == [[1, 2], []]
    sparse = SparseTensor([[0, 1], [2, 0]], np.array([5, 6]), [3, 2])
    batch = next(iter(Dataset.from_tensor_slices(sparse).shuffle(3, seed=0).batch(3)))
    assert sorted(batch.to_dense().tolist()) == [[0, 0], [0, 5], [6, 0]]


def test_unknown_spec_is_found_by_running_the_function() -> None:
    assert Dataset.range(3).map(lambda x: np.zeros((int(x), 2))).element_spec == TensorSpec((None, 2), "float64")
    assert Dataset.range(0).map(lambda x: x + 1).element_spec == TensorSpec((), "int64")
    assert Dataset.range(9).batch(4).map(lambda x: x * 2.0).element_spec == TensorSpec((None,), "float64")


def test_from_generator_checks_its_signature() -> None:
    dataset = Dataset.from_generator(lambda: iter([1, 2.5]), TensorSpec((), "float32"))
    assert [x.dtype.name for x in dataset] == ["float32", "float32"]
    wrong = Dataset.from_generator(lambda: iter([[1, 2]]), TensorSpec((), "int64"))
    with pytest.raises(TypeError, match=r"element 0: : expected int64\[\], given int64\[2\]|expected int64\[\]"):
        next(iter(wrong))
    assert Dataset.from_generator(lambda: iter(range(4)), output_types="int64", output_shapes=[]).element_spec == TensorSpec(
        (), "int64"
    )


def test_errors_of_functions_name_the_element() -> None:
    dataset = Dataset.range(5).map(lambda x: 1 // (3 - int(x)))
    iterator = iter(dataset)
    assert [next(iterator) for _ in range(3)]
    with pytest.raises(ZeroDivisionError) as caught:
        next(iterator)
    assert any("element 3" in note for note in caught.value.__notes__)


def test_a_function_can_not_end_the_dataset_by_accident() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(Dataset.range(3).map(lambda x: next(iter([]))))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dataset.range(3).batch(0), ValueError, "batch_size must be positive, given 0"),
        (lambda: Dataset.range(3).batch("2"), TypeError, "batch_size must be an integer"),
        (lambda: Dataset.range(3).shuffle(0), ValueError, "buffer_size must be positive"),
        (lambda: Dataset.range(3).shard(2, 2), ValueError, "below num_shards=2, given 2"),
        (lambda: Dataset.range(3).prefetch(-2), ValueError, "AUTOTUNE"),
        (lambda: Dataset.range(3).map(3), TypeError, "expected a function"),
        (lambda: Dataset.range(3).window(2, shift=0), ValueError, "window: shift must be positive"),
        (lambda: Dataset.from_generator([1, 2]), TypeError, "pass the function itself"),
        (lambda: Dataset.from_tensor_slices({}), ValueError, "holds no values"),
        (lambda: Dataset.from_tensor_slices(({"a": [1, 2]}, [1])), ValueError, r'\[0\]\["a"\] has 2, \[1\] has 1'),
        (lambda: Dataset.from_tensor_slices(3.0), ValueError, "no axis to slice"),
        (lambda: Dataset.range(3).unbatch(), ValueError, "at least one axis"),
        (lambda: Dataset.range(3).group_by_window(len, len), ValueError, "exactly one"),
        (lambda: Dataset.range(3).concatenate(Dataset.from_tensors(1.5)), TypeError, r"int64\[\] and float32\[\]"),
        (lambda: Dataset.range(3).apply(lambda d: 3), TypeError, "must return a Dataset"),
        (lambda: Dataset.list_files("no/such/*.file"), FileNotFoundError, "no file matches"),
        (lambda: len(Dataset.range(3).repeat()), TypeError, "no end"),
        (lambda: Dataset([1, 2]), TypeError, "from_tensor_slices"),
        (lambda: list(Dataset.range(4).filter(lambda x: x)), TypeError, "must return one truth value"),
        (lambda: list(Dataset.range(4).flat_map(lambda x: x)), TypeError, "must return a Dataset"),
        (lambda: list(Dataset.range(4).window(2).batch(2)), InvalidDataError, "is itself a dataset"),
        (lambda: Dataset.range(2).get_single_element(), InvalidDataError, "more than one"),
    ],
)
def test_mistakes_are_explained(make, error, message) -> None:  # noqa: ANN001
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("batched", [True, False])
def test_what_a_function_does_to_an_element_does_not_change_what_is_kept(batched: bool) -> None:
    source = Dataset.from_generator(lambda: ({"x": np.array([i]), "y": i} for i in range(3)))
    source = (source.batch(2) if batched else source).cache()
    for _ in range(2):
        labels = [np.ravel(y).tolist() for _, y in source.repeat(2).map(lambda f: (f, f.pop("y")))]
        assert labels == ([[0, 1], [2]] * 2 if batched else [[0], [1], [2]] * 2)
    with pytest.raises(ValueError, match="read-only"):
        list(source.map(lambda f: f["x"].__setitem__(0, 5) or f))
    once = Dataset.from_tensors({"x": 1, "y": 2})
    assert [int(e) for e in once.repeat(2).map(lambda f: f.pop("y"))] == [2, 2]


def test_steps_can_be_named() -> None:
    dataset = Dataset.range(10).map(lambda x: x + 1, name="add one").batch(2, name="pairs")
    assert "pairs: batch(2)" in str(dataset.explain(elements=2))
    assert "add one: map" in str(dataset.explain(elements=2))
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        Dataset.range(3).take(1, nome="x")
