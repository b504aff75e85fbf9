"""Laws of shuffling: nothing lost, nothing early, seeds, passes, and array operations equal to the plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from estimax.data import Dataset
from estimax.data.rows import buffered, replace_order


def ints(dataset: Dataset) -> list[int]:
    return [int(x) for x in dataset]


@pytest.mark.parametrize("size", [1, 2, 7, 50, 99])
def test_buffer_without_its_loop_is_the_loop(size: int) -> None:
    random = np.random.default_rng(size)
    slots = random.integers(0, size, 60)
    held, out = list(range(size)), []
    for p, slot in enumerate(slots.tolist()):
        out.append(held[slot])
        held[slot] = size + p
    found, after = replace_order(slots, size)
    assert found.tolist() == out
    assert after.tolist() == held


@pytest.mark.parametrize("columnar", [True, False])
@pytest.mark.parametrize(("n", "buffer"), [(100, 1), (100, 7), (100, 99), (100, 100), (3, 10), (0, 3), (5000, 600)])
def test_nothing_is_lost_and_nothing_comes_early(n: int, buffer: int, columnar: bool) -> None:
    source = Dataset.range(n) if columnar else Dataset.range(n).map(lambda x: x)
    order = ints(source.shuffle(buffer, seed=1))
    assert sorted(order) == list(range(n))
    assert all(value < place + buffer for place, value in enumerate(order))
    if buffer == 1:
        assert order == list(range(n))


def test_streams_of_blocks_are_shuffled_alike() -> None:
    blocks = (np.arange(i, i + 37) for i in range(0, 370, 37))
    order = np.concatenate(list(buffered(blocks, 50, np.random.default_rng(0))))
    assert sorted(order.tolist()) == list(range(370))
    assert (order < np.arange(370) + 50).all()


def test_every_order_is_as_likely() -> None:
    counts: dict[tuple, int] = {}
    for seed in range(1200):
        order = tuple(ints(Dataset.range(3).shuffle(3, seed=seed)))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert min(counts.values()) > 140  # 200 expected, standard deviation 13


def test_seed_and_passes() -> None:
    again = [ints(Dataset.range(50).shuffle(50, seed=3)) for _ in range(2)]
    assert again[0] == again[1]
    two = ints(Dataset.range(50).shuffle(50, seed=3).repeat(2))
    assert two[:50] != two[50:]
    assert sorted(two[:50]) == list(range(50))
    fixed = ints(Dataset.range(50).shuffle(50, seed=3, reshuffle_each_iteration=False).repeat(2))
    assert fixed[:50] == fixed[50:]
    dataset = Dataset.range(50).shuffle(50)
    assert ints(dataset) != ints(dataset)
    kept = Dataset.range(50).shuffle(50, reshuffle_each_iteration=False)
    assert ints(kept) == ints(kept)


def test_two_shuffles_do_not_share_their_draws() -> None:
    pair = Dataset.zip(Dataset.range(50).shuffle(50), Dataset.range(50).shuffle(50))
    assert any(int(a) != int(b) for a, b in pair)
    parts = ints(Dataset.range(2).flat_map(lambda x: Dataset.range(50).shuffle(50)))
    assert parts[:50] != parts[50:]


def test_slices_of_shuffles_and_shuffles_of_slices() -> None:
    shards = [ints(Dataset.range(101).shuffle(101, seed=1).shard(3, i)) for i in range(3)]
    assert sorted(sum(shards, [])) == list(range(101))
    assert sorted(ints(Dataset.range(20).skip(5).take(10).shuffle(4).repeat(2))) == sorted([*range(5, 15), *range(5, 15)])
    assert ints(Dataset.range(10).repeat().skip(7).take(6)) == [7, 8, 9, 0, 1, 2]
    assert sorted(ints(Dataset.range(4).repeat(3).shuffle(None, seed=0))) == sorted([0, 1, 2, 3] * 3)
