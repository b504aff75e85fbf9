"""Training of large embedding tables by rows: step time against table size, and against dense optax updates.

    python benchmarks/large_tables.py [--largest 10000000] [--huge]

26 look-ups a row into one table of width 16, batch 512, Adagrad and FTRL. The model says nothing about sparsity: the engine finds the
look-ups. `--huge` trains 100 million rows of width 8.
"""

from __future__ import annotations

import argparse
import functools
import resource
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from measure import header

import estimax as ex
from estimax import core
from estimax.training import Outputs, Program, Run, TrainOp

BATCH, LOOKUPS, WIDTH = 512, 26, 16


def batches(rows: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    while True:
        ids = rng.integers(0, rows, (BATCH, LOOKUPS)).astype(np.int32)
        yield {"ids": ids, "x": rng.random((BATCH, 13)).astype(np.float32)}, (rng.random(BATCH) > 0.5).astype(np.float32)


def network(e: Any, x: Any, dense: Any) -> Any:
    return dense(jnp.concatenate([e.reshape(e.shape[0], -1), x], 1))


def log_loss(z: Any, y: Any) -> Any:
    return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))


def by_rows(rows: int, width: int, optimizer: str, row_tables: Any = "auto") -> Run:
    """estimax: a forward function that looks rows up."""
    op = getattr(ex.optimizers.legacy, optimizer)(0.05)  # tf.estimator's: Keras 3's FTRL moves the rows without a gradient too

    def forward(mode: str, features: Any, labels: Any, weights: Any) -> Outputs:
        table = core.Variable(lambda s, d: jnp.zeros(s, d), (rows, width), name="table")
        e = core.embedding_lookup(table, features["ids"])
        z = network(e, features["x"], lambda h: ex.layers.Dense(1)(ex.layers.Dense(64, activation="relu")(h)))[:, 0]
        loss = log_loss(z, labels)
        return Outputs(loss=loss, train_ops=(TrainOp(op, loss),))

    return Run(Program(forward, row_tables=row_tables), group=1)


def step_times(run: Run, rows: int, steps: int = 40) -> list[float]:
    """Seconds a step, over blocks of ten."""
    source = batches(rows)
    run.train(source, steps=10)
    found = []
    for _ in range(max(steps // 10, 3)):
        ready = [next(source) for _ in range(10)]
        jax.block_until_ready(run.state.params)
        begun = time.perf_counter()
        run.train(ready)
        jax.block_until_ready(run.state.params)
        found.append((time.perf_counter() - begun) / 10)
    return found


def dense_times(rows: int, steps: int = 10) -> list[float]:
    """The same network with a dense gradient and optax."""
    params = {
        "table": jnp.zeros((rows, WIDTH)), "k": jax.random.normal(jax.random.key(0), (LOOKUPS * WIDTH + 13, 64)) * 0.05, "b": jnp.zeros(64),
        "l": jax.random.normal(jax.random.key(1), (64, 1)) * 0.1, "c": jnp.zeros(1),
    }  # fmt: skip
    tx = optax.adagrad(0.05)
    state = tx.init(params)

    def loss(p: Any, batch: Any) -> Any:
        features, y = batch
        z = network(p["table"][features["ids"]], features["x"], lambda h: jax.nn.relu(h @ p["k"] + p["b"]) @ p["l"] + p["c"])[
            :, 0
        ]
        return log_loss(z, y)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, batch: Any) -> Any:
        grads = jax.grad(loss)(params, batch)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    source, found = batches(rows), []
    for i in range(steps + 2):
        batch = next(source)
        begun = time.perf_counter()
        params, state = jax.block_until_ready(step(params, state, batch))
        if i >= 2:
            found.append(time.perf_counter() - begun)
    return found


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--huge", action="store_true")
    args = parser.parse_args()
    header("large tables: 26 look-ups a row, width 16, batch 512", "optax")
    for optimizer in ("Adagrad", "Ftrl"):
        slots = {"Adagrad": 1, "Ftrl": 2}[optimizer]
        median = {}
        for rows in (10_000, 1_000_000, args.largest):
            before = peak_mb()
            run = by_rows(rows, WIDTH, optimizer, True)
            took = step_times(run, rows)
            median[rows] = statistics.median(took)
            held = rows * WIDTH * 4 * (1 + slots) / 2**20
            over = max(peak_mb() - before - held, 0)
            print(
                f"  {optimizer:8} {rows:>12,} rows: {median[rows] * 1e3:7.2f} ms a step, {over:6.0f} MB over table and slots ({held:.0f} MB)"
            )
            del run
        print(
            f"  {optimizer:8} {args.largest:,} rows take x {median[args.largest] / median[10_000]:.2f} the time of 10,000   bar 1.3"
        )
        if optimizer == "Adagrad":
            dense = statistics.median(dense_times(1_000_000))
            print(
                f"  dense optax at 1,000,000 rows: {dense * 1e3:.1f} ms a step: by rows is x {dense / median[1_000_000]:.1f} faster   bar 10"
            )
    if args.huge:
        rows = 100_000_000
        run = by_rows(rows, 8, "Adagrad", True)
        took = step_times(run, rows, 30)
        print(
            f"  Adagrad  {rows:,} rows of width 8: {statistics.median(took) * 1e3:.2f} ms a step, peak {peak_mb() / 1024:.1f} GB"
        )


if __name__ == "__main__":
    main()
