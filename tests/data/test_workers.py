"""Threads and processes: order, errors with their element, nothing that hangs or stays."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from estimax.data import AUTOTUNE, Dataset, WorkerError, workers


def square(x: np.int64) -> np.int64:
    return x * x


def fail_at_three(x: np.int64) -> np.int64:
    if x == 3:
        raise KeyError("three")
    return x


def end_the_process(x: np.int64) -> Any:
    import os

    if x == 2:
        os._exit(1)
    return x


def busy_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("estimax")]


def assert_no_threads() -> None:
    deadline = time.monotonic() + 5
    while busy_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not busy_threads()


def test_calls_in_threads_keep_the_order() -> None:
    slow_first = Dataset.range(12).map(lambda x: time.sleep(0.02 * (x % 3 == 0)) or x, num_parallel_calls=3)
    assert [int(x) for x in slow_first] == list(range(12))
    assert_no_threads()


def test_results_may_overtake_each_other() -> None:
    gate = threading.Event()
    slow_first = Dataset.range(6).map(lambda x: x if x or gate.wait(60) else -1, num_parallel_calls=2, deterministic=False)
    results = iter(slow_first)
    first = int(next(results))
    gate.set()
    assert first != 0 and sorted([first, *map(int, results)]) == list(range(6))


@pytest.mark.parametrize("workers", [{}, {"num_parallel_calls": 2}, {"num_parallel_calls": 2, "deterministic": False}])
def test_errors_name_the_element_and_the_rest_goes_on(workers: dict) -> None:
    iterator = iter(Dataset.range(6).map(fail_at_three, **workers))
    found, errors = [], []
    while True:
        try:
            found.append(int(next(iterator)))
        except StopIteration:
            break
        except KeyError as error:
            errors.append(error)
    assert sorted(found) == [0, 1, 2, 4, 5]
    assert ["element 3" in note for error in errors for note in error.__notes__] == [True]


def test_processes() -> None:
    dataset = Dataset.range(8).map(square, num_parallel_calls=2, workers="process")
    assert [int(x) for x in dataset] == [x * x for x in range(8)]
    iterator = iter(Dataset.range(6).map(fail_at_three, num_parallel_calls=1, workers="process"))
    assert [int(next(iterator)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(iterator)
    iterator.close()


def test_a_dead_process_is_an_error_that_names_the_element() -> None:
    iterator = iter(Dataset.range(6).map(end_the_process, num_parallel_calls=1, workers="process"))
    with pytest.raises(WorkerError, match="a worker process ended"):
        for _ in range(6):
            next(iterator)
    iterator.close()


def test_prefetch_hands_errors_on_and_ends_with_its_iterator() -> None:
    iterator = iter(Dataset.range(100).map(fail_at_three).prefetch(AUTOTUNE))
    assert [int(next(iterator)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(iterator)
    assert int(next(iterator)) == 4
    del iterator
    assert_no_threads()


def test_prefetch_of_an_endless_dataset_can_be_dropped() -> None:
    iterator = iter(Dataset.range(3).repeat().batch(2).prefetch(2))
    next(iterator)
    iterator.close()
    assert_no_threads()


def test_a_stuck_source_does_not_hold_up_the_end(monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(workers, "CLOSE_SECONDS", 0.1)
    gate = threading.Event()
    iterator = iter(Dataset.range(3).map(lambda x: x if x == 0 else gate.wait(20)).prefetch(1))
    assert int(next(iterator)) == 0
    start = time.monotonic()
    iterator.close()
    assert time.monotonic() - start < 5
    gate.set()


def test_arguments() -> None:
    with pytest.raises(ValueError, match="needs num_parallel_calls"):
        Dataset.range(3).map(square, workers="process")
    with pytest.raises(ValueError, match="'thread' or 'process'"):
        Dataset.range(3).map(square, num_parallel_calls=2, workers="fork")
    with pytest.raises(ValueError, match="must be positive"):
        Dataset.range(3).map(square, num_parallel_calls=0)


def test_plan_shows_steps_and_the_bottleneck() -> None:
    dataset = (
        Dataset.from_tensor_slices({"x": np.arange(1000)}).shuffle(1000).repeat().batch(50).map(lambda f: time.sleep(0.001) or f)
    )
    plan = dataset.prefetch(2).explain(elements=20, consumer_seconds=1e-6)
    text = str(plan)
    assert "index arithmetic" in text
    assert "slowest step: map" in text
    assert "bottleneck: the input" in text
    assert "waiting" in text and plan.stages[0].waiting_seconds >= 0
    assert plan.stages[0].rows == 1000
    assert plan.rows_per_second > 0


def test_a_function_that_can_not_be_sent_is_explained() -> None:
    iterator = iter(Dataset.range(3).map(lambda x: x, num_parallel_calls=1, workers="process"))
    with pytest.raises(WorkerError, match="at the top of a module, or use workers='thread'"):
        next(iterator)
    iterator.close()
