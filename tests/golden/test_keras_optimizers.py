"""Golden cases of Keras 3's optimizers and learning rate schedules."""

from __future__ import annotations

import functools
import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import estimax.constraints
import estimax.optimizers
from estimax import optimizers
from tests.golden import golden


def _lookup(name: str) -> Any:
    if "." not in name and hasattr(optimizers.schedules, name):
        return getattr(optimizers.schedules, name)
    return golden.find(estimax, name, "optimizers")


def _compare(case: dict) -> Any:
    return functools.partial(golden.assert_keras, **case.get("tol", {}))


def _same_config(got: Any, want: Any, what: str = "config") -> None:
    if isinstance(want, dict):
        assert sorted(got) == sorted(want), what
        for key in want:
            if key != "name":  # Keras counts names over a process
                _same_config(got[key], want[key], f"{what}/{key}")
    elif isinstance(want, float):
        assert got == pytest.approx(want, rel=1e-6), what
    else:
        assert got == want, what


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _check_state(optimizer: Any, listed: list[dict], arrays: dict, same: Any) -> None:
    """Every state variable of Keras, by the end of its path and its value; a few have no counterpart, see below."""
    got = [(_last(v.path), v) for v in optimizer.variables]
    kind = type(optimizer).__name__
    at = 0
    for entry in listed:
        name, want = _last(entry["path"]), arrays[entry["array"]]
        if kind == "LossScaleOptimizer" and entry["path"] in (
            "loss_scale_optimizer/learning_rate",
            "loss_scale_optimizer/iteration",
        ):
            # Keras keeps an unused rate and counter for the wrapper itself.
            at += name == "iteration"
            continue
        if kind == "Adafactor" and not _is_of_every_optimizer(name):
            continue
        # Keras gives Nadam's product of momenta no name of its own: "variable", or with a counter "variable_1".
        assert got[at][0] == ("u_product" if re.fullmatch(r"variable(_\d+)?", entry["path"]) else name)
        same(got[at][1].value, want, what=entry["path"])
        at += 1
    if kind == "Adafactor":
        assert not any(_is_of_every_optimizer(name) for name, _ in got[at:])
        _check_adafactor(optimizer, listed, arrays, same)
    else:
        assert at == len(got)


def _is_of_every_optimizer(name: str) -> bool:
    """Whether a state variable is one that any optimizer has, by the end of its path."""
    return name in ("iteration", "learning_rate") or name.endswith(("_average", "_gradient_accumulator"))


def _check_adafactor(optimizer: Any, listed: list[dict], arrays: dict, same: Any) -> None:
    """Keras stores row means, column means and their product, with names that repeat; estimax the means alone."""
    entries = [e for e in listed if not _is_of_every_optimizer(_last(e["path"]))]
    slots = optimizer.state["slots"]
    assert len(entries) == 3 * len(slots)
    for n in range(0, len(entries), 3):
        slot = slots[_last(entries[n + 2]["path"]).removesuffix("_velocity")]
        row, column, velocity = (arrays[e["array"]] for e in entries[n : n + 3])
        if "velocity" in slot:
            same(slot["velocity"], velocity)
        else:
            same(slot["row"], row)
            same(slot["column"], column)


def _check_optimizer(file: str, case: dict) -> None:
    arrays, same = golden.arrays(file), _compare(case)
    optimizer = golden.build_keras(case["config"], _lookup, arrays)
    _same_config(optimizer.get_config(), case["get_config"])
    again = type(optimizer).from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    if names := case.get("exclude_from_weight_decay"):
        optimizer.exclude_from_weight_decay(var_names=names)
    names = [v["name"] for v in case["variables"]]
    params = {v["name"]: jnp.asarray(arrays[v["array"]]) for v in case["variables"]}
    constraints = {
        v["name"]: golden.build_keras(v["constraint"], lambda name: golden.find(estimax, name, "constraints"), arrays)
        for v in case["variables"]
        if v.get("constraint")
    }
    state = optimizer.state = optimizer.init(params)
    _check_state(optimizer, case["initial_slots"], arrays, same)
    for row, after in zip(case["gradients"], case["after_step"], strict=True):
        grads = {n: None if g is None else jnp.asarray(arrays[g]) for n, g in zip(names, row, strict=True)}
        params, state = optimizer.apply(grads, state, params, constraints=constraints)
        optimizer.state = state
        for name, want in zip(names, after["variables"], strict=True):
            same(params[name], arrays[want], what=f"{name} after step {after['iterations']}")
        assert optimizer.learning_rate == pytest.approx(after["learning_rate"], rel=1e-5, abs=1e-9)
        assert optimizer.iterations == after["iterations"]
        if "dynamic_scale" in after:
            assert optimizer.dynamic_scale == after["dynamic_scale"]
    _check_state(optimizer, case["slots"], arrays, same)
    final = optimizer.finalize(params, state)
    for name, want in zip(names, case["after_finalize"], strict=True):
        same(final[name], arrays[want], what=f"{name} after finalize")


def _check_schedule(file: str, case: dict) -> None:
    arrays, same = golden.arrays(file), _compare(case)
    schedule = golden.build_keras(case["config"], _lookup, arrays)
    want = arrays[case["values"]["array"]]
    same(np.stack([np.asarray(schedule(s)) for s in case["steps"]]), want)
    same(schedule(jnp.asarray(case["steps"])), want)
    if "get_config" in case:
        assert schedule.get_config() == case["get_config"]
        assert type(schedule).from_config(schedule.get_config()).get_config() == schedule.get_config()


@golden.parametrize("keras", "optimizers")
def test_case(file: str, case: dict) -> None:
    if case["kind"] == "error":
        assert case["error"]["stage"] == "construct"
        with pytest.raises((ValueError, TypeError)):
            golden.build_keras(case["config"], _lookup, golden.arrays(file))
    elif case["kind"] == "schedule":
        _check_schedule(file, case)
    else:
        _check_optimizer(file, case)
