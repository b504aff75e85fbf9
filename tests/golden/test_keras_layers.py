"""Layers against Keras 3: outputs, gradients, weights, masks, shapes, configs, errors, random behaviour."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import estimax
import estimax.layers  # noqa: F401 (found by name below)
from estimax import core
from estimax.core.errors import TracerLeakError
from tests.golden import golden

# Cases that can't pass: id, or a prefix ending in "*", and the reason.
XFAIL: dict[str, str] = {}
ERRORS = {"ValueError": (ValueError,), "TypeError": (TypeError, ValueError), "IndexError": (IndexError, ValueError),
          "NotImplementedError": (NotImplementedError, ValueError)}  # fmt: skip


# Keras 3.15 loses the argument of this initializer on the way into a config; estimax keeps it.
IDENTITY = {"module": "keras.initializers", "class_name": "Identity", "config": {}, "registered_name": None}


def build(config: Any, A: dict[str, np.ndarray]) -> Any:
    """The layer (or any other object) of a config tree."""
    return golden.build_keras(config, lambda name: golden.find(estimax, name, "layers"), A)


def arrays_in(tree: Any) -> list[str]:
    """The names of the arrays in a tree of arguments, in order, each once."""
    if isinstance(tree, dict):
        if "array" in tree:
            return [tree["array"]]
        tree = list(tree.values())
    return list(dict.fromkeys(k for v in tree for k in arrays_in(v))) if isinstance(tree, list) else []


def leaves(tree: Any) -> list[Any]:
    return [x for x in jax.tree.leaves(tree) if hasattr(x, "dtype")]


def compare(got: Any, want: Any, A: dict[str, np.ndarray], tol: dict, what: str) -> None:
    """A result against recorded tensors, nested in lists or dicts."""
    if isinstance(want, list):
        assert isinstance(got, (list, tuple)) and len(got) == len(want), f"{what}: {len(want)} outputs expected, got {got!r}"
        for i, (g, w) in enumerate(zip(got, want)):
            compare(g, w, A, tol, f"{what}[{i}]")
    elif want is None or "array" not in want:
        if want is None:
            assert got is None, f"{what}: expected None, got {got!r}"
            return
        assert set(got) == set(want)
        for k in want:
            compare(got[k], want[k], A, tol, f"{what}[{k!r}]")
    else:
        assert got.dtype.name == want["dtype"], f"{what}: dtype {got.dtype.name}, expected {want['dtype']}"
        got = got.astype(jnp.float32) if got.dtype == jnp.bfloat16 else got
        golden.assert_keras(got, A[want["array"]], **tol, what=what)


def build_weights(layer: Any, step: dict, A: dict[str, np.ndarray]) -> None:
    """Builds the layer by an inference call of which only the shapes are worked out."""
    args = [build(a, A) for a in step.get("args", [])]
    kwargs = {k: build(v, A) for k, v in step.get("kwargs", {}).items() if k != "training"}

    def call() -> None:
        with core.Frame.eager(training=False):
            layer(*args, **kwargs)

    try:
        jax.eval_shape(lambda: call() and None)
    except TracerLeakError:  # a layer that keeps state, called outside a pure call
        call()


def check_initial(variable: Any, initial: Any) -> None:
    value = variable.numpy()
    if initial == "zeros":
        assert not value.any()
    elif initial == "ones":
        assert (value == 1).all()
    elif not isinstance(initial, str):
        np.testing.assert_array_equal(value, np.asarray(initial))


def check_weights(layer: Any, case: dict, A: dict[str, np.ndarray]) -> None:
    """Names, paths, order and first values of the weights; assigns the given ones."""
    got = layer.weights
    assert [v.path for v in got] == [w["path"] for w in case["weights"]]
    trainable = {id(v) for v in layer.trainable_variables}
    for v, w in zip(got, case["weights"]):
        assert (v.name, list(v.shape), v.dtype) == (w["name"], w["shape"], w["dtype"])
        assert (id(v) in trainable) == w["trainable"], v.path
        if case["weights_given"]:
            check_initial(v, w["initial"])
            v.assign(A[w["array"]])
        else:
            golden.assert_keras(v.numpy(), A[w["array"]], **case.get("tol", {}), what=v.path)


def run_call(layer: Any, step: dict, A: dict[str, np.ndarray], tol: dict) -> None:
    """One call: output, masks, changed weights, losses, gradients."""
    args, kwargs, in_masks = step.get("args", []), step.get("kwargs", {}), step.get("in_masks", [])
    names = arrays_in([args, kwargs, in_masks])
    given = {k: jnp.asarray(A[k]) for k in names}
    grad = step.get("grad")
    wanted = list(grad["args"]) if grad else []
    bindings, before = layer.bindings, layer.values
    trainable = {bindings[id(v)] for v in layer.trainable_variables} if grad else set()

    def call(floats: dict, params: dict, others: dict, state: dict, key: Any) -> Any:
        values = {**state, **params}
        local = {**others, **floats}
        with core.Frame(values, bindings, key=key, kinds=layer.kinds) as frame:
            xs = [build(a, local) for a in args]
            for x, mask in zip(leaves(xs), in_masks):
                if mask is not None:
                    frame.set_mask(x, build(mask, local))
            out = layer(*xs, **{k: build(v, local) for k, v in kwargs.items()})
            masks = [frame.mask_of(y) for y in leaves(out)]
            new = {p: frame.values[p] for p in frame.written}
        floats_out = [y for y in leaves(out) if jnp.issubdtype(y.dtype, jnp.floating)]
        total = jnp.zeros(())
        if grad:
            for y, c in zip(floats_out, grad["cotangents"], strict=True):
                total = total + jnp.sum(y.astype(jnp.float32) * A[c])
        return total, (out, masks, new)

    floats = {k: given.pop(k) for k in wanted}
    params = {p: before[p] for p in before if p in trainable}
    state = {p: before[p] for p in before if p not in trainable}
    fn = jax.value_and_grad(call, (0, 1), has_aux=True) if grad else lambda *a: (call(*a), ({}, {}))
    (_, (out, masks, new)), (d_floats, d_params) = jax.jit(fn)(floats, params, given, state, jax.random.key(0))

    if grad and getattr(layer, "stateful", False):
        # Keras holds the states of recurrent layers outside what its gradients see: these cases recorded the gradient at the
        # states after the call.
        _, (d_floats, d_params) = jax.jit(fn)(floats, params, given, {**state, **new}, jax.random.key(0))
    if "out" in step and getattr(layer, "random", False) and depends_on_draw(jax.jit(fn), (floats, params, given, state), out):
        # Some outputs of augmentation layers were recorded while they drew random numbers, which need not match Keras's.
        assert (out.dtype.name, list(out.shape)) == (step["out"]["dtype"], step["out"]["shape"])
        assert np.isfinite(out).all()
    elif "out" in step:
        compare(out, step["out"], A, tol, "out")
    want_masks = step.get("mask_out", [None] * len(masks))
    for got, want in zip(masks, want_masks, strict=True):
        if want is None:
            assert got is None, "the output carries a mask, expected none"
        else:
            golden.assert_keras(got, A[want["array"]], what="mask")
    grad_tol = tol or {"rtol": 1e-3, "atol": 1e-4}
    if grad:
        for k, want in grad["args"].items():
            golden.assert_keras(d_floats[k], A[want], **grad_tol, what=f"gradient by {k}")
        for path, want in grad["weights"].items():
            golden.assert_keras(d_params[path], A[want], **grad_tol, what=f"gradient by {path}")
    if "losses" in step:
        layer(*[build(a, A) for a in args], **{k: build(v, A) for k, v in kwargs.items()})
        golden.assert_keras([float(x) for x in layer.losses], step["losses"], **tol, what="losses")
    by_path = {bindings[id(v)]: v for v in layer.variables}
    after = step.get("weights_after", {})
    for path, want in after.items():
        golden.assert_keras(new[path], A[want], **tol, what=f"{path} after the call")
    for path, value in new.items():
        by_path[path].assign(value)
        if path not in after and any(v is by_path[path] for v in layer.weights):
            golden.assert_keras(value, before[path], **tol, what=f"{path}, which the call should leave")


def depends_on_draw(fn: Any, args: tuple, out: Any) -> bool:
    """Whether other random numbers give another output."""
    return any(not np.array_equal(fn(*args, jax.random.key(n))[0][1][0], out) for n in range(1, 8))


def run_step(layer: Any, step: dict, A: dict[str, np.ndarray], tol: dict) -> None:
    args = [build(a, A) for a in step.get("args", [])]
    kwargs = {k: build(v, A) for k, v in step.get("kwargs", {}).items()}
    match step["do"]:
        case "call":
            run_call(layer, step, A, tol)
        case "compute_mask":
            compare(layer.compute_mask(*args, **kwargs), step["out"], A, tol, "compute_mask")
        case "method":
            out = getattr(layer, step["method"])(*args, **kwargs)
            compare(out, step["out"], A, tol, step["method"])
        case "reset_state":
            layer.reset_state()
        case "adapt":
            layer.adapt(build(step["data"], A))
        case other:
            raise AssertionError(f"unknown step {other!r}")


def as_lists(tree: Any) -> Any:
    """Shapes as JSON has them."""
    return [as_lists(v) for v in tree] if isinstance(tree, (list, tuple)) else tree


def tuples(tree: Any) -> Any:
    """A recorded shape, or nested lists of shapes, with tuples for shapes."""
    if isinstance(tree, list):
        return tuple(tree) if all(d is None or isinstance(d, int) for d in tree) else [tuples(v) for v in tree]
    return {k: tuples(v) for k, v in tree.items()} if isinstance(tree, dict) else tree


def symbolic(tree: Any) -> Any:
    if isinstance(tree, list):
        return [symbolic(v) for v in tree]
    if set(tree) == {"shape", "dtype"}:
        return estimax.layers.Input(batch_shape=tree["shape"], dtype=tree["dtype"])
    return {k: symbolic(v) for k, v in tree.items()}


def described(tree: Any) -> Any:
    if isinstance(tree, (list, tuple)):
        return [described(v) for v in tree]
    if isinstance(tree, dict):
        return {k: described(v) for k, v in tree.items()}
    return {"shape": list(tree.shape), "dtype": tree.dtype}


def check_error(case: dict, A: dict[str, np.ndarray]) -> None:
    def attempt() -> None:
        layer = build(case["config"], A)
        assert case["error"]["stage"] != "construct", "the constructor accepted it"
        for step in case.get("steps", []):
            if step["do"] == "call":
                layer(*[build(a, A) for a in step.get("args", [])], **{k: build(v, A) for k, v in step.get("kwargs", {}).items()})
            else:
                run_step(layer, step, A, {})

    with pytest.raises(ERRORS.get(case["error"]["type"], (ValueError,))) as caught:
        attempt()
    assert str(caught.value), "an error without a message"


def same_config(got: Any, want: Any) -> bool:
    """Whether two configs are equal; numbers to 6 digits, as Keras writes some of them rounded to float32."""
    if isinstance(want, dict):
        if want == IDENTITY and isinstance(got, dict):
            return {**got, "config": {}} == want
        return isinstance(got, dict) and set(got) == set(want) and all(same_config(got[k], want[k]) for k in want)
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(same_config, got, want))
    if isinstance(want, float) and isinstance(got, float):
        return got == pytest.approx(want, rel=1e-6)
    return got == want and type(got) is type(want)


def unbuilt(config: Any) -> Any:
    """A config without the shapes for which layers inside were built: a layer made from a config is not built yet."""
    if isinstance(config, dict):
        return {k: unbuilt(v) for k, v in config.items() if k != "build_config"}
    return [unbuilt(v) for v in config] if isinstance(config, list) else config


# ---- random behaviour ------------------------------------------------------------------------------------------


def _images(x: np.ndarray) -> dict[str, np.ndarray]:
    return {"same": x, "flip_h": x[:, :, ::-1], "flip_v": x[:, ::-1], "flip_hv": x[:, ::-1, ::-1]}


def check_fact(fact: dict, x: np.ndarray, y: np.ndarray, z: np.ndarray, again: np.ndarray, inference: np.ndarray) -> None:
    """One fact: `x` went in, `y` and `z` came out of two training calls, `again` out of a new layer's first one."""
    value, tol = fact.get("value"), fact.get("tol", 1e-4)
    close = {"rtol": 1e-4, "atol": 1e-4 * max(1.0, float(np.abs(x).max()))}
    kept = y != 0
    match fact["kind"]:
        case "inference_is_identity":
            np.testing.assert_allclose(inference, x, **close)
        case "zero_fraction":
            assert abs((y == 0).mean() - value) <= tol
        case "kept_scale":
            np.testing.assert_allclose(y[kept], x[kept] * value, rtol=1e-4)
        case "mean" | "std" as what:
            assert abs(getattr(np, what)(y) - value) <= tol
        case "noise_mean" | "noise_std" as what:
            assert abs(getattr(np, what.removeprefix("noise_"))(y - x) - value) <= tol
        case "ratio_mean" | "ratio_std" as what:
            assert abs(getattr(np, what.removeprefix("ratio_"))(y / x) - value) <= tol
        case "zero_pattern_constant_over_axes":
            axes = tuple(fact["axes"])
            assert ((y == 0).all(axes) | (y != 0).all(axes)).all()
        case "most_common_value":
            values, counts = np.unique(np.round(y, 4), return_counts=True)
            assert abs(values[counts.argmax()] - value) <= tol
        case "most_common_fraction":
            _, counts = np.unique(np.round(y, 4), return_counts=True)
            assert abs(counts.max() / y.size - value) <= tol
        case "two_calls_differ":
            assert not np.array_equal(y, z)
        case "same_seed_same_first_call":
            np.testing.assert_array_equal(y, again)
        case "each_image_is_one_of":
            options = {k: v for k, v in _images(x).items() if k in fact["options"]}
            hits = {k: [np.allclose(a, b, **close) for a, b in zip(y, v)] for k, v in options.items()}
            assert np.any(list(hits.values()), axis=0).all() and all(any(h) for h in hits.values())
        case "each_image_is_a_window":
            h, w = fact["size"]
            for image, out in zip(x, y):
                windows = np.lib.stride_tricks.sliding_window_view(image, (h, w), (0, 1))
                assert np.isclose(np.moveaxis(windows, 2, -1), out, **close).all((-3, -2, -1)).any()
        case "per_image_constant_shift":
            shift = y - x
            np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1, :1, :1], x.shape), **close)
        case "value_range":
            assert y.min() >= fact["lo"] - 1e-4 and y.max() <= fact["hi"] + 1e-4
        case "output_shape":
            assert list(y.shape) == value
        case "changed_fraction_between":
            assert fact["lo"] <= np.mean(np.any(y != x, axis=-1)) <= fact["hi"]
        case other:
            raise AssertionError(f"unknown fact {other!r}")


def check_facts(case: dict, A: dict[str, np.ndarray]) -> None:
    x = build(case["facts_input"], A)

    def make() -> Any:
        core.set_random_seed(case["seed"])
        return build(case["config"], A)

    layer = make()
    y, z = (np.asarray(layer(x, training=True)) for _ in range(2))
    inference = np.asarray(layer(x, training=False))
    again = np.asarray(make()(x, training=True))
    for fact in case["facts"]:
        check_fact(fact, np.asarray(x), y, z, again, inference)


# ---- the test --------------------------------------------------------------------------------------------------


@golden.parametrize("keras", "layers", xfail=XFAIL)
def test_case(file: str, case: dict) -> None:
    A = golden.arrays(file)
    core.set_random_seed(case.get("seed", 0))
    if "error" in case:
        check_error(case, A)
        return
    if "facts" in case:
        check_facts(case, A)
        return
    tol = case.get("tol", {})
    with core.Frame.eager(naming=True):
        layer = build(case["config"], A)
    steps = list(case["steps"])
    if steps and steps[0]["do"] == "adapt":
        run_step(layer, steps.pop(0), A, tol)
    first = next((s for s in steps if s["do"] == "call"), None)
    if first is not None:
        build_weights(layer, first, A)
    check_weights(layer, case, A)
    if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
        layer.reset_state()
    for step in steps:
        run_step(layer, step, A, tol)

    if "compute_output_shape" in case:
        shapes = case["compute_output_shape"]
        assert as_lists(layer.compute_output_shape(*map(tuples, shapes["args"]))) == shapes["result"]
    if "symbolic" in case:
        static = {k: v for k, v in (first or {}).get("kwargs", {}).items() if not arrays_in(v)}
        out = layer(*symbolic(case["symbolic"]["args"]), **static)
        assert described(out) == case["symbolic"]["result"]
    assert layer.name == case["name"]
    assert type(layer).__name__ == case["class_name"]
    assert bool(layer.supports_masking) == case["supports_masking"]
    if "get_config" in case:
        config = core.plain(layer.get_config())
        want = case["get_config"]
        if want.get("seed") is not None and config["seed"] is None:  # drawn where none was given
            want = {**want, "seed": None}
        assert same_config(config, want), f"{config} != {want}"
        again = core.deserialize(core.serialize(layer))
        assert type(again) is type(layer) and unbuilt(core.plain(again.get_config())) == unbuilt(config)
