"""Initializers: seeds, names, dtypes, bad arguments."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from estimax import initializers
from estimax.core import Frame, SeedGenerator, Variable, set_random_seed
from estimax.initializers.lookup import CLASSES

SHAPES = {initializers.STFT: (8, 1, 5)}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_by_name_and_back(cls: type) -> None:
    initializer = initializers.get(cls.__name__)
    assert isinstance(initializer, cls)
    again = initializers.deserialize(initializers.serialize(initializer))
    assert type(again) is cls and again.get_config() == initializer.get_config()
    assert initializer.clone().get_config() == initializer.get_config()


@pytest.mark.parametrize("cls", CLASSES)
def test_dtype_is_the_one_asked_for(cls: type) -> None:
    out = jax.eval_shape(lambda: cls()(SHAPES.get(cls, (2, 3)), "bfloat16"))
    assert out.dtype == jnp.bfloat16


@pytest.mark.parametrize("cls", CLASSES)
def test_traced_draws_have_the_same_distribution(cls: type) -> None:
    """The host draws small arrays, XLA those within a traced function; both fill arrays that may be donated."""
    shape = {initializers.STFT: (8, 1, 5), initializers.Identity: (60, 70)}.get(cls, (60, 70))
    host = cls()(shape)
    traced = jax.jit(lambda key: _draw_with(cls, key, shape))(jax.random.key(0))
    np.testing.assert_allclose(np.std(traced), np.std(host), rtol=0.1)
    assert abs(np.mean(traced) - np.mean(host)) < 0.1 * (np.std(host) + 1e-6)
    add_one = jax.jit(lambda x: x + 1, donate_argnums=0)
    before = np.array(host)
    np.testing.assert_array_equal(add_one(host), before + 1)


def _draw_with(cls: type, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    with Frame(key=key):
        return cls()(shape)


def test_aliases_of_keras() -> None:
    assert isinstance(initializers.get("glorot_uniform"), initializers.GlorotUniform)
    assert isinstance(initializers.get("zero"), initializers.Zeros)
    assert isinstance(initializers.get({"class_name": "he_normal", "config": {"seed": 2}}), initializers.HeNormal)
    assert initializers.he_normal is initializers.HeNormal
    assert initializers.get(None) is None


def test_no_seed_draws_anew_and_follows_the_eager_seed() -> None:
    initializer = initializers.RandomNormal()
    set_random_seed(3)
    a, b = initializer((4,)), initializer((4,))
    set_random_seed(3)
    assert not np.array_equal(a, b) and np.array_equal(a, initializer((4,)))


def test_seed_generator_gives_new_values_at_each_call() -> None:
    first = initializers.RandomNormal(seed=SeedGenerator(5))
    second = initializers.RandomNormal(seed=SeedGenerator(5))
    a = first((4,))
    assert not np.array_equal(a, first((4,))) and np.array_equal(a, second((4,)))
    copy = initializers.deserialize(initializers.serialize(second))
    assert copy.seed.seed == 5


def test_fans_of_given_axes() -> None:
    assert initializers.compute_fans((2, 3, 4), input_axes=[0], output_axes=[1, 2]) == (2, 12)
    assert initializers.compute_fans(()) == (1, 1)
    by_axes = initializers.GlorotUniform(seed=1, input_axes=[0], output_axes=[1, 2])((2, 3, 4))
    assert float(jnp.abs(by_axes).max()) <= np.sqrt(6 / 14)


def test_arrays_and_functions_as_initializers() -> None:
    given = initializers.get(np.ones((2, 3)))
    assert given((2, 3)).dtype == jnp.float32
    with pytest.raises(ValueError, match=r"shape \(2, 3\), expected the weight's shape \(3, 2\)"):
        given((3, 2))
    variable = Variable(initializers.get(lambda shape, dtype=None: jnp.full(shape, 2.0)), shape=(2,), name="v")
    np.testing.assert_array_equal(variable.value, [2.0, 2.0])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: initializers.VarianceScaling(scale=0.0), "scale > 0, given 0.0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "given 'fan'"),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), "given 'cauchy'"),
        (lambda: initializers.RandomNormal(seed="a"), "given seed='a'"),
        (lambda: initializers.Orthogonal()((3,)), r"at least two axes, given \(3,\)"),
        (lambda: initializers.Identity()((3,)), r"given \(3,\)"),
        (lambda: initializers.STFT(side="left"), "given 'left'"),
        (lambda: initializers.STFT(scaling="none"), "given 'none'"),
        (lambda: initializers.STFT(window="no_window"), "given 'no_window'"),
        (lambda: initializers.STFT(window=[1.0, 1.0])((3, 1, 3)), r"shape \[3\], given \(2,\)"),
        (lambda: initializers.STFT()((3, 3)), r"given \(3, 3\)"),
        (lambda: initializers.get("glorot"), "Did you mean"),
    ],
)
def test_bad_arguments(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
