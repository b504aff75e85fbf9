"""Wide & deep on census rows: rows a second from raw strings in memory and from CSV, against hand-written JAX + optax.

    python benchmarks/wide_deep.py --data FOLDER_WITH_ADULT_DATA

The reference is a jitted one-step-at-a-time loop over arrays that were encoded beforehand; estimax starts from raw strings.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from measure import header, interleaved, line, ratio, spread

import estimax as ex

fc = ex.feature_columns
NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
WORDS = ["workclass", "education", "marital_status", "occupation", "relationship", "race", "sex", "native_country"]
AGES = [18, 25, 30, 35, 40, 45, 50, 55, 60, 65]
INDICATORS = ["workclass", "education", "marital_status", "relationship", "race", "sex"]
CROSSES = {"education_X_occupation": 1000, "age_X_education_X_occupation": 1000, "native_country_X_occupation": 1000}


def load(data: str | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    columns = dict(ex.datasets.census(data)[0])
    labels = (np.asarray(columns.pop("income")) == ">50K").astype(np.float32)
    return {k: np.asarray(columns[k]) for k in NUMBERS + WORDS}, labels


class Hand:
    """The hand-written rival: encodes once, then steps."""

    def __init__(self, columns: dict[str, np.ndarray], labels: np.ndarray, batch: int):
        vocabulary = {k: sorted(set(columns[k])) for k in WORDS}
        ids = {k: np.searchsorted(vocabulary[k], columns[k]) for k in WORDS}
        ids["ages"] = np.digitize(columns["age"], AGES)
        ids["c1"] = (ids["education"] * 16 + ids["occupation"]) % 1000
        ids["c2"] = (ids["ages"] * 300 + ids["education"] * 16 + ids["occupation"]) % 1000
        ids["c3"] = (ids["native_country"] * 16 + ids["occupation"]) % 1000
        self.names = list(ids)
        sizes = {**{k: len(v) for k, v in vocabulary.items()}, "ages": len(AGES) + 1, "c1": 1000, "c2": 1000, "c3": 1000}
        numbers = np.stack([columns[k] for k in NUMBERS], 1).astype(np.float32)
        self.numbers = (numbers - numbers.mean(0)) / numbers.std(0)
        self.ids = np.stack([ids[k] for k in self.names], 1).astype(np.int32)
        self.labels, self.batch = labels, batch
        width = len(NUMBERS) + sum(sizes[k] for k in INDICATORS) + 16
        key = jax.random.split(jax.random.key(0), 3)
        deep = {
            "k1": jax.random.normal(key[0], (width, 100)) * 0.1, "b1": jnp.zeros(100), "k2": jax.random.normal(key[1], (100, 50)) * 0.1,
            "b2": jnp.zeros(50), "k3": jax.random.normal(key[2], (50, 1)) * 0.1, "b3": jnp.zeros(1),
            "e1": jnp.full((sizes["occupation"], 8), 0.1), "e2": jnp.full((sizes["native_country"], 8), 0.1),
        }  # fmt: skip
        self.params: Any = {"deep": deep, "wide": {**{k: jnp.zeros((sizes[k], 1)) for k in self.names}, "bias": jnp.zeros(1)}}
        tx = optax.multi_transform({"d": optax.adagrad(0.05), "w": optax.adagrad(0.05)}, {"deep": "d", "wide": "w"})
        self.state: Any = tx.init(self.params)

        def loss(params: Any, x: Any, ids: Any, y: Any) -> Any:
            column = {k: ids[:, i] for i, k in enumerate(self.names)}
            d = params["deep"]
            one_hot = [jax.nn.one_hot(column[k], sizes[k]) for k in INDICATORS]
            h = jnp.concatenate([x, *one_hot, d["e1"][column["occupation"]], d["e2"][column["native_country"]]], 1)
            h = jax.nn.relu(h @ d["k1"] + d["b1"])
            h = jax.nn.relu(h @ d["k2"] + d["b2"])
            z = (h @ d["k3"] + d["b3"])[:, 0] + params["wide"]["bias"][0]
            for k in self.names:
                z = z + params["wide"][k][column[k], 0]
            return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(params: Any, state: Any, x: Any, ids: Any, y: Any) -> Any:
            value, grads = jax.value_and_grad(loss)(params, x, ids, y)
            updates, state = tx.update(grads, state, params)
            return optax.apply_updates(params, updates), state, value

        self.step = step

    def train(self, steps: int) -> None:
        rng = np.random.default_rng(0)
        order, at = rng.permutation(len(self.labels)), 0
        for _ in range(steps):
            if at + self.batch > len(order):
                order, at = rng.permutation(len(self.labels)), 0
            rows = order[at : at + self.batch]
            at += self.batch
            self.params, self.state, _ = self.step(self.params, self.state, self.numbers[rows], self.ids[rows], self.labels[rows])
        jax.block_until_ready(self.params)


def estimator(columns: dict[str, np.ndarray]) -> Any:
    stats = {k: (float(columns[k].mean()), float(columns[k].std())) for k in NUMBERS}

    def scale(mean: float, std: float) -> Any:
        return lambda x: (x - mean) / std

    words = {k: fc.categorical_column_with_vocabulary_list(k, sorted(set(columns[k]))) for k in WORDS}
    ages = fc.bucketized_column(fc.numeric_column("age"), AGES)
    crosses = [["education", "occupation"], [ages, "education", "occupation"], ["native_country", "occupation"]]
    deep = [fc.numeric_column(k, normalizer_fn=scale(*stats[k])) for k in NUMBERS]
    deep += [fc.indicator_column(words[k]) for k in INDICATORS]
    deep += [fc.embedding_column(words[k], 8) for k in ("occupation", "native_country")]
    return ex.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=[*words.values(), ages, *(fc.crossed_column(c, 1000) for c in crosses)],
        dnn_feature_columns=deep,
        dnn_hidden_units=[100, 50],
        config=ex.estimator.RunConfig(model_dir=tempfile.mkdtemp(), save_checkpoints_steps=10**9, log_step_count_steps=None),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--rows", type=int, default=400_000, help="rows a timed run")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    header("wide & deep, census", "optax")
    columns, labels = load(args.data)
    csv = Path(tempfile.mkdtemp()) / "train.csv"
    with open(csv, "w") as f:
        f.write(",".join([*columns, "label"]) + "\n")
        f.writelines(",".join(map(str, row)) + "\n" for row in zip(*columns.values(), labels.astype(int)))
    for batch, bar in ((128, "bar 1.1"), (1024, "bar 0.95")):
        steps = args.rows // batch
        hand, ours, from_csv = Hand(columns, labels, batch), estimator(columns), estimator(columns)
        memory = (
            ex.data.Dataset.from_tensor_slices((columns, labels.astype(np.int32)))
            .shuffle(len(labels), seed=1)
            .repeat()
            .batch(batch)
        )
        stream = ex.data.make_csv_dataset(str(csv), batch, label_name="label", shuffle=True, shuffle_buffer_size=10_000)

        def train(model: Any, data: Any, steps: int = steps) -> None:
            model.train(lambda: data, steps=steps)
            jax.block_until_ready(model._state.params)

        took = interleaved(
            {
                "hand": lambda h=hand, n=steps: h.train(n),
                "memory": lambda m=ours, d=memory, t=train: t(m, d),
                "csv": lambda m=from_csv, d=stream, t=train: t(m, d),
            },
            rounds=args.rounds,
        )
        rows = {k: [steps * batch / s for s in v] for k, v in took.items()}
        reference = f"by hand {spread(rows['hand'], 1e-3, ' k rows/s')}"
        line(
            f"batch {batch}, raw strings in memory",
            spread(rows["memory"], 1e-3, " k rows/s"),
            reference,
            ratio(took["hand"], took["memory"]),
            bar,
        )
        line(
            f"batch {batch}, CSV", spread(rows["csv"], 1e-3, " k rows/s"), reference, ratio(took["hand"], took["csv"]), "bar 0.6"
        )


if __name__ == "__main__":
    main()
