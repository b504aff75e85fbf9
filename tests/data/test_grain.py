"""`from_grain`: elements, states and types of grain's datasets, and of anything that is indexed like them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimax.data import INFINITE_CARDINALITY, Dataset, InvalidDataError, TensorSpec


class Indexed:
    """A dataset in the style of PyTorch."""

    def __init__(self, elements: list[Any]):
        self.elements = elements

    def __len__(self) -> int:
        return len(self.elements)

    def __getitem__(self, i: int) -> Any:
        return self.elements[i]


def test_what_can_be_indexed() -> None:
    dataset = Dataset.from_grain(Indexed([None, {"x": 1}, {"x": 2}, None]))  # None is what grain's filter leaves
    assert dataset.element_spec == {"x": TensorSpec((), "int64")}
    assert [int(e["x"]) for e in dataset.repeat(2)] == [1, 2, 1, 2]
    with pytest.raises(InvalidDataError, match="no element to find the element_spec"):
        _ = Dataset.from_grain(Indexed([])).element_spec
    with pytest.raises(TypeError, match="expected a dataset that can be indexed or iterated"):
        Dataset.from_grain(3)


def continues(make: Any) -> None:
    whole = iter(make())
    for _ in range(3):
        next(whole)
    state = whole.get_state()
    rest = [np.asarray(e).tolist() for e in whole]
    again = iter(make())
    again.set_state(state)
    assert [np.asarray(e).tolist() for e in again] == rest and rest


def test_datasets_of_grain() -> None:
    grain = pytest.importorskip("grain", reason="needs grain")
    numbers = grain.MapDataset.range(10).map(lambda x: x * 2).shuffle(seed=1)
    dataset = Dataset.from_grain(numbers)
    assert dataset.cardinality() == 10
    assert [int(x) for x in dataset] == [int(numbers[i]) for i in range(10)]
    assert [int(x) for x in Dataset.from_grain(grain.MapDataset.range(5).filter(lambda x: x % 2 == 0))] == [0, 2, 4]
    assert Dataset.from_grain(grain.MapDataset.range(3).repeat()).cardinality() == INFINITE_CARDINALITY
    batches = Dataset.from_grain(grain.MapDataset.source([{"y": i} for i in range(5)]).batch(2))
    assert [e["y"].tolist() for e in batches] == [[0, 1], [2, 3], [4]]
    continues(lambda: Dataset.from_grain(numbers).shuffle(4, seed=1))
    continues(lambda: Dataset.from_grain(numbers.to_iter_dataset()).batch(2))


def test_data_loaders_of_grain() -> None:
    grain = pytest.importorskip("grain", reason="needs grain")
    sampler = grain.samplers.IndexSampler(
        num_records=6, num_epochs=1, shard_options=grain.sharding.NoSharding(), shuffle=False, seed=0
    )
    loader = grain.DataLoader(data_source=list(range(6)), sampler=sampler, worker_count=0)
    assert [int(x) for x in Dataset.from_grain(loader)] == [0, 1, 2, 3, 4, 5]
