"""Signatures: what an exported model computes, from raw features to named outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from estimax.core import HostOutput, HostTransform, HostValue, TrainState, deserialize, is_host_array, serialize
from estimax.core.errors import ExportError
from estimax.training import INFER, Program
from estimax.training.batches import flatten
from estimax.training.feeder import prepare

PLATFORMS = ("cpu", "cuda", "tpu")
SUPERVISED = ("eval", "train")  # methods that take labels and give the loss of the whole batch


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way to call an exported model.

    Attributes:
        fn: `(values, arrays) -> {name: array or HostOutput}`, pure.
        transform: raw features to `arrays`.
        arrays: encoded arrays of a sample batch, for shapes.
        inputs: `{feature: {"dtype", "shape"}}`, shapes without the batch, None where unknown.
        method: `"predict"`, `"classify"`, `"regress"`, or one of `SUPERVISED`.
    """

    fn: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]
    transform: HostTransform
    arrays: Mapping[str, Any]
    inputs: Mapping[str, Mapping[str, Any]]
    method: str = "predict"


def describe_column(column: Any) -> dict[str, Any]:
    """Dtype and shape of a raw column, without its batch."""
    if is_host_array(column):
        dtype = getattr(column, "dtype", None)
        shape = list(np.shape(column)[1:]) if isinstance(column, np.ndarray) else []
        return {"dtype": "string" if dtype is None or getattr(dtype, "kind", "O") in "OSU" else str(dtype), "shape": shape}
    return {"dtype": str(np.asarray(column).dtype), "shape": list(np.shape(column)[1:])}


def signatures_of(
    program: Program,
    features: Any,
    state: TrainState | None,
    select: Callable[[Any], Mapping[str, Mapping[str, Any]]],
    *,
    methods: Mapping[str, str] | None = None,
    rename: Callable[[HostValue], HostValue] | None = None,
    inputs: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Signature]:
    """The signatures of a program's predictions.

    Args:
        program: whose forward function in mode `"infer"` gives the predictions.
        features: a sample batch of raw features; only shapes, types and the presence of strings matter.
        state: the trained state; None for a program bound to a model.
        select: predictions to `{signature: {output name: array or HostOutput}}`.
        methods: `"predict"`, `"classify"` or `"regress"` by signature.
        rename: replaces raw features by what computes them (a parser of serialized examples, say).
        inputs: description of the raw inputs; read off the sample by default.
    """
    raw, structure = flatten(features)
    plan = program.plan_of(INFER, raw, structure, state)
    prepared = prepare(plan, raw, pad=False)

    def call(values: Mapping[str, Any], arrays: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        out, _ = program._call(plan, values, arrays, jax.random.key(program.seed), jnp.zeros((), jnp.int32))
        return select(out.predictions)

    values = {} if state is None else {**state.params, **state.model_state}
    if state is None:
        values = {p: v.value for p, v in program.bound().items() if plan.kinds[p] != "metrics"}
    names = list(jax.eval_shape(call, values, prepared.arrays))
    transform = plan.transform
    if rename is not None:
        transform = HostTransform([_renamed(v, rename) for v in plan.transform.values])
    keys = {new.key: old.key for new, old in zip(transform.values, plan.transform.values)}

    def one(name: str) -> Callable:
        def fn(values: Mapping[str, Any], arrays: Mapping[str, Any]) -> Mapping[str, Any]:
            return call(values, {keys.get(k, k): v for k, v in arrays.items()})[name]

        return fn

    back = {old: new for new, old in keys.items()}
    arrays = {back.get(k, k): v for k, v in prepared.arrays.items()}
    if inputs is None:
        inputs = {k.removeprefix("features/"): describe_column(raw[k]) for k in plan.transform.raw_names}
    return {n: Signature(one(n), transform, arrays, inputs, (methods or {}).get(n, "predict")) for n in names}


def _renamed(value: HostValue, rename: Callable[[HostValue], HostValue]) -> HostValue:
    if value.op is None:
        return rename(value)
    return HostValue(op=value.op, inputs=[_renamed(i, rename) for i in value.inputs])


def trace(signature: Signature, values: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The compiled function as serialized StableHLO for cpu, cuda and tpu, and the JSON that describes its outputs.

    The batch size is symbolic, and so are axes that host operations declare variable.

    Raises:
        ExportError: if the model cannot be traced with a symbolic batch size.
    """
    from jax import export

    outputs: dict[str, Any] = {}

    def run(values: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
        found = signature.fn(values, arrays)
        outputs.clear()
        plain = {}
        for name, leaf in found.items():
            op = leaf.op if isinstance(leaf, HostOutput) else None
            plain[name] = leaf.array if isinstance(leaf, HostOutput) else jnp.asarray(leaf)
            outputs[name] = {"op": None if op is None else serialize(op)}
        return plain

    variable = {v.key: v.op.variable_axes for v in signature.transform.values if v.op is not None}
    problems: list[str] = []
    specs = {k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in values.items()}
    for style in ("own", "shared", "fixed"):
        try:
            arrays = _symbolic(signature.arrays, variable, style)
            exported = export.export(jax.jit(run), platforms=PLATFORMS)(specs, arrays)
            for name, aval in zip(sorted(outputs), exported.out_avals):
                outputs[name]["dtype"] = str(aval.dtype)
                outputs[name]["shape"] = [int(d) if isinstance(d, int) else None for d in aval.shape[1:]]
            return bytes(exported.serialize()), {"outputs": outputs, "axes": style}
        except Exception as e:  # noqa: BLE001 - tried again with fewer symbolic axes; the first reason is reported
            problems.append(f"{type(e).__name__}: {e}")
    raise ExportError(
        f"The model cannot be exported with a symbolic batch size: {problems[0]} Do not use the number of rows in Python code of the "
        "model (x.shape[0] in a loop or condition)."
    )


def _symbolic(arrays: Mapping[str, Any], variable: Mapping[str, tuple[int, ...]], style: str) -> dict[str, Any]:
    """Shapes with symbols: `b` for the batch; for variable axes a symbol each, one for all axes of a position, or fixed sizes."""
    from jax import export

    scope = export.SymbolicScope()
    counter = 0

    def spec(key: str, leaf: Any) -> jax.ShapeDtypeStruct:
        nonlocal counter
        dims = ["b"] if np.ndim(leaf) else []
        for axis in range(1, np.ndim(leaf)):
            if axis in variable.get(key, ()) and style != "fixed":
                counter += 1
                dims.append(f"k{counter}" if style == "own" else f"k_{axis}")
            else:
                dims.append(str(np.shape(leaf)[axis]))
        shape = export.symbolic_shape(", ".join(dims) + ("," if len(dims) == 1 else ""), scope=scope) if dims else ()
        return jax.ShapeDtypeStruct(shape, np.asarray(leaf).dtype)

    found = {}
    for key, value in arrays.items():
        leaves, tree = jax.tree.flatten(value)
        if isinstance(value, dict):
            # Parts of one column (ids and weights) share its symbols.
            before = counter
            specs = []
            for leaf in leaves:
                counter = before
                specs.append(spec(key, leaf))
        else:
            specs = [spec(key, leaf) for leaf in leaves]
        found[key] = jax.tree.unflatten(tree, specs)
    return found


def finisher(description: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What turns fetched outputs into final ones, from the JSON of `trace`."""
    ops = {name: deserialize(d["op"]) for name, d in description["outputs"].items() if d["op"] is not None}

    def finish(outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {k: ops[k](np.asarray(v)) if k in ops else np.asarray(v) for k, v in outputs.items()}

    return finish
