"""Networks that are called twice and share their variables by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import estimax as ex

L, E = ex.layers.legacy, ex.estimator
ROWS = {k: np.random.default_rng(i).normal(size=(6, 3)).astype("float32") for i, k in enumerate("xz")}


def trained(network: Any) -> Any:
    """A model of the difference of a network of x and one of z."""

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        y = network(features["x"], 0) - network(features["z"], 1)
        return E.RegressionHead().create_estimator_spec(features, mode, y, labels, optimizer=ex.optimizers.SGD(0.1))

    labels = np.arange(6, dtype="float32")[:, None]
    return E.Estimator(model_fn).train(lambda: (ROWS, labels), steps=3)


def test_all_ways_of_sharing_give_the_same_network():
    def by_scope(x: Any, call: int) -> Any:
        with L.variable_scope("net", reuse=bool(call)):
            return L.dense(L.batch_normalization(L.dense(x, 4), training=True), 1)

    def by_auto_reuse(x: Any, call: int) -> Any:
        with L.variable_scope("net", reuse=L.AUTO_REUSE), L.variable_scope("inner"):
            return L.dense(L.batch_normalization(L.dense(x, 4), training=True), 1)

    def by_name(x: Any, call: int) -> Any:
        reuse = bool(call)
        hidden = L.batch_normalization(L.dense(x, 4, name="a", reuse=reuse), training=True, name="n", reuse=reuse)
        return L.dense(hidden, 1, name="b", reuse=reuse)

    names = {}
    for network in (by_scope, by_auto_reuse, by_name):
        estimator = trained(network)
        found = [n for n in estimator.get_variable_names() if not n.startswith("training/") and n != "global_step"]
        names[network.__name__] = found
        assert len(found) == 8 and not any(n.endswith("_1") for n in found if "dense_1" not in n)
        kernels = [estimator.get_variable_value(n) for n in found if n.endswith("kernel")]
        assert [k.shape for k in kernels] == [(3, 4), (4, 1)]
    assert names["by_scope"][0] == "net/batch_normalization/beta" and names["by_auto_reuse"][0].startswith("net/inner/")


def test_gradients_of_both_calls_reach_a_shared_variable():
    def shared(x: Any, call: int) -> Any:
        with L.variable_scope("net", reuse=bool(call)):
            return L.dense(x, 1, use_bias=False, kernel_initializer="ones")

    kernel = trained(shared).get_variable_value("net/dense/kernel")
    want, x = np.ones((3, 1), "float32"), ROWS["x"] - ROWS["z"]
    for _ in range(3):
        want -= 0.1 * 2 * x.T @ (x @ want - np.arange(6, dtype="float32")[:, None]) / 6
    np.testing.assert_allclose(kernel, want, rtol=1e-5)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda x, call: _in_scope(x, None), "there is one of this name already.*reuse=True"),
        (lambda x, call: _in_scope(x, True), "there is none of this name yet.*AUTO_REUSE"),
        (lambda x, call: L.dense(x[:, : 3 - call], 1, name="d", reuse=L.AUTO_REUSE), "given shape.*same width"),
        (lambda x, call: _in_scope(x, "yes"), "expected True, False, None or AUTO_REUSE"),
    ],
)
def test_mistakes_are_named(network, message):
    with pytest.raises(ValueError, match=message):
        trained(network)


def _in_scope(x: Any, reuse: Any) -> Any:
    with L.variable_scope("net", reuse=reuse):
        return L.dense(x, 1)
