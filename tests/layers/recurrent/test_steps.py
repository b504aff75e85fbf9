"""The scan over time: both places of the product with the input give the same."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from estimax import layers
from estimax.layers.recurrent.steps import run_step

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "ConvLSTM1D"])
def test_the_product_with_the_input_may_be_inside_the_scan_or_before_it(name, monkeypatch):
    shape, arguments = ((2, 4, 5, 3), {"filters": 2, "kernel_size": 2}) if name == "ConvLSTM1D" else ((2, 4, 5), {"units": 3})
    layer = getattr(layers, name)(**arguments, return_sequences=True)
    x = RNG.normal(size=shape).astype(np.float32)
    outputs = []
    for backend in ("cpu", "tpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        run_step.clear_cache()
        outputs.append(layer(x))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-6)
    run_step.clear_cache()
