"""Training of large embedding tables by rows: step time against table size, and against dense optax updates; peak memory.

    python benchmarks/large_tables.py [--largest 10000000] [--huge]

26 look-ups a row into one table of width 16, batch 512, Adagrad and FTRL. The model says nothing about sparsity: the engine finds the
look-ups. Sizes are timed in turns, after the tables have been moved into large pages. `--huge` trains 100 million rows of width 8.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from measure import header, line, ratio, spread

import estimax as ex
from estimax import core
from estimax.training import Outputs, Program, Run, TrainOp

BATCH, LOOKUPS, WIDTH = 512, 26, 16
SLOTS = {"Adagrad": 1, "Ftrl": 2}  # arrays beside the table


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


def block(run: Run, source: Any, steps: int = 10) -> float:
    """Seconds a step, over a block of steps."""
    ready = [next(source) for _ in range(steps)]
    jax.block_until_ready(run.state.params)
    begun = time.perf_counter()
    run.train(ready)
    jax.block_until_ready(run.state.params)
    return (time.perf_counter() - begun) / steps


def warm_up(run: Run, source: Any) -> None:
    """Compiles, and waits until large tables lie in large pages."""
    run.train(source, steps=10)
    for thread in threading.enumerate():
        if thread.name == "estimax-huge-pages":
            thread.join()


def dense_step(rows: int) -> Callable[[Any], float]:
    """The same network with a dense gradient and optax: a function that takes a step and says how long it took."""
    params = {
        "table": jnp.zeros((rows, WIDTH)), "k": jax.random.normal(jax.random.key(0), (LOOKUPS * WIDTH + 13, 64)) * 0.05, "b": jnp.zeros(64),
        "l": jax.random.normal(jax.random.key(1), (64, 1)) * 0.1, "c": jnp.zeros(1),
    }  # fmt: skip
    tx = optax.adagrad(0.05)
    held = [params, tx.init(params)]

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

    def timed(batch: Any) -> float:
        begun = time.perf_counter()
        held[:] = jax.block_until_ready(step(*held, batch))
        return time.perf_counter() - begun

    return timed


def peak_mb() -> float:
    """The most memory this process ever had. (`ru_maxrss` would be that of the parent, if that had more.)"""
    with open("/proc/self/status") as f:
        return next(int(row.split()[1]) for row in f if row.startswith("VmHWM")) / 1024


def memory(rows: int, width: int, optimizer: str) -> None:
    """Trains a few steps and prints the peak of this process, in MB."""
    run, source = by_rows(rows, width, optimizer, True), batches(rows)
    run.train(source, steps=10)
    print(peak_mb())


def peak_in_process(*arguments: Any) -> float:
    """What `memory` prints in a process of its own."""
    command = [sys.executable, __file__, "--memory", *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def compare(optimizer: str, sizes: tuple[int, ...], rounds: int) -> None:
    """Times tables of several sizes in turns, the dense step beside them."""
    runs = {rows: by_rows(rows, WIDTH, optimizer, True) for rows in sizes}
    sources = {rows: batches(rows) for rows in sizes}
    for rows in sizes:
        warm_up(runs[rows], sources[rows])
    dense, dense_source = (dense_step(1_000_000), batches(1_000_000)) if optimizer == "Adagrad" else (None, None)
    took: dict[Any, list[float]] = {rows: [] for rows in (*sizes, "dense")}
    for _ in range(rounds):
        for rows in sizes:
            took[rows].append(block(runs[rows], sources[rows]))
        if dense is not None:
            took["dense"].append(min(dense(next(dense_source)) for _ in range(2)))
    for rows in sizes:
        line(f"{optimizer}, {rows:,} rows", spread(took[rows], 1e3, " ms a step"))
    smallest, largest = sizes[0], sizes[-1]
    growth = statistics.median(b / a for a, b in zip(took[smallest], took[largest]))
    line(f"{optimizer}, {largest:,} rows against {smallest:,}", f"x {growth:.2f} the time", bar="bar 1.3")
    if dense is not None:
        line(
            "dense optax, 1,000,000 rows",
            spread(took["dense"], 1e3, " ms a step"),
            "",
            ratio(took["dense"], took[1_000_000]),
            "bar 10",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--optimizers", nargs="+", default=["Adagrad", "Ftrl"])
    parser.add_argument("--huge", action="store_true", help="train 100 million rows of width 8, and nothing else")
    parser.add_argument("--memory", nargs=3, metavar=("ROWS", "WIDTH", "OPTIMIZER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        return memory(int(args.memory[0]), int(args.memory[1]), args.memory[2])
    header("large tables: 26 look-ups a row, width 16, batch 512", "optax")
    if args.huge:
        rows = 100_000_000
        run, source = by_rows(rows, 8, "Adagrad", True), batches(rows)
        warm_up(run, source)
        took = [block(run, source) for _ in range(args.rounds)]
        line(
            f"Adagrad, {rows:,} rows of width 8",
            spread(took, 1e3, " ms a step"),
            f"peak {peak_mb() / 1024:.1f} GB",
            bar="bar 24 GB",
        )
        return None
    for optimizer in args.optimizers:
        compare(optimizer, (10_000, 1_000_000, args.largest), args.rounds)
        base = peak_in_process(10_000, WIDTH, optimizer)
        held = (args.largest - 10_000) * WIDTH * 4 * (1 + SLOTS[optimizer]) / 2**20
        over = peak_in_process(args.largest, WIDTH, optimizer) - base - held
        line(f"{optimizer}, peak memory over table and slots", f"{over:.0f} MB (of {base:.0f} + {held:.0f} MB)", bar="bar 100 MB")
    return None


if __name__ == "__main__":
    main()
