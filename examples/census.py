"""Wide & deep on UCI Adult: raw strings and numbers in, an exported model out.

    python examples/census.py --data path/to/census

Trains a DNNLinearCombinedClassifier with `train_and_evaluate`, prints the metrics on `adult.test`, exports the model and serves three raw
rows from the export. Without `--data` the files are downloaded, checked and cached. Killed and started again with the same
`--model-dir`, it goes on where it was and ends with the same weights.
"""

from __future__ import annotations

import argparse
import tempfile

import jax.numpy as jnp
import numpy as np

import estimax as ex

fc = ex.feature_columns

NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
WORDS = ["workclass", "education", "marital_status", "occupation", "relationship", "race", "sex", "native_country"]


def load(data: str | None) -> tuple[tuple[dict, np.ndarray], tuple[dict, np.ndarray]]:
    """`(features, labels)` of training and test rows: columns as they are in the files."""
    parts = []
    for columns in ex.datasets.census(data):
        columns = dict(columns)
        labels = (np.asarray(columns.pop("income")) == ">50K").astype(np.int32)
        parts.append(({k: columns[k] for k in NUMBERS + WORDS}, labels))
    return parts[0], parts[1]


def columns(train: dict) -> tuple[list, list]:
    """Columns of the linear model (wide) and of the network (deep)."""

    def scale(key: str):
        # Money is spread over five powers of ten: its logarithm is what the network can read.
        values = np.log1p(train[key]) if key.startswith("capital") else train[key]
        mean, std, log = float(np.mean(values)), float(np.std(values)), key.startswith("capital")
        return lambda x: ((jnp.log1p(x) if log else x) - mean) / std

    words = {k: fc.categorical_column_with_vocabulary_list(k, sorted(set(train[k]))) for k in WORDS}
    ages = fc.bucketized_column(fc.numeric_column("age"), [18, 25, 30, 35, 40, 45, 50, 55, 60, 65])
    hours = fc.bucketized_column(fc.numeric_column("hours_per_week"), [20, 35, 39, 41, 50, 60])
    gains = fc.bucketized_column(fc.numeric_column("capital_gain"), [1, 3000, 5000, 7000, 10000, 20000])
    losses = fc.bucketized_column(fc.numeric_column("capital_loss"), [1, 1500, 1800, 1950, 2200])
    wide = [
        *words.values(), ages, hours, gains, losses,
        fc.crossed_column(["education", "occupation"], 1000),
        fc.crossed_column([ages, "education", "occupation"], 1000),
        fc.crossed_column(["marital_status", "sex", "occupation"], 1000),
    ]  # fmt: skip
    deep = [fc.numeric_column(k, normalizer_fn=scale(k)) for k in NUMBERS]
    deep += [fc.indicator_column(c) for k, c in words.items() if k != "native_country"]
    deep += [fc.indicator_column(c) for c in (ages, hours, gains, losses)]
    deep += [fc.embedding_column(words["native_country"], 8), fc.embedding_column(words["occupation"], 8)]
    return wide, deep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with adult.data and adult.test")
    parser.add_argument("--model-dir", help="where checkpoints, events and exports go; a temporary folder by default")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--checkpoint-steps", type=int, default=1000)
    parser.add_argument("--reference", action="store_true", help="tf.estimator's default optimizers, instead of tuned ones")
    args = parser.parse_args()

    train, test = load(args.data)
    wide, deep = columns(train[0])
    schedule = ex.optimizers.schedules.CosineDecay(0.05, args.steps)
    tuned = {"dnn_optimizer": ex.optimizers.legacy.Adagrad(schedule), "dnn_dropout": 0.2}
    tuned["linear_optimizer"] = ex.optimizers.legacy.Ftrl(0.02, l2_regularization_strength=0.5)
    model = ex.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=wide,
        dnn_feature_columns=deep,
        dnn_hidden_units=[100, 50],
        config=ex.estimator.RunConfig(
            model_dir=args.model_dir or tempfile.mkdtemp(), tf_random_seed=1, save_checkpoints_steps=args.checkpoint_steps
        ),
        **({} if args.reference else tuned),
    )

    def train_input():
        return ex.data.Dataset.from_tensor_slices(train).shuffle(len(train[1]), seed=1).repeat().batch(args.batch_size)

    def test_input():
        return ex.data.Dataset.from_tensor_slices(test).batch(1024)

    metrics, _ = ex.estimator.train_and_evaluate(
        model,
        ex.estimator.TrainSpec(train_input, max_steps=args.steps),
        ex.estimator.EvalSpec(test_input, steps=None, throttle_secs=600),
    )
    for name, value in sorted((metrics or model.evaluate(test_input)).items()):
        print(f"{name:24} {value:.4f}")

    rows = {k: v[:3] for k, v in test[0].items()}
    receiver = ex.estimator.export.build_raw_serving_input_receiver_fn(rows)
    path = model.export_saved_model(f"{model.model_dir}/export", receiver)
    predictor = ex.export.load(path)
    for label, p in zip(test[1], predictor(rows)["probabilities"][:, 1]):
        print(f"P(income > 50K) = {p:.3f}, truth: {label}")
    print("exported to", path)


if __name__ == "__main__":
    main()
