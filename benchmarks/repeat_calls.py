"""A thousand calls of a live estimator: predict of one row, evaluate of one batch, train of one step; their time and what memory grows.

python benchmarks/repeat_calls.py
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from measure import header, seconds, spread

import estimax as ex

fc = ex.feature_columns


def resident() -> int:
    """Bytes of memory that the process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="of each kind")
    args = parser.parse_args()
    header("repeated calls of a DNNClassifier with string columns")
    rng = np.random.default_rng(0)
    features = {"x": rng.normal(size=128).astype(np.float32), "city": rng.choice(["Oslo", "Rome", "Bonn"], 128)}
    labels = rng.integers(0, 2, 128)
    city = fc.categorical_column_with_vocabulary_list("city", ["Oslo", "Rome"], num_oov_buckets=1)
    columns = [fc.numeric_column("x"), fc.embedding_column(city, 4)]
    config = ex.estimator.RunConfig(model_dir=tempfile.mkdtemp())
    premade = ex.estimator.DNNClassifier([32, 16], columns, config=config)

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        net = ex.layers.DenseFeatures(columns)(features)
        logits = ex.layers.Dense(1)(ex.layers.Dense(16, activation="relu")(net))
        return ex.estimator.BinaryClassHead().create_estimator_spec(features, mode, logits, labels, optimizer="Adagrad")

    custom = ex.estimator.Estimator(model_fn, config=config.replace(model_dir=tempfile.mkdtemp()))
    one = {k: v[:1] for k, v in features.items()}
    for name, model in (("premade", premade), ("model_fn", custom)):
        model.train(lambda: (features, labels), steps=20)
        calls = {
            "predict of one row": (lambda m=model: list(m.predict(lambda: one)), "bar 5 ms"),
            "evaluate of one batch": (lambda m=model: m.evaluate(lambda: (features, labels)), "bar 20 ms"),
            "train(steps=1)": (lambda m=model: m.train(lambda: (features, labels), steps=1), "bar 5 ms over the step"),
        }
        for what, (call, bar) in calls.items():
            for _ in range(100):
                call()
            before, arrays = resident(), len(jax.live_arrays())
            took = [seconds(call) for _ in range(args.calls)]
            grown = f"{(resident() - before) / 2**20:+.1f} MiB, {len(jax.live_arrays()) - arrays:+d} arrays"
            mean = sum(took) / len(took) * 1e3
            print(f"  {name:9} {what:24} {spread(took, 1e3, ' ms'):36} mean {mean:5.2f}  {grown:24} {bar}", flush=True)
        steps = seconds(lambda m=model: m.train(lambda: (features, labels), steps=args.calls)) / args.calls
        print(f"  {name:9} {'a step of the same':24} {steps * 1e3:.4g} ms, of one train(steps={args.calls})", flush=True)


if __name__ == "__main__":
    main()
