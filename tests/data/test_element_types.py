"""Which element types a step takes and gives, as tf.data 2.15 does."""

from __future__ import annotations

import numpy as np
import pytest

from estimax.data import Dataset, RaggedTensor, RaggedTensorSpec, TensorSpec

ROWS = RaggedTensor([np.array([0, 2, 2, 5])], np.arange(5))


def test_rows_of_ragged_tensors_batch_to_ragged_tensors() -> None:
    rows = Dataset.from_tensor_slices(ROWS)
    assert isinstance(rows.element_spec, RaggedTensorSpec) and rows.element_spec.ragged_rank == 0
    for batched in (rows.batch(2), rows.filter(lambda x: True).batch(2), rows.batch(3).unbatch().batch(2)):
        first, second = list(batched)
        assert isinstance(batched.element_spec, RaggedTensorSpec)
        assert first.nested_row_splits[0].tolist() == [0, 2, 2] and second.flat_values.tolist() == [2, 3, 4]
    with pytest.raises(TypeError, match="padded_batch takes elements of plain arrays"):
        rows.padded_batch(2)


def test_ragged_batch_leaves_components_of_one_shape_alone() -> None:
    dataset = Dataset.from_tensor_slices({"v": np.zeros((3, 2)), "n": np.arange(3)}).ragged_batch(2)
    assert dataset.element_spec["v"] == TensorSpec((None, 2), "float64")
    assert next(iter(dataset))["v"].shape == (2, 2)


def test_rebatch_takes_sizes_of_0_and_states_its_size_where_that_is_certain() -> None:
    batches = Dataset.range(6).batch(6)
    assert [b.tolist() for b in batches.rebatch([2, 0])] == [[0, 1], [], [2, 3], [], [4, 5], []]
    assert Dataset.range(6).batch(6, drop_remainder=True).rebatch(3).element_spec == TensorSpec((3,), "int64")
    assert batches.rebatch(3).element_spec == TensorSpec((None,), "int64")
    with pytest.raises(ValueError, match="needs at least one axis"):
        Dataset.range(6).rebatch(2)
    with pytest.raises(ValueError, match="batch_size must be positive"):
        batches.rebatch([0, 0])


def test_types_are_checked_also_behind_functions() -> None:
    pairs = Dataset.range(0).map(lambda x: (x, x))
    with pytest.raises(TypeError, match="both datasets need elements of one type"):
        list(pairs.concatenate(Dataset.range(3)))
    with pytest.raises(ValueError, match="needs at least one axis"):
        list(pairs.unbatch())
    with pytest.raises(TypeError, match="choice_dataset must give int64 scalars"):
        Dataset.choose_from_datasets([Dataset.range(1)], Dataset.range(1, output_type=np.int32))


@pytest.mark.parametrize("values", [np.zeros(2), np.zeros(2, np.uint8), (np.arange(2), np.arange(2))])
def test_unique_compares_integers_and_text(values: object) -> None:
    with pytest.raises(TypeError, match="one int32, int64 or string component"):
        Dataset.from_tensor_slices(values).unique()
    assert [x.tolist() for x in Dataset.from_tensor_slices([[1, 2], [1, 2]]).unique()] == [[1, 2]]


def test_a_running_state_keeps_its_type() -> None:
    with pytest.raises(TypeError, match="must keep the dtype of the state, float32; returned float64"):
        list(Dataset.range(3).scan(np.float32(0), lambda s, x: (s + x, x)))
    with pytest.raises(TypeError, match="must keep the structure"):
        Dataset.range(3).reduce(np.int64(0), lambda s, x: (s, x))
    assert Dataset.range(4).reduce(0, lambda s, x: s + x) == 6


def test_padding_values_have_the_dtype_of_the_component() -> None:
    rows = Dataset.range(1, 3).map(np.arange)
    with pytest.raises(TypeError, match="does not have the dtype"):
        list(rows.padded_batch(2, padding_values=np.float32(1)))
    with pytest.raises(TypeError, match="does not have the dtype"):
        list(rows.padded_batch(2, padding_values=0.5))
    assert next(iter(rows.padded_batch(2, padding_values=7))).tolist() == [[0, 7], [0, 1]]


def test_buckets_are_padded_along_axes_of_unknown_size_only() -> None:
    dataset = Dataset.from_tensor_slices(np.ones((2, 1), np.int64))
    (batch,) = dataset.bucket_by_sequence_length(len, [4], [2, 2], pad_to_bucket_boundary=True)
    assert batch.shape == (2, 1)


def test_interleave_has_no_more_parallel_calls_than_datasets_open() -> None:
    with pytest.raises(ValueError, match="num_parallel_calls=3 must be at most cycle_length=2"):
        Dataset.range(3).interleave(lambda x: Dataset.range(x), cycle_length=2, num_parallel_calls=3)
    with pytest.raises(ValueError, match="num_parallel_calls must be positive"):
        Dataset.range(3).interleave(lambda x: Dataset.range(x), num_parallel_calls=0)


def test_datasets_of_weight_0_are_not_sampled() -> None:
    both = [Dataset.range(3), Dataset.range(10, 13)]
    assert [int(x) for x in Dataset.sample_from_datasets(both, [1.0, 0.0])] == [0, 1, 2]


def test_functions_of_windows_have_a_spec_without_any_window() -> None:
    windows = Dataset.range(2).window(5, drop_remainder=True)
    assert windows.flat_map(lambda w: w.batch(5)).element_spec == TensorSpec((None,), "int64")


def test_datasets_are_not_batched_but_none_of_them_is_no_mistake() -> None:
    windows = Dataset.range(5).window(2)
    assert list(windows.take(0).batch(2)) == []
    with pytest.raises(ValueError, match="itself a dataset"):
        list(windows.batch(2))
