"""keras.random's functions."""

from __future__ import annotations

import numpy as np
import pytest

from estimax import Input, Model, layers, random, set_random_seed

DRAWS = {
    "normal": lambda seed: random.normal((200,), 1.0, 2.0, seed=seed),
    "truncated_normal": lambda seed: random.truncated_normal((200,), seed=seed),
    "uniform": lambda seed: random.uniform((200,), -1, 1, seed=seed),
    "randint": lambda seed: random.randint((200,), 0, 9, seed=seed),
    "categorical": lambda seed: random.categorical(np.zeros((2, 5)), 50, seed=seed),
    "dropout": lambda seed: random.dropout(np.ones(200, np.float32), 0.5, seed=seed),
    "gamma": lambda seed: random.gamma((200,), 2.0, seed=seed),
    "beta": lambda seed: random.beta((200,), 2.0, [1.0], seed=seed),
    "binomial": lambda seed: random.binomial((200,), 9, 0.5, seed=seed),
    "shuffle": lambda seed: random.shuffle(np.arange(200), seed=seed),
}


@pytest.mark.parametrize("name", DRAWS)
def test_seeds(name: str) -> None:
    draw = DRAWS[name]
    np.testing.assert_array_equal(draw(3), draw(3))
    generator = random.SeedGenerator(3)
    assert not np.array_equal(draw(generator), draw(generator))
    set_random_seed(1)
    first, second = draw(None), draw(None)
    assert not np.array_equal(first, second)
    set_random_seed(1)
    np.testing.assert_array_equal(draw(None), first)


def test_distributions() -> None:
    x = np.asarray(random.normal((20000,), 1.0, 2.0, seed=1))
    assert abs(x.mean() - 1) < 0.1 and abs(x.std() - 2) < 0.1
    assert np.abs(random.truncated_normal((2000,), seed=1)).max() <= 2
    counts = np.bincount(np.asarray(random.categorical(np.log([[0.25, 0.75]]), 4000, seed=1))[0])
    assert abs(counts[1] / 4000 - 0.75) < 0.05
    rows = np.asarray(random.dropout(np.ones((50, 4), np.float32), 0.5, noise_shape=(None, 1), seed=1))
    assert (rows == rows[:, :1]).all() and set(rows.ravel()) == {0.0, 2.0}
    assert abs(np.asarray(random.gamma((4000,), 3.0, seed=1)).mean() - 3) < 0.2
    assert sorted(np.asarray(random.shuffle(np.arange(6).reshape(2, 3), axis=1, seed=1))[1]) == [3, 4, 5]
    assert (
        random.normal((1,), dtype="bfloat16", seed=1).dtype == "bfloat16"
        and random.randint((1,), 0, 2, "uint8", 1).dtype == "uint8"
    )


def test_a_layer_draws_other_numbers_at_each_call() -> None:
    class Noise(layers.Layer):
        def __init__(self, **kwargs):  # noqa: ANN003
            super().__init__(**kwargs)
            self.seed_generator = random.SeedGenerator(7)

        def call(self, inputs):  # noqa: ANN001, ANN202
            return inputs + random.normal(inputs.shape, seed=self.seed_generator)

    x = Input(batch_shape=(2, 3))
    model = Model(x, Noise()(x))
    zeros = np.zeros((2, 3), np.float32)
    assert not np.array_equal(model(zeros), model(zeros))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random.normal((1,), seed="a"), "expected an integer, a SeedGenerator or None"),
        (lambda: random.randint((1,), 0, 1, "float32"), "expected an integer type"),
        (lambda: random.dropout([1.0], 2), "expected a share from 0 to 1"),
        (lambda: random.categorical([1.0], 2), r"expected \[batch, classes\]"),
    ],
)
def test_bad_use_is_explained(call, message) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match=message):
        call()
