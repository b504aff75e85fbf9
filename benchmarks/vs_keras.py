"""`fit` and `predict` throughput against Keras 3 on JAX: same process, same weights, runs interleaved.

    pip install keras && python benchmarks/vs_keras.py

Keras is run with its default settings and with `steps_per_execution=16`; the better one counts. Keras is a dependency of this benchmark alone.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from measure import header, interleaved, line, ratio, spread

import estimax as ex


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


MODELS = {
    "MLP": (mlp, (20,), 32_000, 64),
    "CNN": (cnn, (28, 28, 1), 2_048, 64),
    "LSTM": (lstm, (20, 16), 4_096, 64),
    "transformer": (transformer, (20, 16), 2_048, 64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=sorted(MODELS))
    args = parser.parse_args()
    header("fit and predict, batch 64", "keras")
    rng = np.random.default_rng(0)
    for name, (network, shape, rows, batch) in MODELS.items():
        if args.only not in (None, name):
            continue
        x, y = rng.normal(size=(rows, *shape)).astype(np.float32), rng.normal(size=(rows, 1)).astype(np.float32)
        models = {}
        for label, package, options in (
            ("keras", keras, {}),
            ("keras 16", keras, {"steps_per_execution": 16}),
            ("estimax", ex, {}),
        ):
            inputs = package.layers.Input(shape) if package is ex else package.Input(shape)
            model = package.Model(inputs, network(package, inputs))
            model.compile(optimizer="adam", loss="mse", **options)
            models[label] = model
        weights = models["keras"].get_weights()
        for model in models.values():
            model.set_weights(weights)
        runs = {n: lambda m=m: m.fit(x, y, batch_size=batch, epochs=1, verbose=0) for n, m in models.items()}
        took = interleaved(runs, rounds=args.rounds)
        best = min(("keras", "keras 16"), key=lambda n: sorted(took[n])[len(took[n]) // 2])
        ours = spread(took["estimax"], 1e6 / (rows / batch), " us/step")
        line(
            f"{name}: fit",
            ours,
            f"{best}: {spread(took[best], 1e6 / (rows / batch), ' us/step')}",
            ratio(took[best], took["estimax"]),
            "bar 1.0",
        )
        times = ratio(took["keras"], took["estimax"])
        line(f"{name}: fit, against Keras's default", ours, spread(took["keras"], 1e6 / (rows / batch), " us/step"), times)
        runs = {n: lambda m=m: m.predict(x, batch_size=batch, verbose=0) for n, m in models.items()}
        took = interleaved(runs, rounds=args.rounds)
        best = min(("keras", "keras 16"), key=lambda n: sorted(took[n])[len(took[n]) // 2])
        line(
            f"{name}: predict",
            spread(took["estimax"], 1e3, " ms"),
            f"{best}: {spread(took[best], 1e3, ' ms')}",
            ratio(took[best], took["estimax"]),
            "bar 1.0",
        )


if __name__ == "__main__":
    main()
