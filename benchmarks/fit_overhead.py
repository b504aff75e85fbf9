"""`Model.fit` of a small MLP, batch 64, against a bare jitted loop over the same arrays.

python benchmarks/fit_overhead.py
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from measure import header, interleaved, line, ratio, spread

import estimax as ex

ROWS, BATCH = 64_000, 64


def main() -> None:
    header("fit of a small MLP (20-64-64-1), batch 64", "optax")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 20)).astype(np.float32)
    y = x.sum(1, keepdims=True).astype(np.float32)
    layers = ex.layers
    model = ex.Sequential([layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")

    keys = jax.random.split(jax.random.key(0), 3)
    sizes = [(20, 64), (64, 64), (64, 1)]
    params: Any = [(jax.random.normal(k, s) * 0.1, jnp.zeros(s[1])) for k, s in zip(keys, sizes)]
    tx = optax.adam(1e-3)

    def loss(params: Any, x: Any, y: Any) -> Any:
        for i, (w, b) in enumerate(params):
            x = x @ w + b
            x = jax.nn.relu(x) if i < 2 else x
        return jnp.mean((x - y) ** 2)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    held = {"params": params, "state": tx.init(params)}

    def bare() -> None:
        order = rng.permutation(ROWS)
        p, s = held["params"], held["state"]
        for i in range(0, ROWS, BATCH):
            rows = order[i : i + BATCH]
            p, s, _ = step(p, s, x[rows], y[rows])
        jax.block_until_ready(p)
        held["params"], held["state"] = p, s

    took = interleaved({"bare": bare, "fit": lambda: model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)}, rounds=7)
    steps = ROWS // BATCH
    ours, reference = spread(took["fit"], 1e6 / steps, " us/step"), spread(took["bare"], 1e6 / steps, " us/step")
    line("fit", ours, f"bare loop {reference}", ratio(took["bare"], took["fit"]), "bar 1.0")


if __name__ == "__main__":
    main()
