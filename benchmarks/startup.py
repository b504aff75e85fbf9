"""What starting costs: the import over `import jax`, and the time to the first step.

python benchmarks/startup.py
"""

from __future__ import annotations

import subprocess
import sys

from measure import header, interleaved, line, spread

STEP = """
import numpy as np, estimax as ex
layers = ex.layers
model = ex.Sequential([layers.Dense(64, activation="relu"), layers.Dense(10)])
model.compile(optimizer="adam", loss=ex.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(np.ones((64, 20), "float32"), np.zeros(64, "int32"), verbose=0)
"""
BARE = """
import numpy as np, jax, jax.numpy as jnp, optax
p = {"a": jnp.ones((20, 64)), "b": jnp.zeros(64), "c": jnp.ones((64, 10)), "d": jnp.zeros(10)}
tx = optax.adam(1e-3); s = tx.init(p)
def loss(p, x, y):
    z = jax.nn.relu(x @ p["a"] + p["b"]) @ p["c"] + p["d"]
    return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()
@jax.jit
def step(p, s, x, y):
    v, g = jax.value_and_grad(loss)(p, x, y); u, s = tx.update(g, s, p); return optax.apply_updates(p, u), s, v
step(p, s, np.ones((64, 20), "float32"), np.zeros(64, "int32"))[2].block_until_ready()
"""


def process(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def main() -> None:
    header("startup, each in a process of its own", "optax")
    took = interleaved(
        {
            "jax": lambda: process("import jax, jax.numpy"),
            "estimax": lambda: process("import estimax"),
            "bare step": lambda: process(BARE),
            "first step": lambda: process(STEP),
        },
        rounds=5,
    )
    over = sorted(e - j for e, j in zip(took["estimax"], took["jax"]))
    line(
        "import estimax over import jax",
        f"{over[len(over) // 2]:.3f} s [{over[0]:.3f} .. {over[-1]:.3f}]",
        "",
        None,
        "bar 0.25 s",
    )
    line(
        "process to the end of the first fit",
        spread(took["first step"], 1, " s"),
        f"JAX + optax {spread(took['bare step'], 1, ' s')}",
    )


if __name__ == "__main__":
    main()
