"""Input and InputSpec."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

from estimax.core import Frame
from estimax.layers import Input, InputLayer, InputSpec


def test_input_gives_a_symbolic_tensor_with_its_layer():
    with Frame.eager(naming=True):
        a, b = Input((3,)), Input((2, None), batch_size=4, dtype="int32", name="tokens")
    assert (a.shape, a.dtype, a.node.layer.name) == ((None, 3), "float32", "input_layer")
    assert (b.shape, b.dtype, b.node.layer.name, b.name) == ((4, 2, None), "int32", "tokens", "tokens")
    assert isinstance(a.node.layer, InputLayer)
    assert a.node.layer.get_config() == {
        "batch_shape": [None, 3], "dtype": "float32", "sparse": False, "ragged": False, "name": "input_layer", "optional": False,
    }  # fmt: skip
    assert InputLayer.from_config(b.node.layer.get_config()).batch_shape == (4, 2, None)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="expected exactly one"):
        Input()
    with pytest.raises(ValueError, match="expected exactly one"):
        Input((3,), batch_shape=(None, 3))
    with pytest.raises(ValueError, match="sparse and ragged"):
        Input((3,), sparse=True)


def test_symbolic_tensors_refuse_to_be_numbers():
    x = Input((3,))
    with pytest.raises(ValueError, match="layers.Lambda"):
        jnp.sin(x)
    with pytest.raises(TypeError, match="no truth value"):
        bool(x)


@pytest.mark.parametrize(
    ("spec", "shape", "fault"),
    [
        (InputSpec(ndim=2), (1, 2), None),
        (InputSpec(ndim=2), (1,), "2 axes"),
        (InputSpec(max_ndim=2), (1, 2, 3), "at most 2 axes"),
        (InputSpec(shape=(None, 3)), (5, 3), None),
        (InputSpec(shape=(None, 3)), (5, 4), r"shape (None, 3)"),
        (InputSpec(axes={-1: 3}), (None, None), None),
    ],
)
def test_input_spec(spec, shape, fault):
    assert spec.fault(shape) == fault
