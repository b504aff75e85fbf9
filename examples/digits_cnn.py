"""A small convolutional network on scikit-learn's handwritten digits: `fit` as in Keras, then the same model as an Estimator.

    pip install scikit-learn
    python examples/digits_cnn.py

The digits come with scikit-learn, so nothing is downloaded.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np

import estimax as ex

layers = ex.layers


def digits() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """`(images, labels)` for training and for testing: 8x8 grey images, `[rows, 8, 8, 1]`, and the digits 0 to 9."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit("This example reads the digits that come with scikit-learn: pip install scikit-learn") from None
    found = load_digits()
    images = (found.images / 16.0).astype(np.float32)[..., None]
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1500], order[1500:]
    return (images[train], found.target[train]), (images[test], found.target[test])


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains a CNN on 8x8 digits.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--model-dir", help="of the estimator; a temporary folder by default")
    args = parser.parse_args()
    ex.set_random_seed(0)
    (x, y), (x_test, y_test) = digits()

    model = ex.Sequential(
        [
            ex.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=ex.optimizers.Adam(0.003),
        loss=ex.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.summary()
    history = model.fit(x, y, batch_size=64, epochs=args.epochs, validation_data=(x_test, y_test)).history
    print("accuracy on unseen digits, by epoch:", " ".join(f"{value:.3f}" for value in history["val_accuracy"]))

    # The same weights as an Estimator, which goes on training with everything that Estimators have: checkpoints, hooks, exporters.
    estimator = ex.estimator.model_to_estimator(model, model_dir=args.model_dir or tempfile.mkdtemp())

    def train_input():
        return ex.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=0).repeat().batch(64)

    def test_input():
        return ex.data.Dataset.from_tensor_slices((x_test, y_test)).batch(64)

    before = estimator.evaluate(test_input)
    after = estimator.train(train_input, steps=len(x) // 64).evaluate(test_input)
    print(f"as an estimator: accuracy {before['accuracy']:.3f}, after one more epoch {after['accuracy']:.3f}")
    print("checkpoint:", estimator.latest_checkpoint())


if __name__ == "__main__":
    main()
