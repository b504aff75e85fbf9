"""A small CNN on Fashion-MNIST with the Keras-like API.

python examples/fashion_mnist.py --data path/to/fashion-mnist
"""

from __future__ import annotations

import argparse

import numpy as np

import estimax as ex

layers = ex.layers


def build() -> ex.Model:
    """Two convolutions and a dense layer, normalised. Pooling comes first after each convolution, as the rest is then a quarter of the work."""
    return ex.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(64, 3),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )


def main(argv: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with the four files of Fashion-MNIST")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, help="train on the first rows only")
    args = parser.parse_args(argv)
    ex.set_random_seed(0)
    train, test = ex.datasets.fashion_mnist(args.data)
    (x, y), (test_x, test_y) = (
        (np.asarray(p[0], np.float32)[..., None] / 255, np.asarray(p[1], np.int32)) for p in (train, test)
    )
    x, y = x[: args.rows], y[: args.rows]

    steps = args.epochs * -(-len(x) // 128)
    model = build()
    model.compile(
        optimizer=ex.optimizers.Adam(ex.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss=ex.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x, y, batch_size=128, epochs=args.epochs, validation_data=(test_x, test_y), verbose=2)
    accuracy = model.evaluate(test_x, test_y, batch_size=500, verbose=0, return_dict=True)["accuracy"]
    print(f"test accuracy: {accuracy:.4f}")
    return float(accuracy)


if __name__ == "__main__":
    main()
