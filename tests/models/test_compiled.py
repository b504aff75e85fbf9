"""Losses and metrics matched with outputs: by position, by key, by layer name."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import metrics
from estimax.core import Frame
from estimax.models.compiled import CompiledLosses, CompiledMetrics, match, output_names_of

ONE, TWO = jnp.ones((2, 1)), jnp.full((2, 1), 2.0)


def test_names_of_outputs() -> None:
    assert output_names_of({"b": ONE, "a": ONE}, ["x", "y"]) == ["a", "b"]
    assert output_names_of([ONE, TWO], ["x", "y"]) == ["x", "y"]
    assert output_names_of([ONE, TWO], None) == ["output_0", "output_1"]
    assert output_names_of({"a": [ONE, TWO]}, None) == ["output_0", "output_1"]


def test_matching() -> None:
    assert match({"x": 1}, [ONE, TWO], ["x", "y"], "loss") == [1, None]
    assert match([1, 2], {"a": ONE, "b": TWO}, None, "loss") == [1, 2]
    assert match({"a": [1, 2], "b": 3}, {"a": [ONE, TWO], "b": ONE}, None, "loss") == [1, 2, 3]
    with pytest.raises(ValueError, match=r"given keys \['z'\], expected those of the model's outputs \['x', 'y'\]"):
        match({"z": 1}, [ONE, TWO], ["x", "y"], "loss")
    with pytest.raises(ValueError, match="given 3 parts, expected 2"):
        match([1, 2, 3], [ONE, TWO], None, "loss")
    with pytest.raises(ValueError, match="given one int for 2 outputs"):
        match(1, [ONE, TWO], None, "loss")


def test_losses_add_up_with_their_weights() -> None:
    losses = CompiledLosses("mse", [1.0, 10.0], [ONE, ONE], [ONE, TWO], ["x", "y"])
    with Frame.eager():
        total = losses([ONE, ONE], [ONE, TWO])
    assert float(total) == 10.0 and list(losses.trackers) == ["x_loss", "y_loss"]
    assert float(losses.trackers["y_loss"].result()) == 1.0


def test_an_output_without_a_loss_needs_no_labels() -> None:
    losses = CompiledLosses([None, "mse"], None, [ONE], [ONE, TWO], None)
    assert float(losses([ONE], [TWO, TWO])) == 1.0 and losses.trackers == {}
    with pytest.raises(ValueError, match="no output has a loss"):
        CompiledLosses([None, None], None, [ONE], [ONE, TWO], None)
    with pytest.raises(ValueError, match="expected a number"):
        CompiledLosses("mse", ["a", 1], [ONE, ONE], [ONE, TWO], None)


def test_a_loss_that_is_no_scalar_is_refused() -> None:
    from estimax.losses import MeanSquaredError

    with pytest.raises(ValueError, match="gave shape .* expected a scalar"):
        CompiledLosses(MeanSquaredError(reduction="none"), None, ONE, ONE, None)(ONE, TWO)


def test_metric_names() -> None:
    compiled = CompiledMetrics(["mae", "mae"], ["mae"], ONE, TWO, None)
    assert list(compiled.by_name) == ["mae", "mae_1", "weighted_mae"]
    several = CompiledMetrics({"x": ["mse"], "y": "accuracy"}, None, [ONE, ONE], [ONE, TWO], ["x", "y"])
    assert list(several.by_name) == ["x_mse", "y_accuracy"]
    with pytest.raises(ValueError, match="given a list of 3 for 2 outputs"):
        CompiledMetrics(["mse", "mae", "mse"], None, [ONE, ONE], [ONE, TWO], None)


def test_weights_and_masks_reach_the_metrics() -> None:
    y, p = jnp.zeros((2, 3)), jnp.array([[1.0, 5.0, 9.0], [2.0, 7.0, 9.0]])[..., None]
    compiled = CompiledMetrics(["mae"], [metrics.MeanAbsoluteError(name="w")], y[..., None], p, None)
    with Frame.eager() as frame:
        frame.set_mask(p, jnp.array([[True, False, False], [True, True, False]]))
        compiled.update(y[..., None], p, np.array([1.0, 0.0]))
    assert float(compiled.by_name["mae"].result()) == pytest.approx(10 / 3)
    assert float(compiled.by_name["w"].result()) == pytest.approx(1.0)
