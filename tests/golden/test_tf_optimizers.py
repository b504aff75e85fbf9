"""Golden cases of TensorFlow 2.15's optimizers, learning rate schedules and clipping."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from estimax import optimizers
from estimax.core import RowGradient
from tests.golden import golden


def _lookup(name: str) -> Any:
    last = name.rsplit(".", 1)[-1]
    if name.startswith("keras.optimizers.legacy."):
        return getattr(optimizers.legacy, last)
    if name.startswith("keras.optimizers.schedules."):
        return getattr(optimizers.schedules, last)
    if name.startswith("keras.optimizers."):
        # jit_compile says how TensorFlow runs a step, not what it computes.
        return lambda *args, jit_compile=None, **kwargs: getattr(optimizers, last)(*args, **kwargs)
    if name.startswith("compat.v1.train."):
        return getattr(optimizers.decay, last)
    return getattr(optimizers, last)


def _build(tree: Any) -> Any:
    return golden.build_tf(tree, _lookup, {})


def _gradient(tree: Any) -> Any:
    if tree is None:
        return None
    if "indexed_slices" in tree:
        slices = tree["indexed_slices"]
        shape = tuple(slices["dense_shape"])
        rows = jnp.asarray(golden.value(slices["values"])).reshape(-1, *shape[1:])
        return RowGradient(jnp.asarray(slices["indices"], jnp.int32), rows, shape)
    return jnp.asarray(golden.value(tree))


def _compare(file: str) -> Any:
    header = golden.read(file)
    return functools.partial(golden.assert_tf, rtol=header.get("rtol", 1e-5), atol=header.get("atol", 1e-6))


def _check_optimizer(file: str, case: dict) -> None:
    same = _compare(file)
    optimizer = _build(case["optimizer"])
    params = {name: jnp.asarray(golden.value(v)) for name, v in case["variables"].items()}
    state = optimizer.init(params)
    expected = case["expected"]
    for n, row in enumerate(case["gradients"]):
        params, state = optimizer.apply({name: _gradient(g) for name, g in row.items()}, state, params)
        if "steps" in expected:
            for name, want in expected["steps"][n].items():
                same(params[name], golden.value(want), what=f"{name} after step {n + 1}")
    optimizer.state = state
    if "iterations" in expected:
        assert optimizer.iterations == expected["iterations"]
    for name, slots in expected.get("slots", {}).items():
        assert sorted(state["slots"].get(name, {})) == sorted(slots)
        for slot, want in slots.items():
            same(state["slots"][name][slot], golden.value(want), what=f"{name}/{slot}")
    if expected.get("config"):
        config = optimizer.get_config()
        assert sorted(config) == sorted(expected["config"])
        for key, want in expected["config"].items():
            assert config[key] == pytest.approx(want, rel=1e-6) if isinstance(want, float) else config[key] == want, key
        again = type(optimizer).from_config(config)
        assert again.get_config() == config


def _check_values(file: str, case: dict) -> None:
    steps = case["steps"]
    if "schedule" in case:
        schedule = _build(case["schedule"])
        got = [schedule(s) for s in steps]
        many = schedule(jnp.asarray(steps))
    else:
        tree = case["decay"]
        keyword = "x" if tree["fn"].endswith("piecewise_constant") else "global_step"
        function, kwargs = _lookup(tree["fn"]), {k: _build(v) for k, v in tree.get("kwargs", {}).items()}
        args = [_build(a) for a in tree.get("args", [])]
        got = [function(*args, **kwargs, **{keyword: s}) for s in steps]
        many = function(*args, **kwargs, **{keyword: None})(jnp.asarray(steps))
    want = golden.value(case["expected"]["values"])
    _compare(file)(np.stack([np.asarray(v) for v in got]), want)
    _compare(file)(many, want)


def _check_clip(file: str, case: dict) -> None:
    same, tree, expected = _compare(file), case["clip"], case["expected"]
    function = functools.partial(_lookup(tree["fn"]), **{k: _build(v) for k, v in tree.get("kwargs", {}).items()})
    tensors = [_gradient(t) for t in case["tensors"]]
    if tree["fn"].endswith("clip_by_global_norm"):
        got, norm = function(tensors)
        same(norm, golden.value(expected["global_norm"]), what="norm")
    elif tree["fn"].endswith("global_norm"):
        same(function(tensors), golden.value(expected["global_norm"]), what="norm")
        return
    else:
        got = [function(t) for t in tensors]
    for g, want in zip(got, expected["tensors"], strict=True):
        want = _gradient(want)
        if want is None:
            assert g is None
        elif isinstance(want, RowGradient):
            same(g.ids, want.ids)
            same(g.rows, want.rows)
        else:
            same(g, want)


@golden.parametrize("tf", "optimizers")
def test_case(file: str, case: dict) -> None:
    check = _check_optimizer if "optimizer" in case else _check_clip if "clip" in case else _check_values
    if "error" in case["expected"]:
        with pytest.raises((ValueError, TypeError)):
            check(file, case)
    else:
        check(file, case)
