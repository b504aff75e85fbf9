"""Against Keras 3 on JAX: `fit`, `predict`, one eager call, the first step, peak memory.

    pip install keras && python benchmarks/vs_keras.py [--only MLP] [--parts fit predict eager first memory]

`fit` and `predict` run in one process, with the same weights, in turns. Keras runs with its default settings and with `steps_per_execution`
of 8 and 32, compiled; the best of the three counts. The first step and the peak of memory are measured in processes of their own. Keras is a
dependency of this benchmark alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
from measure import header, interleaved, line, ratio, spread

os.environ["KERAS_BACKEND"] = "jax"

BATCH = 64
SETTINGS: dict[str, dict[str, Any]] = {
    "keras": {},
    "keras spe 8": {"steps_per_execution": 8, "jit_compile": True},
    "keras spe 32": {"steps_per_execution": 32, "jit_compile": True},
}


def mlp(k: Any, inputs: Any) -> Any:
    x = k.layers.Dense(64, activation="relu")(inputs)
    return k.layers.Dense(1)(k.layers.Dense(64, activation="relu")(x))


def cnn(k: Any, inputs: Any) -> Any:
    x = k.layers.MaxPooling2D()(k.layers.Conv2D(16, 3, activation="relu")(inputs))
    x = k.layers.MaxPooling2D()(k.layers.Conv2D(32, 3, activation="relu")(x))
    return k.layers.Dense(1)(k.layers.Flatten()(x))


def lstm(k: Any, inputs: Any) -> Any:
    return k.layers.Dense(1)(k.layers.LSTM(32)(inputs))


def transformer(k: Any, inputs: Any) -> Any:
    x = k.layers.Dense(32)(inputs)
    x = k.layers.LayerNormalization()(k.layers.Add()([x, k.layers.MultiHeadAttention(4, 8)(x, x)]))
    h = k.layers.Dense(32)(k.layers.Dense(64, activation="relu")(x))
    x = k.layers.LayerNormalization()(k.layers.Add()([x, h]))
    return k.layers.Dense(1)(k.layers.GlobalAveragePooling1D()(x))


# Network, shape of a row, rows.
MODELS = {
    "MLP": (mlp, (20,), 64_000),
    "CNN": (cnn, (28, 28, 1), 4_096),
    "LSTM": (lstm, (20, 16), 16_384),
    "transformer": (transformer, (20, 16), 8_192),
}


def make(package: Any, name: str, **options: Any) -> Any:
    """The compiled model of a package."""
    network, shape, _ = MODELS[name]
    inputs = package.Input(shape)
    model = package.Model(inputs, network(package, inputs))
    model.compile(optimizer="adam", loss="mse", **options)
    return model


def data(name: str, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Random rows and labels."""
    _, shape, all_rows = MODELS[name]
    rng = np.random.default_rng(0)
    rows = all_rows if rows is None else rows
    return rng.normal(size=(rows, *shape)).astype(np.float32), rng.normal(size=(rows, 1)).astype(np.float32)


# -- in one process ---------------------------------------------------------------------------------------------------


def compare(name: str, parts: list[str], rounds: int) -> None:
    """`fit` and `predict` of one model."""
    import keras

    import estimax as ex

    x, y = data(name)
    models = {label: make(keras, name, **options) for label, options in SETTINGS.items()}
    models["estimax"] = make(ex, name)
    weights = models["keras"].get_weights()
    for model in models.values():
        model.set_weights(weights)
    runs: dict[str, dict[str, Any]] = {
        "fit": {n: lambda m=m: m.fit(x, y, batch_size=BATCH, epochs=1, verbose=0) for n, m in models.items()},
        "predict": {n: lambda m=m: m.predict(x, batch_size=BATCH, verbose=0) for n, m in models.items()},
    }
    steps = len(x) / BATCH
    for part in ("fit", "predict"):
        if part not in parts:
            continue
        took = interleaved(runs[part], rounds=rounds)
        shown = {n: spread(t, 1e6 / steps, " us/batch") for n, t in took.items()}
        best = min(SETTINGS, key=lambda n: statistics.median(took[n]))
        line(f"{name}: {part}", shown["estimax"], f"{best}: {shown[best]}", ratio(took[best], took["estimax"]), "bar 1.0")
        bar = "bar 2.0" if (name, part) == ("MLP", "fit") else ""
        line("  against the default", "", shown["keras"], ratio(took["keras"], took["estimax"]), bar)


def eager(rounds: int) -> None:
    """One eager call of a Dense layer, over the bare expression."""
    import jax
    import keras

    import estimax as ex

    x = jax.numpy.ones((32, 64), "float32")
    ours, theirs = ex.layers.Dense(64), keras.layers.Dense(64)
    ours(x), theirs(x)
    kernel, bias = ours.kernel.value, ours.bias.value

    def many(call: Any) -> Any:
        def run() -> None:
            for _ in range(500):
                out = call(x)
            out.block_until_ready()

        return run

    took = interleaved(
        {"bare": many(lambda x: x @ kernel + bias), "estimax": many(ours), "keras": many(theirs)}, rounds=3 * rounds
    )
    over = {n: [(a - b) / 500 for a, b in zip(took[n], took["bare"])] for n in ("estimax", "keras")}
    line(
        "eager call of Dense, over x @ kernel + bias",
        spread(over["estimax"], 1e6, " us"),
        f"keras {spread(over['keras'], 1e6, ' us')}; bare {spread(took['bare'], 1e6 / 500, ' us')}",
        None,
        "bar 25 us",
    )


# -- in processes of their own ----------------------------------------------------------------------------------------


def child(package_name: str, name: str, part: str) -> None:
    """What a process of its own measures, printed as JSON."""

    def peak() -> float:
        # Linux: ru_maxrss would be the parent's at first.
        with open("/proc/self/status") as f:
            return next(float(x.split()[1]) for x in f if x.startswith("VmHWM")) / 1024

    x, y = data(name, BATCH if part == "first" else None)
    found: dict[str, float] = {}
    begun = time.perf_counter()
    import jax

    jax.numpy.zeros(1).block_until_ready()
    found["start"] = peak()
    package = __import__(package_name)
    getattr(package, "Model")  # noqa: B009 - subpackages are imported at first use
    found["import"] = time.perf_counter() - begun
    begun = time.perf_counter()
    model = make(package, name)
    model.fit(x, y, batch_size=BATCH, epochs=1 if part == "first" else 3, verbose=0)
    found["first"] = time.perf_counter() - begun
    if part == "memory":
        model.predict(x, batch_size=BATCH, verbose=0)
    found["peak"] = peak()
    stats = jax.devices()[0].memory_stats() or {}
    found["device"] = stats.get("peak_bytes_in_use", 0) / 2**20
    print(json.dumps(found))


def processes(name: str, part: str, rounds: int) -> dict[str, list[dict[str, float]]]:
    """What children of both packages measured, in turns."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    found: dict[str, list[dict[str, float]]] = {"keras": [], "estimax": []}
    for _ in range(rounds):
        for package in found:
            command = [sys.executable, __file__, "--child", package, "--only", name, "--parts", part]
            out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
            found[package].append(json.loads(out.splitlines()[-1]))
    return found


def column(found: list[dict[str, float]], key: str) -> list[float]:
    return [f[key] for f in found]


def first_step(name: str, rounds: int) -> None:
    """From after the imports to the end of a fit of one batch."""
    found = processes(name, "first", rounds)
    ours, theirs = found["estimax"], found["keras"]
    for what, key in (("imports to the first step done", "first"), ("import", "import")):
        a, b = column(ours, key), column(theirs, key)
        line(
            f"{name}: {what}", spread(a, 1, " s"), f"keras {spread(b, 1, ' s')}", ratio(b, a), "bar 1.0" if key == "first" else ""
        )


def memory(name: str, rounds: int) -> None:
    """Peak of the process over the start (JAX imported, data made), and of the device where it counts."""
    found = processes(name, "memory", rounds)
    over = {p: [f["peak"] - f["start"] for f in fs] for p, fs in found.items()}
    line(
        f"{name}: peak memory over the start",
        spread(over["estimax"], 1, " MB"),
        f"keras {spread(over['keras'], 1, ' MB')}",
        ratio(over["keras"], over["estimax"]),
        "bar 1.0",
    )
    device = {p: column(fs, "device") for p, fs in found.items()}
    if max(device["estimax"]):
        shown = {p: spread(d, 1, " MB") for p, d in device.items()}
        line("  on the device", shown["estimax"], shown["keras"], ratio(device["keras"], device["estimax"]), "bar 1.0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=sorted(MODELS))
    parser.add_argument("--parts", nargs="+", choices=("fit", "predict", "eager", "first", "memory"), default=None)
    parser.add_argument("--child", choices=("keras", "estimax"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.only, args.parts[0])
        return
    parts = args.parts or ["fit", "predict", "eager", "first", "memory"]
    header(f"estimax against Keras 3 on JAX, batches of {BATCH}", "keras")
    if "eager" in parts:
        eager(args.rounds)
    for name in MODELS if args.only is None else [args.only]:
        if "fit" in parts or "predict" in parts:
            compare(name, parts, args.rounds)
        if "first" in parts:
            first_step(name, args.rounds)
        if "memory" in parts:
            memory(name, args.rounds)


if __name__ == "__main__":
    main()
