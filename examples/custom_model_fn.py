"""Two model functions for one job: with estimax's layers and a head, and in plain JAX with variables of its own.

    python examples/custom_model_fn.py

Both give an `EstimatorSpec` in each mode and are trained, evaluated and asked for predictions by the same `Estimator`.
"""

from __future__ import annotations

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import estimax as ex

fc, layers = ex.feature_columns, ex.layers
Spec, ModeKeys = ex.estimator.EstimatorSpec, ex.estimator.ModeKeys


def with_layers(features, labels, mode, params):
    """A network over feature columns; the head knows loss, metrics and predictions of a binary class."""
    net = fc.DenseFeatures(params["columns"])(features)
    for units in params["hidden_units"]:
        net = layers.Dense(units, activation="relu")(net)
        net = layers.Dropout(0.1)(net)  # drops in mode TRAIN alone
    logits = layers.Dense(1)(net)
    head = ex.estimator.BinaryClassHead()
    return head.create_estimator_spec(features, mode, logits, labels, optimizer=ex.optimizers.Adam(0.01))


def in_plain_jax(features, labels, mode):
    """The same by hand: any JAX function of the features will do; a `Variable` keeps what is to be learned."""
    colors = ex.Variable(jnp.zeros((3,)), name="colors")
    hidden = ex.Variable(0.5 * jax.random.normal(jax.random.key(0), (1, 16)), name="hidden")
    shift = ex.Variable(jnp.linspace(-2.0, 2.0, 16), name="shift")
    output = ex.Variable(jnp.zeros((16,)), name="output")
    # Strings cannot enter XLA. A column turns them into one-hot rows on the way in.
    color = fc.DenseFeatures([fc.indicator_column(COLOR)])(features)
    size = jnp.reshape(features["size"], (-1, 1))
    logits = color @ colors.value + jnp.tanh(size @ hidden.value + shift.value) @ output.value

    probabilities = jax.nn.sigmoid(logits)
    if mode == ModeKeys.PREDICT:
        return Spec(mode, predictions={"probability": probabilities})
    loss = jnp.mean(jnp.logaddexp(0.0, logits) - labels * logits)  # cross entropy of a binary class
    if mode == ModeKeys.EVAL:
        accuracy = ex.metrics.BinaryAccuracy(name="accuracy")
        accuracy.update_state(labels, probabilities)
        return Spec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})
    return Spec(mode, loss=loss, train_op=ex.optimizers.Adam(0.03).minimize(loss))


COLOR = fc.categorical_column_with_vocabulary_list("color", ["red", "green", "blue"])


def rows(count: int, seed: int) -> tuple[dict, np.ndarray]:
    """Things of some color and size; those of a middle size are wanted, red ones a little larger."""
    rng = np.random.default_rng(seed)
    color, size = rng.integers(0, 3, count), rng.normal(0.0, 2.0, count).astype(np.float32)
    labels = np.abs(size - (color == 0)) < 1.5
    return {"color": np.array(["red", "green", "blue"])[color], "size": size}, labels.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains two model functions on the same rows.")
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    train, test = rows(10_000, seed=0), rows(1_000, seed=1)

    def train_input():
        return ex.data.Dataset.from_tensor_slices(train).shuffle(10_000, seed=0).repeat().batch(100)

    def test_input():
        return ex.data.Dataset.from_tensor_slices(test).batch(300)

    columns = [fc.indicator_column(COLOR), fc.numeric_column("size")]
    params = {"columns": columns, "hidden_units": [32, 16]}
    for estimator in (ex.estimator.Estimator(with_layers, params=params), ex.estimator.Estimator(in_plain_jax)):
        metrics = estimator.train(train_input, max_steps=args.steps).evaluate(test_input)
        name = next(n for n in estimator.get_variable_names() if n.endswith("kernel") or n == "hidden")
        print(f"accuracy {metrics['accuracy']:.3f}, loss {metrics['loss']:.3f}; one of its variables: {name}")
        print("   first prediction:", next(estimator.predict(test_input)))


if __name__ == "__main__":
    main()
