"""The whole main job in one page: raw strings and numbers in, a trained, evaluated, exported and served model out.

    python examples/quickstart.py

Will a customer renew? The rows are made up below, so nothing is downloaded.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
from rich.console import Console
from rich.table import Table

import estimax as ex

fc = ex.feature_columns

PLANS = ["free", "basic", "family", "business"]
CITIES = ["Oslo", "Lagos", "Lima", "Kyoto", "Quito", "Turin", "Perth", "Cairo"]


def customers(rows: int, seed: int) -> tuple[dict, np.ndarray]:
    """`(features, labels)`: columns of strings and numbers, and whether each customer renewed."""
    rng = np.random.default_rng(seed)
    plan, city = rng.integers(0, len(PLANS), rows), rng.integers(0, len(CITIES), rows)
    age, minutes = rng.integers(18, 80, rows), rng.gamma(2.0, 40.0, rows)
    # Some plans suit some cities: what a cross finds. The young and the old renew: what buckets and a network find.
    score = 1.5 * np.sin(3.0 * plan + 5.0 * city) + 0.02 * (minutes - 80) + 0.002 * (age - 45.0) ** 2 - 0.8
    features = {
        "plan": np.array(PLANS)[plan],
        "city": np.array(CITIES)[city],
        "age": age.astype(np.float32),
        "minutes": minutes.astype(np.float32),
    }
    return features, (score + rng.logistic(0.0, 0.5, rows) > 0).astype(np.int32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains, evaluates, exports and serves a wide & deep model.")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--model-dir", help="where checkpoints, event files and exports go; a temporary folder by default")
    args = parser.parse_args()
    train, test = customers(args.rows, seed=0), customers(2_000, seed=1)

    plan = fc.categorical_column_with_vocabulary_list("plan", PLANS)
    city = fc.categorical_column_with_hash_bucket("city", 100)
    age, minutes = fc.numeric_column("age"), fc.numeric_column("minutes", normalizer_fn=lambda x: x / 100.0)
    ages = fc.bucketized_column(age, [25, 35, 45, 55, 65])
    model = ex.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=[plan, city, ages, fc.crossed_column(["plan", "city"], 200)],
        dnn_feature_columns=[fc.indicator_column(plan), fc.embedding_column(city, 4), fc.indicator_column(ages), minutes],
        dnn_hidden_units=[32, 16],
        linear_optimizer=ex.optimizers.Ftrl(0.1),
        dnn_optimizer=ex.optimizers.Adagrad(0.1),
        config=ex.estimator.RunConfig(model_dir=args.model_dir or tempfile.mkdtemp(), tf_random_seed=1),
    )

    def train_input():
        return ex.data.Dataset.from_tensor_slices(train).shuffle(args.rows, seed=1).repeat().batch(128)

    def test_input():
        return ex.data.Dataset.from_tensor_slices(test).batch(500)

    rows = {name: column[:3] for name, column in test[0].items()}
    serving_input = ex.estimator.export.build_raw_serving_input_receiver_fn(rows)
    metrics, _ = ex.estimator.train_and_evaluate(
        model,
        ex.estimator.TrainSpec(train_input, max_steps=args.steps),
        ex.estimator.EvalSpec(test_input, steps=None),
    )
    table = Table("metric", "value", title="unseen customers")
    for name, value in sorted(metrics.items()):
        table.add_row(name, f"{value:.4g}")
    Console().print(table)

    path = model.export_saved_model(f"{model.model_dir}/export", serving_input)
    predictor = ex.export.load(path)  # needs neither the columns above nor any other code of the model
    for renews, *row in zip(predictor(rows)["probabilities"][:, 1], *rows.values()):
        print(f"P(renews) = {renews:.2f} for {row[0]}, {row[1]}, age {row[2]:.0f}, {row[3]:.0f} minutes")
    print("exported to", path)


if __name__ == "__main__":
    main()
