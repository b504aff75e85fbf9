"""What every layer must fulfil, as one function."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import Frame, deserialize, plain, serialize
from estimax.layers import Input, Layer

CHECKS = ("numpy", "compiled", "training", "gradient", "shape", "config", "leaks", "float64", "mixed_bfloat16")


def check_layer(
    layer_fn: Callable[..., Layer],
    *inputs: Any,
    skip: Collection[str] = (),
    custom_objects: dict[str, Any] | None = None,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    **kwargs: Any,
) -> None:
    """Checks a layer, estimax's or your own, against the contract of layers.

    - `numpy`: NumPy inputs give the same as JAX arrays.
    - `compiled`: `jax.jit(layer.apply)` gives the same as a plain call.
    - `training`: a training step compiles, and gives values of the same paths, shapes and types.
    - `gradient`: the gradient of the outputs by all trainable variables and float inputs is finite.
    - `shape`: `compute_output_shape`, and a call on symbolic inputs, tell the shapes and types that really come out.
    - `config`: the config is JSON, and a layer made from it has the same config and, with the same weights, the same output.
    - `leaks`: no traced value is kept (`jax.checking_leaks`).
    - `float64`: with 64 bits enabled and `dtype="float64"`, the same numbers come out in float64.
    - `mixed_bfloat16`: with this policy variables are float32 and outputs bfloat16.

    Args:
        layer_fn: makes the layer; called with `dtype=` for the last two checks.
        inputs: positional arguments of `call`: NumPy arrays, or lists or dicts of them.
        skip: names of checks, from the list above, that the layer can't or need not pass.
        custom_objects: classes and functions by name, needed to make the layer from its config.
        rtol, atol: how close numbers must be.
        kwargs: further arguments of `call`.

    Raises:
        AssertionError: naming the check that failed.
        ValueError: if `skip` has an unknown name.

    Example:
        >>> import numpy as np
        >>> from estimax.layers import Dense
        >>> check_layer(lambda **kwargs: Dense(3, **kwargs), np.ones((2, 4), "float32"))
    """
    unknown = set(skip) - set(CHECKS)
    if unknown:
        raise ValueError(f"check_layer: skip: unknown names {sorted(unknown)}, expected some of {CHECKS}.")
    layer = layer_fn()
    arrays = jax.tree.map(jnp.asarray, inputs)
    eager = _finite_outputs(layer, _inference(layer, arrays, kwargs))
    values = layer.values
    key = jax.random.key(0)
    close = {"rtol": rtol, "atol": atol}

    if "numpy" not in skip:
        _same("numpy", _inference(layer, inputs, kwargs), eager, close)
    if "compiled" not in skip:
        _same("compiled", jax.jit(lambda v, x: layer.apply(v, *x, **kwargs)[0])(values, arrays), eager, close)

    def step(values: dict, x: Any) -> Any:
        return layer.apply(values, *x, training=True, key=key, **kwargs)

    if "leaks" not in skip:
        with jax.checking_leaks():
            jax.eval_shape(step, values, arrays)
    if "training" not in skip or "gradient" not in skip:
        _check_training(layer, step, values, arrays, gradient="gradient" not in skip)
    if "shape" not in skip:
        _check_shapes(layer, arrays, eager, kwargs)
    if "config" not in skip:
        _check_config(layer, arrays, eager, kwargs, custom_objects, close)
    if "float64" not in skip:
        # Tolerances of float32: that is how exact the first result is.
        _check_float64(layer_fn, inputs, eager, layer, kwargs, close)
    if "mixed_bfloat16" not in skip:
        _check_mixed(layer_fn, arrays, kwargs)


def _inference(layer: Layer, args: Any, kwargs: dict[str, Any]) -> Any:
    """A call that does not train."""
    with Frame.eager(training=False):
        return layer(*args, **kwargs)


def _floats(tree: Any) -> list[Any]:
    return [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]


def _finite_outputs(layer: Layer, out: Any) -> Any:
    for leaf in _floats(out):
        assert bool(jnp.isfinite(leaf).all()), f"{layer}: the output is not finite"
    return out


def _same(what: str, got: Any, want: Any, close: Any) -> None:
    structures: list[Any] = [jax.tree.structure(got), jax.tree.structure(want)]
    assert structures[0] == structures[1], f"{what}: another structure of outputs"
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want)):
        assert g.shape == w.shape and g.dtype == w.dtype, f"{what}: {g.dtype}{g.shape}, expected {w.dtype}{w.shape}"
        np.testing.assert_allclose(np.asarray(g, np.float64), np.asarray(w, np.float64), **close, err_msg=what)


def _check_training(layer: Layer, step: Callable, values: dict, arrays: Any, *, gradient: bool) -> None:
    kinds = layer.kinds
    params = {p: v for p, v in values.items() if kinds[p] == "params"}
    leaves, tree = jax.tree.flatten(arrays)
    is_float = [jnp.issubdtype(x.dtype, jnp.floating) for x in leaves]

    def total(params: dict, floats: list) -> Any:
        it = iter(floats)
        x = jax.tree.unflatten(tree, [next(it) if f else leaf for f, leaf in zip(is_float, leaves)])
        out, new = step({**values, **params}, x)
        # A fixed pattern of weights: the plain sum of a normalized output hardly depends on anything.
        sums = [jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)) for y in _floats(out)]
        return sum(sums, jnp.zeros(())), new

    floats = [x for x, f in zip(leaves, is_float) if f]
    fn = jax.value_and_grad(total, (0, 1), has_aux=True) if gradient else (lambda p, x: (total(p, x), ()))
    (_, new), gradients = jax.jit(fn)(params, floats)
    assert {p: (v.shape, v.dtype) for p, v in new.items()} == {p: (v.shape, v.dtype) for p, v in values.items()}, (
        "training: the values after a step have other paths, shapes or types"
    )
    for leaf in jax.tree.leaves(gradients):
        assert bool(jnp.isfinite(leaf).all()), f"{layer}: gradient: not finite"


def _check_shapes(layer: Layer, arrays: Any, eager: Any, kwargs: dict[str, Any]) -> None:
    def fits(shape: Any, real: tuple[int, ...]) -> bool:
        return len(shape) == len(real) and all(s is None or s == r for s, r in zip(shape, real))

    symbols = jax.tree.map(lambda x: Input(batch_shape=(None, *x.shape[1:]), dtype=x.dtype.name), arrays)
    out = jax.tree.leaves(layer(*symbols, **kwargs))
    real = jax.tree.leaves(eager)
    assert len(out) == len(real), "shape: another number of symbolic outputs"
    for symbol, leaf in zip(out, real):
        assert fits(symbol.shape, leaf.shape), f"shape: the symbolic output is {symbol.shape}, the real one {leaf.shape}"
        assert symbol.dtype == leaf.dtype.name, f"shape: the symbolic output is {symbol.dtype}, the real one {leaf.dtype}"
    if len(arrays) == 1 and len(real) == 1 and not kwargs:
        shapes = jax.tree.map(lambda x: (None, *x.shape[1:]), arrays[0])
        given = layer.compute_output_shape(shapes)
        assert fits(given, real[0].shape), f"shape: compute_output_shape gives {given}, the real shape is {real[0].shape}"


def _check_config(layer: Layer, arrays: Any, eager: Any, kwargs: Any, custom_objects: Any, close: Any) -> None:
    config = json.loads(json.dumps(serialize(layer)))
    again = deserialize(config, custom_objects)
    assert type(again) is type(layer), f"config: made a {type(again).__name__} of a {type(layer).__name__}"
    out = _inference(again, arrays, kwargs)
    got, want = plain(again.get_config()), plain(layer.get_config())
    assert got == want, f"config: {got} of the layer made from {want}"
    assert [v.name for v in again.weights] == [v.name for v in layer.weights], "config: other weights"
    again.set_weights(layer.get_weights())
    if layer.weights:
        out = _inference(again, arrays, kwargs)
    _same("config", out, eager, close)


def _check_float64(layer_fn: Any, inputs: Any, eager: Any, layer: Layer, kwargs: Any, close: Any) -> None:
    weights = layer.get_weights()
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64) if np.asarray(x).dtype.kind == "f" else x, inputs)
    with jax.enable_x64(True):
        again = layer_fn(dtype="float64")
        out = _inference(again, wide, kwargs)
        if weights:
            again.set_weights(weights)
            out = _inference(again, wide, kwargs)
        for got, want in zip(jax.tree.leaves(out), jax.tree.leaves(eager)):
            if jnp.issubdtype(want.dtype, jnp.floating):
                assert got.dtype == jnp.float64, f"float64: the output is {got.dtype}"
            np.testing.assert_allclose(np.asarray(got, np.float64), np.asarray(want, np.float64), **close, err_msg="float64")


def _check_mixed(layer_fn: Any, arrays: Any, kwargs: Any) -> None:
    layer = layer_fn(dtype="mixed_bfloat16")

    out = jax.eval_shape(lambda x: _inference(layer, x, kwargs), arrays)
    for leaf in _floats(out):
        assert leaf.dtype == jnp.bfloat16, f"mixed_bfloat16: the output is {leaf.dtype}"
    for variable in layer.weights:
        if jnp.issubdtype(variable.dtype, jnp.floating):
            assert variable.dtype == "float32", f"mixed_bfloat16: {variable.path} is {variable.dtype}"
