"""Whatever an input_fn returns becomes resumable batches, and mistakes are named before the first step."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from estimax.data import Dataset, InvalidDataError, as_batches, empty_input, numpy_input_fn, pandas_input_fn
from estimax.data.batches import as_batch

FEATURES = {"x": np.arange(6), "s": np.array(list("abcdef"), object)}
LABELS = np.arange(6) % 2


def dataset() -> Dataset:
    return Dataset.from_tensor_slices((FEATURES, LABELS)).batch(2)


def one_shot() -> Any:
    element = dataset().map(lambda f, y: {**f, "y": y}).make_one_shot_iterator().get_next()
    labels = element.pop("y")
    return element, labels


class Loader:
    """What a PyTorch DataLoader looks like: lists of batches, iterable again and again."""

    def __iter__(self) -> Any:
        return ([{"x": FEATURES["x"][i : i + 2], "s": FEATURES["s"][i : i + 2]}, LABELS[i : i + 2]] for i in (0, 2, 4))


SOURCES = {
    "dataset": dataset,
    "iterator": lambda: iter(dataset()),
    "get_next": one_shot,
    "list": lambda: list(dataset()),
    "generator": lambda: (batch for batch in dataset()),
    "loader": Loader,
    "function": lambda: dataset,
    "numpy_input_fn": lambda: numpy_input_fn(FEATURES, LABELS, batch_size=2, shuffle=False),
    "pandas_input_fn": lambda: pandas_input_fn(pd.DataFrame(FEATURES), pd.Series(LABELS), batch_size=2, shuffle=False),
    "two datasets": lambda: (Dataset.from_tensor_slices(FEATURES).batch(2), Dataset.from_tensor_slices(LABELS).batch(2)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_all_kinds_of_sources(name: str) -> None:
    batches = as_batches(SOURCES[name]())
    first = next(batches)
    assert first[0]["x"].tolist() == [0, 1]
    assert first[0]["s"].tolist() == ["a", "b"]
    assert first[1].tolist() == [0, 1]
    state = json.loads(json.dumps(batches.get_state()))
    rest = [features["x"].tolist() for features, _ in batches]
    assert rest == [[2, 3], [4, 5]]
    again = as_batches(SOURCES[name]())
    again.set_state(state)
    assert [features["x"].tolist() for features, _ in again] == rest
    again.close()


def test_arrays_are_one_batch() -> None:
    assert len(list(as_batches((FEATURES, LABELS)))) == 1
    (batch,) = list(as_batches(FEATURES))
    assert batch[1] is None
    (batch,) = list(as_batches((np.ones((3, 2)), np.zeros(3), np.ones(3))))
    assert len(batch) == 3


def test_epochs_and_shuffling_of_numpy_input_fn() -> None:
    input_fn = numpy_input_fn(np.arange(5), np.arange(5), batch_size=4, num_epochs=2, shuffle=True, seed=1)
    sizes = [len(y) for _, y in input_fn()]
    assert sizes == [4, 4, 2]
    both = np.concatenate([y for _, y in input_fn()])
    assert sorted(both[:5].tolist()) == list(range(5))


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (lambda: None, TypeError, "returned None"),
        (3, TypeError, "given int"),
        (({"x": np.arange(3)}, np.arange(2)), InvalidDataError, r'labels has 2 rows, features\["x"\] has 3'),
        (Dataset.range(3), InvalidDataError, r"missing .batch\(n\)"),
        (({}, np.arange(2)), InvalidDataError, "has no features"),
        ([{1: np.arange(2)}], InvalidDataError, "feature names must be strings"),
        ([(1, 2, 3, 4)], InvalidDataError, "given a tuple of 4"),
        ([{"x": np.arange(2)}, {"y": np.arange(2)}], InvalidDataError, "every batch needs the same"),
    ],
)
def test_mistakes_are_explained(source, error, message) -> None:  # noqa: ANN001
    with pytest.raises(error, match=message):
        list(as_batches(source))


def test_what_is_computed_from_get_next_is_refused() -> None:
    features, labels = dataset().make_one_shot_iterator().get_next()
    with pytest.raises(InvalidDataError, match=r"Compute in dataset.map"):
        as_batches(({"x": features["x"] * 2}, labels))


def test_an_input_that_became_shorter_is_noticed() -> None:
    batches = as_batches(list(dataset()))
    list(batches)
    with pytest.raises(InvalidDataError, match="had used 3 batches, but the input ends after 1"):
        as_batches(list(dataset())[:1]).set_state(batches.get_state())
    assert "gave no batch at all" in str(empty_input())


def test_input_fns_of_tensorflow_1_check_their_arguments() -> None:
    with pytest.raises(ValueError, match="shuffle must be given"):
        numpy_input_fn(FEATURES, LABELS)
    with pytest.raises(ValueError, match="has no features"):
        numpy_input_fn({}, shuffle=True)
    with pytest.raises(TypeError, match="must be an array or a dict"):
        numpy_input_fn("x", shuffle=True)
    with pytest.raises(ValueError, match="number of rows"):
        numpy_input_fn({"x": np.arange(3)}, np.arange(2), shuffle=False)
    frame = pd.DataFrame({"target": [1, 2]})
    with pytest.raises(ValueError, match='already has a column "target"'):
        pandas_input_fn(frame, pd.Series([0, 1]), shuffle=False)
    with pytest.raises(ValueError, match="different indices"):
        pandas_input_fn(frame, pd.Series([0, 1], index=[5, 6]), shuffle=False, target_column="y")
    with pytest.raises(TypeError, match="must be a data frame"):
        pandas_input_fn({"x": [1]}, shuffle=False)


def test_one_batch_is_told_from_many() -> None:
    assert as_batches((FEATURES, LABELS)).is_one_batch
    assert not as_batches(dataset()).is_one_batch and not as_batches([(FEATURES, LABELS)]).is_one_batch


def test_rows_of_different_lengths_are_a_column() -> None:
    features, labels = as_batch(({"word": [["a", "b"], ["c"], []], "n": [[1, 2], [3, 4], [5, 6]]}, [0, 1, 0]))
    assert features["word"].to_pylist() == [["a", "b"], ["c"], []]
    assert features["n"].shape == (3, 2) and labels.shape == (3,)
    with pytest.raises(ValueError, match="values of one type"):
        as_batch({"word": [["a", "b"], [3]]})
